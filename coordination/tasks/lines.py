"""Tasks that wait for the same kind of agent: by priority, then by fairness key, then first come. Pure.

All heaps delete lazily: an entry that counts no more is thrown away when it comes to the front, or when a
heap consists of such entries for the greater part.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from coordination.tasks.roster import Eligible

_MIN_HEAP_COUNT: Final = 64
"""Below this size a heap is not worth rebuilding."""


class Tags(Protocol):
    """What each key has been served."""

    def get(self, key: str, default: int, /) -> int:
        """The tag of `key`."""


class Manner(IntEnum):
    """How the tasks of a line get their agents; one that nobody can be asked for stands in nobody's way."""

    PLAIN = 0
    """By the strategy of the queue."""
    ASKED = 1
    """By a strategy of their own, without a call for proposals."""
    CALLED = 2
    """By a call for proposals that they ask for themselves."""
    PARTICULAR = 3
    """Each may have agents that it cannot go to."""


LineKey = tuple[str, str, str, bool, Manner]
"""Queue, requirement, capability, whether a vote has approved it, and how it gets its agent."""


class Waiting:
    """One task that waits."""

    __slots__ = ("base", "key", "level", "line", "queued_at_ms", "sequence", "task_id")

    def __init__(self, task_id: str, sequence: int, key: str, base: int, queued_at_ms: int) -> None:
        self.task_id = task_id
        self.sequence = sequence
        self.key = key
        """Its fairness key."""
        self.base = base
        """Its priority as submitted."""
        self.queued_at_ms = queued_at_ms
        self.level = base
        """Its priority as lifted by waiting; -1: it waits no longer."""
        self.line: Line | None = None

    def __lt__(self, other: Waiting) -> bool:
        return self.sequence < other.sequence


@dataclass(slots=True)
class _Fifo:
    """Tasks of one key in one level."""

    heap: list[tuple[int, Waiting]]
    alive: int = 0


class Level:
    """Tasks of one line and one priority."""

    __slots__ = ("_fifos", "_front", "_order", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._fifos: dict[str, _Fifo] = {}
        self._order: list[tuple[int, int, str]] = []
        """Keys by tag and by the sequence of their first task."""
        self._front: dict[str, tuple[int, int]] = {}
        """The one entry of each key in the order that counts."""

    def __bool__(self) -> bool:
        return bool(self._fifos)

    def add(self, waiting: Waiting, tag: int) -> bool:
        """Let a task wait here; true if it is the only one of its key."""
        fifo = self._fifos.get(waiting.key)
        is_new = fifo is None
        if fifo is None:
            fifo = self._fifos[waiting.key] = _Fifo([])
        heapq.heappush(fifo.heap, (waiting.sequence, waiting))
        fifo.alive += 1
        if is_new or waiting.sequence < self._front[waiting.key][1]:
            self._put(waiting.key, (tag, waiting.sequence))
        return is_new

    def forget(self, waiting: Waiting) -> bool:
        """One of its tasks has another level now, or none; true if it was the last one of its key."""
        fifo = self._fifos[waiting.key]
        fifo.alive -= 1
        if not fifo.alive:
            del self._fifos[waiting.key], self._front[waiting.key]
            self._tidy()
            return True
        if len(fifo.heap) > max(_MIN_HEAP_COUNT, 2 * fifo.alive):
            fifo.heap = [each for each in fifo.heap if each[1].level == self.number]
            heapq.heapify(fifo.heap)
        return False

    def take(self, waiting: Waiting) -> bool:
        """Take out the task that `first` named; true if it was the last one of its key."""
        fifo = self._fifos[waiting.key]
        _, taken = heapq.heappop(fifo.heap)
        assert taken is waiting, "only the first of a key is taken"
        fifo.alive -= 1
        if fifo.alive:
            return False
        del self._fifos[waiting.key], self._front[waiting.key]
        return True

    def retag(self, key: str, tag: int) -> None:
        """The tag of `key` has become smaller."""
        front = self._front.get(key)
        if front is not None and front[0] != tag:
            self._put(key, (tag, front[1]))

    def first(self, tags: Tags) -> tuple[int, int, Waiting] | None:
        """Tag, sequence and task that is served first; None if none waits.

        Args:
            tags: By key. Since a key's task was added, or since `retag`, its tag has only grown.
        """
        order = self._order
        while order:
            tag, sequence, key = order[0]
            if self._front.get(key) != (tag, sequence):
                heapq.heappop(order)
                continue
            heap = self._fifos[key].heap
            while heap[0][1].level != self.number:
                heapq.heappop(heap)
            true = (tags.get(key, 0), heap[0][0])
            if true == (tag, sequence):
                return tag, sequence, heap[0][1]
            self._front[key] = true
            heapq.heapreplace(order, (*true, key))
        return None

    def _put(self, key: str, front: tuple[int, int]) -> None:
        if self._front.get(key) != front:
            self._front[key] = front
            heapq.heappush(self._order, (*front, key))
            self._tidy()

    def _tidy(self) -> None:
        if len(self._order) > max(_MIN_HEAP_COUNT, 2 * len(self._front)):
            self._order = [(*front, key) for key, front in self._front.items()]
            heapq.heapify(self._order)


class Line:
    """Tasks that wait in one queue for the same kind of agent, and get it in the same manner."""

    __slots__ = (
        "_by_number",
        "_numbers",
        "_parked_keys",
        "eligible",
        "is_moving",
        "key",
        "parked",
        "parked_until_ms",
        "seen",
    )

    def __init__(self, key: LineKey) -> None:
        self.key = key
        self._by_number: dict[int, Level] = {}
        self._numbers: list[int] = []
        """Of levels where something waits, highest first."""
        self.eligible: Eligible | None = None
        """Agents that its tasks may go to; kept here because looking them up costs more than all else."""
        self.parked: dict[str, Waiting] = {}
        """Tasks that no free agent could be given; out of the levels until something changes that."""
        self._parked_keys: dict[str, int] = {}
        """How many are parked, by fairness key: they wait all the same."""
        self.parked_until_ms: int | None = None
        """When time changes that for one of them."""
        self.is_moving = False
        """Whether an offer made in the same pass could change that for one of them: where marks are."""
        self.seen: tuple[int, int, object] | None = None
        """What was known of the agents when the first of them was parked."""

    def __bool__(self) -> bool:
        return bool(self._numbers) or bool(self.parked)

    @property
    def is_standing(self) -> bool:
        """Whether anything waits that is not parked."""
        return bool(self._numbers)

    def add(self, waiting: Waiting, tag: int) -> Level | None:
        """Let a task wait here; the level, if it is the only one of its key in it."""
        number = waiting.level
        waiting.line = self
        level = self._by_number.get(number)
        if level is None:
            level = self._by_number[number] = Level(number)
        if number not in self._numbers:
            self._numbers = sorted([*self._numbers, number], reverse=True)
        return level if level.add(waiting, tag) else None

    def drop(self, waiting: Waiting, *, number: int) -> Level | None:
        """A task no longer waits in level `number`; the level, if it was the last one of its key in it."""
        if waiting.task_id in self.parked:
            self._unpark(waiting)
            return None
        level = self._by_number[number]
        was_last = level.forget(waiting)
        if not level:
            self._numbers.remove(number)
        return level if was_last else None

    def park(self, waiting: Waiting) -> None:
        """Keep a task apart that was taken out."""
        self.parked[waiting.task_id] = waiting
        self._parked_keys[waiting.key] = self._parked_keys.get(waiting.key, 0) + 1

    def unpark_all(self) -> list[Waiting]:
        """Everything that was kept apart; it is to be added again."""
        parked = [*self.parked.values()]
        self.parked.clear()
        self._parked_keys.clear()
        return parked

    def _unpark(self, waiting: Waiting) -> None:
        del self.parked[waiting.task_id]
        self._parked_keys[waiting.key] -= 1
        if not self._parked_keys[waiting.key]:
            del self._parked_keys[waiting.key]

    def take(self, waiting: Waiting) -> Level | None:
        """Take out the task that `first` named; the level, if it was the last one of its key in it."""
        level = self._by_number[waiting.level]
        was_last = level.take(waiting)
        if not level:
            self._numbers.remove(level.number)
        return level if was_last else None

    def first(self, tags: Tags) -> tuple[int, int, int, Waiting] | None:
        """Priority (negative), tag, sequence and task that is served first; None if all are parked."""
        for number in self._numbers:
            first = self._by_number[number].first(tags)
            if first is not None:
                return (-number, *first)
        return None

    def floor(self, tags: Tags) -> int | None:
        """The smallest tag of a key that waits here, parked or not; None if none does."""
        least = min((tags.get(key, 0) for key in self._parked_keys), default=None)
        for number in self._numbers:
            first = self._by_number[number].first(tags)
            if first is not None and (least is None or first[0] < least):
                least = first[0]
        return least
