"""What handlers raise on purpose, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coordination.runtime.errors import ConclaveError, UsageError
from coordination.tasks.limits import MAX_DURATION_MS

MAX_REASON_CHARS: Final = 1024
"""Length of the reason that others get; the rest of a longer one is cut."""


class TaskFailed(ConclaveError):  # noqa: N818 - what has happened, as the handler's author says it
    """Raised by a handler: it could not do what was asked, and others may know why.

    The text of any other exception stays with the agent: others get its class name, and an id that the log
    has.

    Attributes:
        reason: One sentence for whoever asked; at most `MAX_REASON_CHARS` of it are sent. What UTF-8 cannot
            carry (half a surrogate pair, as in a file's odd name) has become ``?``. An exception that was
            given in its place has become its text, or its class name if it has none.
        retryable: Whether another attempt, by this agent or another one, may succeed.
        retry_after_s: The pause before that attempt, in place of the task's own backoff; None for that one.
        details: For the agent's own log; not sent.

    Raises:
        UsageError: `reason` is neither text nor an exception, `details` is no mapping, or `retry_after_s` is
            no number of seconds from 0 to a year, or is given although there is no further attempt.
    """

    def __init__(
        self,
        reason: str | Exception,
        *,
        retryable: bool = True,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.reason: str = _text(reason).encode(errors="replace").decode()
        super().__init__(self.reason)
        self.retryable = retryable
        self.retry_after_s: float | None = _pause(retry_after_s, retryable=retryable)
        if not isinstance(details, Mapping | None):
            raise UsageError(f"TaskFailed: details is a {type(details).__name__}; it is a mapping")
        self.details: Mapping[str, Any] = dict(details or {})


def _text(reason: object) -> str:
    match reason:
        case str():
            return reason
        case Exception():
            return str(reason) or type(reason).__name__
    raise UsageError(f"TaskFailed: the reason is a {type(reason).__name__}; give a str, or the exception")


def _pause(retry_after_s: object, *, retryable: bool) -> float | None:
    if retry_after_s is None:
        return None
    if not retryable:
        raise UsageError("TaskFailed: retry_after_s is given, but it is not retryable; give one of the two")
    # NaN is in no range.
    if isinstance(retry_after_s, bool) or not isinstance(retry_after_s, int | float):
        raise UsageError(f"TaskFailed: retry_after_s is a {type(retry_after_s).__name__}; it is a number")
    if not 0 <= retry_after_s <= MAX_DURATION_MS / 1000:
        raise UsageError(
            f"TaskFailed: retry_after_s is {retry_after_s}; it is 0 to {MAX_DURATION_MS // 1000}"
        )
    return float(retry_after_s)


class WorkCancelledError(ConclaveError):
    """Raised inside a handler that looks: its work is not wanted any more."""
