"""What every service's wire contract is made of: bodies, headers and the shape of an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_PAGE_BYTES

HEADER_COMMAND_ID: Final = "Nats-Msg-Id"
"""Request header: the command id; a retry with the same id gets the first answer."""
HEADER_AGE: Final = "Conclave-Age-Ms"
"""Request header of a retry: how long ago the command was first sent, in ms by the caller's clock."""
HEADER_TIMEOUT: Final = "Conclave-Timeout-Ms"
"""Request header: how long the caller waits for the answer, in ms; a request that waited longer in a
queue is refused unseen. Relative, because clocks differ."""
HEADER_TAKES: Final = "Conclave-Takes"
"""Request header, any value: the caller's listeners take several pushes of one kind in one message, as a JSON
array in order. What the last request of an agent says counts; who says nothing gets each push alone."""
HEADER_TRACE: Final = "traceparent"
"""W3C trace context, handed on unread."""
HEADER_ERROR: Final = "Nats-Service-Error"
HEADER_ERROR_CODE: Final = "Nats-Service-Error-Code"
"""Reply headers of an error, as ADR-32 (NATS micro) defines them."""


_JSON: Final = TypeAdapter[Any](Any)


def to_json(body: Any) -> bytes:
    """The JSON bytes of plain data, dataclasses or pydantic models."""
    return _JSON.serializer.to_json(body)  # as `dump_json`, without what that does before


class Body(BaseModel):
    """A request or reply body. Unknown fields are refused: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """A reply or notification as its reader takes it.

    Unknown fields are ignored: a newer service may say more than an older client knows.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class ReadyJson:
    """A reply that its service has written itself, where making objects first would take too long.

    Args:
        text: JSON of the endpoint's reply type.
    """

    text: str


B = TypeVar("B", bound=BaseModel)


def page(bodies: Iterable[B], *, max_bytes: int = MAX_PAGE_BYTES) -> tuple[B, ...]:
    """As many `bodies` as one reply can carry, from the first; at least one if there is one.

    Takes no more from `bodies` than it returns and one.
    """
    taken: list[B] = []
    size_bytes = 0
    for body in bodies:
        size_bytes += len(body.model_dump_json().encode()) + 1
        if taken and size_bytes > max_bytes:
            break
        taken.append(body)
    return tuple(taken)


class ErrorBody(Body):
    """The body of every error reply."""

    code: str
    message: str
    retryable: bool = False
    details: dict[str, Any] = {}
    correlation_id: str = ""

    @classmethod
    def of(cls, error: RejectedError) -> ErrorBody:
        """The wire form of a refusal."""
        return cls(
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            details=dict(error.details),
            correlation_id=error.correlation_id,
        )

    def as_error(self) -> RejectedError:
        """The refusal as the caller raises it."""
        return RejectedError(
            self.code,
            self.message,
            retryable=self.retryable,
            details=self.details,
            correlation_id=self.correlation_id,
        )
