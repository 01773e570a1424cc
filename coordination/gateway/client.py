"""Typed client of the gateway, for agents that are prompted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from pydantic import ValidationError

from coordination.gateway.wire import (
    PUSH_KIND,
    AnswerReply,
    AnswerRequest,
    Chunk,
    PromptPush,
    RespondReply,
    RespondRequest,
)
from coordination.runtime.asking import request
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.client import Caller
from coordination.runtime.logs import get_logger

SERVICE: Final = "gateway"
_log = get_logger(__name__)


class GatewayClient:
    """What an agent needs to be prompted from outside.

    Args:
        caller: The agent's connection.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def on_prompt(self, handler: Callable[[PromptPush], Awaitable[None]]) -> Subscription:
        """Call `handler` for each prompt, one after another."""

        async def take(delivery: Delivery) -> None:
            try:
                push = PromptPush.model_validate_json(delivery.payload)
            except ValidationError:
                _log.warning("push ignored", agent=self._caller.agent, reason="not a prompt")
                return
            await handler(push)

        subject = self._caller.subjects.inbox(self._caller.agent, PUSH_KIND)
        return await self._caller.bus.subscribe(subject, take)

    async def respond(self, prompt: PromptPush, sequence: int, chunk: Chunk) -> RespondReply:
        """Send the next chunk of the answer to `prompt`; `sequence` counts them from 1.

        Raises:
            RejectedError: ``unknown_prompt``: nobody waits for the answer any more.
            UnavailableError: No gateway answers.
        """
        body = request(
            RespondRequest, prompt_id=prompt.prompt_id, gateway=prompt.gateway, sequence=sequence, chunk=chunk
        )
        return await self._caller.query(SERVICE, "respond", body, RespondReply)

    async def answer(self, prompt: PromptPush, sequence: int) -> AnswerReply:
        """Wait a second or so for the answer to the question that was chunk `sequence`.

        Raises:
            RejectedError: ``unknown_prompt``: nobody waits for the answer any more.
            UnavailableError: No gateway answers.
        """
        body = request(AnswerRequest, prompt_id=prompt.prompt_id, gateway=prompt.gateway, sequence=sequence)
        return await self._caller.query(SERVICE, "answer", body, AnswerReply)
