"""The dialog's state machine: who may speak, to whom, until when.

A direct message is private: only its sender and its recipients see it, in pushes and in history alike.
So that they can still tell a lost push from a message that was not for them, every push names the
sequence of the push before it to the same recipient.

Archiving: when the bounds are reached, the conversations closed the longest ago leave the state (the
journal keeps them) and their ids may be used anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from coordination.runtime.model import NOTHING, Notice, Outcome, Push, Rejected
from dialog.conversation import (
    LIFECYCLE,
    Act,
    CloseConversation,
    Conversation,
    ConversationArchived,
    ConversationClosed,
    ConversationOpened,
    LateReplyRefused,
    MessageSaid,
    OpenConversation,
    SayMessage,
)
from dialog.limits import (
    CONVERSATION_OVERHEAD_BYTES,
    MAX_CONTENT_BYTES,
    MAX_CONVERSATION_BYTES,
    MAX_CONVERSATIONS,
    MAX_LATE_REPLIES,
    MAX_MESSAGES,
    MAX_PARTICIPANTS,
    MAX_STORED_BYTES,
    MESSAGE_OVERHEAD_BYTES,
)
from dialog.routing import route


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Reply to `SayMessage`."""

    conversation_id: str
    sequence: int
    recipient_count: int
    said_at_ms: int


@dataclass(slots=True)
class DialogState:
    """Everything that survives a restart."""

    conversations: dict[str, Conversation] = field(default_factory=dict)
    """In the order in which they were opened."""
    closed: dict[str, int] = field(default_factory=dict)
    """Closed conversations -> when (Unix ms), the longest closed first."""
    size_bytes: int = 0
    """Sum over all conversations."""


class DialogModel:
    """Decides what is said.

    Invariants: sequences of a conversation have no gap; a closed conversation never changes; no more is
    stored than `dialog.limits` allows.
    """

    event_types: ClassVar[tuple[type, ...]] = (
        ConversationOpened,
        MessageSaid,
        LateReplyRefused,
        ConversationClosed,
        ConversationArchived,
    )

    def __init__(self) -> None:
        self.state = DialogState()
        self._by_participant: dict[str, dict[str, None]] = {}

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What opening, saying or closing leads to."""
        match command:
            case OpenConversation():
                return self._open(command, now_ms)
            case SayMessage():
                return self._say(command, now_ms)
            case CloseConversation():
                return self._close(command, now_ms)
            case _:
                raise AssertionError(f"not a dialog command: {type(command).__name__}")

    def apply(self, event: Any) -> None:
        """Take over what happened."""
        match event:
            case ConversationOpened():
                self._apply_opened(event)
            case MessageSaid():
                self._apply_said(event)
            case LateReplyRefused():
                self.state.conversations[event.conversation_id].late_replies.append(event)
            case ConversationClosed():
                conversation = self.state.conversations[event.conversation_id]
                conversation.status = LIFECYCLE[conversation.status, "close"]
                conversation.closed_at_ms = event.closed_at_ms
                self.state.closed[event.conversation_id] = event.closed_at_ms
            case ConversationArchived():
                archived = self.state.conversations.pop(event.conversation_id)
                del self.state.closed[event.conversation_id]
                self.state.size_bytes -= archived.size_bytes
                self._index(archived, present=False)

    def next_deadline_ms(self) -> int | None:
        """Nothing happens by itself: a late reply is refused when it comes."""
        return None

    def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
        """Nothing happens by itself."""
        return NOTHING

    def snapshot(self) -> DialogState:
        """The whole state."""
        return self.state

    def restore(self, state: DialogState) -> None:
        """Replace the whole state."""
        self.state = state
        self._by_participant = {}
        for conversation in state.conversations.values():
            self._index(conversation, present=True)

    def find(self, conversation_id: str, agent: str) -> Conversation | Rejected:
        """The conversation, if `agent` takes part in it."""
        conversation = self.state.conversations.get(conversation_id)
        if conversation is None:
            return Rejected(
                code="unknown_conversation", message=f"there is no conversation {conversation_id}"
            )
        if agent not in conversation.participants:
            return Rejected(
                code="not_a_participant", message=f"{agent} does not take part in {conversation_id}"
            )
        return conversation

    def page(self, agent: str, after: str, limit: int) -> list[Conversation]:
        """Up to `limit` conversations of `agent` whose id is greater than `after`, ordered by id."""
        ids = sorted(each for each in self._by_participant.get(agent, ()) if each > after)
        return [self.state.conversations[each] for each in ids[:limit]]

    def _open(self, command: OpenConversation, now_ms: int) -> Outcome | Rejected:
        if command.conversation_id in self.state.conversations:
            return Rejected(
                code="conversation_exists",
                message=f"conversation {command.conversation_id} exists already; choose another id or none",
            )
        participants = tuple(dict.fromkeys((command.owner, *command.participants)))
        if len(participants) > MAX_PARTICIPANTS:
            return Rejected(
                code="too_many_participants",
                message=f"a conversation has at most {MAX_PARTICIPANTS} participants, its owner included",
            )
        archived = self._make_room(conversation_count=1, size_bytes=CONVERSATION_OVERHEAD_BYTES)
        if isinstance(archived, Rejected):
            return archived
        event = ConversationOpened(
            conversation_id=command.conversation_id,
            owner=command.owner,
            topic=command.topic,
            participants=participants,
            opened_at_ms=now_ms,
        )
        opened = _opened(event)
        others = (agent for agent in participants if agent != command.owner)
        messages = (*_pushes("conversation", view(opened), others), _notice("opened", event.conversation_id))
        return Outcome(events=(*archived, event), reply=view(opened), messages=messages)

    def _say(self, command: SayMessage, now_ms: int) -> Outcome | Rejected:
        conversation = self.find(command.conversation_id, command.sender)
        if isinstance(conversation, Rejected):
            return conversation
        refusal = (
            _forbidden(conversation, "say")
            or _unfit(command, now_ms)
            or _unanswerable(conversation, command, now_ms)
            or _full(conversation, command)
        )
        if refusal is not None:
            return refusal
        routed = route(command, conversation.participants)
        if routed.strangers:
            return Rejected(
                code="unknown_recipient",
                message=f"not in this conversation: {', '.join(routed.strangers[:10])}",
                details={"strangers": list(routed.strangers)},
            )
        archived = self._make_room(size_bytes=_size_bytes(command.content))
        if isinstance(archived, Rejected):
            return archived
        event = _said(conversation, command, routed.recipients, now_ms)
        reply = Said(
            conversation_id=event.conversation_id,
            sequence=event.sequence,
            recipient_count=len(event.recipients),
            said_at_ms=now_ms,
        )
        return Outcome(events=(*archived, event), reply=reply, messages=_deliveries(conversation, event))

    def _close(self, command: CloseConversation, now_ms: int) -> Outcome | Rejected:
        conversation = self.find(command.conversation_id, command.agent)
        if isinstance(conversation, Rejected):
            return conversation
        if command.agent != conversation.owner:
            return Rejected(
                code="not_owner", message=f"only its owner, {conversation.owner}, may close a conversation"
            )
        if (refusal := _forbidden(conversation, "close")) is not None:
            return refusal
        event = ConversationClosed(
            conversation_id=command.conversation_id, agent=command.agent, closed_at_ms=now_ms
        )
        closed = view(conversation) | {"status": "closed", "closed_at_ms": now_ms}
        others = (agent for agent in conversation.participants if agent != command.agent)
        messages = (*_pushes("conversation", closed, others), _notice("closed", command.conversation_id))
        return Outcome(events=(event,), reply=closed, messages=messages)

    def _make_room(
        self, *, conversation_count: int = 0, size_bytes: int = 0
    ) -> list[ConversationArchived] | Rejected:
        """Which closed conversations must go so that this much more fits."""
        excess_count = len(self.state.conversations) + conversation_count - MAX_CONVERSATIONS
        excess_bytes = self.state.size_bytes + size_bytes - MAX_STORED_BYTES
        archived: list[ConversationArchived] = []
        for conversation_id in self.state.closed:
            if excess_count <= 0 and excess_bytes <= 0:
                break
            archived.append(ConversationArchived(conversation_id=conversation_id))
            excess_count -= 1
            excess_bytes -= self.state.conversations[conversation_id].size_bytes
        if excess_count > 0 or excess_bytes > 0:
            return Rejected(
                code="dialog_full",
                message="too much is being talked about; close conversations that are over",
                retryable=True,
            )
        return archived

    def _apply_opened(self, event: ConversationOpened) -> None:
        assert event.conversation_id not in self.state.conversations
        conversation = _opened(event)
        self.state.conversations[event.conversation_id] = conversation
        self.state.size_bytes += conversation.size_bytes
        self._index(conversation, present=True)

    def _apply_said(self, event: MessageSaid) -> None:
        conversation = self.state.conversations[event.conversation_id]
        conversation.status = LIFECYCLE[conversation.status, "say"]
        assert event.sequence == conversation.last_sequence + 1
        conversation.messages.append(event)
        for agent in event.recipients:
            conversation.participants[agent] = event.sequence
        conversation.size_bytes += _size_bytes(event.content)
        self.state.size_bytes += _size_bytes(event.content)

    def _index(self, conversation: Conversation, *, present: bool) -> None:
        for agent in conversation.participants:
            if present:
                self._by_participant.setdefault(agent, {})[conversation.conversation_id] = None
                continue
            del self._by_participant[agent][conversation.conversation_id]
            if not self._by_participant[agent]:
                del self._by_participant[agent]


def view(conversation: Conversation) -> dict[str, Any]:
    """A conversation without its messages, as agents see it (`dialog.wire.Conversation`)."""
    return {
        "conversation_id": conversation.conversation_id,
        "topic": conversation.topic,
        "owner": conversation.owner,
        "participants": tuple(conversation.participants),
        "status": conversation.status,
        "opened_at_ms": conversation.opened_at_ms,
        "closed_at_ms": conversation.closed_at_ms,
        "last_sequence": conversation.last_sequence,
    }


def message_view(event: MessageSaid) -> dict[str, Any]:
    """A message as agents see it in history (`dialog.wire.Message`)."""
    return {
        "conversation_id": event.conversation_id,
        "sequence": event.sequence,
        "sender": event.sender,
        "performative": event.performative,
        "content": event.content,
        "to": event.to,
        "in_reply_to": event.in_reply_to,
        "reply_by_ms": event.reply_by_ms,
        "said_at_ms": event.said_at_ms,
        "traceparent": event.traceparent,
    }


def _opened(event: ConversationOpened) -> Conversation:
    return Conversation(
        conversation_id=event.conversation_id,
        topic=event.topic,
        owner=event.owner,
        participants=dict.fromkeys(event.participants, 0),
        opened_at_ms=event.opened_at_ms,
        size_bytes=CONVERSATION_OVERHEAD_BYTES,
    )


def _said(
    conversation: Conversation, command: SayMessage, recipients: tuple[str, ...], now_ms: int
) -> MessageSaid:
    return MessageSaid(
        conversation_id=command.conversation_id,
        sequence=conversation.last_sequence + 1,
        sender=command.sender,
        performative=command.performative,
        content=command.content,
        to=tuple(dict.fromkeys(command.to)),
        recipients=recipients,
        in_reply_to=command.in_reply_to,
        reply_by_ms=command.reply_by_ms,
        said_at_ms=now_ms,
        traceparent=command.traceparent,
    )


def _deliveries(conversation: Conversation, event: MessageSaid) -> tuple[Push, ...]:
    body = message_view(event)
    return tuple(
        Push(agent=agent, kind="message", body=body | {"previous_sequence": conversation.participants[agent]})
        for agent in event.recipients
    )


def _pushes(kind: str, body: dict[str, Any], agents: Iterable[str]) -> tuple[Push | Notice, ...]:
    return tuple(Push(agent=agent, kind=kind, body=body) for agent in agents)


def _notice(event: str, conversation_id: str) -> Notice:
    # Every agent may listen to notices: topic and participants are nobody else's business.
    return Notice(event=event, aggregate=conversation_id, body={"conversation_id": conversation_id})


def _size_bytes(content: str) -> int:
    return len(content.encode()) + MESSAGE_OVERHEAD_BYTES


def _forbidden(conversation: Conversation, act: Act) -> Rejected | None:
    if (conversation.status, act) in LIFECYCLE:
        return None
    return Rejected(
        code="conversation_closed", message=f"conversation {conversation.conversation_id} is closed"
    )


def _unfit(command: SayMessage, now_ms: int) -> Rejected | None:
    """Whether the message itself is wrong."""
    if len(command.content.encode()) > MAX_CONTENT_BYTES:
        return Rejected(
            code="message_too_large",
            message=f"the content of a message has at most {MAX_CONTENT_BYTES} bytes",
        )
    if command.reply_by_ms is not None and command.reply_by_ms < now_ms:
        return Rejected(
            code="reply_by_passed",
            message=f"reply_by_ms lies {now_ms - command.reply_by_ms} ms in the past",
        )
    return None


def _unanswerable(conversation: Conversation, command: SayMessage, now_ms: int) -> Rejected | None:
    """Whether the message answers nothing, or something that may no longer be answered."""
    if command.in_reply_to is None:
        return None
    question = conversation.message(command.in_reply_to)
    if question is None or not question.is_visible_to(command.sender):
        return Rejected(
            code="unknown_message",
            message=f"there is no message {command.in_reply_to} that {command.sender} could answer",
        )
    if question.reply_by_ms is None or now_ms <= question.reply_by_ms:
        return None
    late = LateReplyRefused(
        conversation_id=command.conversation_id,
        sender=command.sender,
        performative=command.performative,
        in_reply_to=command.in_reply_to,
        reply_by_ms=question.reply_by_ms,
        refused_at_ms=now_ms,
    )
    return Rejected(
        code="too_late",
        message=f"message {command.in_reply_to} was to be answered {now_ms - question.reply_by_ms} ms ago",
        details={"in_reply_to": command.in_reply_to, "reply_by_ms": question.reply_by_ms},
        events=() if _is_recorded(conversation, late) else (late,),
    )


def _is_recorded(conversation: Conversation, late: LateReplyRefused) -> bool:
    """Whether this sender's lateness is on record already, or the record is full."""
    known = ((each.sender, each.in_reply_to) for each in conversation.late_replies)
    return len(conversation.late_replies) >= MAX_LATE_REPLIES or (late.sender, late.in_reply_to) in known


def _full(conversation: Conversation, command: SayMessage) -> Rejected | None:
    size_bytes = conversation.size_bytes + _size_bytes(command.content)
    if conversation.last_sequence < MAX_MESSAGES and size_bytes <= MAX_CONVERSATION_BYTES:
        return None
    return Rejected(
        code="conversation_full",
        message=f"a conversation has at most {MAX_MESSAGES} messages and {MAX_CONVERSATION_BYTES} bytes; "
        "open another one",
    )
