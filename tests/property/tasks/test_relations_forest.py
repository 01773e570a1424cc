"""Random forests of delegated tasks, their books and cascades against what is computed from scratch."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coordination.runtime.model import Rejected
from coordination.tasks.lifecycle import State
from coordination.tasks.record import Task
from coordination.tasks.spec import Budget, OnParentEnd
from tests.support.families import Kin

COSTS = st.integers(0, 12)
BUDGETS = st.one_of(
    st.none(),
    st.builds(
        Budget, tasks=st.one_of(st.none(), st.integers(0, 6)), cost=st.one_of(st.none(), st.integers(0, 30))
    ),
)
ENDS = ("complete", "fail", "retry", "cancel")


def _own(task: Task) -> int:
    return sum(each.spent for each in task.attempts)


def _charge(task: Task) -> int:
    return _own(task) if task.is_ended else max(task.spec.cost, _own(task))


class Forest(RuleBasedStateMachine):
    """Nothing is ever forgotten here, so that everything can be counted anew."""

    def __init__(self) -> None:
        super().__init__()
        self.kin = Kin()
        self.ids: list[str] = []

    def _tasks(self) -> list[Task]:
        return [self.kin.task(each) for each in self.ids]

    def _in(self, *states: State) -> list[str]:
        return [each.task_id for each in self._tasks() if each.state in states]

    def _below(self, task_id: str) -> list[Task]:
        return [each for each in self._tasks() if task_id in each.chain]

    def _used(self, task: Task) -> int:
        """Of its budget: all that its attempts and everything below it took."""
        return _own(task) + sum(map(_charge, self._below(task.task_id)))

    def _above(self, task: Task) -> list[Task]:
        return [self.kin.task(each) for each in task.chain]

    @rule(budget=BUDGETS)
    def submit_root(self, budget: Budget | None) -> None:
        task_id = f"t{len(self.ids)}"
        self.kin.submit(task_id, budget=budget, max_depth=4)
        self.ids.append(task_id)

    @precondition(lambda self: self._in(State.RUNNING))
    @rule(data=st.data(), cost=COSTS, budget=BUDGETS, is_kept=st.booleans(), depth=st.integers(0, 4))
    def delegate(
        self, data: st.DataObject, cost: int, budget: Budget | None, *, is_kept: bool, depth: int
    ) -> None:
        parent = self.kin.task(data.draw(st.sampled_from(self._in(State.RUNNING))))
        task_id = f"t{len(self.ids)}"
        end = OnParentEnd.KEEP if is_kept else OnParentEnd.CANCEL
        fields: dict[str, Any] = {"cost": cost, "budget": budget, "on_parent_end": end, "max_depth": depth}
        above = [*self._above(parent), parent]
        expected = self._expected(above, cost)
        outcome = self.kin.send(self.kin.command(task_id, parent=parent.task_id, **fields))
        assert (outcome.code if isinstance(outcome, Rejected) else "") == expected
        if not expected:
            self.ids.append(task_id)
            assert self.kin.task(task_id).chain == (*parent.chain, parent.task_id)

    def _expected(self, above: list[Task], cost: int) -> str:
        if any(len(above) > len(each.chain) + each.spec.max_depth for each in above):
            return "too_deep_delegation"
        for each in above:
            budget = each.spec.budget
            if budget is None:
                continue
            if budget.tasks is not None and len(self._below(each.task_id)) + 1 > budget.tasks:
                return "budget_exceeded"
            if budget.cost is not None and self._used(each) + cost > budget.cost:
                return "budget_exceeded"
        return ""

    @precondition(lambda self: self._in(State.QUEUED))
    @rule(data=st.data())
    def run(self, data: st.DataObject) -> None:
        self.kin.run(data.draw(st.sampled_from(self._in(State.QUEUED))), lease_ms=10**9)

    @precondition(lambda self: self._in(State.RUNNING))
    @rule(data=st.data(), more=COSTS)
    def spend(self, data: st.DataObject, more: int) -> None:
        task = self.kin.task(data.draw(st.sampled_from(self._in(State.RUNNING))))
        spent = task.attempts[-1].spent + more
        taken = max(task.spec.cost, _own(task) + more) - _charge(task)
        breaks = more > 0 and _is_over(task, self._used(task) + more)
        breaks = breaks or (
            taken > 0 and any(_is_over(each, self._used(each) + taken) for each in self._above(task))
        )
        self.kin.progress(task.task_id, spent=spent)
        assert (self.kin.state(task.task_id) is State.DEAD_LETTERED) == breaks
        assert self.kin.task(task.task_id).attempts[-1].spent == spent

    @precondition(lambda self: self._in(State.RUNNING))
    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def end(self, data: st.DataObject, end: str) -> None:
        task_id = data.draw(st.sampled_from(self._in(State.RUNNING)))
        if end == "retry":
            self.kin.fail(task_id, retryable=True)
        else:
            getattr(self.kin, end)(task_id)

    @precondition(lambda self: self._in(State.QUEUED, State.FAILED))
    @rule(data=st.data())
    def cancel_one_that_waits(self, data: st.DataObject) -> None:
        self.kin.cancel(data.draw(st.sampled_from(self._in(State.QUEUED, State.FAILED))))

    @precondition(lambda self: self._in(State.CANCELING))
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        self.kin.confirm(data.draw(st.sampled_from(self._in(State.CANCELING))))

    @precondition(lambda self: self._in(State.DEAD_LETTERED))
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        task = self.kin.task(data.draw(st.sampled_from(self._in(State.DEAD_LETTERED))))
        taken = max(task.spec.cost, _own(task)) - _own(task)
        is_refused = any(_is_over(each, self._used(each) + taken) for each in self._above(task))
        outcome = self.kin.redrive(task.task_id)
        assert isinstance(outcome, Rejected) == is_refused

    @rule()
    def let_time_pass(self) -> None:
        self.kin.advance(self.kin.now_ms + 1_500)

    @rule(is_new_leader=st.booleans())
    def settle(self, *, is_new_leader: bool) -> None:
        if is_new_leader:
            self.kin.restart()
        self.kin.settle()
        for child in self._tasks():
            if child.spec.parent and not child.redrives and not child.is_ended:
                is_orphan = not self._lives(child)
                assert (
                    not is_orphan
                    or child.spec.on_parent_end is OnParentEnd.KEEP
                    or child.state is State.CANCELING
                )

    def _lives(self, child: Task) -> bool:
        parent = self.kin.task(child.spec.parent)
        return parent.state is State.RUNNING and len(parent.attempts) == child.parent_attempt

    @invariant()
    def the_books_are_right(self) -> None:
        for task in self._tasks():
            running = task.attempts[-1].spent if task.state in (State.RUNNING, State.CANCELING) else 0
            assert task.used_tasks == len(self._below(task.task_id))
            assert task.used_cost == self._used(task) - running

    @invariant()
    def only_orphans_were_canceled_by_the_service(self) -> None:
        for task in self._tasks():
            if task.canceled_by == "tasks":
                assert not self._lives(task)
                assert task.spec.on_parent_end is OnParentEnd.CANCEL

    def teardown(self) -> None:
        self.kin.settle()
        self.kin.check()


def _is_over(task: Task, used: int) -> bool:
    budget = task.spec.budget
    return budget is not None and budget.cost is not None and used > budget.cost


TestForest = Forest.TestCase
TestForest.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
