"""DAGs: submitted all or not at all, canceled as a whole, and their books. Pure.

What becomes of one when a task of it fails is in `coordination.tasks.undoing`.
"""

from __future__ import annotations

from dataclasses import replace

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import (
    OPERATOR,
    CancelDag,
    DagStanding,
    SubmitDag,
    SubmitTask,
    Submitted,
    SubmittedTasks,
)
from coordination.tasks.dags import ENDED_DAGS, Dag, DagState
from coordination.tasks.draft import Draft
from coordination.tasks.events import DagEnded, DagFailed, DagSubmitted, TaskCompensated
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_DAG_MEMBERS, MAX_DAG_TASKS, MAX_DAGS
from coordination.tasks.record import Task, TasksState
from coordination.tasks.shares import is_scarce, is_too_much
from coordination.tasks.spec import TaskSpec
from coordination.tasks.standing import not_submitter
from coordination.tasks.submitting import Batch, begin, overloaded, submitted_event
from coordination.tasks.undoing import canceled_with
from coordination.tasks.view import View

DagEvent = DagSubmitted | DagFailed | TaskCompensated | DagEnded


def submit_dag(view: View, command: SubmitDag, now_ms: int) -> Outcome | Rejected:
    """Submit all tasks of a DAG, or none."""
    known = view.state.dags.get(command.dag_id)
    if known is not None:
        return _again(view.state, command, known)
    refused = _wrong_shape(command) or _no_room(view.state, command)
    if refused is not None:
        return refused
    draft = Draft(view, now_ms)
    tasks = {each.spec.name: each.task_id for each in command.tasks}
    draft.note(DagSubmitted(dag_id=command.dag_id, submitter=command.submitter, tasks=tasks, at_ms=now_ms))
    batch = Batch()
    answers: list[Submitted] = []
    for each in command.tasks:
        event = submitted_event(view, each, now_ms, batch)
        if isinstance(event, Rejected):
            return replace(
                event,
                message=f"tasks.{each.spec.name}: {event.message}; nothing of the DAG was submitted",
                details={**event.details, "name": each.spec.name},
            )
        if isinstance(event, Submitted):
            return _elsewhere(each, event)
        task = begin(draft, each, event, batch)
        answers.append(
            Submitted(task_id=task.task_id, state=task.state, duplicate=False, name=each.spec.name)
        )
    return draft.outcome(SubmittedTasks(tasks=tuple(answers), dag_id=command.dag_id))


def cancel_dag(view: View, command: CancelDag, now_ms: int) -> Outcome | Rejected:
    """Cancel what is open of a DAG; what has completed is undone."""
    dag = view.state.dags.get(command.dag_id)
    if dag is None:
        message = f"there is no DAG {command.dag_id}, or it ended long ago; check the id"
        return Rejected(code="unknown_dag", message=message)
    if command.caller not in {dag.submitter, OPERATOR}:
        return not_submitter(dag.submitter, f"DAG {dag.dag_id}", "cancel")
    if dag.state in ENDED_DAGS:
        return Rejected(
            code="wrong_state",
            message=f"DAG {dag.dag_id} is {dag.state}, and cannot be canceled: it has ended",
            details={"state": dag.state.value},
        )
    reply = DagStanding(dag_id=dag.dag_id, state=DagState.COMPENSATING)
    if dag.state is DagState.COMPENSATING:
        return Outcome(reply=reply)
    draft = Draft(view, now_ms)
    reason = command.reason or f"canceled by {command.caller}"
    failed = DagFailed(dag_id=dag.dag_id, reason=reason, at_ms=now_ms, canceled_by=command.caller)
    draft.note(failed)
    canceled = _failed(dag, failed)
    for task_id in dag.tasks.values():
        task = view.state.open.get(task_id)
        if draft.is_full:
            break  # the others are canceled when the ends of these are settled
        if task is not None and task.state is not State.CANCELING:
            draft.add(task, canceled_with(canceled, task, now_ms))
    return draft.outcome(reply)


def apply(state: TasksState, event: DagEvent) -> None:
    """Carry out an event of a DAG."""
    match event:
        case DagSubmitted():
            _add(state, event)
        case DagFailed():
            state.dags[event.dag_id] = _failed(state.dags[event.dag_id], event)
        case TaskCompensated():
            dag = state.dags.get(event.dag_id)
            if dag is not None:
                state.dags[event.dag_id] = _compensated(dag, event)
        case DagEnded():
            _end(state, event)


def on_change(state: TasksState, before: Task | None, after: Task) -> None:
    """Keep the books of a DAG.

    To be called after every change of a record with ``spec.dag`` or ``spec.compensates``, also when it is
    submitted (`before` is None), with `after` in the state.
    """
    dag = state.dags.get(after.spec.dag)
    if dag is None or dag.state in ENDED_DAGS:
        return
    if dag.tasks.get(after.spec.name) != (after.spec.compensates or after.task_id):
        return  # its DAG is forgotten, and another one has the id now
    if after.spec.compensates:
        if before is None:
            state.dags[dag.dag_id] = replace(dag, compensating=after.task_id)
        return
    if before is None or before.is_ended is after.is_ended:
        return
    if not after.is_ended:  # a dead letter that the others can do without was redriven
        state.dags[dag.dag_id] = replace(dag, open_count=dag.open_count + 1)
    elif after.state is State.COMPLETED:
        completed = (*dag.completed, after.task_id)
        state.dags[dag.dag_id] = replace(dag, open_count=dag.open_count - 1, completed=completed)
    else:
        state.dags[dag.dag_id] = replace(dag, open_count=dag.open_count - 1)


def _wrong_shape(command: SubmitDag) -> Rejected | None:
    """Why this is no DAG; whoever made the command has seen to its order."""
    if not 0 < len(command.tasks) <= MAX_DAG_TASKS:
        message = f"a DAG has 1 to {MAX_DAG_TASKS} tasks, not {len(command.tasks)}; split it"
        return Rejected(code="invalid_dag", message=message)
    for what, values in (
        ("name", [each.spec.name for each in command.tasks]),
        ("id", [each.task_id for each in command.tasks]),
    ):
        twice = next((each for number, each in enumerate(values) if each in values[:number]), None)
        if twice is not None:
            message = f"two tasks of DAG {command.dag_id} have the {what} {twice!r}; give each its own"
            return Rejected(code="invalid_dag", message=message, details={what: twice})
    return None


def _no_room(state: TasksState, command: SubmitDag) -> Rejected | None:
    """Which bound another DAG would break, even if all that have ended are forgotten."""
    dags, tasks = state.dag_counts.open_dags, state.dag_counts.open_tasks + len(command.tasks)
    if dags >= MAX_DAGS:
        return overloaded(f"{MAX_DAGS} DAGs have not ended")
    if tasks > MAX_DAG_MEMBERS:
        return overloaded(f"DAGs that have not ended have {MAX_DAG_MEMBERS} tasks")
    if not is_scarce(dags, MAX_DAGS) and not is_scarce(tasks, MAX_DAG_MEMBERS):
        return None
    mine = [each for each in state.dags.values() if each.submitter == command.submitter]
    sizes = [len(each.tasks) for each in mine if each.state not in ENDED_DAGS]
    if is_too_much(len(sizes), dags, MAX_DAGS) or is_too_much(sum(sizes), tasks, MAX_DAG_MEMBERS):
        return overloaded(f"{len(sizes)} DAGs of {command.submitter} have not ended, with {sum(sizes)} tasks")
    return None


def _elsewhere(command: SubmitTask, known: Submitted) -> Rejected:
    """A task of a new DAG was submitted before, by itself or with another one."""
    return Rejected(
        code="task_id_taken",
        message=f"tasks.{command.spec.name}: task {known.task_id} exists already, but this DAG does not; "
        "choose another id; nothing of the DAG was submitted",
        details={"task_id": known.task_id, "name": command.spec.name},
    )


def _again(state: TasksState, command: SubmitDag, known: Dag) -> Outcome | Rejected:
    """The answer to a submission under an id that a DAG has: the same again, or a mistake."""
    taken = Rejected(
        code="dag_id_taken",
        message=f"another DAG has the id {known.dag_id}; choose another dag_id, or leave it out",
        details={"dag_id": known.dag_id},
    )
    if command.submitter != known.submitter or {each.spec.name for each in command.tasks} != set(known.tasks):
        return taken
    asked = {each.task_id: each.spec.name for each in command.tasks}
    there = {task_id: name for name, task_id in known.tasks.items()}
    answers: list[Submitted] = []
    for name, task_id in known.tasks.items():
        task = state.find(task_id)
        if task is None:
            return replace(
                taken,
                message=f"DAG {known.dag_id} is {known.state}, and some of its tasks are forgotten; ask for "
                "it by its id, or choose another dag_id for a new one",
            )
        spec = next(each.spec for each in command.tasks if each.spec.name == name)
        if not _is_same(spec, asked, task, there):
            return taken
        answers.append(Submitted(task_id=task_id, state=task.state, duplicate=True, name=name))
    return Outcome(reply=SubmittedTasks(tasks=tuple(answers), dag_id=known.dag_id))


def _is_same(spec: TaskSpec, asked: dict[str, str], known: Task, there: dict[str, str]) -> bool:
    """Whether a task of a DAG was submitted with this content; ids may have been drawn anew."""
    one, other = _comparable(spec, asked), _comparable(known.spec, there)
    if known.redrives:  # which takes times away that have passed
        one = replace(one, deadline_ms=other.deadline_ms, start_by_ms=other.start_by_ms)
    return one == other


def _comparable(spec: TaskSpec, names: dict[str, str]) -> TaskSpec:
    """A spec whose edges name tasks of the same DAG instead of their ids, without where it was traced."""
    after = tuple(
        replace(edge, task_id=f" {names[edge.task_id]}") if edge.task_id in names else edge
        for edge in spec.after
    )
    return replace(spec, after=after, traceparent="")


def _add(state: TasksState, event: DagSubmitted) -> None:
    """Take up a new DAG; those that ended longest ago make room."""
    counts = state.dag_counts
    while len(state.dags) >= MAX_DAGS or counts.tasks + len(event.tasks) > MAX_DAG_MEMBERS:
        oldest = next((each for each in state.dags.values() if each.state in ENDED_DAGS), None)
        if oldest is None:
            break
        del state.dags[oldest.dag_id]
        counts.tasks -= len(oldest.tasks)
    counts.tasks += len(event.tasks)
    counts.open_dags += 1
    counts.open_tasks += len(event.tasks)
    state.dags[event.dag_id] = Dag(
        dag_id=event.dag_id,
        submitter=event.submitter,
        tasks=event.tasks,
        submitted_at_ms=event.at_ms,
        open_count=len(event.tasks),
    )


def _end(state: TasksState, event: DagEnded) -> None:
    """End a DAG; one that has ended ends anew when what could not be undone was undone after all."""
    dag = state.dags[event.dag_id]
    if dag.state not in ENDED_DAGS:
        state.dag_counts.open_dags -= 1
        state.dag_counts.open_tasks -= len(dag.tasks)
    state.dags[event.dag_id] = replace(dag, state=DagState(event.state), finished_at_ms=event.at_ms)


def _failed(dag: Dag, event: DagFailed) -> Dag:
    return replace(dag, state=DagState.COMPENSATING, reason=event.reason, canceled_by=event.canceled_by)


def _compensated(dag: Dag, event: TaskCompensated) -> Dag:
    """A task was undone, or not; one that was not before may have been now, after a redrive."""
    was_tried = event.task_id in dag.not_compensated
    compensating = dag.compensating if was_tried else ""
    if event.is_undone:
        return replace(
            dag,
            compensating=compensating,
            compensated=(*dag.compensated, event.task_id),
            not_compensated=tuple(each for each in dag.not_compensated if each != event.task_id),
        )
    not_compensated = dag.not_compensated if was_tried else (*dag.not_compensated, event.task_id)
    return replace(dag, compensating=compensating, not_compensated=not_compensated)
