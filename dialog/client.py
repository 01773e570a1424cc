"""Typed client of dialogs, and a listener that asks for what it missed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from pydantic import ValidationError

from coordination.runtime.asking import items, request
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError
from coordination.runtime.logs import get_logger
from dialog import wire

MessageHandler = Callable[[wire.Message], Awaitable[None]]
ConversationHandler = Callable[[wire.Conversation], Awaitable[None]]
_SERVICE = "dialog"
_log = get_logger(__name__)


class DialogClient:
    """What one agent says and hears; errors as in `coordination.runtime.client.Caller`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def open(
        self, topic: str, participants: Iterable[str] = (), *, conversation_id: str | None = None
    ) -> wire.Conversation:
        """Begin a conversation that the caller owns."""
        body = request(
            wire.OpenRequest,
            topic=topic,
            participants=items("participants", participants, of="agent ids"),
            conversation_id=conversation_id,
        )
        return await self._caller.command(_SERVICE, "open", body, wire.Conversation)

    async def say(
        self,
        conversation_id: str,
        content: str,
        *,
        performative: wire.Performative = "inform",
        to: Iterable[str] = (),
        in_reply_to: int | None = None,
        reply_by_ms: int | None = None,
    ) -> wire.SayReply:
        """Say something: privately to the agents in `to`, or to all participants.

        Args:
            conversation_id: Where.
            content: The text.
            performative: FIPA communicative act.
            to: Addressees; only they and the caller will ever see the message.
            in_reply_to: Sequence of the message that this one answers.
            reply_by_ms: Unix time in ms after which answers are refused as ``too_late``.
        """
        body = request(
            wire.SayRequest,
            conversation_id=conversation_id,
            performative=performative,
            content=content,
            to=items("to", to, of="agent ids"),
            in_reply_to=in_reply_to,
            reply_by_ms=reply_by_ms,
        )
        return await self._caller.command(_SERVICE, "say", body, wire.SayReply)

    async def broadcast(
        self,
        conversation_id: str,
        content: str,
        *,
        performative: wire.Performative = "inform",
        in_reply_to: int | None = None,
        reply_by_ms: int | None = None,
    ) -> wire.SayReply:
        """Say something to all participants; arguments as for `say`."""
        body = request(
            wire.BroadcastRequest,
            conversation_id=conversation_id,
            performative=performative,
            content=content,
            in_reply_to=in_reply_to,
            reply_by_ms=reply_by_ms,
        )
        return await self._caller.command(_SERVICE, "broadcast", body, wire.SayReply)

    async def history(
        self, conversation_id: str, *, after_sequence: int = 0, limit: int = 100
    ) -> wire.HistoryReply:
        """A page of the messages that the caller may see."""
        body = request(
            wire.HistoryRequest, conversation_id=conversation_id, after_sequence=after_sequence, limit=limit
        )
        return await self._caller.query(_SERVICE, "history", body, wire.HistoryReply)

    async def get(self, conversation_id: str) -> wire.Conversation:
        """One conversation."""
        body = request(wire.GetRequest, conversation_id=conversation_id)
        return await self._caller.query(_SERVICE, "get", body, wire.Conversation)

    async def list(self, *, after: str = "", limit: int = 100) -> tuple[wire.Conversation, ...]:
        """A page of the caller's conversations, ordered by id."""
        body = request(wire.ListRequest, after=after, limit=limit)
        return (await self._caller.query(_SERVICE, "list", body, wire.ListReply)).conversations

    async def close(self, conversation_id: str) -> wire.Conversation:
        """End a conversation that the caller owns."""
        body = request(wire.CloseRequest, conversation_id=conversation_id)
        return await self._caller.command(_SERVICE, "close", body, wire.Conversation)

    async def on_message(
        self, handler: MessageHandler, *, heard: Mapping[str, int] | None = None
    ) -> Subscription:
        """Call `handler` for each message to the caller, in order per conversation and each once.

        A push that tells of an earlier one that did not arrive makes the listener ask for history, so
        that `handler` gets the missed messages first. An agent that was away gets all of them.

        Args:
            handler: What to do with a message; messages wait while it works.
            heard: Conversation id -> sequence of the last message handled before.
        """
        listener = _Listener(self, self._caller.agent, handler, dict(heard or {}))
        subject = self._caller.subjects.inbox(self._caller.agent, "message")
        return await self._caller.bus.subscribe(subject, listener.receive)

    async def on_conversation(self, handler: ConversationHandler) -> Subscription:
        """Call `handler` for each conversation that others open with the caller, or close."""

        async def receive(delivery: Delivery) -> None:
            try:
                conversation = wire.Conversation.model_validate_json(delivery.payload)
            except ValidationError:
                _log.warning("push ignored", agent=self._caller.agent, reason="not a conversation")
                return
            await handler(conversation)

        subject = self._caller.subjects.inbox(self._caller.agent, "conversation")
        return await self._caller.bus.subscribe(subject, receive)


class _Listener:
    """Hands pushes on in order, without repetition, and fills gaps from history."""

    def __init__(
        self, client: DialogClient, agent: str, handler: MessageHandler, heard: dict[str, int]
    ) -> None:
        self._client = client
        self._agent = agent
        self._handler = handler
        self._heard = heard

    async def receive(self, delivery: Delivery) -> None:
        try:
            message = wire.Message.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("push ignored", agent=self._agent, reason="not a message")
            return
        heard = self._heard.get(message.conversation_id, 0)
        if message.sequence <= heard:
            return
        if (message.previous_sequence or 0) > heard:
            try:
                await self._catch_up(message.conversation_id, until=message.sequence)
            except ConclaveError as error:
                # The next push will show the same gap, and it will be tried again.
                _log.warning("gap not filled", agent=self._agent, error=str(error))
            return
        await self._hand_on(message)

    async def _catch_up(self, conversation_id: str, *, until: int) -> None:
        while (heard := self._heard.get(conversation_id, 0)) < until:
            history = await self._client.history(conversation_id, after_sequence=heard)
            for message in history.messages:
                if self._agent in message.to or message.sender != self._agent:
                    await self._hand_on(message)
            if history.through_sequence <= heard:
                return  # nothing further is there, whatever the push said
            self._heard[conversation_id] = history.through_sequence

    async def _hand_on(self, message: wire.Message) -> None:
        await self._handler(message)
        self._heard[message.conversation_id] = message.sequence
