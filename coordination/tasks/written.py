"""Writes the replies of the hot verbs as JSON: they are small, and there are hundreds in one request. Pure.

Ids, codes and states need no escaping; everything else is written by a JSON writer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic_core import to_json

from coordination.tasks.commands import (
    Refused,
    Reported,
    Standing,
    Submitted,
    SubmittedTasks,
)

T = TypeVar("T")


def submitted(reply: Submitted) -> str:
    """A `replies.SubmitReply`."""
    duplicate = "true" if reply.duplicate else "false"
    text = f'{{"task_id":"{reply.task_id}","state":"{reply.state}","duplicate":{duplicate}'
    return f'{text},"name":"{reply.name}"}}' if reply.name else text + "}"


def standing(reply: Standing) -> str:
    """A `replies.StandingReply`."""
    lease_ms = reply.lease_expires_ms
    return (
        f'{{"task_id":"{reply.task_id}","state":"{reply.state}","fencing_token":{reply.fencing_token},'
        f'"lease_expires_ms":{"null" if lease_ms is None else lease_ms}}}'
    )


def refused(reply: Refused) -> str:
    """A `replies.RefusedReply`."""
    view = {
        "task_id": reply.task_id,
        "code": reply.code,
        "message": reply.message,
        "retryable": reply.retryable,
        "details": dict(reply.details),
    }
    return to_json(view).decode()


def submitted_tasks(reply: SubmittedTasks) -> str:
    """A `replies.SubmitManyReply`."""
    return f'{{"tasks":[{_joined(reply.tasks, submitted)}]}}'


def reported(reply: Reported) -> str:
    """A `replies.ReportReply`."""
    return f'{{"results":[{_joined(reply.results, standing)}]}}'


def _joined(replies: tuple[T | Refused, ...], write: Callable[[T], str]) -> str:
    return ",".join([refused(each) if isinstance(each, Refused) else write(each) for each in replies])
