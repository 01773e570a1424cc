"""Deadlines by key, for models whose state waits for a time. Pure.

The host asks for the next deadline every turn, so that must not cost a search: an agenda answers.
"""

from __future__ import annotations

from itertools import takewhile

from coordination.runtime.agenda import Agenda


class Deadlines:
    """When each key is due; derived from a model's state and rebuilt on restore.

    Complexity: `set` and `clear` O(log n) amortised; `next_ms` O(1); `due` O(k log k) for the k heap
    entries up to the time asked for. Memory at most about twice the keys held.
    """

    def __init__(self) -> None:
        self._agenda = Agenda()

    def __len__(self) -> int:
        return len(self._agenda)

    def set(self, key: str, due_ms: int) -> None:
        """Let `key` be due at `due_ms`, and at no other time."""
        self._agenda.put(key, (due_ms,))

    def clear(self, key: str) -> None:
        """Let `key` not be due at all; idempotent."""
        self._agenda.drop(key)

    def next_ms(self) -> int | None:
        """The earliest deadline; None when there is none."""
        first = self._agenda.first()
        return first[0][0] if first is not None else None

    def due(self, now_ms: int) -> list[str]:
        """The keys due at `now_ms` or before, earliest first, equal times by key; changes nothing."""
        until_now = takewhile(lambda entry: entry[0][0] <= now_ms, self._agenda.in_order())
        return [key for _, key in until_now]
