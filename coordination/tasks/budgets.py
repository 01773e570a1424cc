"""What tasks and everything below them have used, and may use. Pure.

A task takes from every budget above it: while it is open what it reserved (``spec.cost``), or what its
attempts have spent, if that is more; once it has ended what they have spent. So what it did not use is given
back by its end, once, and taken again if it is redriven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from coordination.runtime.model import Rejected
from coordination.tasks.dags import DagState
from coordination.tasks.families import ancestors
from coordination.tasks.record import Task, TasksState
from coordination.tasks.spec import TaskSpec
from coordination.tasks.transitions import with_use

if TYPE_CHECKING:
    from coordination.tasks.relations import Together
    from coordination.tasks.view import View


_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def spent_by(task: Task) -> int:
    """Units that its own attempts have spent, as far as they have said."""
    return sum(each.spent for each in task.attempts)


def charge(task: Task) -> int:
    """Units that a task takes from every budget above it; what is below it comes on top."""
    spent = spent_by(task)
    return spent if task.is_ended else max(task.spec.cost, spent)


def on_submitted(state: TasksState, task: Task) -> None:
    """Count a new task, which is in the state, in the records of its ancestors."""
    if task.chain:
        _use(state, ancestors(state, task), tasks=1, cost=charge(task))


def on_change(state: TasksState, before: Task, after: Task) -> None:
    """Count what a change of a record means for its own budget and for those above.

    Call it when `after` stands in the state already: its record there is replaced if its own attempts spent
    something.
    """
    if not after.chain:
        # So most tasks are: one that nobody is above, and whose attempts spend nothing.
        if before.attempts is after.attempts or not after.attempts[-1].spent:
            return
    elif before.attempts is after.attempts and before.is_ended is after.is_ended:
        return
    own = _settled(after) - _settled(before)
    if own:
        _use(state, [after], tasks=0, cost=own)
    if after.chain and (above := charge(after) - charge(before)):
        _use(state, ancestors(state, after), tasks=0, cost=above)


def refusal(above: Iterable[Task], spec: TaskSpec, together: Together | None = None) -> Rejected | None:
    """Why there is no room for a new task in the budgets of those above it; None if there is.

    Args:
        above: Records of the tasks that it is delegated from.
        spec: Of the new task.
        together: What else the same command submits.
    """
    for ancestor in above:
        budget = ancestor.spec.budget
        if budget is None:
            continue
        tasks, cost = together.used(ancestor.task_id) if together is not None else (0, 0)
        if budget.tasks is not None and ancestor.used_tasks + tasks >= budget.tasks:
            left = max(0, budget.tasks - ancestor.used_tasks - tasks)
            return _exceeded(ancestor, "tasks", left, budget.tasks, 1)
        if budget.cost is not None:
            left = budget.cost - _used(ancestor) - cost
            if spec.cost > left:
                return _exceeded(ancestor, "cost", max(0, left), budget.cost, spec.cost)
    return None


def note(charged: dict[str, int], before: Task, after: Task) -> None:
    """Add to `charged` what a change of a record means for budgets that is decided on and has not happened.

    Args:
        charged: Units by task, more than the records of the state say; less, where a reservation ends.
        before: The record in the state.
        after: As it will be.
    """
    if not (after.chain or after.spec.budget):
        return
    charged[after.task_id] = charged.get(after.task_id, 0) + spent_by(after) - spent_by(before)
    above = charge(after) - charge(before)
    for ancestor in after.chain:
        charged[ancestor] = charged.get(ancestor, 0) + above


def overrun(view: View, task: Task, spent: int, charged: Mapping[str, int] = _NOTHING) -> str | None:
    """Which budget breaks if the current attempt has used `spent` units; None if none does.

    The text is the whole reason of the failure; it begins with ``budget_exceeded: ``.

    Args:
        view: What is decided on.
        task: Whose attempt it is.
        spent: Units.
        charged: What the same command leads to beyond that (`note`).
    """
    known = _running(task)
    more = max(0, spent - known)
    if not more:
        return None
    budget = task.spec.budget
    own = _used(task) + charged.get(task.task_id, 0) + more
    if budget is not None and budget.cost is not None and own > budget.cost:
        return _broken(task, own, budget.cost)
    if not task.chain:
        return None
    above = max(task.spec.cost, spent_by(task) + more) - charge(task)
    for ancestor in ancestors(view.state, task):
        budget = ancestor.spec.budget
        if budget is not None and budget.cost is not None and above:
            used = _used(ancestor) + charged.get(ancestor.task_id, 0) + above
            if used > budget.cost:
                return _broken(ancestor, used, budget.cost)
    return None


def room_for(view: View, task: Task, together: Together | None = None) -> Rejected | None:
    """Why a dead letter cannot be brought back: no room in a budget, or its DAG is being undone.

    Args:
        view: What is decided on.
        task: The dead letter.
        together: What else the same command brings back (`Together.bring_back`).
    """
    dag = view.state.dags.get(task.spec.dag)
    if dag is not None and dag.state is DagState.COMPENSATING and not task.spec.compensates:
        return Rejected(
            code="wrong_state",
            message=f"task {task.task_id} belongs to DAG {dag.dag_id}, which has failed and is being undone; "
            "wait for its end, or submit the task by itself",
            details={"dag_id": dag.dag_id, "state": dag.state.value},
        )
    more = max(task.spec.cost, spent_by(task)) - charge(task)
    for ancestor in ancestors(view.state, task):
        budget = ancestor.spec.budget
        if budget is not None and budget.cost is not None:
            taken = together.used(ancestor.task_id)[1] if together is not None else 0
            left = budget.cost - _used(ancestor) - taken
            if more > left:
                return _exceeded(ancestor, "cost", max(0, left), budget.cost, more)
    return None


def _settled(task: Task) -> int:
    """Units spent by its attempts that have ended."""
    return sum(each.spent for each in task.attempts if each.ended_ms is not None)


def _running(task: Task) -> int:
    """Units spent so far by the attempt under way."""
    if not task.attempts or task.attempts[-1].ended_ms is not None:
        return 0
    return task.attempts[-1].spent


def _used(task: Task) -> int:
    """Units that count against its budget."""
    return task.used_cost + _running(task)


def _use(state: TasksState, tasks_above: Iterable[Task], *, tasks: int, cost: int) -> None:
    """Change what is used of the budgets of some tasks that are known."""
    for each in tasks_above:
        for records in (state.open, state.finished, state.dead_letters):
            known = records.get(each.task_id)
            if known is not None:
                used_tasks, used_cost = known.used_tasks + tasks, known.used_cost + cost
                records[each.task_id] = with_use(known, used_tasks=used_tasks, used_cost=used_cost)
                break


def _exceeded(task: Task, what: str, left: int, limit: int, wanted: int) -> Rejected:
    if what == "tasks":  # counted once for ever: no end of another task gives one back
        unit, mend = "of its tasks", "ask for less, or do the rest without a task"
    else:
        unit, mend = "units", "ask for less, or wait until others below it end"
    return Rejected(
        code="budget_exceeded",
        message=f"the budget of task {task.task_id} has {left} of {limit} {unit} left, and this takes "
        f"{wanted}; {mend}",
        details={"task_id": task.task_id, "what": what, "left": left, "limit": limit, "wanted": wanted},
    )


def _broken(task: Task, used: int, limit: int) -> str:
    return (
        f"budget_exceeded: {used} units would be used of the {limit} that task {task.task_id} and those "
        "below it may use"
    )
