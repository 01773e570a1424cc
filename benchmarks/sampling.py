"""Where the CPU time of a process goes: its call stack, sampled by CPU time.

At most once per millisecond; the kernel's tick may make it four. Not cProfile: it slows every call, so
that small functions look dear, and it counts the time that others had the machine. What C code does counts
for the Python function that called it.
"""

from __future__ import annotations

import contextlib
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

INTERVAL_S: Final = 0.001
_PROJECT: Final = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def sampled(file: Path) -> Iterator[None]:
    """Sample this process for the length of the block, then write what was seen to `file`."""
    own: Counter[CodeType] = Counter()
    total: Counter[CodeType] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        if frame is not None:
            own[frame.f_code] += 1
        on_stack: set[CodeType] = set()
        while frame is not None:
            on_stack.add(frame.f_code)
            frame = frame.f_back
        total.update(on_stack)

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    rows = [(_name(code), own[code], count) for code, count in total.items()]
    file.write_text(json.dumps({"samples": own.total(), "functions": rows}), encoding="utf-8")


def show(file: Path, *, us_per_command: float, count: int) -> None:
    """Print the `count` functions with the most time of their own, as shares of what a command costs."""
    seen = json.loads(file.read_text(encoding="utf-8"))
    us_per_sample = us_per_command / max(seen["samples"], 1)
    print(f"  {seen['samples']} samples, {us_per_command:.1f} us of CPU per command")
    print(f"  {'own us':>8} {'with callees':>13}  function")
    for name, own, total in sorted(seen["functions"], key=lambda row: row[1], reverse=True)[:count]:
        print(f"  {own * us_per_sample:8.2f} {total * us_per_sample:13.2f}  {name}")


def _name(code: CodeType) -> str:
    path = Path(code.co_filename)
    inside = path.relative_to(_PROJECT) if path.is_relative_to(_PROJECT) else path
    return f"{'/'.join(inside.parts[-3:])}:{code.co_firstlineno} {code.co_qualname}"
