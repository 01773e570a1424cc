"""Carries prompts from foreign clients to agents, and what the agents answer back.

A client is known by nothing but the reply subject of its prompt, which may not be any
(`foreign.is_answerable`); an agent by the last token of its call's subject, which the server has checked.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from coordination.gateway import foreign
from coordination.gateway.foreign import Code, Envelope, EnvelopeError, Frame
from coordination.gateway.limits import ANSWER_POLL_S, MAX_AGENT_PROMPTS, MAX_PROMPTS, MAX_PUSH_BYTES, Timing
from coordination.gateway.profile import Counters, Face
from coordination.gateway.roster import Roster
from coordination.gateway.stream import PromptStream, State, unknown_prompt
from coordination.gateway.wire import (
    PUSH_KIND,
    AnswerReply,
    AnswerRequest,
    PromptPush,
    RespondReply,
    RespondRequest,
)
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import ConclaveError, RejectedError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell
from coordination.runtime.trace import TraceContext
from coordination.runtime.wire import HEADER_TRACE

MAX_ENDED: Final = 1024
"""Prompts remembered after their end, so that an agent that repeats its last chunk is not told otherwise."""
_log = get_logger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts work that its owner awaits."""


class _RefusedError(Exception):
    """A prompt that is not taken."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(eq=False, slots=True, kw_only=True)
class _Prompt:
    """One prompt in flight."""

    prompt_id: str
    face: Face
    reply_to: str
    stream: PromptStream
    began_ms: int
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while frames are sent, so that they keep their order."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the next answer, or the end; then there is another event."""

    @property
    def agent(self) -> str:
        """Whom it is for."""
        return self.face.profile.agent

    def tell_of_answer(self) -> None:
        """Wake whoever waits for an answer."""
        self.answered.set()
        self.answered = asyncio.Event()


class Relay:
    """The prompts that this gateway holds.

    Invariants: never more than `MAX_PROMPTS` in flight, nor `MAX_AGENT_PROMPTS` for one agent; each ends
    within `Timing.total_ms`.

    Args:
        shell: The outside world.
        roster: Who can be prompted.
        timing: How long what may take.
        gateway: This gateway's own id, which agents give back.
    """

    def __init__(self, shell: Shell, roster: Roster, timing: Timing, *, gateway: str) -> None:
        self.gateway = gateway
        self._shell = shell
        self._roster = roster
        self._timing = timing
        self._prompts: dict[str, _Prompt] = {}
        self._by_agent: dict[str, set[str]] = {}
        self._ended: OrderedDict[str, _Prompt] = OrderedDict()
        self._counters: dict[str, Counters] = {}

    @property
    def in_flight(self) -> int:
        """Prompts that have not ended."""
        return len(self._prompts)

    def counters(self, face: Face) -> Counters:
        """What was counted for an agent since it registered."""
        return self._counters.get(face.instance_id) or Counters()

    # --- from the client

    async def take_prompt(self, delivery: Delivery, spawn: Spawn) -> None:
        """Take a prompt, or refuse it; returns before the agent has done anything."""
        if not foreign.is_answerable(delivery.reply_to):
            _log.info("prompt without an inbox ignored", subject=delivery.subject[:200])
            return
        try:
            prompt, envelope = self._admit(delivery)
        except _RefusedError as refused:
            await self._send(delivery.reply_to, foreign.failure(refused.code, refused.message))
            return
        await self._send(prompt.reply_to, prompt.stream.begin())
        trace = TraceContext.parse(delivery.headers.get(HEADER_TRACE))
        spawn(self._tend(prompt, envelope, str(trace or "")))

    def _admit(self, delivery: Delivery) -> tuple[_Prompt, Envelope]:
        try:
            envelope = foreign.parse_envelope(delivery.payload)
        except EnvelopeError as error:
            raise _RefusedError(400, error.message) from None
        agent = delivery.subject.rsplit(".", 1)[-1]
        face = self._roster.find(agent)
        if face is None:
            raise _RefusedError(404, f"no agent {agent[:63]!r} is here and speaks this protocol")
        if envelope.attachments and not face.profile.takes_attachments:
            raise _RefusedError(400, "this agent takes no attachments")
        if len(self._prompts) >= MAX_PROMPTS or len(self._by_agent.get(agent, ())) >= MAX_AGENT_PROMPTS:
            raise _RefusedError(429, "too many prompts are being worked on; try again later")
        prompt_id = f"{self._shell.entropy.getrandbits(128):032x}"
        answers_at = f"{answers(self._shell.subjects.prefix, self.gateway)}.{prompt_id}"
        now_ms = self._now_ms()
        stream = PromptStream(answers_at, self._timing, now_ms)
        prompt = _Prompt(
            prompt_id=prompt_id, face=face, reply_to=delivery.reply_to, stream=stream, began_ms=now_ms
        )
        self._prompts[prompt_id] = prompt
        self._by_agent.setdefault(agent, set()).add(prompt_id)
        return prompt, envelope

    async def take_answer(self, delivery: Delivery) -> None:
        """Take a client's answer to a question; the subject says to which."""
        prompt_id, _, sequence = delivery.subject.split(".", 3)[-1].partition(".")
        prompt = self._prompts.get(prompt_id)
        if prompt is None or not (sequence.isascii() and sequence.isdigit() and len(sequence) < 16):
            return
        prompt.stream.take_answer(int(sequence), delivery.payload)
        prompt.tell_of_answer()

    # --- from the agent

    async def respond(self, agent: str, request: RespondRequest) -> RespondReply:
        """Hand the agent's next chunk on to the client.

        Raises:
            RejectedError: ``unknown_prompt``, ``not_yours``, ``out_of_order`` or ``too_many_queries``.
        """
        prompt = self._find(agent, request.prompt_id)
        async with prompt.turn:
            frames = prompt.stream.take(request.sequence, request.chunk, self._now_ms())
            await self._pass_on(prompt, frames)
        return RespondReply(duplicate=not frames)

    async def answer(self, agent: str, request: AnswerRequest) -> AnswerReply:
        """Where a question stands, at the latest after `ANSWER_POLL_S`.

        Raises:
            RejectedError: ``unknown_prompt``, ``not_yours`` or ``unknown_query``.
        """
        prompt = self._find(agent, request.prompt_id)
        give_up_ms = self._now_ms() + int(ANSWER_POLL_S * 1000)
        while True:
            answered = prompt.answered
            now_ms = self._now_ms()
            reply = prompt.stream.look_for_answer(request.sequence, now_ms)
            if reply.state != "waiting" or now_ms >= give_up_ms:
                return reply
            due_ms = min(give_up_ms, prompt.stream.answer_due_ms(request.sequence))
            await self._shell.clock.wait(answered, due_ms - now_ms)

    def _find(self, agent: str, prompt_id: str) -> _Prompt:
        prompt = self._prompts.get(prompt_id) or self._ended.get(prompt_id)
        if prompt is None:
            raise unknown_prompt()
        if prompt.agent != agent:
            raise RejectedError("not_yours", "another agent was prompted")
        return prompt

    # --- from the registry, and at the end

    async def look_after(self, agents: Iterable[str]) -> None:
        """End the prompts of those among `agents` that have gone or were superseded."""
        for agent in agents:
            face = self._roster.find(agent)
            for prompt_id in tuple(self._by_agent.get(agent, ())):
                prompt = self._prompts[prompt_id]
                if face is None or face.instance_id != prompt.face.instance_id:
                    await self._fail(prompt, "the agent has gone")
        if len(self._counters) > 2 * MAX_PROMPTS:
            here = {face.instance_id for face in self._roster}
            self._counters = {key: each for key, each in self._counters.items() if key in here}

    async def end_all(self) -> None:
        """End every prompt, because this gateway stops."""
        for prompt in tuple(self._prompts.values()):
            await self._fail(prompt, "the gateway is stopping; prompt again")

    # --- one prompt

    async def _tend(self, prompt: _Prompt, envelope: Envelope, traceparent: str) -> None:
        """Push the prompt to its agent, and watch over its stream until it ends."""
        try:
            await self._push(prompt, envelope, traceparent)
            del envelope  # it may be large, and the prompt may take an hour
            while (due_ms := prompt.stream.due_ms()) is not None:
                await self._shell.clock.wait(prompt.over, due_ms - self._now_ms())
                async with prompt.turn:
                    await self._pass_on(prompt, prompt.stream.pass_time(self._now_ms()))
        except Exception:  # noqa: BLE001 - one prompt must not end the others
            log_failure(_log, "prompt failed", agent=prompt.agent, prompt=prompt.prompt_id)
            await self._fail(prompt, "the gateway failed on this prompt")

    async def _push(self, prompt: _Prompt, envelope: Envelope, traceparent: str) -> None:
        push = PromptPush(
            prompt_id=prompt.prompt_id,
            gateway=self.gateway,
            text=envelope.prompt,
            attachments=envelope.attachments or (),
            unknown=envelope.unknown,
            traceparent=traceparent,
            accept_ms=self._timing.accept_ms,
            silence_ms=self._timing.silence_ms,
        )
        try:
            body = push.model_dump_json(exclude_defaults=True).encode()
            if push.unknown:
                PromptPush.model_validate_json(body)  # a push nests what the client sent one level deeper
        except (ValidationError, PydanticSerializationError):
            await self._fail(prompt, "the envelope is nested too deep", code=400)
            return
        if len(body) > MAX_PUSH_BYTES:
            await self._fail(prompt, "the prompt is too large once it is escaped", code=400)
            return
        await self._shell.bus.publish(self._shell.subjects.inbox(prompt.agent, PUSH_KIND), body)

    async def _fail(self, prompt: _Prompt, message: str, *, code: Code = 500) -> None:
        async with prompt.turn:
            await self._pass_on(prompt, prompt.stream.fail(code, message))

    async def _pass_on(self, prompt: _Prompt, frames: tuple[Frame, ...]) -> None:
        if prompt.stream.state is State.ENDED:
            self._forget(prompt, frames)
        await self._send(prompt.reply_to, frames)

    def _forget(self, prompt: _Prompt, frames: tuple[Frame, ...]) -> None:
        if self._prompts.pop(prompt.prompt_id, None) is None:
            return
        mine = self._by_agent[prompt.agent]
        mine.discard(prompt.prompt_id)
        if not mine:
            del self._by_agent[prompt.agent]
        self._ended[prompt.prompt_id] = prompt
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
        prompt.over.set()
        prompt.tell_of_answer()
        counters = self._counters.setdefault(prompt.face.instance_id, Counters())
        counters.requests += 1
        counters.processing_ms += self._now_ms() - prompt.began_ms
        failed = next((frame for frame in frames if frame.code is not None), None)
        if failed is not None:
            counters.errors += 1
            counters.last_error = str(failed.code)

    async def _send(self, reply_to: str, frames: Iterable[Frame]) -> None:
        for frame in frames:
            try:
                await self._shell.bus.publish(reply_to, frame.payload, headers=frame.headers)
            except ConclaveError as error:
                # The client will see that its stream has stalled; there is no other way to reach it.
                _log.warning("chunk not sent", error=type(error).__name__)

    def _now_ms(self) -> int:
        return int(self._shell.clock.monotonic_s() * 1000)


def answers(prefix: str, gateway: str) -> str:
    """What the subjects begin with on which one gateway takes answers to questions."""
    return f"{prefix}.query.{gateway}"
