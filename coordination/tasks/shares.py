"""How much of what is bounded one submitter takes: so much that others find room, too. Pure.

A submitter may have four times as many of a thing as are left for everybody (dynamic thresholds: Choudhury
and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). So one alone has four fifths of all, two have four
ninths each, and whoever comes after them is served; nobody has to be told how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coordination.tasks.record import Task

SHARE: Final = 4
"""Of what is left."""
FREE_COUNT: Final = 16
"""So many everybody may have whatever is left, up to the bound."""
FREE_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Share:
    """What one submitter has."""

    open_tasks: int = 0
    open_bytes: int = 0
    open_keys: int = 0
    """Idempotency keys of open tasks."""
    dead_letters: int = 0


_NOTHING: Final = Share()


class Shares:
    """What each submitter has; those that have nothing are left out."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, Share] = {}

    def __eq__(self, other: object) -> bool:
        """Whether both know the same."""
        return isinstance(other, Shares) and self._of == other._of

    __hash__ = None  # type: ignore[assignment]  # it changes

    def of(self, submitter: str) -> Share:
        """What `submitter` has; not to be changed."""
        return self._of.get(submitter, _NOTHING)

    def open(self, task: Task, size_bytes: int) -> None:
        """A task, of which `size_bytes` count, is open now."""
        share = self._share(task)
        share.open_tasks += 1
        share.open_bytes += size_bytes
        if task.spec.idempotency_key:
            share.open_keys += 1

    def close(self, task: Task, size_bytes: int) -> None:
        """A task, of which `size_bytes` counted, is open no longer."""
        share = self._share(task)
        share.open_tasks -= 1
        share.open_bytes -= size_bytes
        if task.spec.idempotency_key:
            share.open_keys -= 1
        self._tidy(task, share)

    def bury(self, task: Task) -> None:
        """A task is a dead letter now."""
        self._share(task).dead_letters += 1

    def exhume(self, task: Task) -> None:
        """A task is no longer one: it was redriven or purged."""
        share = self._share(task)
        share.dead_letters -= 1
        self._tidy(task, share)

    def _share(self, task: Task) -> Share:
        share = self._of.get(task.submitter)
        if share is None:
            share = self._of[task.submitter] = Share()
        return share

    def _tidy(self, task: Task, share: Share) -> None:
        if not (share.open_tasks or share.dead_letters):
            del self._of[task.submitter]


def is_too_much(own: int, used: int, bound: int, *, free: int = FREE_COUNT) -> bool:
    """Whether one submitter may have no more, for the sake of the others.

    Args:
        own: What it has.
        used: What all have, it included.
        bound: What all together may have.
        free: What it may have in any case, up to the bound.
    """
    return own >= free and own > SHARE * (bound - used)


def room(own: int, used: int, bound: int, *, free: int = FREE_COUNT) -> int:
    """How much more one submitter may take before `is_too_much` holds. Arguments as there."""
    return max(0, free - own, (SHARE * (bound - used) - own) // (SHARE + 1) + 1)


def is_scarce(used: int, bound: int) -> bool:
    """Whether there is so little left that `is_too_much` may hold for anybody."""
    return used > SHARE * (bound - used)
