"""Binds the dialog's endpoints to commands."""

from __future__ import annotations

from typing import Final

from coordination.runtime.errors import RejectedError
from coordination.runtime.model import Rejected
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Endpoint, Query, ServiceDefinition
from coordination.runtime.wire import page
from dialog import wire
from dialog.conversation import CloseConversation, Conversation, OpenConversation, SayMessage
from dialog.limits import MAX_PAGE
from dialog.model import DialogModel, message_view, view

NAME: Final = "dialog"


def define(shell: Shell) -> ServiceDefinition:  # noqa: ARG001
    """The dialog service; `shell` is its outside world."""
    return ServiceDefinition(
        name=NAME,
        version="0.1.0",
        description="Conversations between agents: who says what to whom, kept and replayable.",
        model=DialogModel,
        endpoints=(*_commands(), *_queries()),
    )


def _commands() -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="open",
            description="Begin a conversation with other agents; the caller owns it.",
            request=wire.OpenRequest,
            reply=wire.Conversation,
            build=_open,
        ),
        Command(
            verb="say",
            description="Say something to all participants or, privately, to some.",
            request=wire.SayRequest,
            reply=wire.SayReply,
            build=_say,
        ),
        Command(
            verb="broadcast",
            description="Say something to all participants.",
            request=wire.BroadcastRequest,
            reply=wire.SayReply,
            build=_broadcast,
        ),
        Command(
            verb="close",
            description="End a conversation that the caller owns; its history stays.",
            request=wire.CloseRequest,
            reply=wire.Conversation,
            build=lambda call, request: CloseConversation(
                conversation_id=request.conversation_id, agent=call.caller
            ),
        ),
    )


def _queries() -> tuple[Endpoint, ...]:
    return (
        Query(
            verb="history",
            description="The messages of a conversation that the caller may see, from a sequence on.",
            request=wire.HistoryRequest,
            reply=wire.HistoryReply,
            answer=_history,
        ),
        Query(
            verb="get",
            description="One conversation: its participants, owner and status.",
            request=wire.GetRequest,
            reply=wire.Conversation,
            answer=_get,
        ),
        Query(
            verb="list",
            description="A page of the conversations in which the caller takes part, ordered by id.",
            request=wire.ListRequest,
            reply=wire.ListReply,
            answer=_list,
        ),
    )


def _open(call: Call, request: wire.OpenRequest) -> OpenConversation:
    return OpenConversation(
        conversation_id=request.conversation_id or call.fresh_id,
        owner=call.caller,
        topic=request.topic,
        participants=request.participants,
    )


def _say(call: Call, request: wire.SayRequest) -> SayMessage:
    return SayMessage(
        conversation_id=request.conversation_id,
        sender=call.caller,
        performative=request.performative,
        content=request.content,
        to=request.to,
        in_reply_to=request.in_reply_to,
        reply_by_ms=request.reply_by_ms,
        traceparent=call.traceparent,
    )


def _broadcast(call: Call, request: wire.BroadcastRequest) -> SayMessage:
    return SayMessage(
        conversation_id=request.conversation_id,
        sender=call.caller,
        performative=request.performative,
        content=request.content,
        in_reply_to=request.in_reply_to,
        reply_by_ms=request.reply_by_ms,
        traceparent=call.traceparent,
    )


def _history(model: DialogModel, call: Call, request: wire.HistoryRequest, now_ms: int) -> wire.HistoryReply:
    del now_ms
    conversation = _found(model, request.conversation_id, call.caller)
    first = request.after_sequence
    scanned = conversation.messages[first : first + MAX_PAGE]
    visible = [message for message in scanned if message.is_visible_to(call.caller)]
    messages = page(wire.Message(**message_view(message)) for message in visible[: request.limit])
    cut = len(messages) < len(visible)
    return wire.HistoryReply(
        messages=messages,
        through_sequence=messages[-1].sequence if cut else first + len(scanned),
        last_sequence=conversation.last_sequence,
    )


def _get(model: DialogModel, call: Call, request: wire.GetRequest, now_ms: int) -> wire.Conversation:
    del now_ms
    conversation = _found(model, request.conversation_id, call.caller)
    late_replies = tuple(
        wire.LateReply.model_validate(late, from_attributes=True)
        for late in conversation.late_replies_visible_to(call.caller)
    )
    return wire.Conversation(**view(conversation), late_replies=late_replies)


def _list(model: DialogModel, call: Call, request: wire.ListRequest, now_ms: int) -> wire.ListReply:
    del now_ms
    conversations = model.page(call.caller, request.after, request.limit)
    return wire.ListReply(conversations=page(wire.Conversation(**view(each)) for each in conversations))


def _found(model: DialogModel, conversation_id: str, agent: str) -> Conversation:
    found = model.find(conversation_id, agent)
    if isinstance(found, Rejected):
        raise RejectedError(found.code, found.message)
    return found
