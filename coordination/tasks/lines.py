"""Tasks that wait for the same kind of agent: by priority, then by fairness key, then first come. Pure.

All heaps and rows delete lazily: an entry that counts no more is thrown away when it comes to the front, or
when such entries are the greater part.
"""

from __future__ import annotations

import heapq
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


class _Fifo:
    """Tasks of one key in one level, first come first."""

    __slots__ = ("_begin", "_late", "_row", "alive")

    def __init__(self) -> None:
        self.alive = 0
        """Tasks that wait here, those included that a pass has taken out for a moment."""
        self._row: list[Waiting] = []
        """By sequence: nearly all tasks come in the order in which they were submitted."""
        self._begin = 0
        """Where the row begins: what stands before was taken out, or waits here no longer."""
        self._late: list[tuple[int, Waiting]] = []
        """A heap of those that came after one that was submitted later, by sequence."""

    def add(self, waiting: Waiting) -> None:
        """Let a task stand here, also one that was taken out."""
        row, begin = self._row, self._begin
        if begin and row[begin - 1] is waiting:
            self._begin -= 1
        elif not row or row[-1].sequence < waiting.sequence:
            row.append(waiting)
        else:
            heapq.heappush(self._late, (waiting.sequence, waiting))

    def first(self, number: int) -> Waiting | None:
        """The one that came first; None if all are taken out.

        Args:
            number: Of the level: who has another one waits here no longer.
        """
        row, begin, late = self._row, self._begin, self._late
        end = len(row)
        while begin < end and row[begin].level != number:
            begin += 1
        self._begin = begin
        while late and late[0][1].level != number:
            heapq.heappop(late)
        if late and (begin == end or late[0][0] < row[begin].sequence):
            return late[0][1]
        return row[begin] if begin < end else None

    def take(self, waiting: Waiting) -> None:
        """Take out the task that `first` named."""
        row, begin = self._row, self._begin
        if begin < len(row) and row[begin] is waiting:
            self._begin += 1
        else:
            _, taken = heapq.heappop(self._late)
            assert taken is waiting, "only the first of a key is taken"

    def tidy(self, number: int) -> None:
        """Throw away what counts no more if that is the greater part; what is taken out can come back."""
        count = len(self._row) + len(self._late)
        if count > _MIN_HEAP_COUNT and count > 2 * self.alive:
            self._row = [each for each in self._row[self._begin :] if each.level == number]
            self._begin = 0
            self._late = [each for each in self._late if each[1].level == number]
            heapq.heapify(self._late)


class Level:
    """Tasks of one line and one priority."""

    __slots__ = ("_fifos", "_front", "_order", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._fifos: dict[str, _Fifo] = {}
        self._order: list[tuple[int, int, str]] = []
        """Keys by tag and by the sequence of their first task."""
        self._front: dict[str, tuple[int, int]] = {}
        """The one entry in the order that counts of each key of which not everything is taken out."""

    def __bool__(self) -> bool:
        return bool(self._fifos)

    def add(self, waiting: Waiting, tag: int) -> bool:
        """Let a task wait here; true if it is the only one of its key."""
        fifo = self._fifos.get(waiting.key)
        is_new = fifo is None
        if fifo is None:
            fifo = self._fifos[waiting.key] = _Fifo()
        fifo.alive += 1
        self._stand(fifo, waiting, tag)
        return is_new

    def forget(self, waiting: Waiting) -> bool:
        """One of its tasks has another level now, or none; true if it was the last one of its key."""
        fifo = self._fifos[waiting.key]
        fifo.alive -= 1
        if not fifo.alive:
            del self._fifos[waiting.key]
            self._front.pop(waiting.key, None)
            self._tidy()
            return True
        fifo.tidy(self.number)
        return False

    def take(self, waiting: Waiting) -> None:
        """Take out the task that `first` named, for a moment."""
        self._fifos[waiting.key].take(waiting)

    def put_back(self, waiting: Waiting, tag: int) -> None:
        """Let a task stand here again that was taken out."""
        self._stand(self._fifos[waiting.key], waiting, tag)

    def retag(self, key: str, tag: int) -> None:
        """The tag of `key` has become smaller."""
        front = self._front.get(key)
        if front is not None and front[0] != tag:
            self._put(key, (tag, front[1]))

    def first(self, tags: Tags) -> tuple[int, int, Waiting] | None:
        """Tag, sequence and task that is served first; None if none waits that is not taken out.

        Args:
            tags: By key. Since a key's task was added, or since `retag`, its tag has only grown.
        """
        if len(self._fifos) == 1:  # so it mostly is; the order may lag behind, as it does for what is dropped
            for key, fifo in self._fifos.items():
                alone = fifo.first(self.number)
                return None if alone is None else (tags.get(key, 0), alone.sequence, alone)
        order = self._order
        while order:
            tag, sequence, key = order[0]
            if self._front.get(key) != (tag, sequence):
                heapq.heappop(order)
                continue
            waiting = self._fifos[key].first(self.number)
            if waiting is None:
                del self._front[key]
                continue
            true = (tags.get(key, 0), waiting.sequence)
            if true == (tag, sequence):
                return tag, sequence, waiting
            self._front[key] = true
            heapq.heapreplace(order, (*true, key))
        return None

    def _stand(self, fifo: _Fifo, waiting: Waiting, tag: int) -> None:
        fifo.add(waiting)
        front = self._front.get(waiting.key)
        if front is None or waiting.sequence < front[1]:
            self._put(waiting.key, (tag, waiting.sequence))

    def _put(self, key: str, front: tuple[int, int]) -> None:
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
            self._numbers.append(number)
            self._numbers.sort(reverse=True)
        return level if level.add(waiting, tag) else None

    def drop(self, waiting: Waiting, *, number: int) -> Level | None:
        """A task no longer waits in level `number`; the level, if it was the last one of its key in it."""
        if waiting.task_id in self.parked:
            self._unpark(waiting)
            return None
        level = self._by_number[number]
        was_last = level.forget(waiting)
        if was_last and not level:
            self._numbers.remove(number)
        return level if was_last else None

    def park(self, waiting: Waiting) -> Level | None:
        """Keep a task apart; the level, if it was the last one of its key in it."""
        self.take(waiting)
        emptied = self.drop(waiting, number=waiting.level)
        self.parked[waiting.task_id] = waiting
        self._parked_keys[waiting.key] = self._parked_keys.get(waiting.key, 0) + 1
        return emptied

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

    def take(self, waiting: Waiting) -> None:
        """Take out the task that `first` named, for a moment: it waits here all the same."""
        self._by_number[waiting.level].take(waiting)

    def put_back(self, waiting: Waiting, tag: int) -> None:
        """Let a task stand here again that was taken out."""
        self._by_number[waiting.level].put_back(waiting, tag)

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
