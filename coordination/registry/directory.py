"""Finds agents: what the model looks up follows from its records and is rebuilt from them. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from coordination.registry.record import Record


class Directory:
    """All agents, by id.

    Invariants: equal to a directory built anew from the same records.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []

    def ids_after(self, after: str, limit: int) -> list[str]:
        """Up to `limit` ids that are greater than `after`, in order."""
        start = bisect_right(self._ids, after)
        return self._ids[start : start + limit]

    def replace(self, before: Record | None, after: Record | None) -> None:
        """Take over a change of one agent; None where it is not registered."""
        if before is None and after is not None:
            insort(self._ids, after.agent)
        elif before is not None and after is None:
            del self._ids[bisect_left(self._ids, before.agent)]
