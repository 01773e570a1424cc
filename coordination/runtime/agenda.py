"""What comes next: ids ordered by a key, kept in a heap with lazy deletion. Pure.

Complexity: `put` and `drop` O(log n) amortised, `first` O(1), reading the first k in order
O(k log k) without changing anything, so that a decision may look ahead.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

Key = tuple[int, ...]
_MIN_HEAP_COUNT: Final = 64
"""Below this size a heap is not worth rebuilding."""


class Agenda:
    """Ids, each under one key; the smallest key is first.

    Invariants: the root of the heap is alive; beyond a constant size, dead entries are at most as many
    as living ones.
    """

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._heap: list[tuple[Key, str]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, item: str, key: Key) -> None:
        """Set the key of `item`."""
        known = self._keys.get(item)
        if known == key:
            return
        self._keys[item] = key
        heapq.heappush(self._heap, (key, item))
        if known is not None:  # else nothing has died
            self._tidy()

    def drop(self, item: str) -> None:
        """Remove `item` if it is there."""
        if self._keys.pop(item, None) is not None:
            self._tidy()

    def first(self) -> tuple[Key, str] | None:
        """The smallest key and its id; None when empty."""
        return self._heap[0] if self._heap else None

    def in_order(self) -> Iterator[tuple[Key, str]]:
        """Keys and ids, smallest first; the agenda must not change meanwhile."""
        # Best-first walk down the heap: a child is never smaller than its parent.
        frontier = [(self._heap[0], 0)] if self._heap else []
        last: tuple[Key, str] | None = None
        while frontier:
            entry, index = heapq.heappop(frontier)
            for child in (2 * index + 1, 2 * index + 2):
                if child < len(self._heap):
                    heapq.heappush(frontier, (self._heap[child], child))
            # An id put back under an earlier key stands in the heap twice, side by side in order.
            if self._alive(entry) and entry != last:
                last = entry
                yield entry

    def _alive(self, entry: tuple[Key, str]) -> bool:
        key, item = entry
        return self._keys.get(item) == key

    def _tidy(self) -> None:
        heap, keys = self._heap, self._keys
        if len(heap) > _MIN_HEAP_COUNT and len(heap) > 2 * len(keys):
            self._heap = heap = [(key, item) for item, key in keys.items()]
            heapq.heapify(heap)
        while heap and keys.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
