"""What the model looks up about tasks: all of it follows from the state and is rebuilt from it. Pure.

What waits for an agent is in `coordination.tasks.lanes`, who belongs together in
`coordination.tasks.families`.
"""

from __future__ import annotations

from itertools import islice, takewhile

from coordination.runtime.agenda import Agenda
from coordination.tasks.record import Holder, Task, TasksState
from coordination.tasks.shares import Shares
from coordination.tasks.transitions import due_ms


class Index:
    """Open tasks by deadline and by agent, and what all records weigh.

    Invariants: equal to an index built anew from the same state.
    """

    def __init__(self, state: TasksState) -> None:
        self.deadlines = Agenda()
        """Open tasks by `due_ms`."""
        self.requirements: dict[tuple[str, str], int] = {}
        """Open tasks by queue and requirement."""
        self.open_bytes = 0
        self.finished_bytes = sum(task.size_bytes for task in state.finished.values())
        self.dead_letter_bytes = 0
        self.shares = Shares()
        """What each submitter has of open tasks and dead letters."""
        self._held: dict[str, dict[str, tuple[int, int]]] = {}
        """What each agent was offered or works on: sequence and incarnation by task id."""
        for task in state.open.values():
            self.replace(None, task)
        for task in state.dead_letters.values():
            self.bury(task)

    def replace(self, before: Task | None, after: Task | None) -> None:
        """Take over a change of one open task; None where it is not, or no longer, open."""
        held_before = before.holder if before is not None else None
        held_after = after.holder if after is not None else None
        if held_before is not held_after:
            self._hand_over(before, held_before, after, held_after)
        if after is None:
            if before is not None:
                self._close(before)
            return
        if before is None:
            size_bytes = after.spec.size_bytes
            self.open_bytes += size_bytes
            wanted = after.spec.queue, after.spec.requirement
            self.requirements[wanted] = self.requirements.get(wanted, 0) + 1
            self.shares.open(after, size_bytes)
        due = due_ms(after)
        if due is not None:
            self.deadlines.put(after.task_id, (due, after.sequence))
        elif before is not None:
            self.deadlines.drop(after.task_id)

    def bury(self, task: Task) -> None:
        """A task is a dead letter now."""
        self.dead_letter_bytes += task.size_bytes
        self.shares.bury(task)

    def exhume(self, task: Task) -> None:
        """A task is no longer one: it was redriven or purged."""
        self.dead_letter_bytes -= task.size_bytes
        self.shares.exhume(task)

    def held_before(self, agent: str, incarnation: int) -> list[str]:
        """Ids of the tasks that incarnations of `agent` before `incarnation` hold, in order of submission.

        Incarnation 0 is one that nobody knows, and is left out.
        """
        held = self._held.get(agent)
        if held is None:
            return []
        older = [(number, task_id) for task_id, (number, each) in held.items() if 0 < each < incarnation]
        return [task_id for _, task_id in sorted(older)]

    def held(self) -> list[str]:
        """Ids of all tasks that an agent holds."""
        return [task_id for tasks in self._held.values() for task_id in tasks]

    def holders(self) -> dict[str, int]:
        """The newest incarnation that holds something, by agent, ordered by id."""
        return {agent: max(each for _, each in self._held[agent].values()) for agent in sorted(self._held)}

    def due(self, now_ms: int, *, limit: int) -> list[str]:
        """Ids of up to `limit` open tasks that time does something to by `now_ms`, earliest first."""
        due = takewhile(lambda entry: entry[0][0] <= now_ms, self.deadlines.in_order())
        return [task_id for _, task_id in islice(due, limit)]

    def next_ms(self) -> int | None:
        """When time next does something to an open task; None: never."""
        first = self.deadlines.first()
        return first[0][0] if first is not None else None

    def _close(self, task: Task) -> None:
        size_bytes = task.spec.size_bytes
        self.open_bytes -= size_bytes
        self.shares.close(task, size_bytes)
        self.deadlines.drop(task.task_id)
        wanted = task.spec.queue, task.spec.requirement
        left = self.requirements[wanted] - 1
        if left:
            self.requirements[wanted] = left
        else:
            del self.requirements[wanted]

    def _hand_over(
        self, before: Task | None, held_before: Holder | None, after: Task | None, held_after: Holder | None
    ) -> None:
        """Book a task from one holder to another; nothing to do if it only holds it longer."""
        if (
            held_before is not None
            and held_after is not None
            and held_before.agent == held_after.agent
            and held_before.incarnation == held_after.incarnation
        ):
            return
        if held_before is not None:
            assert before is not None
            tasks = self._held[held_before.agent]
            del tasks[before.task_id]
            if not tasks:
                del self._held[held_before.agent]
        if held_after is not None:
            assert after is not None
            booked = after.sequence, held_after.incarnation
            self._held.setdefault(held_after.agent, {})[after.task_id] = booked
