"""Submitting a task that was voted on: its approval is redeemed at consensus before the task is queued.

The order keeps both promises. The approval is spent on one execution, which is this submitter, task id and
artifact, before anything is queued, so no approval is good for two tasks. And all of that follows from the
request alone, so whoever submits again, after a crash of this process just as well, redeems for the same
execution, gets the same answer, and the task is queued once.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from pydantic import TypeAdapter

from coordination.approvals.artifact import Artifact
from coordination.approvals.redeeming import execution_of, redeem
from coordination.approvals.wire import Kind
from coordination.runtime.canonical import NotCanonicalError
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.host import Host
from coordination.runtime.model import Rejected
from coordination.runtime.service import Call
from coordination.tasks import wire
from coordination.tasks.artifact import task_artifact
from coordination.tasks.commands import SubmitTask
from coordination.tasks.forms import submission
from coordination.tasks.model import TasksModel

KINDS: Final[frozenset[Kind]] = frozenset({"task_assignment"})
"""Kinds of proposals that may approve a task."""
_IS_NEW: Final = TypeAdapter(bool)


def redeeming(
    caller: Caller, host: Host[TasksModel], call: Call, request: wire.SubmitRequest
) -> Coroutine[Any, Any, None] | None:
    """What must succeed before a submission is decided; None for a task without an approval.

    Args:
        caller: The task service's own; approvals are redeemed in its name.
        host: Of the tasks.
        call: The submission's.
        request: The submission.
    """
    return None if request.approval is None else _redeem(caller, host, submission(call, request), request)


async def _redeem(
    caller: Caller, host: Host[TasksModel], command: SubmitTask, request: wire.SubmitRequest
) -> None:
    assert request.approval is not None
    # First, whether the task would be taken: an approval must not be spent on one that is then refused.
    answer = await host.query(lambda model, now_ms: _is_new(model, command, now_ms), reply_type=_IS_NEW)
    if not _IS_NEW.validate_json(answer):
        return  # the very same task was queued before, and its approval redeemed then
    artifact = _artifact(command)
    await redeem(
        caller,
        request.approval,
        artifact,
        kinds=KINDS,
        execution_id=execution_of(command.submitter, command.task_id, artifact.sha256),
        conditions_met=request.conditions_met,
    )


def _is_new(model: TasksModel, command: SubmitTask, now_ms: int) -> bool:
    """Whether the command would queue a task.

    Raises:
        RejectedError: It would be refused.
    """
    outcome = model.decide(command, now_ms)
    if isinstance(outcome, Rejected):
        raise RejectedError(
            outcome.code, outcome.message, retryable=outcome.retryable, details=outcome.details
        )
    return bool(outcome.events)


def _artifact(command: SubmitTask) -> Artifact:
    try:
        return task_artifact(command.spec.requirement, command.spec.payload)
    except NotCanonicalError as error:
        message = f"the payload of an approved task needs a canonical form: {error}"
        raise RejectedError("invalid_request", message) from None
