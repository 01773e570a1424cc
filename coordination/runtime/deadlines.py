"""Deadlines by key, for models whose state waits for a time. Pure.

The host asks for the next deadline every turn, so that must not cost a search: a heap answers, and
entries that no longer hold are dropped when they come up.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

_MIN_HEAP_COUNT: Final = 64
"""Below this size a heap is not worth rebuilding."""


class Deadlines:
    """When each key is due; derived from a model's state and rebuilt on restore.

    Complexity: `set`, `clear` and `next_ms` O(log n) amortised; `due` O(k log k) for the k heap entries
    up to the time asked for. Memory at most about twice the keys held.
    """

    def __init__(self) -> None:
        self._due_ms: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due_ms)

    def set(self, key: str, due_ms: int) -> None:
        """Let `key` be due at `due_ms`, and at no other time."""
        if self._due_ms.get(key) == due_ms:
            return
        self._due_ms[key] = due_ms
        heapq.heappush(self._heap, (due_ms, key))
        self._compact()

    def clear(self, key: str) -> None:
        """Let `key` not be due at all; idempotent."""
        self._due_ms.pop(key, None)
        self._compact()

    def next_ms(self) -> int | None:
        """The earliest deadline; None when there is none."""
        while self._heap and not self._holds(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now_ms: int) -> list[str]:
        """The keys due at `now_ms` or before, earliest first, equal times by key; changes nothing."""
        entries = {entry for entry in self._until(now_ms) if self._holds(entry)}
        return [key for _, key in sorted(entries)]

    def _until(self, now_ms: int) -> Iterator[tuple[int, str]]:
        # A child in the heap is never earlier than its parent: later subtrees need no visit.
        waiting = [0]
        while waiting:
            index = waiting.pop()
            if index < len(self._heap) and self._heap[index][0] <= now_ms:
                yield self._heap[index]
                waiting += (2 * index + 1, 2 * index + 2)

    def _holds(self, entry: tuple[int, str]) -> bool:
        due_ms, key = entry
        return self._due_ms.get(key) == due_ms

    def _compact(self) -> None:
        if len(self._heap) > max(_MIN_HEAP_COUNT, 2 * len(self._due_ms)):
            self._heap = [(due_ms, key) for key, due_ms in self._due_ms.items()]
            heapq.heapify(self._heap)
