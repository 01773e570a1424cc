"""Wire contract of dialogs: ``conclave.call.dialog.<verb>.<caller>``.

Pushes: ``conclave.inbox.<agent>.message`` carries a `Message`, ``conclave.inbox.<agent>.conversation`` a
`Conversation` that was opened with this agent or closed.

Refusals: ``unknown_conversation``, ``not_a_participant``, ``not_owner``, ``conversation_exists``,
``conversation_closed``, ``conversation_full``, ``dialog_full`` (retryable), ``too_many_participants``,
``unknown_recipient``, ``unknown_message``, ``message_too_large``, ``reply_by_passed``, ``too_late``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from dialog.limits import (
    MAX_CONTENT_BYTES,
    MAX_PAGE,
    MAX_PARTICIPANTS,
    MAX_REPLY_BY_MS,
    MAX_TOPIC_CHARS,
)

Performative = Literal[
    "accept-proposal",
    "agree",
    "cancel",
    "cfp",
    "confirm",
    "disconfirm",
    "failure",
    "inform",
    "inform-if",
    "inform-ref",
    "not-understood",
    "propagate",
    "propose",
    "proxy",
    "query-if",
    "query-ref",
    "refuse",
    "reject-proposal",
    "request",
    "request-when",
    "request-whenever",
    "subscribe",
]
"""FIPA communicative acts (SC00037J)."""

Status = Literal["open", "closed"]
Topic = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOPIC_CHARS)]
Content = Annotated[str, StringConstraints(max_length=MAX_CONTENT_BYTES)]
Sequence = Annotated[int, Field(ge=1)]


class OpenRequest(Body):
    """Begin a conversation; the caller owns it and takes part."""

    topic: Topic
    participants: tuple[Id, ...] = Field(default=(), max_length=MAX_PARTICIPANTS)
    """Further agents."""
    conversation_id: Id | None = None
    """An id of the caller's choice; by default the service makes one."""


class LateReply(Body):
    """On record: an answer that came after its question's `reply_by_ms`."""

    sender: Id
    performative: Performative
    in_reply_to: Sequence
    reply_by_ms: int
    refused_at_ms: int


class Conversation(Body):
    """A conversation, without its messages."""

    conversation_id: Id
    topic: str
    owner: Id
    participants: tuple[Id, ...]
    """The owner first."""
    status: Status
    opened_at_ms: int
    closed_at_ms: int | None
    last_sequence: int
    """Sequence of the last message said, whether or not the reader may see it; 0 before the first."""
    late_replies: tuple[LateReply, ...] = ()
    """Only in the answer to ``get``: late answers to messages that the caller may read."""


class SayRequest(Body):
    """Say something."""

    conversation_id: Id
    performative: Performative = "inform"
    content: Content = ""
    to: tuple[Id, ...] = Field(default=(), max_length=MAX_PARTICIPANTS)
    """Addressees; only they and the sender ever see the message. Empty: all participants do."""
    in_reply_to: Sequence | None = None
    """Sequence of the message that this one answers."""
    reply_by_ms: int | None = Field(default=None, ge=0, le=MAX_REPLY_BY_MS)
    """Unix time in ms up to which, inclusive, answers to this message are taken."""


class BroadcastRequest(Body):
    """Say something to all participants."""

    conversation_id: Id
    performative: Performative = "inform"
    content: Content = ""
    in_reply_to: Sequence | None = None
    reply_by_ms: int | None = Field(default=None, ge=0, le=MAX_REPLY_BY_MS)


class SayReply(Body):
    """The message is on record and on its way."""

    conversation_id: Id
    sequence: Sequence
    recipient_count: int
    said_at_ms: int


class Message(Body):
    """One message; body of a push and item of a history."""

    conversation_id: Id
    sequence: Sequence
    """Position in the conversation, from 1."""
    sender: Id
    performative: Performative
    content: str
    to: tuple[Id, ...]
    """Addressees of a direct message; empty when it went to all participants."""
    in_reply_to: int | None
    reply_by_ms: int | None
    said_at_ms: int
    traceparent: str = ""
    """The span that it was said from (W3C); empty for none."""
    previous_sequence: int | None = None
    """Only in a push: sequence of the push before it in this conversation to the same agent, 0 for the
    first. Another one than the last that arrived means that pushes were lost: ask for ``history``."""


class HistoryRequest(Body):
    """Ask for the messages that the caller may see."""

    conversation_id: Id
    after_sequence: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class HistoryReply(Body):
    """Messages in order."""

    messages: tuple[Message, ...]
    through_sequence: int
    """Complete up to here; the next page begins after it."""
    last_sequence: int
    """There is a next page while `through_sequence` is smaller."""


class GetRequest(Body):
    """Ask for one conversation."""

    conversation_id: Id


class CloseRequest(Body):
    """End a conversation; only its owner may."""

    conversation_id: Id


class ListRequest(Body):
    """Ask for a page of the conversations in which the caller takes part."""

    after: str = Field(default="", max_length=63)
    """Last id of the previous page."""
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class ListReply(Body):
    """Conversations ordered by id."""

    conversations: tuple[Conversation, ...]
