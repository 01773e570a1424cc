"""What a conversation is: its commands, its events, its lifecycle. Plain data. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Status = Literal["open", "closed"]
Act = Literal["say", "close"]

LIFECYCLE: Final[Mapping[tuple[Status, Act], Status]] = {
    ("open", "say"): "open",
    ("open", "close"): "closed",
}
"""What may be done with a conversation, and what it becomes; any other pair is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConversation:
    """Command: begin a conversation that the caller owns."""

    conversation_id: str
    owner: str
    topic: str
    participants: tuple[str, ...] = ()
    """Further agents; the owner participates anyway, repetitions do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SayMessage:
    """Command: say something in a conversation."""

    conversation_id: str
    sender: str
    performative: str
    """FIPA communicative act."""
    content: str
    to: tuple[str, ...] = ()
    """Addressees of a direct message; empty means all participants."""
    in_reply_to: int | None = None
    """Sequence of the message that this one answers."""
    reply_by_ms: int | None = None
    """Answers to this message are taken up to and including this instant (Unix time)."""
    traceparent: str = ""
    """The span that it is said from (W3C); empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseConversation:
    """Command: end a conversation."""

    conversation_id: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOpened:
    """Event: a conversation began."""

    conversation_id: str
    owner: str
    topic: str
    participants: tuple[str, ...]
    """The owner first; no repetitions."""
    opened_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSaid:
    """Event, and the message's record."""

    conversation_id: str
    sequence: int
    """Position in the conversation, from 1, without gaps."""
    sender: str
    performative: str
    content: str
    to: tuple[str, ...]
    recipients: tuple[str, ...]
    """Who was sent it, as routed when it was said."""
    in_reply_to: int | None
    reply_by_ms: int | None
    said_at_ms: int
    traceparent: str = ""
    """The span that it was said from (W3C); empty for none."""

    def is_visible_to(self, agent: str) -> bool:
        """Whether `agent` may read it: its sender and its recipients may, nobody else."""
        return agent == self.sender or agent in self.recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReplyRefused:
    """Event: an answer came after the time its question allowed. The answer itself is not kept."""

    conversation_id: str
    sender: str
    performative: str
    in_reply_to: int
    reply_by_ms: int
    refused_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationClosed:
    """Event: the conversation is over; its history stays."""

    conversation_id: str
    agent: str
    closed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationArchived:
    """Event: a closed conversation made room; from now on it is in the journal only."""

    conversation_id: str


@dataclass(slots=True, kw_only=True)
class Conversation:
    """One conversation as the service holds it."""

    conversation_id: str
    topic: str
    owner: str
    participants: dict[str, int]
    """Agent -> sequence of the message last pushed to it, 0 before the first. The owner first."""
    opened_at_ms: int
    status: Status = "open"
    closed_at_ms: int | None = None
    messages: list[MessageSaid] = field(default_factory=list)
    """In order; the message with sequence n stands at n - 1."""
    late_replies: list[LateReplyRefused] = field(default_factory=list)
    """At most one per sender and question."""
    size_bytes: int = 0

    @property
    def last_sequence(self) -> int:
        """Sequence of the last message; 0 before the first."""
        return len(self.messages)

    def message(self, sequence: int) -> MessageSaid | None:
        """The message with this sequence."""
        return self.messages[sequence - 1] if 1 <= sequence <= len(self.messages) else None

    def late_replies_visible_to(self, agent: str) -> Iterator[LateReplyRefused]:
        """Late answers to messages that `agent` may read."""
        for late in self.late_replies:
            question = self.message(late.in_reply_to)
            if question is not None and question.is_visible_to(agent):
                yield late
