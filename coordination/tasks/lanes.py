"""What waits for an agent, in the order in which it is served, and what agents hold. Pure.

Follows from the state and is rebuilt from it. One thing it adds to the state: it is here that one sees a
fairness key come and go, so here keys join, pay and are paid back (`coordination.tasks.fairness`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from coordination.tasks import fairness
from coordination.tasks.holdings import Holdings
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_AGED_PRIORITY
from coordination.tasks.lines import Level, Line, LineKey, Manner, Waiting
from coordination.tasks.queues import QueueSettings
from coordination.tasks.record import Holder, Task, TasksState
from coordination.tasks.spec import Strategy

MAX_LIFTED_TASKS: Final = 4096
"""Tasks whose waiting is made up for at one time; more are lifted the next time."""
_MIN_HEAP_COUNT: Final = 64
"""Below this size a heap is not worth rebuilding."""
_DISPATCHED: Final = frozenset({State.ANNOUNCED, State.OFFERED})
_DEFAULTS: Final = QueueSettings()


def line_key(task: Task) -> LineKey:
    """Where a task waits: with others that the same agents could do."""
    spec = task.spec
    placement = spec.placement
    if (
        task.refusals
        or placement.sticky_key
        or placement.near
        or task.call is not None
        or (task.chain and not spec.may_return)
    ):
        manner = Manner.PARTICULAR
    elif spec.strategy is None:
        manner = Manner.PLAIN
    else:
        manner = Manner.CALLED if spec.strategy is Strategy.CONTRACT_NET else Manner.ASKED
    return spec.queue, spec.requirement, spec.capability, bool(spec.approved_by), manner


class Queue:
    """What waits in one queue."""

    __slots__ = ("aging_ms", "by_key", "levels", "lines", "name")

    def __init__(self, name: str, aging_ms: int) -> None:
        self.name = name
        self.aging_ms = aging_ms
        """Waiting so long lifts by one priority; 0: it does not."""
        self.lines: dict[LineKey, Line] = {}
        self.by_key: dict[str, int] = {}
        """Tasks that wait, by fairness key."""
        self.levels: dict[str, dict[Level, None]] = {}
        """Where tasks of a fairness key wait."""

    def siblings(self, key: LineKey) -> Iterator[Line]:
        """Lines of tasks for the same agents, in whatever manner they get them."""
        queue, requirement, capability, is_approved, _ = key
        for manner in Manner:
            line = self.lines.get((queue, requirement, capability, is_approved, manner))
            if line is not None:
                yield line


class Lanes:
    """Queued tasks by queue, line, priority and fairness key; and what agents hold.

    Invariants: serves in the same order as one built anew from the same state, once both have been told the
    time (`age`).

    Complexity: a change of one task is O(log n) amortised.
    """

    def __init__(self, state: TasksState) -> None:
        self.version = 0
        """Grows with every change that could change what may be offered to whom."""
        self.holdings = Holdings()
        self.queues: dict[str, Queue] = {}
        """Those in which something waits."""
        self.memory: object = None
        """What `coordination.tasks.dispatching` remembers of its last look."""
        self._state = state
        self._places: dict[str, Waiting] = {}
        self._lifts: list[tuple[int, int, Waiting]] = []
        """By the time at which waiting lifts a task next."""
        self._settings = state.allocation.settings
        for task in state.open.values():
            if task.state is State.QUEUED:
                self._insert(task)
            elif task.holder is not None:
                self.holdings.take(task.spec, task.holder.agent)
            elif task.state is State.ANNOUNCED and task.call is not None:
                self.holdings.call(task.spec, task.call.agents)

    @property
    def waiting_count(self) -> int:
        """Tasks that wait for an agent."""
        return len(self._places)

    def place(self, task_id: str) -> Waiting | None:
        """Where a task waits; None if it does not."""
        return self._places.get(task_id)

    def position(self, task_id: str) -> int | None:
        """Tasks of its queue that are served before a task, and one; None if it does not wait.

        That is if nothing more comes, and every task weighs as the first one of its key.

        Complexity: O(waiting tasks).
        """
        own = self._places.get(task_id)
        if own is None or own.line is None:
            return None
        queue = own.line.key[0]
        ahead, before, rivals = 0, 0, dict[str, list[Waiting]]()
        for each in self._places.values():
            if each.line is None or each.line.key[0] != queue or each.level < own.level:
                continue
            if each.level > own.level:
                ahead += 1
            elif each.key != own.key:
                rivals.setdefault(each.key, []).append(each)
            else:
                before += each.sequence < own.sequence
        tags = self.tags(queue)
        tag = tags.get(own.key, 0) + before * self._price(own)
        for key, others in rivals.items():
            # Its n-th task stands under its tag and the price of those before it.
            served = -(-(tag - tags.get(key, 0)) // self._price(min(others)))
            ahead += max(0, min(len(others), served))
        return ahead + before + 1

    def _price(self, waiting: Waiting) -> int:
        return fairness.price(self._state.allocation, self._state.open[waiting.task_id].spec)

    def tags(self, queue: str) -> dict[str, int]:
        """What the keys of a queue have been served, in the units of `fairness.UNIT`."""
        found = self._state.allocation.fairness.get(queue)
        return found.finish if found is not None else {}

    def replace(self, before: Task | None, after: Task | None) -> None:
        """Take over a change of one task; None where it is not, or no longer, open."""
        holder = before.holder if before is not None else None
        new_holder = after.holder if after is not None else None
        if holder is not new_holder:
            self._hand_over(before, holder, after, new_holder)
        was = before.state if before is not None else None
        is_now = after.state if after is not None else None
        if was is State.ANNOUNCED or is_now is State.ANNOUNCED:
            self._follow_calls(before, after)
        if was is State.QUEUED and before is not None:
            if is_now is State.QUEUED and after is not None and _waits_alike(before, after):
                return
            self._leave(before, is_served=is_now in _DISPATCHED)
        if is_now is State.QUEUED and after is not None:
            self._join(after, is_paid_back=was in _DISPATCHED)

    def age(self, now_ms: int) -> bool:
        """Lift what has waited for long enough, and take over what the operator changed about that.

        Returns:
            Whether that is all; false: there is more to lift.
        """
        if self._settings is not self._state.allocation.settings:
            self._settings = self._state.allocation.settings
            for name in [*self.queues]:
                if self._aging_ms(name) != self.queues[name].aging_ms:
                    self._rebuild(name)
        lifts = self._lifts
        for _ in range(MAX_LIFTED_TASKS):
            if not lifts or lifts[0][0] > now_ms:
                return True
            _, _, waiting = heapq.heappop(lifts)
            if waiting.level >= 0:
                self._lift(waiting, now_ms)
        return not lifts or lifts[0][0] > now_ms

    def park(self, waiting: Waiting) -> None:
        """Keep apart what is served first in its line, until `unpark`."""
        line = waiting.line
        assert line is not None
        emptied = line.park(waiting)
        if emptied is not None:
            self._leave_level(self.queues[line.key[0]], waiting.key, emptied)

    def unpark(self, line: Line) -> None:
        """Let everything stand in its line again that was kept apart."""
        queue = self.queues[line.key[0]]
        for waiting in line.unpark_all():
            self._stand(queue, line, waiting)

    def put_back(self, taken: Sequence[Waiting]) -> None:
        """Let tasks stand in their lines again that were taken out (`Line.take`), in that order."""
        tags: dict[str, int] = {}
        name = ""
        for waiting in reversed(taken):
            line = waiting.line
            assert line is not None
            if line.key[0] != name:
                name = line.key[0]
                tags = self.tags(name)
            line.put_back(waiting, tags.get(waiting.key, 0))

    def retag(self, queue: str, keys: Mapping[str, int]) -> None:
        """The tags of some keys are as they were before they grew for a moment."""
        tags = self.tags(queue)
        for key in keys:
            for level in self.queues[queue].levels.get(key, ()):
                level.retag(key, tags.get(key, 0))

    def _hand_over(
        self, before: Task | None, holder: Holder | None, after: Task | None, new_holder: Holder | None
    ) -> None:
        """Count a task as held by another agent, if it is another one and not a new lease of the same."""
        held = holder.agent if holder is not None else None
        holds = new_holder.agent if new_holder is not None else None
        if held == holds:
            return
        self.version += 1
        if held is not None and before is not None:
            self.holdings.give_back(before.spec, held)
        if holds is not None and after is not None:
            self.holdings.take(after.spec, holds)

    def _follow_calls(self, before: Task | None, after: Task | None) -> None:
        was = before is not None and before.state is State.ANNOUNCED
        is_called = after is not None and after.state is State.ANNOUNCED
        if was == is_called:
            return
        self.version += 1
        if was and before is not None and before.call is not None:
            self.holdings.call_off(before.spec, before.call.agents)
        elif after is not None and after.call is not None:
            self.holdings.call(after.spec, after.call.agents)

    def _aging_ms(self, queue: str) -> int:
        return self._settings.get(queue, _DEFAULTS).aging_ms

    def _leave(self, task: Task, *, is_served: bool) -> None:
        self.version += 1
        waiting = self._places.pop(task.task_id)
        line = waiting.line
        assert line is not None
        queue = self.queues[line.key[0]]
        number, waiting.level = waiting.level, -1
        emptied = line.drop(waiting, number=number)
        if emptied is not None:
            self._leave_level(queue, waiting.key, emptied)
        if not line:
            del queue.lines[line.key]
        by_key = queue.by_key
        left = by_key[waiting.key] - 1
        if left:
            by_key[waiting.key] = left
        else:
            del by_key[waiting.key]
        if not by_key:
            del self.queues[queue.name]
        elif is_served:
            is_alone = left > 0 and len(by_key) == 1
            floor = None if is_alone else self._floor(queue, line.key)
            fairness.charge(self._state.allocation, task.spec, floor)
        fairness.forget(self._state.allocation, queue.name, by_key)
        if len(self._lifts) > max(_MIN_HEAP_COUNT, 2 * len(self._places)):
            self._lifts = [each for each in self._lifts if each[2].level >= 0]
            heapq.heapify(self._lifts)

    def _join(self, task: Task, *, is_paid_back: bool) -> None:
        self.version += 1
        spec = task.spec
        queue = self.queues.get(spec.queue)
        if queue is None or spec.fairness_key not in queue.by_key:
            floor = None if queue is None else self._floor(queue, line_key(task))
            fairness.join(self._state.allocation, spec.queue, spec.fairness_key, floor)
        if is_paid_back:
            fairness.refund(self._state.allocation, spec)
        self._insert(task)
        if is_paid_back:
            self.retag(spec.queue, {spec.fairness_key: 0})

    def _floor(self, queue: Queue, key: LineKey) -> int | None:
        tags = self.tags(queue.name)
        floors = [line.floor(tags) for line in queue.siblings(key)]
        return min((each for each in floors if each is not None), default=None)

    def _insert(self, task: Task) -> None:
        spec = task.spec
        queue = self.queues.get(spec.queue)
        if queue is None:
            queue = self.queues[spec.queue] = Queue(spec.queue, self._aging_ms(spec.queue))
        key = line_key(task)
        line = queue.lines.get(key)
        if line is None:
            line = queue.lines[key] = Line(key)
        waiting = Waiting(task.task_id, task.sequence, spec.fairness_key, spec.priority, task.queued_at_ms)
        self._places[task.task_id] = waiting
        queue.by_key[spec.fairness_key] = queue.by_key.get(spec.fairness_key, 0) + 1
        self._stand(queue, line, waiting)
        self._await_lift(queue, waiting)

    def _stand(self, queue: Queue, line: Line, waiting: Waiting) -> None:
        entered = line.add(waiting, self.tags(queue.name).get(waiting.key, 0))
        if entered is not None:
            queue.levels.setdefault(waiting.key, {})[entered] = None

    def _leave_level(self, queue: Queue, key: str, level: Level) -> None:
        levels = queue.levels[key]
        del levels[level]
        if not levels:
            del queue.levels[key]

    def _await_lift(self, queue: Queue, waiting: Waiting) -> None:
        if queue.aging_ms and waiting.level < MAX_AGED_PRIORITY:
            steps = waiting.level - waiting.base + 1
            due_ms = waiting.queued_at_ms + steps * queue.aging_ms
            heapq.heappush(self._lifts, (due_ms, waiting.sequence, waiting))

    def _lift(self, waiting: Waiting, now_ms: int) -> None:
        line = waiting.line
        assert line is not None
        queue = self.queues[line.key[0]]
        steps = (now_ms - waiting.queued_at_ms) // queue.aging_ms
        before = waiting.level
        waiting.level = min(MAX_AGED_PRIORITY, waiting.base + steps)
        if waiting.task_id not in line.parked:
            emptied = line.drop(waiting, number=before)
            if emptied is not None:
                self._leave_level(queue, waiting.key, emptied)
            self._stand(queue, line, waiting)
        self._await_lift(queue, waiting)

    def _rebuild(self, name: str) -> None:
        """Let everything in a queue wait anew, in place."""
        gone = [each for each in self._places.values() if each.line is not None and each.line.key[0] == name]
        del self.queues[name]
        for waiting in gone:
            waiting.level = -1
            self._insert(self._state.open[waiting.task_id])


def _waits_alike(before: Task, after: Task) -> bool:
    return before.queued_at_ms == after.queued_at_ms and line_key(before) == line_key(after)
