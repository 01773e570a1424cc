"""Serves the endpoints of one service on a bus: concurrent, bounded, draining.

nats-py's own micro layer answers one request at a time per endpoint and puts ``repr(error)`` on the
wire, so only its discovery protocol is kept (`coordination.runtime.discovery`). A command or query costs
no task of its own: it goes into its shard's queue, and the host gives the answer.

In a sharded service any process that leads a shard may be asked; what belongs to a shard that it does
not lead is forwarded to the shard's leader, and the answer is handed back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pydantic import TypeAdapter

from coordination.runtime.adapters import adapter_of
from coordination.runtime.answers import Answers, CommandAnswered, CommandKey
from coordination.runtime.bus import Bus, Delivery, Subscription
from coordination.runtime.discovery import Discovery
from coordination.runtime.envelope import (
    Address,
    address_of,
    check_envelope,
    command_key,
    parse_body,
    timeout_s,
)
from coordination.runtime.errors import ClosedError, ConclaveError, RejectedError, UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.host import Host
from coordination.runtime.ids import RandomIds
from coordination.runtime.limits import (
    DRAIN_TIMEOUT_S,
    MAX_IN_FLIGHT_REQUESTS,
    MAX_REPLY_BYTES,
    MAX_REPLY_SUBJECT_CHARS,
    MAX_TRACE_CHARS,
    REQUEST_TIMEOUT_S,
)
from coordination.runtime.logs import get_logger
from coordination.runtime.names import Subjects, inbox_prefix
from coordination.runtime.requests import Request
from coordination.runtime.service import Action, Call, Command, Endpoint, Query, ServiceDefinition
from coordination.runtime.shard import ReplyType, as_json
from coordination.runtime.sharding import shard_of
from coordination.runtime.takers import Takers
from coordination.runtime.wire import (
    HEADER_ERROR,
    HEADER_ERROR_CODE,
    HEADER_TAKES,
    HEADER_TRACE,
    ErrorBody,
)

_log = get_logger(__name__)
_NEVER_SHARDED: Final = 0
_MAX_REFUSALS: Final = 4096
"""Refusals that wait until the NATS server takes them; whoever would get the next one is not answered."""


@dataclass(eq=False, slots=True)
class _Served:
    """An endpoint while it is served."""

    endpoint: Endpoint
    request_type: TypeAdapter[Any]
    usual_type: TypeAdapter[Any] | None
    reply_type: ReplyType
    in_flight: int = 0

    @classmethod
    def of(cls, endpoint: Endpoint) -> _Served:
        """Nobody has asked yet."""
        write = endpoint.write if isinstance(endpoint, Command) else None
        usual = None if endpoint.usual_request is None else adapter_of(endpoint.usual_request)
        return cls(endpoint, adapter_of(endpoint.request), usual, write or adapter_of(endpoint.reply))


class Server:
    """Answers the requests to one service until it is drained.

    Args:
        definition: What is served.
        bus: Where requests come from.
        subjects: The deployment's subjects.
        hosts: By shard, those that run in this process; none for a service without a journal.
        shards: How many there are in all.
        entropy: Where fresh ids come from.
        takers: Where it is noted which callers take several pushes in one message; None to note nothing.
    """

    def __init__(
        self,
        definition: ServiceDefinition,
        *,
        bus: Bus,
        subjects: Subjects,
        hosts: Mapping[int, Host[Any]] | None = None,
        shards: int = 1,
        entropy: random.Random | None = None,
        takers: Takers | None = None,
    ) -> None:
        self.definition = definition
        self._bus = bus
        self._subjects = subjects
        self._hosts = dict(hosts or {})
        self._shard_count = shards
        self._takers = takers
        self._entropy = entropy or random.SystemRandom()
        self._draw_id = RandomIds(self._entropy, bits=64).draw
        self._own_inbox = f"{inbox_prefix(definition.name)}."
        self._endpoints = {endpoint.verb: _Served.of(endpoint) for endpoint in definition.endpoints}
        self._answers = Answers()
        """Of actions; those of commands are in the host's journal."""
        self._acting: set[tuple[str, str]] = set()
        """Callers and ids of the commands that actions are working on."""
        self._discovery = Discovery(definition, bus=bus, subjects=subjects, entropy=self._entropy)
        self._public: Subscription | None = None
        self._shards: dict[int, Subscription | None] = {}
        """The shards that this process leads, and where others forward their requests to."""
        self._changing = asyncio.Lock()
        self._draining = False
        self._in_flight = 0
        self._refusing = 0
        self._idle = asyncio.Event()
        """Set when the last request was answered while draining."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, shard: int = _NEVER_SHARDED) -> None:
        """Answer for `shard` from now on; returns when the server knows of the subscriptions."""
        async with self._changing:
            if self._draining:
                return
            forwarded = None
            if self._shard_count > 1:
                subject = self._subjects.shard(self.definition.name, shard, "*", "*")
                forwarded = await self._bus.listen(subject, self._receive_forwarded)
            self._shards[shard] = forwarded
            if self._public is None:
                self._public = await self._bus.listen(
                    self._subjects.call(self.definition.name, "*", "*"),
                    self._receive,
                    queue=f"conclave-{self.definition.name}",
                )
                await self._discovery.start()
            try:
                await self._bus.flush()
            except UnavailableError:
                # The bus subscribes again when the server is back; until then nobody can ask anyway.
                _log.warning("serving as soon as NATS is back", service=self.definition.name)

    async def leave(self, shard: int = _NEVER_SHARDED) -> None:
        """Take no more requests for `shard`; idempotent."""
        async with self._changing:
            forwarded = self._shards.pop(shard, None)
            if forwarded is not None:
                await forwarded.drain()
            if not self._shards and self._public is not None:
                await self._discovery.stop()
                public, self._public = self._public, None
                await public.drain()
                if self._takers is not None:
                    self._takers.clear()  # what they say from now on, others hear

    async def drain(self) -> None:
        """Take no more requests, finish those taken (at most `DRAIN_TIMEOUT_S`)."""
        async with self._changing:
            self._draining = True
            if self._in_flight == 0:
                self._idle.set()
        for shard in tuple(self._shards):
            await self.leave(shard)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("requests given up", service=self.definition.name, count=self._in_flight)
        late = tuple(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # --- one request

    def _receive(self, delivery: Delivery) -> None:
        address = address_of(delivery.subject)
        self._take(_ServedRequest(self, delivery, address, address.inbox), None)

    def _receive_forwarded(self, delivery: Delivery) -> None:
        shard = delivery.subject.rsplit(".", 3)[1]
        request = _ServedRequest(self, delivery, address_of(delivery.subject), self._own_inbox)
        self._take(request, int(shard))

    def _take(self, request: _ServedRequest, shard: int | None) -> None:
        try:
            check_envelope(request.delivery, request.address, is_own_inbox=request.has_own_inbox)
            if self._takers is not None:
                takes = HEADER_TAKES in request.delivery.headers
                self._takers.note(request.caller, takes, request.started_s)
            served = self._endpoints.get(request.verb)
            if served is None:
                known = ", ".join(sorted(self._endpoints))
                message = f"{self.definition.name} has no {request.verb[:64]!r}; it has: {known}"
                raise RejectedError("unknown_verb", message)
            if served.in_flight >= served.endpoint.max_in_flight or self._in_flight >= MAX_IN_FLIGHT_REQUESTS:
                raise RejectedError("overloaded", "too many requests at once, try again", retryable=True)
            request.served = served
            served.in_flight += 1
            self._in_flight += 1
            self._start(request, served, shard)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a code
            self._refuse(request, error)

    def _refuse(self, request: _ServedRequest, error: Exception) -> None:
        if self._refusing < _MAX_REFUSALS:
            self._refusing += 1
            self.own_task(self._send_refusal(request, error))
            return
        # The NATS server takes nothing, and keeping ever more answers for it would have no end.
        self.count_out(request, self.as_refusal(error, request).code)

    async def _send_refusal(self, request: _ServedRequest, error: Exception) -> None:
        try:
            await request.respond(error)
        finally:
            self._refusing -= 1

    def _start(self, request: _ServedRequest, served: _Served, shard: int | None) -> None:
        """Queue the request, forward it, or let its action run."""
        endpoint, delivery = served.endpoint, request.delivery
        body = parse_body(served.request_type, delivery.payload, served.usual_type)
        request.key = command_key(delivery, request.verb, request.caller)
        wait_s = timeout_s(delivery)
        if wait_s is not None:
            request.deadline_s = request.started_s + wait_s
        if isinstance(endpoint, Action):
            self.own_task(self._act(request, served, endpoint, body))
            return
        draw_id = self._draw_id
        if self._shard_count > 1:
            if shard is None:
                shard = self._shard_of(request, endpoint, body)
                if shard not in self._shards:
                    self.own_task(self._forward(request, shard, wait_s))
                    return
            draw_id = partial(self._draw_id_on, shard)
        call = Call(caller=request.caller, draw_id=draw_id, traceparent=delivery.headers.get(HEADER_TRACE))
        request.reply_type = served.reply_type
        host = self._hosts[shard or _NEVER_SHARDED]
        if not isinstance(endpoint, Command):
            assert isinstance(endpoint, Query)
            answer, request.is_query = endpoint.answer, True
            request.run = lambda model, now_ms: answer(model, call, body, now_ms)
            host.submit(request)
            return
        preparing = endpoint.prepare(host, call, body) if endpoint.prepare is not None else None
        if preparing is None:
            _submit(request, endpoint, call, body, host)
        else:
            self.own_task(self._prepare(preparing, request, endpoint, call, body, host))

    async def _prepare(
        self,
        preparing: Coroutine[Any, Any, None],
        request: _ServedRequest,
        endpoint: Command,
        call: Call,
        body: Any,
        host: Host[Any],
    ) -> None:
        """Have the command decided once `preparing` has succeeded."""
        try:
            await preparing
            _submit(request, endpoint, call, body, host)
        except Exception as error:  # noqa: BLE001 - as in `_take`
            await request.respond(error)

    def _shard_of(self, request: _ServedRequest, endpoint: Endpoint, body: Any) -> int:
        if endpoint.shard_by is not None:
            aggregate = endpoint.shard_by(Call(caller=request.caller, draw_id=self._draw_id), body)
        else:
            # A retry must come to the shard that remembers the first attempt.
            key = request.key
            aggregate = f"{key.caller}.{key.command_id}" if key is not None else self._draw_id()
        return shard_of(aggregate, self._shard_count)

    def _draw_id_on(self, shard: int) -> str:
        """A fresh id that belongs to `shard`: one of as many as there are shards does."""
        while shard_of(drawn := self._draw_id(), self._shard_count) != shard:
            pass
        return drawn

    async def _act(self, request: _ServedRequest, served: _Served, action: Action, body: Any) -> None:
        key = request.key if action.changes else None
        call = Call(
            caller=request.caller,
            draw_id=self._draw_id,
            traceparent=request.delivery.headers.get(HEADER_TRACE),
        )
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        try:
            known = self._answers.first_answer(key, now_ms) if key is not None else None
            if known is None:
                with self._alone(key):
                    known = as_json(served.reply_type, await action.act(call, body))
                if key is not None:
                    answered = CommandAnswered(key.caller, key.command_id, key.fingerprint, known)
                    self._answers.apply(answered, now_ms)
            await request.respond(known)
        except Exception as error:  # noqa: BLE001 - as in `_take`
            await request.respond(error)

    @contextlib.contextmanager
    def _alone(self, key: CommandKey | None) -> Iterator[None]:
        """Refuse a retry that comes while the first attempt is still being worked on."""
        if key is None:
            yield
            return
        command = (key.caller, key.command_id)
        if command in self._acting:
            raise RejectedError(
                "in_progress", "it is being worked on, ask again for its answer", retryable=True
            )
        self._acting.add(command)
        try:
            yield
        finally:
            self._acting.discard(command)

    async def _forward(self, request: _ServedRequest, shard: int, wait_s: float | None) -> None:
        subject = self._subjects.shard(self.definition.name, shard, request.verb, request.caller)
        delivery = request.delivery
        try:
            answer = await self._bus.request(
                subject,
                delivery.payload,
                timeout_s=min(wait_s or REQUEST_TIMEOUT_S, REQUEST_TIMEOUT_S),
                headers=delivery.headers,
            )
            await request.relay(answer)
        except Exception as error:  # noqa: BLE001 - as in `_take`
            await request.respond(error)

    # --- what requests need of their server

    def own_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside everything else, until it ends or the server has drained."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count_out(self, request: _ServedRequest, code: str) -> None:
        """Count a request as answered; `code` is that of its refusal, or empty."""
        elapsed_s = asyncio.get_running_loop().time() - request.started_s
        self._discovery.count(request.verb, elapsed_s=elapsed_s, code=code)
        served, request.served = request.served, None
        if served is not None:
            served.in_flight -= 1
            self._in_flight -= 1
            if self._draining and self._in_flight == 0:
                self._idle.set()

    def as_refusal(self, error: Exception, request: _ServedRequest) -> RejectedError:
        """What the caller may know of `error`."""
        match error:
            case RejectedError():
                return error
            case UnavailableError() | ClosedError():
                return RejectedError("unavailable", str(error), retryable=True)
        correlation_id = f"{self._entropy.getrandbits(128):032x}"
        log_failure(
            _log, "request failed", error, subject=request.delivery.subject, correlation_id=correlation_id
        )
        message = "the service failed on this request"
        return RejectedError("internal", message, correlation_id=correlation_id)

    async def send(self, request: _ServedRequest, body: bytes, headers: Mapping[str, str] | None) -> None:
        """Publish an answer; one that cannot be sent is logged, because its reply subject is the caller's."""
        try:
            await self._bus.publish(request.delivery.reply_to, body, headers=headers)
        except ConclaveError as error:
            _log.warning("reply not sent", subject=request.delivery.subject[:200], error=type(error).__name__)


class _ServedRequest(Request):
    """A request that came over the bus."""

    __slots__ = ("address", "caller", "delivery", "has_own_inbox", "served", "server", "started_s", "verb")

    def __init__(self, server: Server, delivery: Delivery, address: Address, inbox: str) -> None:
        # Not through the base: one of these is made for every request, and what it asks is found out later.
        self.run = _undecided
        self.reply_type = _ANYTHING
        self.is_query = False
        self.key = None
        self.deadline_s = None
        self.server = server
        self.delivery = delivery
        self.address = address
        self.verb, self.caller, _, _ = address
        reply_to = delivery.reply_to
        self.has_own_inbox = reply_to.startswith(inbox) and len(reply_to) <= MAX_REPLY_SUBJECT_CHARS
        """Whether the answer would go into an inbox of whoever sent the request, and nowhere else."""
        self.served: _Served | None = None
        self.started_s = asyncio.get_running_loop().time()

    @property
    def size_bytes(self) -> int:
        """Of its body."""
        return len(self.delivery.payload)

    def is_abandoned(self) -> bool:
        """Never known: the caller may have gone, but not its command."""
        return False

    async def respond(self, answer: str | Exception) -> None:
        """Send the answer into the caller's inbox, and nowhere else."""
        if isinstance(answer, str):
            body = answer.encode()
            if len(body) <= MAX_REPLY_BYTES:
                self.server.count_out(self, "")
                if self.has_own_inbox:
                    await self.server.send(self, body, self._trace())
                return
            answer = RejectedError(
                "reply_too_large", "the answer does not fit into one message; ask for less"
            )
        refusal = self.server.as_refusal(answer, self)
        self.server.count_out(self, refusal.code)
        # A plain client with the default inbox gets refusals, which tell it what to change. No agent
        # may listen there and nothing acts on what arrives there, so it cannot be turned into speech.
        if self.has_own_inbox or self.delivery.reply_to.startswith("_INBOX."):
            # A header is one line; the body carries the message in full.
            error_headers = {
                HEADER_ERROR: " ".join(refusal.message.split())[:200],
                HEADER_ERROR_CODE: refusal.code,
            }
            body = ErrorBody.of(refusal).model_dump_json().encode()
            await self.server.send(self, body, {**error_headers, **(self._trace() or {})})

    async def relay(self, answer: Delivery) -> None:
        """Hand on what the leader of the request's shard has answered."""
        self.server.count_out(self, answer.headers.get(HEADER_ERROR_CODE, ""))
        if self.has_own_inbox:
            await self.server.send(self, answer.payload, dict(answer.headers))

    def refuse(self, error: Exception) -> None:
        """Send a refusal as soon as possible."""
        self.server.own_task(self.respond(error))

    def _trace(self) -> dict[str, str] | None:
        trace = self.delivery.headers.get(HEADER_TRACE)
        return {HEADER_TRACE: trace} if trace and len(trace) <= MAX_TRACE_CHARS else None


def _submit(request: _ServedRequest, endpoint: Command, call: Call, body: Any, host: Host[Any]) -> None:
    """Queue a command for its host."""
    command = endpoint.build(call, body)
    request.run = lambda model, now_ms: model.decide(command, now_ms)
    host.submit(request)


def _undecided(model: Any, now_ms: int) -> Any:  # noqa: ARG001
    raise AssertionError("queued before it was known what it asks for")


_ANYTHING: Final = TypeAdapter[Any](Any)
