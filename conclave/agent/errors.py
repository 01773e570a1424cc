"""What handlers raise on purpose, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coordination.runtime.errors import ConclaveError, UsageError

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
        details: For the agent's own log; not sent.

    Raises:
        UsageError: `reason` is neither text nor an exception, or `details` is no mapping.
    """

    def __init__(
        self, reason: str | Exception, *, retryable: bool = True, details: Mapping[str, Any] | None = None
    ) -> None:
        self.reason: str = _text(reason).encode(errors="replace").decode()
        super().__init__(self.reason)
        self.retryable = retryable
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


class WorkCancelledError(ConclaveError):
    """Raised inside a handler that looks: its work is not wanted any more."""
