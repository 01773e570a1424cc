"""The part of an agent that hears pushes of any other kind, such as ``result``; of a bundle, one by one."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from conclave.agent.binding import ContentError, adapter_for, validated
from conclave.agent.containment import contained
from conclave.agent.context import PushContext
from conclave.agent.duty import Duty, Lanes
from conclave.agent.handler import Handler
from conclave.agent.part import Part
from coordination.runtime.bundles import bodies_of
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import UsageError
from coordination.runtime.names import CARRIED, require_id
from coordination.tasks.wire import COMPACT_KINDS

_DECORATED: Final = ("task", "message", "proposal", "decision", "prompt")
"""Kinds that have decorators of their own."""


class PushHandler:
    """A handler for one kind of push, and how it gets the body."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self._parameter = handler.signature.only_parameter()
        self._adapter: TypeAdapter[Any] | None = None
        if self._parameter is not None:
            self._adapter = adapter_for(handler.name, self._parameter)

    def arguments(self, payload: bytes, context: PushContext) -> dict[str, Any]:
        """The keyword arguments for one call.

        Raises:
            ContentError: The body is not what the handler takes.
        """
        arguments: dict[str, Any] = dict.fromkeys(self.handler.signature.contexts, context)
        if self._parameter is not None and self._adapter is not None:
            arguments[self._parameter.name] = validated(self._adapter, payload)
        return arguments


class Pushes(Part):
    """Handlers by kind of push."""

    def __init__(self) -> None:
        self.handlers: dict[str, PushHandler] = {}

    def add(self, handler: Handler, kind: str) -> None:
        """Have `handler` hear pushes of `kind`.

        Raises:
            UsageError: No push is of that kind, it has a decorator of its own, or a handler already.
        """
        require_id(kind, what="kind of push")
        if kind in _DECORATED:
            raise UsageError(f"handler {handler.name}: for {kind}s there is @agent.{kind}")
        if kind == CARRIED:
            raise UsageError(
                f"handler {handler.name}: no push is of kind {kind!r}; what a record has carried is heard "
                "under the kind that it is"
            )
        if kind in self.handlers:
            raise UsageError(
                f"handler {handler.name}: {self.handlers[kind].handler.name} hears {kind!r} already"
            )
        self.handlers[kind] = PushHandler(handler)

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""

        async def handle(push: tuple[str, bytes]) -> None:
            kind, body = push
            push_handler = self.handlers[kind]
            with duty.scope("", kind=kind) as (trace, log):
                context = PushContext(duty.session, log=log, trace=trace, kind=kind)
                try:
                    with contained():
                        arguments = push_handler.arguments(body, context)
                except ContentError as error:
                    log.warning("push ignored", reason=str(error))
                    return
                await push_handler.handler.call(arguments, duty.run_sync)

        lanes = Lanes(duty, handle)

        async def receive(delivery: Delivery) -> None:
            kind, payload = delivery.subject.rpartition(".")[2], delivery.payload
            for body in bodies_of(payload) if kind in COMPACT_KINDS else (payload,):
                await lanes.put(kind, (kind, body))

        for kind in self.handlers:
            await duty.subscribe(kind, receive)
