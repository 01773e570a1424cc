"""Binds the endpoints of the gateway to what it does."""

from __future__ import annotations

from coordination.gateway import wire
from coordination.gateway.gateway import Gateway
from coordination.gateway.limits import Timing
from coordination.gateway.peers import NAME
from coordination.gateway.profile import VERSION
from coordination.runtime.runner import Shell
from coordination.runtime.service import Action, Call, ServiceDefinition

__all__ = ["NAME", "define"]


def define(shell: Shell, *, timing: Timing | None = None) -> ServiceDefinition:
    """The gateway to the Synadia Agent Protocol, without a journal: a prompt lives as long as its process."""
    gateway = Gateway(shell, timing or Timing())

    async def respond(call: Call, request: wire.RespondRequest) -> wire.RespondReply:
        return await gateway.respond(call.caller, request)

    async def answer(call: Call, request: wire.AnswerRequest) -> wire.AnswerReply:
        return await gateway.answer(call.caller, request)

    return ServiceDefinition(
        name=NAME,
        version=VERSION,
        description="Has clients of the Synadia Agent Protocol (v0.3) find and prompt registered agents.",
        endpoints=(
            Action(
                verb="respond",
                description="Send the next chunk of the answer to a prompt.",
                request=wire.RespondRequest,
                reply=wire.RespondReply,
                act=respond,
            ),
            Action(
                verb="answer",
                description="Wait a little for the answer to a question asked while answering a prompt.",
                request=wire.AnswerRequest,
                reply=wire.AnswerReply,
                act=answer,
            ),
        ),
        companions=(gateway.run,),
    )
