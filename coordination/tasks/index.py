"""What the model looks up: all of it follows from the state and is rebuilt from it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice, takewhile

from coordination.runtime.agenda import Agenda
from coordination.tasks.lifecycle import State
from coordination.tasks.record import Holder, Task, TasksState


class Index:
    """Open tasks by what is asked of them: by deadline, by requirement in order, by agent.

    Invariants: equal to an index built anew from the same state.
    """

    def __init__(self, state: TasksState) -> None:
        self.deadlines = Agenda()
        """Open tasks by `due_ms`."""
        self.held: Counter[str] = Counter()
        """Tasks each agent was offered or works on."""
        self._by_incarnation: dict[str, dict[int, dict[str, int]]] = {}
        """Those tasks, agent by agent, incarnation by incarnation: id and sequence."""
        self.open_bytes = 0
        self.finished_bytes = sum(task.size_bytes for task in state.finished.values())
        self._waiting: dict[str, Agenda] = {}
        for task in state.open.values():
            self.replace(None, task)

    def replace(self, before: Task | None, after: Task | None) -> None:
        """Take over a change of one open task; None where it is not, or no longer, open."""
        if before is not None:
            self._forget(before, after)
        if after is None:
            return
        self.open_bytes += after.size_bytes
        if after.due_ms is None:
            self.deadlines.drop(after.task_id)
        else:
            self.deadlines.put(after.task_id, (after.due_ms, after.sequence))
        if after.state is State.QUEUED:
            queue = self._waiting.setdefault(after.requirement, Agenda())
            queue.put(after.task_id, (-after.priority, after.sequence))
        if after.holder is not None:
            self.held[after.holder.agent] += 1
            incarnations = self._by_incarnation.setdefault(after.holder.agent, {})
            incarnations.setdefault(after.holder.incarnation, {})[after.task_id] = after.sequence

    def held_before(self, agent: str, incarnation: int) -> list[str]:
        """Ids of the tasks that incarnations of `agent` before `incarnation` hold, in order of submission.

        Incarnation 0 is one that nobody knows, and is left out.
        """
        older = (
            tasks for each, tasks in self._by_incarnation.get(agent, {}).items() if 0 < each < incarnation
        )
        held = [(sequence, task_id) for tasks in older for task_id, sequence in tasks.items()]
        return [task_id for _, task_id in sorted(held)]

    def holders(self) -> dict[str, int]:
        """The newest incarnation that holds something, by agent, ordered by id."""
        return {agent: max(self._by_incarnation[agent]) for agent in sorted(self._by_incarnation)}

    def wanted(self) -> tuple[str, ...]:
        """Requirements of the tasks that wait, each once, ordered by their text."""
        return tuple(sorted(self._waiting))

    def wanted_count_with(self, requirement: str) -> int:
        """How many requirements tasks would wait with if one more waited with `requirement`."""
        return len(self._waiting) + (requirement not in self._waiting)

    def waiting(self, requirement: str) -> Iterator[str]:
        """Ids of the tasks that wait with `requirement`, in the order in which they are to be served."""
        queue = self._waiting.get(requirement)
        return (task_id for _, task_id in queue.in_order()) if queue is not None else iter(())

    def due(self, now_ms: int, *, limit: int) -> list[str]:
        """Ids of up to `limit` open tasks that time does something to by `now_ms`, earliest first."""
        due = takewhile(lambda entry: entry[0][0] <= now_ms, self.deadlines.in_order())
        return [task_id for _, task_id in islice(due, limit)]

    def _forget(self, before: Task, after: Task | None) -> None:
        self.open_bytes -= before.size_bytes
        if after is None:
            self.deadlines.drop(before.task_id)
        if before.state is State.QUEUED:
            queue = self._waiting[before.requirement]
            queue.drop(before.task_id)
            if not queue:
                del self._waiting[before.requirement]
        if before.holder is not None:
            self.held[before.holder.agent] -= 1
            if not self.held[before.holder.agent]:
                del self.held[before.holder.agent]
            self._let_go(before.task_id, before.holder)

    def _let_go(self, task_id: str, holder: Holder) -> None:
        incarnations = self._by_incarnation[holder.agent]
        tasks = incarnations[holder.incarnation]
        del tasks[task_id]
        if not tasks:
            del incarnations[holder.incarnation]
        if not incarnations:
            del self._by_incarnation[holder.agent]
