"""The host runs one model over one journal: group commit, deduplication, timers.

Ordering, per batch: decide and apply each command; append ONE record; only when it is durable release
replies and messages. A query is answered in the same queue, so that it never shows a state that a
crash could take back. While an append is in flight, the next batch gathers.

A failed compare-and-set means that somebody else writes this journal: the state is void, everything
waiting is refused as retryable, and the host ends with `NotLeaderError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import structlog
from pydantic import TypeAdapter

from coordination.runtime.answers import Answers, CommandAnswered
from coordination.runtime.clock import Clock
from coordination.runtime.errors import (
    CorruptJournalError,
    NotLeaderError,
    PeerProtocolError,
    RejectedError,
    UnavailableError,
)
from coordination.runtime.failures import log_failure
from coordination.runtime.framing import EventCodec, frame, unframe
from coordination.runtime.journal import Journal
from coordination.runtime.limits import (
    MAX_BATCH_COMMANDS,
    MAX_COMMAND_EVENTS_BYTES,
    MAX_PENDING_COMMANDS,
    MAX_RECORD_BYTES,
)
from coordination.runtime.model import Model, Notice, Outcome, Push, Rejected

M = TypeVar("M", bound=Model)
Deliver = Callable[[Push | Notice], Awaitable[None]]
_log = structlog.get_logger(__name__)
_EVENT_OVERHEAD_BYTES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandKey:
    """Names one command of one caller, so that a retry is recognised."""

    caller: str
    command_id: str
    fingerprint: str
    """Hash of the request; the same id with another one is refused."""


@dataclass(eq=False, slots=True)
class _Pending:
    """A command or query in the queue."""

    run: Callable[[Any, int], Any]
    """Command: (model, now_ms) -> Outcome | Rejected. Query: -> the answer."""
    result: asyncio.Future[Any]
    is_query: bool
    reply_type: TypeAdapter[Any]
    key: CommandKey | None = None


@dataclass(slots=True)
class _Batch:
    """What one turn of the loop has decided and not yet released."""

    events: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    taken: list[asyncio.Future[Any]] = field(default_factory=list)
    """The futures of all requests taken from the queue, whether or not they have a result yet."""
    results: list[tuple[asyncio.Future[Any], Any]] = field(default_factory=list)
    messages: list[Push | Notice] = field(default_factory=list)


class Host(Generic[M]):
    """Runs a model; the only thing that may mutate it.

    Args:
        name: For log lines and errors, ``registry.0``.
        model: The state machine in its initial state.
        journal: Where its events live.
        clock: The only source of time.
        deliver: Sends a push or a notice; called only for what is durable.
    """

    def __init__(self, *, name: str, model: M, journal: Journal, clock: Clock, deliver: Deliver) -> None:
        self.name = name
        self.model = model
        self.epoch = 0
        """Number of this leadership; 0 before `run` has opened the journal."""
        self.sequence = 0
        """Last record that `model` contains."""
        self.ready = asyncio.Event()
        """Set once the journal is replayed and this host's epoch is on disk."""
        self._journal = journal
        self._clock = clock
        self._deliver = deliver
        self._codec = EventCodec((*model.event_types, CommandAnswered))
        self._answers = Answers()
        self._pending: deque[_Pending] = deque()
        self._work = asyncio.Event()
        self._batch = _Batch()
        self._last_ms = 0
        self._stopping = False
        self._ended = False
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Replay, take the leadership, then work until `stop`.

        Raises:
            NotLeaderError: Another host took over.
            CorruptJournalError: The journal cannot be read; nothing was served from it.
            UnavailableError: The journal did not answer while it was opened or replayed.
            ClosedError: The connection under the journal was closed.
        """
        try:
            await self._journal.open()
            await self._replay()
            await self._append(epoch=self.epoch + 1, now_ms=self._now_ms(), events=[])
            self.epoch += 1
            self.ready.set()
            _log.info("leading", host=self.name, epoch=self.epoch, records=self.sequence)
            while not (self._stopping and not self._pending):
                await self._turn()
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._ended = True
            self._refuse_waiting()

    def stop(self) -> None:
        """Finish what is queued, then let `run` return."""
        self._stopping = True
        self._work.set()

    async def command(
        self,
        decide: Callable[[M, int], Outcome | Rejected],
        *,
        reply_type: TypeAdapter[Any],
        key: CommandKey | None = None,
    ) -> str:
        """Decide a command and return its JSON reply once its effect is durable.

        Args:
            decide: Called with the model and the time in ms; must not mutate.
            reply_type: Writes ``Outcome.reply`` as JSON.
            key: Makes the command idempotent; without it each call is a new command.

        Raises:
            RejectedError: The model refused it, the queue is full (``overloaded``, retryable), or
                `key` was used for another request.
            UnavailableError: This host stopped leading; the outcome is unknown, retry.
        """
        reply: str = await self._enqueue(decide, is_query=False, key=key, reply_type=reply_type)
        return reply

    async def query(self, answer: Callable[[M, int], Any], *, reply_type: TypeAdapter[Any]) -> str:
        """Evaluate `answer(model, now_ms)` on durable state and return it as JSON.

        The JSON is written at once, because the model goes on changing while the answer waits.

        Raises:
            RejectedError, UnavailableError: As for `command`.
        """
        reply: str = await self._enqueue(answer, is_query=True, reply_type=reply_type)
        return reply

    async def _enqueue(
        self,
        run: Callable[[M, int], Any],
        *,
        is_query: bool,
        reply_type: TypeAdapter[Any],
        key: CommandKey | None = None,
    ) -> Any:
        if self._stopping or self._ended:
            raise UnavailableError(f"{self.name}: {self._why_not()}")
        if len(self._pending) >= MAX_PENDING_COMMANDS:
            raise RejectedError("overloaded", "too many requests are waiting, try again", retryable=True)
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(run, result, is_query, reply_type, key))
        self._work.set()
        return await result

    async def _replay(self) -> None:
        async with contextlib.aclosing(self._journal.replay()) as entries:
            async for entry in entries:
                try:
                    record = unframe(entry.payload, self._codec)
                    for event in record.events:
                        self._apply(event)
                except (PeerProtocolError, _ApplyError) as error:
                    raise CorruptJournalError(self.name, entry.sequence, str(error)) from error
                self.epoch = record.epoch
                self._last_ms = max(self._last_ms, record.at_ms)
                self.sequence = entry.sequence

    async def _turn(self) -> None:
        deadline_ms = self.model.next_deadline_ms()
        if not self._pending and not self._stopping:
            self._work.clear()
            timeout_ms = None if deadline_ms is None else deadline_ms - self._now_ms()
            await self._clock.wait(self._work, timeout_ms)
        now_ms = self._now_ms()
        batch = self._batch = _Batch()
        if deadline_ms is not None and deadline_ms <= now_ms:
            self._tick(now_ms, batch)
        self._gather(now_ms, batch)
        if batch.events:
            await self._append(epoch=self.epoch, now_ms=now_ms, events=batch.events)
        await self._release(batch)

    def _tick(self, now_ms: int, batch: _Batch) -> None:
        outcome = self.model.tick(now_ms)
        self._stage(batch, list(outcome.events), [self._codec.encode(event) for event in outcome.events])
        batch.messages.extend(outcome.messages)
        assert batch.size_bytes <= MAX_RECORD_BYTES, f"{self.name}: tick stores more than a record can hold"
        due_ms = self.model.next_deadline_ms()
        progress = due_ms is None or due_ms > now_ms or bool(outcome.events)
        assert progress, f"{self.name}: tick did nothing about a deadline in the past"

    def _gather(self, now_ms: int, batch: _Batch) -> None:
        for _ in range(MAX_BATCH_COMMANDS):
            if not self._pending or batch.size_bytes >= MAX_RECORD_BYTES - MAX_COMMAND_EVENTS_BYTES:
                return
            pending = self._pending.popleft()
            if not pending.result.done():  # the caller may have given up waiting
                batch.taken.append(pending.result)
                batch.results.append((pending.result, self._result(pending, now_ms, batch)))

    def _result(self, pending: _Pending, now_ms: int, batch: _Batch) -> Any:
        """The value or exception that `pending` will get once the batch is durable."""
        try:
            if pending.is_query:
                return as_json(pending.reply_type, pending.run(self.model, now_ms))
            return self._decide(pending, now_ms, batch)
        except RejectedError as error:
            return error
        except _ApplyError:
            raise
        except Exception:  # noqa: BLE001
            # A fault of ours in a pure function that has changed nothing: this caller gets a code
            # and a correlation id, the log gets the traceback, everybody else goes on.
            correlation_id = uuid.uuid4().hex
            log_failure(_log, "decision failed", host=self.name, correlation_id=correlation_id)
            return RejectedError(
                "internal", "the service failed on this request", correlation_id=correlation_id
            )

    def _decide(self, pending: _Pending, now_ms: int, batch: _Batch) -> str:
        key = pending.key
        if key is not None:
            known = self._answers.get(key.caller, key.command_id)
            if known is not None:
                return first_answer(known, key)
        outcome = pending.run(self.model, now_ms)
        if isinstance(outcome, Rejected):
            self._store(batch, list(outcome.events))
            raise RejectedError(
                outcome.code, outcome.message, retryable=outcome.retryable, details=outcome.details
            )
        reply = as_json(pending.reply_type, outcome.reply)
        events = list(outcome.events)
        if key is not None and events:
            events.append(
                CommandAnswered(
                    caller=key.caller, command_id=key.command_id, fingerprint=key.fingerprint, reply=reply
                )
            )
        self._store(batch, events)
        batch.messages.extend(outcome.messages)
        return reply

    def _store(self, batch: _Batch, events: list[Any]) -> None:
        """Stage what one command leads to; nothing of it is applied unless all of it can be stored."""
        encoded = [self._codec.encode(event) for event in events]
        if sum(map(len, encoded)) > MAX_COMMAND_EVENTS_BYTES - _EVENT_OVERHEAD_BYTES - len(encoded):
            raise RejectedError("too_large", "the request would store more than one record can hold")
        self._stage(batch, events, encoded)

    def _stage(self, batch: _Batch, events: list[Any], encoded: list[bytes]) -> None:
        for event in events:
            self._apply(event)
        batch.events.extend(encoded)
        batch.size_bytes += sum(map(len, encoded)) + len(encoded)

    def _apply(self, event: Any) -> None:
        if isinstance(event, CommandAnswered):
            self._answers.apply(event)
            return
        try:
            self.model.apply(event)
        except Exception as error:
            # The state may be half changed: only a replay can make it whole again.
            raise _ApplyError(f"{self.name}: applying {type(event).__name__} failed") from error

    async def _append(self, *, epoch: int, now_ms: int, events: list[bytes]) -> None:
        self._last_ms = now_ms
        self.sequence = await self._journal.append(
            frame(epoch, now_ms, events), expected=self.sequence, record_id=uuid.uuid4().hex
        )

    async def _release(self, batch: _Batch) -> None:
        for message in batch.messages:
            try:
                await self._deliver(message)
            except UnavailableError as error:
                # At most once on this path; recipients see the gap and ask for history.
                _log.warning("push not sent", host=self.name, error=str(error))
            except Exception:  # noqa: BLE001 - what it rests on is durable: the callers must hear of it
                log_failure(_log, "push failed", host=self.name)
        for result, value in batch.results:
            if result.done():
                continue
            if isinstance(value, Exception):
                result.set_exception(value)
            else:
                result.set_result(value)

    def _now_ms(self) -> int:
        """The clock, never earlier than the last record: state must not see time run backwards."""
        return max(self._clock.now_ms(), self._last_ms)

    def _refuse_waiting(self) -> None:
        waiting = [*self._batch.taken, *(pending.result for pending in self._pending)]
        self._pending.clear()
        for result in waiting:
            if not result.done():
                result.set_exception(UnavailableError(f"{self.name}: {self._why_not()}"))

    def _why_not(self) -> str:
        """Why a request is not served any more."""
        if isinstance(self._failure, NotLeaderError):
            return "another process leads now"
        return "it has stopped" if self._ended else "it is stopping"


def as_json(reply_type: TypeAdapter[Any], value: Any) -> str:
    """The JSON of a reply, from an instance of its type or an object with its attributes."""
    return reply_type.dump_json(reply_type.validate_python(value, from_attributes=True)).decode()


class _ApplyError(Exception):
    """A bug of ours: `apply` failed on an event of its own model."""


def first_answer(known: CommandAnswered, key: CommandKey) -> str:
    """The answer already given to a command.

    Raises:
        RejectedError: ``command_id_reused``: the id was used for another request.
    """
    if known.fingerprint != key.fingerprint:
        raise RejectedError(
            "command_id_reused",
            f"command id {key.command_id} was already used for another request; use a new id",
        )
    return known.reply
