"""What decisions have found out about records, kept until it is applied: so it is worked out once. Pure.

`evolve` and `submitted` are pure functions: an event, the very same object, has the same outcome for the very
same record whenever one asks. A replay, which has nothing foreseen, comes to equal records.
"""

from __future__ import annotations

from typing import Any

from coordination.tasks.record import Task


class Foresight:
    """Outcomes of the events of one decision, by the identity of event and record."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Task | None, Task]] = {}
        """Event, record before and record after; by ``id`` of the event, which cannot be another's meanwhile,
        because the event is held here."""

    def begin(self) -> None:
        """A new decision begins: what was foreseen and has not happened by now never will."""
        self._known.clear()

    def note(self, event: Any, before: Task | None, after: Task) -> None:
        """`event` will turn `before` into `after`; None: there was no such task."""
        self._known[id(event)] = event, before, after

    def take(self, event: Any, before: Task | None) -> Task | None:
        """The record after `event`, which happens to `before` now; None if that is not known."""
        known = self._known.pop(id(event), None)
        return known[2] if known is not None and known[0] is event and known[1] is before else None
