"""Wire contract of the gateway: ``conclave.call.gateway.<verb>.<agent>``.

A prompt from outside reaches an agent as a push of kind ``prompt`` (`PromptPush`). The agent answers chunk by
chunk with ``respond``, numbered from 1, one after another: ``response`` and ``status`` as often as it likes,
``query`` for a question to whoever prompts, and once ``done`` or ``error``. A call that is repeated changes
nothing. The first one has to come within `PromptPush.accept_ms`, and each next one within
`PromptPush.silence_ms`; a status will do.

The answer to a question is fetched with ``answer``, as often as it takes.

Refusals: ``unknown_prompt`` (it has ended, or its gateway has: stop working on it), ``not_yours``,
``out_of_order``, ``too_many_queries``, ``unknown_query``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_serializer, field_validator

from coordination.gateway.foreign import WORKING, Attachment, Code
from coordination.gateway.limits import (
    MAX_ATTACHMENTS,
    MAX_MESSAGE_CHARS,
    MAX_QUERY_WAIT_MS,
    MAX_STATUS_CHARS,
)
from coordination.runtime.names import Id
from coordination.runtime.wire import Body

PROTOCOL: Final = "agents"
"""What an agent names in the ``protocols`` of its registration to be reachable through the gateway."""
TEXT_ONLY: Final = "agents.text"
"""What an agent names instead that takes no attachments."""
PUSH_KIND: Final = "prompt"
"""Kind of the push that brings a prompt."""

Attachments = Annotated[tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS)]


class PromptPush(BaseModel):
    """Somebody prompts the agent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt_id: Id
    gateway: Id
    """Which gateway holds the client's stream; to be given back with every chunk."""
    text: str
    attachments: tuple[Attachment, ...] = ()
    unknown: dict[str, Any] = Field(default_factory=dict)
    """Fields of the client's envelope that the protocol does not define."""
    traceparent: str = ""
    """W3C trace context of the client's message, if it had one."""
    accept_ms: int = Field(gt=0)
    silence_ms: int = Field(gt=0)


class _Content(Body):
    text: str
    attachments: Attachments = ()

    @field_validator("attachments")
    @classmethod
    def _check_encoding(cls, attachments: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        for place, attachment in enumerate(attachments):
            if not attachment.is_encoded:
                raise ValueError(f"the content of attachment {place} is not padded standard base64")
        return attachments


class ResponseChunk(_Content):
    """A piece of the answer."""

    type: Literal["response"] = "response"


class StatusChunk(Body):
    """A sign of life. Clients pass over what they do not know. ``ack`` is said by the gateway alone."""

    type: Literal["status"] = "status"
    status: Annotated[str, StringConstraints(min_length=1, max_length=MAX_STATUS_CHARS)] = WORKING


class QueryChunk(_Content):
    """A question to whoever prompts."""

    type: Literal["query"] = "query"
    wait_ms: int = Field(gt=0, le=MAX_QUERY_WAIT_MS)
    """After how long the agent goes on without an answer."""


class DoneChunk(Body):
    """The answer is complete."""

    type: Literal["done"] = "done"


class ErrorChunk(Body):
    """The prompt has failed."""

    type: Literal["error"] = "error"
    code: Code = 500
    message: Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARS)]
    """Shown to the client: nothing secret."""


Chunk = Annotated[
    ResponseChunk | StatusChunk | QueryChunk | DoneChunk | ErrorChunk, Field(discriminator="type")
]


class RespondRequest(Body):
    """The next chunk of the answer to a prompt."""

    prompt_id: Id
    gateway: Id
    sequence: int = Field(ge=1, lt=2**53)
    """1 for the first chunk, then one more for each."""
    chunk: Chunk

    @field_serializer("chunk")
    def _write_whole(self, chunk: Chunk) -> dict[str, Any]:
        # Callers leave defaults out, and what kind of chunk it is looks like one.
        return chunk.model_dump(mode="json")


class RespondReply(BaseModel):
    """The chunk is on its way to the client, now or since an earlier call."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    duplicate: bool = False
    """It had come before; nothing was sent."""


class AnswerRequest(Body):
    """Wait a little for the answer to a question."""

    prompt_id: Id
    gateway: Id
    sequence: int = Field(ge=1, lt=2**53)
    """That of the ``query`` chunk."""


class AnswerReply(BaseModel):
    """Where the question stands."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Literal["waiting", "answered", "expired"]
    """``waiting``: ask again. ``expired``: nobody answered in time, or not in the protocol's words."""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    unknown: dict[str, Any] = Field(default_factory=dict)
    """Fields of the client's envelope that the protocol does not define."""
