"""How work that was handed out can end otherwise than hoped for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from coordination.runtime.errors import ConclaveError, RejectedError

if TYPE_CHECKING:
    from conclave.work.handle import TaskHandle

_MAX_SHOWN: Final = 3


class TaskFailedError(ConclaveError):
    """A task has ended without a result.

    Attributes:
        task_id: The task.
        state: ``dead_lettered``, ``canceled``, ``expired`` or ``skipped``.
        reason: Why, in words.
        attempts: How often somebody has tried.
    """

    def __init__(self, task_id: str, state: str, reason: str, *, attempts: int = 0) -> None:
        super().__init__(f"task {task_id} is {state}: {reason or 'no reason given'}")
        self.task_id = task_id
        self.state = state
        self.reason = reason
        self.attempts = attempts


class DagFailedError(ConclaveError):
    """A DAG has ended otherwise than completed.

    Attributes:
        dag_id: The DAG.
        state: ``failed``, ``compensated``, ``compensation_failed`` or ``canceled``.
        reason: The first task of it that failed, and how.
    """

    def __init__(self, dag_id: str, state: str, reason: str) -> None:
        super().__init__(f"DAG {dag_id} is {state}: {reason or 'no reason given'}")
        self.dag_id = dag_id
        self.state = state
        self.reason = reason


class TasksRefusedError(ConclaveError):
    """Some of several tasks were refused; the others are taken, and go on.

    Attributes:
        handles: One for each task in the order given; None for those that were refused.
        refusals: By the place of the task, from 0.
    """

    def __init__(self, handles: Sequence[TaskHandle | None], refusals: Mapping[int, RejectedError]) -> None:
        shown = "; ".join(f"task {place}: {error}" for place, error in list(refusals.items())[:_MAX_SHOWN])
        more = len(refusals) - _MAX_SHOWN
        super().__init__(
            f"{len(refusals)} of {len(handles)} tasks were refused: {shown}"
            + (f"; and {more} more" if more > 0 else "")
        )
        self.handles: tuple[TaskHandle | None, ...] = tuple(handles)
        self.refusals: dict[int, RejectedError] = dict(refusals)


def failure_of(answer: Any) -> TaskFailedError:
    """The error that an end without a result is.

    Args:
        answer: A `coordination.tasks.wire.TaskResult` in any other state than ``completed``.
    """
    return TaskFailedError(answer.task_id, answer.state, answer.reason, attempts=answer.attempts)
