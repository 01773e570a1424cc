"""The part of an agent that is prompted by clients of the Synadia Agent Protocol, through the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from conclave.agent.binding import read_signature
from conclave.agent.containment import HandlerExitError, contained, tell
from conclave.agent.duty import STOP_GRACE_S, Duty
from conclave.agent.errors import WorkCancelledError
from conclave.agent.part import Part
from conclave.agent.prompting import Piece, PromptContext, Stream, chunks_of
from conclave.agent.results import message_content
from conclave.agent.threads import RunSync, Threads
from coordination.gateway.client import GatewayClient
from coordination.gateway.limits import MAX_AGENT_PROMPTS, MAX_MESSAGE_CHARS
from coordination.gateway.wire import (
    PROTOCOL,
    TEXT_ONLY,
    DoneChunk,
    ErrorChunk,
    PromptPush,
    StatusChunk,
)
from coordination.runtime.errors import UsageError

MAX_PROMPTS: Final = 8
"""Prompts that an agent works on at a time, by default."""
MAX_JSON_BYTES: Final = 16 * 1024 * 1024
"""Of what a handler returns that is not text."""
SIGNS_PER_SILENCE: Final = 4
"""How often a handler that says nothing shows that it works, within the time in which it must."""
STOPPED: Final = "the agent stops"
_TEXT: Final = (str, Any, inspect.Parameter.empty)
_NO_MORE: Final = object()


class PromptHandler:
    """A handler for prompts.

    Args:
        function: What was decorated: returns the answer or yields its pieces; sync or async.
        namespace: As for `read_signature`.

    Raises:
        UsageError: It can never be called with a prompt.
    """

    def __init__(self, function: Callable[..., Any], *, namespace: Mapping[str, Any] | None) -> None:
        if not callable(function):
            raise UsageError(f"a handler is a function, not {type(function).__name__}")
        self._function = function
        self._signature = read_signature(function, context=PromptContext, namespace=namespace)
        self.name: str = self._signature.name
        self._parameter = self._signature.only_parameter()
        if self._parameter is not None and self._parameter.annotation not in _TEXT:
            raise UsageError(
                f"handler {self.name}: parameter {self._parameter.name!r} gets the prompt, which is a str"
            )

    async def pieces(self, text: str, context: PromptContext, run_sync: RunSync) -> AsyncGenerator[Any, None]:
        """Call the handler; what it yields, or what it returns."""
        arguments: dict[str, Any] = dict.fromkeys(self._signature.contexts, context)
        if self._parameter is not None:
            arguments[self._parameter.name] = text
        call = functools.partial(self._function, **arguments)
        if inspect.isasyncgenfunction(self._function):
            async with contextlib.aclosing(call()) as said:
                async for piece in said:
                    yield piece
        elif inspect.isgeneratorfunction(self._function):
            generator = call()
            try:
                while (piece := await run_sync(functools.partial(next, generator, _NO_MORE))) is not _NO_MORE:
                    yield piece
            finally:
                if inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED:
                    await run_sync(generator.close)  # how it cleans up may block, too
        elif inspect.iscoroutinefunction(self._function):
            yield await call()
        else:
            result = await run_sync(call)
            yield await result if inspect.isawaitable(result) else result


class Prompts(Part):
    """At most one handler for prompts, and how many of them it takes at a time."""

    def __init__(self) -> None:
        self._handler: PromptHandler | None = None
        self._takes_files = True
        self._max_at_once = MAX_PROMPTS

    def set_handler(self, handler: PromptHandler, *, files: bool, max_at_once: int) -> None:
        """Have `handler` answer prompts.

        Raises:
            UsageError: There is one already, or `max_at_once` is out of bounds.
        """
        if self._handler is not None:
            raise UsageError(f"handler {handler.name}: {self._handler.name} answers prompts already")
        if not 0 < max_at_once <= MAX_AGENT_PROMPTS:
            raise UsageError(f"max_at_once is {max_at_once}; it is between 1 and {MAX_AGENT_PROMPTS}")
        self._handler, self._takes_files, self._max_at_once = handler, files, max_at_once

    @property
    def protocols(self) -> tuple[str, ...]:
        """See `Part.protocols`."""
        if self._handler is None:
            return ()
        return (PROTOCOL if self._takes_files else TEXT_ONLY,)

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""
        if self._handler is None:
            return
        desk = _Desk(duty, self._handler, max_at_once=self._max_at_once)
        duty.keep(await GatewayClient(duty.session.caller).on_prompt(desk.take))


class _Desk:
    """Works on prompts, a bounded number at a time."""

    def __init__(self, duty: Duty, handler: PromptHandler, *, max_at_once: int) -> None:
        self._duty = duty
        self._handler = handler
        self._client = GatewayClient(duty.session.caller)
        self._max_at_once = max_at_once
        self._at_work = 0
        # Not those of the other handlers: whoever prompts must not keep the agent from dialogs and votes.
        self._run_sync = Threads(max_at_once, name=f"{duty.agent} prompt").run

    async def take(self, push: PromptPush) -> None:
        """Begin to work on a prompt, or say that there is too much to do."""
        stream = Stream(self._client, push)
        if self._at_work >= self._max_at_once:
            message = f"the agent works on {self._max_at_once} prompts at a time; try again later"
            self._duty.spawn(_refuse(stream, message))
            return
        self._at_work += 1
        self._duty.spawn(self._work(push, stream))

    async def _work(self, push: PromptPush, stream: Stream) -> None:
        try:
            with self._duty.scope(push.traceparent, prompt=push.prompt_id) as (trace, log):
                context = PromptContext(self._duty.session, log=log, trace=trace, push=push, stream=stream)
                await self._answer(push, stream, context)
        finally:
            self._at_work -= 1

    async def _answer(self, push: PromptPush, stream: Stream, context: PromptContext) -> None:
        try:
            await stream.send(StatusChunk())  # the gateway waits for a sign that the prompt has arrived
        except WorkCancelledError:
            return
        working = asyncio.ensure_future(self._say(push.text, stream, context))
        keeping = asyncio.ensure_future(stream.keep_alive(push.silence_ms / 1000 / SIGNS_PER_SILENCE))
        stopping = asyncio.ensure_future(self._duty.over.wait())
        waiting: set[asyncio.Future[Any]] = {working, stopping, stream.gone}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                context.cancelled.set(STOPPED)  # unless there is a reason already
        except asyncio.CancelledError:
            context.cancelled.set(STOPPED)
            raise
        finally:
            await _end(context, working, keeping, stopping)
        if working.cancelled() or not working.done():
            reason = context.cancelled.reason or "the handler let through a cancellation that was not its own"
            context.log.warning("prompt given up", reason=reason)
            await stream.end(ErrorChunk(message=reason))
        elif (error := working.exception()) is not None:  # such as an end that the gateway did not take
            failed = error if isinstance(error, Exception) else HandlerExitError(error)
            await stream.end(ErrorChunk(message=self._reason(failed, context)))

    async def _say(self, text: str, stream: Stream, context: PromptContext) -> None:
        """Run the handler and send what it says, and how it ends."""
        try:
            with contained():
                async with contextlib.aclosing(self._handler.pieces(text, context, self._run_sync)) as pieces:
                    async for said in pieces:
                        for chunk in chunks_of(_piece(said)):
                            await stream.send(chunk)
        except WorkCancelledError:
            reason = context.cancelled.reason or "given up"
            context.log.info("prompt given up", reason=reason)
            await stream.end(ErrorChunk(message=reason))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever prompts is told that it failed
            await stream.end(ErrorChunk(message=self._reason(error, context)))
        else:
            await stream.end(DoneChunk())

    def _reason(self, error: Exception, context: PromptContext) -> str:
        """What others may know of a handler's error."""
        log = context.log.bind(handler=self._handler.name)
        told = tell(error, log, "handler failed", fresh_id=self._duty.fresh_id)
        return told.reason[:MAX_MESSAGE_CHARS]


async def _refuse(stream: Stream, message: str) -> None:
    await stream.end(ErrorChunk(code=429, message=message))


async def _end(context: PromptContext, *tasks: asyncio.Future[Any]) -> None:
    """Cancel what still runs; a handler that does not end is left behind, and said so."""
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=STOP_GRACE_S)
    if late:
        context.log.error("the handler ignores that it was cancelled")
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # looked at: what comes after the cancellation concerns nobody


def _piece(said: Any) -> Piece:
    match said:
        case None:
            return Piece()
        case Piece():
            return said
    return Piece(message_content(said, max_bytes=MAX_JSON_BYTES))
