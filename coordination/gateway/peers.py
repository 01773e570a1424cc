"""Brings a call that reached the wrong gateway to the one that holds the prompt.

All gateways of a deployment share the queue group of their calls, so that any of them may get one; only one
holds the client's stream. A call names it, and travels on below ``<prefix>.shard.gateway.<gateway>``, where
services alone may speak. With a single gateway nothing is ever forwarded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from coordination.gateway.limits import ANSWER_POLL_S, FORWARD_TIMEOUT_S
from coordination.gateway.relay import Spawn
from coordination.gateway.stream import unknown_prompt
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.names import inbox_prefix
from coordination.runtime.runner import Shell
from coordination.runtime.wire import HEADER_ERROR_CODE, ErrorBody

NAME: Final = "gateway"
MAX_FORWARDED: Final = 2048
"""Calls that others have forwarded to us and that we are working on."""
R = TypeVar("R", bound=BaseModel)
Handlers = Mapping[str, tuple[type[BaseModel], Callable[[str, Any], Awaitable[BaseModel]]]]
"""By verb: the type of its request, and (agent, request) -> the reply."""
_log = get_logger(__name__)


class Peers:
    """The other gateways of the deployment.

    Args:
        shell: The outside world.
        gateway: Our own id.
        handlers: What may be forwarded to us.
    """

    def __init__(self, shell: Shell, *, gateway: str, handlers: Handlers) -> None:
        self._shell = shell
        self._gateway = gateway
        self._handlers = handlers
        self._inbox = f"{inbox_prefix(shell.caller.agent)}."
        self._taken = 0

    async def listen(self, spawn: Spawn) -> Subscription:
        """Take what others forward to us."""

        async def take(delivery: Delivery) -> None:
            if delivery.reply_to.startswith(self._inbox) and self._taken < MAX_FORWARDED:
                self._taken += 1
                spawn(self._take(delivery))

        subject = self._shell.subjects.shard(NAME, self._gateway, "*", "*")
        return await self._shell.bus.subscribe(subject, take)

    async def forward(self, verb: str, agent: str, gateway: str, request: BaseModel, reply: type[R]) -> R:
        """Have `gateway` answer what `agent` asked us.

        Raises:
            RejectedError: It refuses; ``unknown_prompt`` if there is no such gateway any more.
        """
        subject = self._shell.subjects.shard(NAME, gateway, verb, agent)
        body = request.model_dump_json().encode()
        try:
            timeout_s = FORWARD_TIMEOUT_S + ANSWER_POLL_S
            answer = await self._shell.bus.request(subject, body, timeout_s=timeout_s)
        except UnavailableError:
            # Its clients will see their streams stall: nobody else knows where they listen.
            raise unknown_prompt() from None
        if answer.headers.get(HEADER_ERROR_CODE):
            raise ErrorBody.model_validate_json(answer.payload).as_error()
        return reply.model_validate_json(answer.payload)

    async def _take(self, delivery: Delivery) -> None:
        headers: dict[str, str] | None = None
        try:
            reply: BaseModel = await self._handle(delivery)
        except RejectedError as refusal:
            reply, headers = ErrorBody.of(refusal), {HEADER_ERROR_CODE: refusal.code}
        finally:
            self._taken -= 1
        try:
            body = reply.model_dump_json().encode()
            await self._shell.bus.publish(delivery.reply_to, body, headers=headers)
        except ConclaveError as error:
            _log.warning("forwarded call not answered", error=type(error).__name__)

    async def _handle(self, delivery: Delivery) -> BaseModel:
        _, verb, agent = delivery.subject.rsplit(".", 2)
        try:
            request_type, handle = self._handlers[verb]
            request = request_type.model_validate_json(delivery.payload)
        except (KeyError, ValidationError):
            message = "the gateway that holds the prompt is of another version"
            raise RejectedError("invalid_request", message) from None
        return await handle(agent, request)
