"""How much of the machine's processors this process may use."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_OWN_GROUP: Final = Path("/proc/self/cgroup")
_GROUPS: Final = Path("/sys/fs/cgroup")


def usable_cores(own_group: Path = _OWN_GROUP, groups: Path = _GROUPS) -> int:
    """Cores that this process may run on, or the smaller number that its control group pays for; at least 1.

    Args:
        own_group: Which control groups we are in, as the kernel says it (cgroup v2; v1 is not looked at).
        groups: Where their limits stand.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min([cores, *_quotas(own_group, groups)]))


def _quotas(own_group: Path, groups: Path) -> Iterator[int]:
    """Cores that our control group and those around it may use; nothing where there is no limit."""
    try:
        lines = own_group.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return  # not Linux, or /proc is not there
    for line in lines:
        if line.startswith("0::/"):
            group = PurePosixPath(line.removeprefix("0::/"))
            for each in (group, *group.parents):
                yield from _quota(groups / each / "cpu.max")


def _quota(limit: Path) -> Iterator[int]:
    """What ``cpu.max`` says: microseconds of CPU time, or "max", in each period of so many."""
    try:
        quota, period = limit.read_text(encoding="utf-8").split()
        yield math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return  # no limit
