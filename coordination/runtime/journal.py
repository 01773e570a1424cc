"""The journal: an ordered, durable list of records with compare-and-set append.

`JetStreamJournal` keeps it in one stream; `coordination.runtime.memory.MemoryJournal` is its twin for
tests. One contract suite runs on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

import nats.errors
import nats.js.errors
import structlog
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from coordination.runtime.errors import CorruptJournalError, NotLeaderError
from coordination.runtime.limits import DUPLICATE_WINDOW_S

WRONG_LAST_SEQUENCE_CODES: Final = frozenset({10071, 10164})
_FETCH_RECORDS: Final = 64
_FETCH_TIMEOUT_S: Final = 5.0
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
        """Create the journal if it is not there."""

    def replay(self) -> AsyncIterator[Entry]:
        """Every record from the first, in order, ending with the last one present at the call.

        Raises:
            CorruptJournalError: A record is missing.
        """

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Store `payload` right after record `expected`; returns its sequence once it is durable.

        Ordering: idempotent in `record_id`; an outage is waited out, so that the outcome is never
        unknown to the caller.

        Raises:
            NotLeaderError: Another record stands there: somebody else writes this journal.
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
        try:
            await self._js.stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            await self._js.add_stream(config)

    async def replay(self) -> AsyncIterator[Entry]:
        """Every record, through a short-lived pull consumer that is removed afterwards."""
        state = (await self._js.stream_info(self._stream)).state
        if state.messages == 0:
            return
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL, inactive_threshold=30
        )
        info = await self._js.add_consumer(self._stream, config)
        subscription = await self._js.pull_subscribe_bind(info.name, stream=self._stream)
        try:
            sequence = 0
            while sequence < state.last_seq:
                for message in await subscription.fetch(_FETCH_RECORDS, timeout=_FETCH_TIMEOUT_S):
                    found = message.metadata.sequence.stream
                    if found != sequence + 1:
                        raise CorruptJournalError(self._stream, sequence + 1, f"missing, next is {found}")
                    sequence = found
                    yield Entry(sequence, message.data)
        finally:
            await subscription.unsubscribe()
            await self._js.delete_consumer(self._stream, info.name)

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Publish with compare-and-set, retrying through outages under the same message id."""
        delay_s = _RETRY_FIRST_S
        while True:
            headers = {"Nats-Expected-Last-Subject-Sequence": str(expected), "Nats-Msg-Id": record_id}
            try:
                ack = await self._js.publish(self._subject, payload, headers=headers)
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE_CODES:
                    return await self._landed_earlier(expected, record_id)
                _log.warning("append refused, retrying", stream=self._stream, code=error.err_code)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                _log.warning("append unanswered, retrying", stream=self._stream, error=type(error).__name__)
            else:
                return ack.seq
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RETRY_LAST_S)

    async def _landed_earlier(self, expected: int, record_id: str) -> int:
        """The sequence of our own record, if an unanswered attempt stored it after all."""
        try:
            stored = await self._js.get_msg(self._stream, seq=expected + 1)
        except nats.js.errors.NotFoundError:
            stored = None
        if stored is not None and (stored.headers or {}).get("Nats-Msg-Id") == record_id:
            return expected + 1
        raise NotLeaderError(f"{self._stream}: record {expected + 1} was written by somebody else")
