"""How often a process that serves looks for cyclic garbage.

``conclave up``, ``conclave serve`` and `Agent.serve` do it; a program of its own that hands out thousands of
tasks may, too: ``with collecting_rarely(): asyncio.run(main())``.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

THRESHOLDS: Final = (10_000, 10, 10)
"""For `gc.set_threshold`; Python's default is (700, 10, 10)."""


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for cyclic garbage less often while the block runs.

    Requests in flight are many young objects and no cycles: by default each hundred of them start a
    search that finds nothing, which takes 7 us of a command's 50 (docs/performance.md). What garbage
    there is stays a little longer: at most 10,000 objects. An agent that works on many small tasks, and
    whoever submits them and holds their handles, save a quarter of their CPU time.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
