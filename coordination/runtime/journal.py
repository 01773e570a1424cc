"""The journal: an ordered, durable list of records with compare-and-set append.

`JetStreamJournal` keeps it in one stream; `coordination.runtime.memory.MemoryJournal` is its twin for
tests. One contract suite runs on both.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import nats.errors
import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamState,
)

from coordination.runtime.errors import (
    ClosedError,
    CorruptJournalError,
    NotLeaderError,
    UnavailableError,
    UsageError,
)
from coordination.runtime.limits import DUPLICATE_WINDOW_S

T = TypeVar("T")

WRONG_LAST_SEQUENCE_CODES: Final = frozenset({10071, 10164})
_FETCH_RECORDS: Final = 64
_FETCH_TIMEOUT_S: Final = 5.0
_APPEND_TIMEOUT_S: Final = 2.0
"""One attempt. Retrying early is safe, and after an outage nobody waits for a lost request."""
_OPEN_PATIENCE_S: Final = 20.0
"""How long opening and replaying wait for a server that is starting or lost."""
_CONSUMER_IDLE_S: Final = 30
_RETRY_FIRST_S: Final = 0.05
_RETRY_LAST_S: Final = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored record."""

    sequence: int
    """Position in the journal, from 1, without gaps."""
    payload: bytes


class Journal(Protocol):
    """An ordered list of records that survives its writer."""

    async def open(self) -> None:
        """Create the journal if it is not there.

        Raises:
            UnavailableError: The store does not answer.
        """

    def replay(self) -> AsyncGenerator[Entry, None]:
        """Every record from the first, in order, ending with the last one present at the call.

        Raises:
            CorruptJournalError: A record is missing.
            UnavailableError: The store does not answer.
        """

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Store `payload` right after record `expected`; returns its sequence once it is durable.

        Ordering: idempotent in `record_id`; an outage is waited out, so that the outcome is never
        unknown to the caller.

        Raises:
            NotLeaderError: Another record stands there: somebody else writes this journal.
            ClosedError: The connection was closed for good; the outcome is unknown.
            UsageError: The record is larger than the store takes.
        """


class JetStreamJournal:
    """A journal in one JetStream stream with one subject."""

    def __init__(self, js: JetStreamContext, *, stream: str, subject: str, replicas: int = 1) -> None:
        self._js = js
        self._stream = stream
        self._subject = subject
        self._replicas = replicas

    async def open(self) -> None:
        """Create the stream if it is not there."""
        config = StreamConfig(
            name=self._stream,
            subjects=[self._subject],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.NEW,
            num_replicas=self._replicas,
            duplicate_window=DUPLICATE_WINDOW_S,
            deny_delete=True,
            allow_direct=False,
        )

        async def create_if_absent() -> None:
            try:
                await self._js.stream_info(self._stream)
            except nats.js.errors.NotFoundError:
                await self._js.add_stream(config)

        await self._until_answered(create_if_absent)

    async def replay(self) -> AsyncGenerator[Entry, None]:
        """Every record, through a short-lived pull consumer that is removed afterwards."""
        state = await self._until_answered(self._state)
        if state.first_seq > 1:
            raise CorruptJournalError(self._stream, 1, f"missing, the first one there is {state.first_seq}")
        sequence = 0
        reader = _Reader(self._js, self._stream)
        try:
            while sequence < state.last_seq:
                count, after = min(_FETCH_RECORDS, state.last_seq - sequence), sequence

                async def next_page(count: int = count, after: int = after) -> list[Msg]:
                    return await reader.fetch(after=after, count=count)

                for message in await self._until_answered(next_page):
                    found = message.metadata.sequence.stream
                    if found != sequence + 1:
                        raise CorruptJournalError(self._stream, sequence + 1, f"missing, next is {found}")
                    sequence = found
                    yield Entry(sequence, message.data)
                    if sequence == state.last_seq:
                        break
        finally:
            await reader.close()

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Publish with compare-and-set, retrying through outages under the same message id."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(expected), "Nats-Msg-Id": record_id}

        async def attempt() -> int:
            try:
                ack = await self._js.publish(
                    self._subject, payload, timeout=_APPEND_TIMEOUT_S, headers=dict(headers)
                )
            except nats.js.errors.APIError as error:
                if error.err_code not in WRONG_LAST_SEQUENCE_CODES:
                    raise
                return await self._landed_earlier(expected, record_id)
            return ack.seq

        return await self._until_answered(attempt, patience_s=math.inf)

    async def _state(self) -> StreamState:
        return (await self._js.stream_info(self._stream)).state

    async def _landed_earlier(self, expected: int, record_id: str) -> int:
        """The sequence of our own record, if an unanswered attempt stored it after all."""
        try:
            stored = await self._js.get_msg(self._stream, seq=expected + 1)
        except nats.js.errors.NotFoundError:
            stored = None
        if stored is not None and (stored.headers or {}).get("Nats-Msg-Id") == record_id:
            return expected + 1
        raise NotLeaderError(f"{self._stream}: record {expected + 1} was written by somebody else")

    async def _until_answered(
        self, attempt: Callable[[], Awaitable[T]], *, patience_s: float = _OPEN_PATIENCE_S
    ) -> T:
        """Repeat `attempt`, which must be idempotent, until the server answers it."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + patience_s
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                return await attempt()
            except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError):
                raise ClosedError(f"{self._stream}: the NATS connection is closed") from None
            except nats.errors.MaxPayloadError:
                raise UsageError(f"{self._stream}: the record is larger than the server takes") from None
            except (nats.errors.Error, OSError, TimeoutError) as error:
                reason = _reason(error)
            if loop.time() + delay_s > give_up_s:
                raise UnavailableError(f"{self._stream}: JetStream does not answer ({reason})")
            _log.warning("journal does not answer, retrying", stream=self._stream, reason=reason)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RETRY_LAST_S)


class _Reader:
    """A pull consumer that is made anew where the last one was lost (a restarted server forgets it)."""

    def __init__(self, js: JetStreamContext, stream: str) -> None:
        self._js = js
        self._stream = stream
        self._consumer = ""
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def fetch(self, *, after: int, count: int) -> list[Msg]:
        """At least one of the `count` records that follow record `after`."""
        try:
            if self._subscription is None:
                config = ConsumerConfig(
                    ack_policy=AckPolicy.NONE,
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=after + 1,
                    inactive_threshold=_CONSUMER_IDLE_S,
                    mem_storage=True,
                )
                self._consumer = (await self._js.add_consumer(self._stream, config)).name
                self._subscription = await self._js.pull_subscribe_bind(self._consumer, stream=self._stream)
            return await self._subscription.fetch(count, timeout=_FETCH_TIMEOUT_S)
        except (nats.errors.Error, TimeoutError):
            await self.close()
            raise

    async def close(self) -> None:
        """Remove the consumer; one that cannot be reached now removes itself when idle."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await subscription.unsubscribe()
                await self._js.delete_consumer(self._stream, self._consumer)


def _reason(error: Exception) -> str:
    if isinstance(error, nats.js.errors.APIError):
        return error.description or f"error {error.err_code}"
    return type(error).__name__
