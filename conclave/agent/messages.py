"""The part of an agent that converses: messages in, answers out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from conclave.agent.binding import ContentError, adapter_for, validated
from conclave.agent.containment import contained, tell
from conclave.agent.context import MessageContext
from conclave.agent.duty import Duty, Lanes
from conclave.agent.errors import MAX_REASON_CHARS
from conclave.agent.handler import Handler
from conclave.agent.part import Part
from conclave.agent.performatives import ASKS_FOR_ANSWER
from conclave.agent.results import message_content
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError, UsageError
from dialog.limits import MAX_CONTENT_BYTES
from dialog.wire import Message, Performative

_TEXT: Final = (str, Any, inspect.Parameter.empty)
"""Annotations of parameters that get the content as it is."""
_BAD_ANSWER: Final = frozenset({"message_too_large", "too_large", "invalid_request"})
"""Refusals of an answer that another one may not get."""
_CLOCK_SKEW_MS: Final = 10_000
"""How far the agent's clock may be behind the dialog service's."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Returned by a message handler: an answer with another performative than ``inform``.

    Raises:
        UsageError: There is no such performative.
    """

    performative: Performative
    """The communicative act: ``propose`` in answer to a ``cfp``, ``refuse``, ``agree``, ..."""
    content: Any = ""
    """Text as it is; anything else as JSON."""

    def __post_init__(self) -> None:
        """Refuse an act that nobody could say."""
        _require_performative(self.performative)


def _require_performative(performative: object) -> None:
    if not isinstance(performative, str) or performative not in ASKS_FOR_ANSWER:
        raise UsageError(
            f"Reply: no performative {performative!r:.66}; there are: {', '.join(ASKS_FOR_ANSWER)}"
        )


class MessageHandler:
    """A handler for messages, and how it gets their content."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self._parameter = handler.signature.only_parameter()
        self._read: Callable[[str], Any] = str
        if self._parameter is not None and self._parameter.annotation not in _TEXT:
            adapter: TypeAdapter[Any] = adapter_for(handler.name, self._parameter)
            self._read = lambda content: validated(adapter, content)

    def arguments(self, content: str, context: MessageContext) -> dict[str, Any]:
        """The keyword arguments for one call.

        Raises:
            ContentError: The content is not what the handler takes.
        """
        arguments: dict[str, Any] = dict.fromkeys(self.handler.signature.contexts, context)
        if self._parameter is not None:
            arguments[self._parameter.name] = self._read(content)
        return arguments


class Messages(Part):
    """The message handlers of an agent: one for each performative, and at most one for all others."""

    def __init__(self) -> None:
        self.handlers: dict[Performative | None, MessageHandler] = {}

    def add(self, handler: Handler, performative: Performative | None) -> None:
        """Have `handler` hear messages with `performative`, or without one all that no other handler hears.

        Raises:
            UsageError: There is no such performative, or a handler for it already.
        """
        if performative is not None and performative not in ASKS_FOR_ANSWER:
            raise UsageError(
                f"handler {handler.name}: no performative {performative!r}; there are: "
                f"{', '.join(ASKS_FOR_ANSWER)}"
            )
        known = self.handlers.get(performative)
        if known is not None:
            what = f"{performative!r} messages" if performative else "all messages"
            raise UsageError(f"handler {handler.name}: {known.handler.name} hears {what} already")
        self.handlers[performative] = MessageHandler(handler)

    def choose(self, performative: Performative) -> MessageHandler | None:
        """The handler for a message; None if there is none."""
        exact = self.handlers.get(performative)
        return exact if exact is not None else self.handlers.get(None)

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""
        hall = _Hall(duty, self)
        lanes = Lanes(duty, hall.handle)
        duty.keep(
            await duty.session.dialog.on_message(lambda message: lanes.put(message.conversation_id, message))
        )


class _Hall:
    """Hears messages, in order within each conversation, and answers."""

    def __init__(self, duty: Duty, messages: Messages) -> None:
        self._duty = duty
        self._messages = messages
        self._joined_ms = duty.session.clock.now_ms() + _CLOCK_SKEW_MS

    async def handle(self, message: Message) -> None:
        """Have the handler hear `message`, and send what it answers."""
        about = {"conversation": message.conversation_id, "message": message.sequence}
        with self._duty.scope(message.traceparent, **about) as (trace, log):
            context = MessageContext(self._duty.session, log=log, trace=trace, message=message)
            try:
                answer = await self._answer(message, context)
                if answer is not None:
                    await self._say(answer, context)
            except ConclaveError as error:
                log.warning("not answered", error=str(error))

    async def _say(self, answer: Reply, context: MessageContext) -> None:
        """Say `answer`; if that fails, whoever waits for it is told so.

        Raises:
            ConclaveError: The dialog service takes neither, or is away.
        """
        try:
            await context.reply(answer.content, performative=answer.performative)
        except UnavailableError:
            raise
        except Exception as error:
            asks = ASKS_FOR_ANSWER[context.message.performative]
            if isinstance(error, RejectedError) and error.code not in _BAD_ANSWER:
                raise  # Such as too late: no other answer would be taken, either.
            if answer.performative == "failure" or not asks:
                raise
            await context.reply(self._reason(error, context.log), performative="failure")

    async def _answer(self, message: Message, context: MessageContext) -> Reply | None:
        """What is said in answer, if anything."""
        asks = ASKS_FOR_ANSWER[message.performative]
        if asks and message.said_at_ms < self._joined_ms and await self._has_answered(message):
            return None
        chosen = self._messages.choose(message.performative)
        if chosen is None:
            # Somebody else in the room may be meant, unless it was said to this agent.
            is_meant = asks and self._duty.agent in message.to
            return Reply("not-understood", f"no handler for {message.performative}") if is_meant else None
        log = context.log.bind(handler=chosen.handler.name)
        try:
            with contained():  # its types may have validators and serializers of its author's
                try:
                    arguments = chosen.arguments(message.content, context)
                except ContentError as error:
                    log.warning("message not understood", reason=str(error))
                    return Reply("not-understood", str(error)) if asks else None
                said = await chosen.handler.call(arguments, self._duty.run_sync)
                return self._reply(said, asks=asks, context=context)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked is told that it failed
            reason = self._reason(error, log)
            return Reply("failure", reason) if asks else None

    async def _has_answered(self, message: Message) -> bool:
        """Whether this agent has answered `message` before it was restarted; it hears history anew then."""
        after = message.sequence
        try:
            while True:
                page = await self._duty.session.dialog.history(message.conversation_id, after_sequence=after)
                for each in page.messages:
                    if each.sender == self._duty.agent and each.in_reply_to == message.sequence:
                        return True
                if page.through_sequence <= after or page.through_sequence >= page.last_sequence:
                    return False
                after = page.through_sequence
        except ConclaveError:
            return False  # rather twice than never

    def _reply(self, said: Any, *, asks: bool, context: MessageContext) -> Reply | None:
        if said is None:
            return None
        if isinstance(said, Reply):
            return Reply(said.performative, message_content(said.content, max_bytes=MAX_CONTENT_BYTES))
        if not asks:
            context.log.warning(
                "answer not sent: nothing was asked", performative=context.message.performative
            )
            return None
        return Reply("inform", message_content(said, max_bytes=MAX_CONTENT_BYTES))

    def _reason(self, error: Exception, log: Any) -> str:
        """What others may know of a handler's error."""
        return tell(error, log, "handler failed", fresh_id=self._duty.fresh_id).reason[:MAX_REASON_CHARS]
