"""What becomes of a DAG when tasks of it end: it ends, too, or it has failed and is undone (saga). Pure.

Each step rests on the record of the DAG alone, and one tick takes at most one step of each, so that it does
not matter who leads when: judge; cancel what is open; undo what has completed, the last first, one at a time;
end.
Sagas: Garcia-Molina and Salem, SIGMOD 1987.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from coordination.requirements import parse
from coordination.runtime.model import Notice, Push
from coordination.tasks.dags import Dag, DagState
from coordination.tasks.events import DagEnded, DagFailed, TaskCanceled, TaskCompensated, TaskSubmitted
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_REASON_CHARS, MAX_TICK_TASKS
from coordination.tasks.record import Task
from coordination.tasks.spec import Compensation, OnFailure, TaskSpec

if TYPE_CHECKING:
    from coordination.tasks.draft import Draft
    from coordination.tasks.view import View

SERVICE: Final = "tasks"
"""Who cancels what nobody asked for by name."""
STEP_EVENTS: Final = 3
"""Events that one step adds at most; a draft with less room is full."""
_FAILED: Final = frozenset({State.DEAD_LETTERED, State.EXPIRED, State.CANCELED})
_MAX_ID_CHARS: Final = 63


def is_full(draft: Draft) -> bool:
    """Whether a tick has no room for another step."""
    return draft.is_full or draft.count > MAX_TICK_TASKS - STEP_EVENTS


class Following:
    """Takes the steps of DAGs in one draft.

    Args:
        view: What is decided on.
        draft: Takes up what follows.
    """

    __slots__ = ("_absorbed", "_draft", "_emptied", "_stepped", "_view")

    def __init__(self, view: View, draft: Draft) -> None:
        self._view = view
        self._draft = draft
        self._stepped: set[str] = set()
        """DAGs that take a step in this draft: the next one rests on what that leads to."""
        self._emptied: set[str] = set()
        """DAGs that have failed and of which nothing is left to be canceled."""
        self._absorbed: dict[str, dict[str, bool]] = {}
        """By DAG and task that others of it wait for: whether they can do without it."""

    def is_done(self, task: Task) -> bool:
        """Take the next step of the DAG of an unsettled task; whether that was the last for now."""
        dag = self._view.state.dags.get(task.spec.dag)
        if dag is None or not task.is_ended:
            return True
        if dag.dag_id in self._stepped:
            return False
        if task.spec.compensates and not self._is_noted(dag, task):
            return False
        match dag.state:
            case DagState.RUNNING:
                return self._judge(dag, task)
            case DagState.COMPENSATING:
                return self._unwind(dag)
            case _:
                return True

    def _note(self, dag: Dag, *events: Any) -> None:
        self._stepped.add(dag.dag_id)
        self._draft.note(*events)

    def _judge(self, dag: Dag, task: Task) -> bool:
        """Whether a running DAG goes on after `task` has ended."""
        if task.state not in _FAILED and dag.open_count:
            return True
        failed = self._first_failure(dag)
        if failed is not None:
            reason = f"task {failed.spec.name} ({failed.task_id}) is {failed.state}: {failed.reason}"
            event = DagFailed(dag_id=dag.dag_id, reason=reason[:MAX_REASON_CHARS], at_ms=self._draft.now_ms)
            self._note(dag, event)
            return False
        if not dag.open_count:
            self._end(dag, DagState.COMPLETED)
        return True

    def _first_failure(self, dag: Dag) -> Task | None:
        """The task whose failure the others cannot do without; of several the one that ended first."""
        members = [self._view.state.find(each) for each in dag.tasks.values()]
        if dag.dag_id not in self._absorbed:
            self._absorbed[dag.dag_id] = absorbed_by([each for each in members if each is not None])
        absorbed = self._absorbed[dag.dag_id]
        failed = [
            each
            for each in members
            if each is not None and each.state in _FAILED and not absorbed.get(each.task_id, False)
        ]
        return min(failed, key=lambda each: each.finished_at_ms or 0, default=None)

    def _unwind(self, dag: Dag) -> bool:
        """Cancel what is open of a failed DAG; then undo the next task, or end."""
        if not self._is_empty(dag):
            return False
        if dag.open_count or dag.compensating:
            return True  # the end of these tasks leads here again
        found = self._next_to_undo(dag)
        if found is None:
            self._end(dag, end_of(dag))
        else:
            self._note(dag, self._undoing(dag, *found))
        return True

    def _is_empty(self, dag: Dag) -> bool:
        """Whether nothing of a failed DAG is open but what is being canceled; if not, cancel it."""
        if dag.dag_id in self._emptied:
            return True
        for task_id in dag.tasks.values():
            task = self._draft.task(task_id)
            if task is None or task.is_ended or task.state is State.CANCELING:
                continue
            self._stepped.add(dag.dag_id)
            if is_full(self._draft):
                break
            self._draft.add(task, canceled_with(dag, task, self._draft.now_ms))
        if dag.dag_id in self._stepped:
            return False
        self._emptied.add(dag.dag_id)
        return True

    def _next_to_undo(self, dag: Dag) -> tuple[Task, Compensation] | None:
        done = {*dag.compensated, *dag.not_compensated}
        for task_id in reversed(dag.completed):
            task = self._view.state.find(task_id)
            if task_id not in done and task is not None and task.spec.compensation is not None:
                return task, task.spec.compensation
        return None

    def _undoing(self, dag: Dag, task: Task, compensation: Compensation) -> TaskSubmitted:
        """The submission of the task that undoes another one."""
        spec = task.spec
        subjects = parse(compensation.requirement).subjects
        payload = payload_of(task, compensation)
        undo = TaskSpec(
            requirement=compensation.requirement,
            capability=subjects[0] if len(subjects) == 1 else "",
            payload=payload,
            payload_bytes=len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()),
            queue=spec.queue,
            priority=spec.priority,
            fairness_key=spec.fairness_key,
            fairness_weight=spec.fairness_weight,
            timeout_ms=spec.timeout_ms,
            lease_ms=spec.lease_ms,
            max_attempts=spec.max_attempts,
            backoff=spec.backoff,
            dag=dag.dag_id,
            name=spec.name,
            compensates=task.task_id,
            traceparent=spec.traceparent,
        )
        return TaskSubmitted(
            task_id=self._undo_id(task.task_id),
            submitter=dag.submitter,
            spec=undo,
            seed=task.seed,
            at_ms=self._draft.now_ms,
        )

    def _undo_id(self, task_id: str) -> str:
        """An id that no task has: ``<task_id>-undo``, if that is free and short enough."""
        for number in count(1):
            suffix = "-undo" if number == 1 else f"-undo-{number}"
            found = task_id + suffix
            if len(found) > _MAX_ID_CHARS:
                digest = blake2b(task_id.encode(), digest_size=4).hexdigest()
                found = f"{task_id[: _MAX_ID_CHARS - len(suffix) - 9]}-{digest}{suffix}"
            if self._draft.task(found) is None:
                return found
        raise AssertionError("numbers do not end")

    def _is_noted(self, dag: Dag, undo: Task) -> bool:
        """Whether the DAG knows how undoing a task went; if not it does now."""
        is_undone = undo.state is State.COMPLETED
        original = undo.spec.compensates
        if dag.compensating == undo.task_id:
            noted = TaskCompensated(
                dag_id=dag.dag_id, task_id=original, is_undone=is_undone, at_ms=self._draft.now_ms
            )
            self._note(dag, noted)
            return False
        if is_undone and original in dag.not_compensated:  # redriven, and done after all
            noted = TaskCompensated(
                dag_id=dag.dag_id, task_id=original, is_undone=True, at_ms=self._draft.now_ms
            )
            self._note(dag, noted)
            return False
        if dag.state is DagState.COMPENSATION_FAILED and not dag.not_compensated:
            self._end(dag, end_of(dag))
        return True

    def _end(self, dag: Dag, state: DagState) -> None:
        ended = DagEnded(dag_id=dag.dag_id, state=state.value, at_ms=self._draft.now_ms)
        self._note(dag, ended)
        body = {
            "dag_id": dag.dag_id,
            "state": state.value,
            "reason": dag.reason,
            "finished_at_ms": self._draft.now_ms,
        }
        self._draft.tell(
            Push(agent=dag.submitter, kind="dag", body=body),
            Notice(event="dag", aggregate=dag.dag_id, body=body),
        )


def absorbed_by(members: list[Task]) -> dict[str, bool]:
    """By task that others of its DAG wait for: whether all of them run or are skipped if it fails."""
    absorbed: dict[str, bool] = {}
    for member in members:
        for edge in member.spec.after:
            goes_on = edge.on_failure is not OnFailure.FAIL
            absorbed[edge.task_id] = absorbed.get(edge.task_id, True) and goes_on
    return absorbed


def canceled_with(dag: Dag, task: Task, now_ms: int) -> TaskCanceled:
    """The end of a task because its DAG has failed, or was canceled."""
    found = "was canceled" if dag.canceled_by else "has failed"
    reason = f"its DAG {dag.dag_id} {found}: {dag.reason}"[:MAX_REASON_CHARS]
    return TaskCanceled(task_id=task.task_id, reason=reason, by=SERVICE, at_ms=now_ms)


def end_of(dag: Dag) -> DagState:
    """In which state a DAG ends that has failed or was canceled, once nothing is left to be undone."""
    if dag.not_compensated:
        return DagState.COMPENSATION_FAILED
    if dag.canceled_by:
        return DagState.CANCELED
    return DagState.COMPENSATED if dag.compensated else DagState.FAILED


def payload_of(task: Task, compensation: Compensation) -> dict[str, Any]:
    """What whoever undoes a task is told: what it was to do, what came of it, and what was said for this."""
    payload: dict[str, Any] = {
        "payload": task.spec.payload,
        "result": task.result,
        "compensation": compensation.payload,
    }
    if task.spec.payload_reference is not None:
        payload["payload_reference"] = asdict(task.spec.payload_reference)
    if task.result_reference is not None:
        payload["result_reference"] = asdict(task.result_reference)
    return payload
