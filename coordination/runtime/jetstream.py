"""A journal in JetStream: one stream of records, a key-value bucket for pointers, an object store.

All of it is plain requests over the bus, so that a lost connection is the bus's concern alone, and the
bus's errors are the only ones there are. Records are read without consumers (batched direct get,
nats-architecture ADR-31), so that neither a reconnect nor a crash leaves anything on the server; nats-py's
object store leaves one consumer for each `get`. Buckets have the usual layout: ``nats kv`` and
``nats object`` show them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from coordination.runtime.bus import Delivery, NatsBus, Subscription
from coordination.runtime.carrying import HEADER_PUSH, written_push
from coordination.runtime.concurrency import raise_if_cancelled
from coordination.runtime.errors import (
    ConclaveError,
    CorruptJournalError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from coordination.runtime.jetstream_messages import append_headers, bytes_of, headers_of, object_digest
from coordination.runtime.jetstream_streams import (
    SHARDS_KEY,
    brought_up,
    journal_stream,
    objects_stream,
    pointers_stream,
)
from coordination.runtime.limits import MAX_IN_FLIGHT_RECORDS
from coordination.runtime.logs import get_logger
from coordination.runtime.names import Subjects
from coordination.runtime.store import (
    Bounds,
    Carried,
    Entry,
    Pointer,
    Sent,
    SnapshotRef,
    WrongSequenceError,
    require_same_shards,
)

_WRONG_SEQUENCE_CODES: Final = frozenset({10070, 10071, 10164})
"""The last message has another id; another sequence; or one is being stored."""
_TOO_LARGE_CODE: Final = 10054
_NAME_IN_USE_CODE: Final = 10058
_TO_AGENT: Final = "{{wildcard(1)}}"
"""In the destination of a republished record: the agent that its subject names."""
_ATTEMPT_S: Final = 2.0
"""One attempt. Repeating early is safe, and after an outage nobody waits for a lost request."""
_SETUP_TIMEOUT_S: Final = 5.0
_PAGE_BYTES: Final = 8 * 1024 * 1024
_CHUNK_BYTES: Final = 128 * 1024
_CHUNKS_PER_PAGE: Final = 64
_LISTEN_RETRY_S: Final = 0.05
_log = get_logger(__name__)
_POINTER: Final = TypeAdapter(tuple[SnapshotRef, ...])


class _NotFoundError(UnavailableError):
    """There is no such stream or message."""


class _NameInUseError(UnavailableError):
    """Somebody made the stream at the same time, in another way."""


class JetStreamStore:
    """One shard's journal in JetStream; see `coordination.runtime.store.JournalStore`.

    Args:
        bus: The connection; closing it is its owner's business.
        subjects: Names the stream and the buckets.
        service: Whose journal.
        shard: From 0 to ``shards - 1``.
        shards: How many journals the service's state is split into; fixed when the store is created.
        replicas: Copies of what is created, in a cluster; what exists keeps its own number.
    """

    def __init__(
        self,
        bus: NatsBus,
        *,
        subjects: Subjects,
        service: str,
        shard: int = 0,
        shards: int = 1,
        replicas: int = 1,
    ) -> None:
        if not 0 <= shard < shards:
            raise UsageError(f"{service}: shard {shard} is not one of {shards}: they count from 0")
        self._bus = bus
        self._subjects = subjects
        self._service = service
        self._shard = shard
        self._shards = shards
        self._replicas = replicas
        self._stream = subjects.journal_stream(service, shard)
        self._subject = subjects.journal(service, shard)
        self._carrying = subjects.journal_for(service, shard, "*", "*")
        self._republish = {"src": self._carrying, "dest": subjects.carried(_TO_AGENT), "headers_only": True}
        self._first_stream = subjects.journal_stream(service, 0)
        self._pointers = f"{subjects.prefix}-pointers-{service}"
        self._snapshots = f"{subjects.prefix}-snapshots-{service}"
        self._heard = asyncio.Event()
        self._listening: list[Subscription] = []
        self._unlistening: asyncio.Task[None] | None = None
        self._waiting = 0
        self._may_carry = True

    @property
    def name(self) -> str:
        """The stream's name."""
        return self._stream

    @property
    def carries_pushes(self) -> bool:
        """See `JournalStore.carries_pushes`.

        Not on a replicated stream: there what is carried and what is pushed take different ways to an
        agent, and could overtake one another.
        """
        return self._may_carry and self._replicas == 1

    @property
    def max_in_flight(self) -> int:
        """See `JournalStore.max_in_flight`.

        One on a replicated stream: nats-server 2.15 refuses nearly every record there that is sent ahead
        (199 of 200), and has been seen to leave the stream without answers for a minute after its leader was
        killed under such a load.
        """
        return MAX_IN_FLIGHT_RECORDS if self._replicas == 1 else 1

    async def open(self) -> None:
        """Make the stream and the buckets where there are none."""
        await self._open_pointers()
        journal = journal_stream(
            self._stream,
            (self._subject, self._carrying),
            self._republish,
            replicas=self._replicas,
            shards=self._shards,
        )
        found = await self._make(journal)
        self._require_shards(found)
        self._replicas = int(found.get("num_replicas", 1))
        if (missing := brought_up(found, journal)) is not None:
            await self._api(f"STREAM.UPDATE.{self._stream}", missing)
        await self._make(objects_stream(self._snapshots, replicas=self._replicas))

    async def _open_pointers(self) -> None:
        """Make the service's pointer bucket. Its metadata fixes the number of shards for all of them."""
        bucket = pointers_stream(self._pointers, replicas=self._replicas, shards=self._shards)
        try:
            found = await self._config(f"KV_{self._pointers}")
        except _NotFoundError:
            with contextlib.suppress(_NotFoundError):  # a store of an earlier version has no bucket
                self._require_shards(await self._config(self._first_stream))
            found = await self._make(bucket)
        self._require_shards(found)

    async def _make(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration of the stream, which is created if it is not there."""
        name = config["name"]
        try:
            return await self._config(name)
        except _NotFoundError:
            pass
        try:
            created: dict[str, Any] = (await self._api(f"STREAM.CREATE.{name}", config))["config"]
        except _NameInUseError:
            return await self._config(name)
        return created

    def _require_shards(self, config: Mapping[str, Any]) -> None:
        made_for = (config.get("metadata") or {}).get(SHARDS_KEY, "1")
        count = int(made_for) if made_for.isdecimal() else 0
        require_same_shards(config["name"], made_for=count, asked_for=self._shards)

    async def close(self) -> None:
        """Stop listening for new records."""
        await self._stop_listening()
        if self._unlistening is not None:
            await asyncio.wait([self._unlistening])

    # --- records

    async def bounds(self) -> Bounds:
        """From the stream's leader."""
        state = (await self._info(self._stream))["state"]
        # A stream that never had a record says 0 or 1, one that lost all of them the next sequence.
        return Bounds(first=max(state["first_seq"], 1), last=state["last_seq"])

    async def read(self, after: int, *, limit: int) -> list[Entry]:
        """From any replica."""
        request = {"seq": after + 1, "batch": limit, "max_bytes": _PAGE_BYTES}
        return [
            Entry(int(each.headers["Nats-Sequence"]), each.payload, each.headers.get("Nats-Msg-Id", ""))
            for each in await self._direct(self._stream, request)
        ]

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        """Publish with compare-and-set."""
        headers = append_headers(expected, record_id, previous_id)
        answer = await self._bus.request(self._subject, payload, timeout_s=_ATTEMPT_S, headers=headers)
        self._require_appended(answer, expected, record_id)
        return expected + 1

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[BaseException | None], None],
        previous_id: str | None = None,
        carried: Carried | None = None,
    ) -> Sent:
        """Publish with compare-and-set, without waiting; what is carried is a header that is republished."""

        def hear(answer: Delivery | ConclaveError) -> None:
            error: ConclaveError | None = None
            try:
                self._require_appended(answer, expected, record_id)
            except PermissionDeniedError as refusal:
                error = refusal if carried is None else self._carry_no_more(refusal)
            except ConclaveError as refusal:
                error = refusal
            on_end(error)

        headers, subject = append_headers(expected, record_id, previous_id), self._subject
        if carried is not None:
            headers[HEADER_PUSH] = written_push(carried.kind, carried.body)
            subject = self._subjects.journal_for(self._service, self._shard, carried.agent, expected + 1)
        return self._bus.ask(subject, payload, timeout_s=_ATTEMPT_S, headers=headers, on_answer=hear)

    def _carry_no_more(self, refusal: PermissionDeniedError) -> UnavailableError:
        """The server's permissions are of an earlier version; records go as they did then."""
        self._may_carry = False
        _log.warning("records carry no pushes", journal=self._stream, reason=str(refusal))
        return UnavailableError(str(refusal))

    def _require_appended(self, answer: Delivery | ConclaveError, expected: int, record_id: str) -> None:
        if isinstance(answer, ConclaveError):
            raise answer
        sequence = self._sequence_in(answer)
        if sequence != expected + 1:
            raise WrongSequenceError(f"{self._stream}: {record_id} is record {sequence} already")
        if self._listening and self._waiting == 0:
            # Who writes need not hear its own records.
            self._unlistening = asyncio.get_running_loop().create_task(self._stop_listening())

    async def record_id_at(self, sequence: int) -> str | None:
        """From the stream's leader."""
        try:
            message = await self._message(self._stream, {"seq": sequence})
        except _NotFoundError:
            return None
        return headers_of(message).get("Nats-Msg-Id", "")

    async def wait(self, after: int, *, timeout_s: float) -> None:  # noqa: ARG002 - any record is a hint
        """Return on any message on the journal's subject; what it is, only a read can tell."""
        self._waiting += 1
        try:
            if not self._listening:
                for subject in (self._subject, self._carrying):
                    self._listening.append(await self._bus.subscribe(subject, self._hear))
                return  # a record may have come before we listened
            async with asyncio.timeout(timeout_s):
                await self._heard.wait()
        except TimeoutError:
            return
        except UnavailableError:
            await asyncio.sleep(min(timeout_s, _LISTEN_RETRY_S))
        finally:
            self._waiting -= 1
            self._heard.clear()

    async def compact(self, before: int) -> None:
        """Purge the stream up to there."""
        before = min(before, (await self.bounds()).last)
        if before > 1:
            await self._api(f"STREAM.PURGE.{self._stream}", {"seq": before})

    async def _hear(self, _: Delivery) -> None:
        self._heard.set()

    async def _stop_listening(self) -> None:
        listening, self._listening = self._listening, []
        for each in listening:
            await each.unsubscribe()

    # --- snapshots

    async def pointer(self) -> Pointer:
        """From the bucket's leader.

        Raises:
            CorruptJournalError: Somebody else's bytes stand there.
        """
        try:
            message = await self._message(
                f"KV_{self._pointers}", {"last_by_subj": f"$KV.{self._pointers}.{self._shard}"}
            )
        except _NotFoundError:
            return Pointer()
        if "KV-Operation" in headers_of(message):  # somebody deleted the key
            return Pointer(revision=message["seq"])
        try:
            return Pointer(_POINTER.validate_json(bytes_of(message.get("data"))), message["seq"])
        except ValidationError:
            problem = f"the pointer to its snapshots is not one (bucket {self._pointers}, key {self._shard})"
            raise CorruptJournalError(self._stream, 0, problem) from None

    async def move_pointer(self, pointer: Pointer) -> None:
        """Update the key by compare-and-set."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(pointer.revision)}
        value = _POINTER.dump_json(pointer.snapshots)
        await self._publish(f"$KV.{self._pointers}.{self._shard}", value, headers)

    async def put_snapshot(self, name: str, payload: bytes) -> None:
        """Put an object: first its chunks, then what says that it is whole."""
        chunks = range(0, max(len(payload), 1), _CHUNK_BYTES)
        for begin in chunks:
            await self._publish(self._chunks_of(name), payload[begin : begin + _CHUNK_BYTES], {})
            raise_if_cancelled()
        meta = {
            "name": f"{self._shard}.{name}",
            "bucket": self._snapshots,
            "nuid": f"{self._shard}.{name}",
            "size": len(payload),
            "chunks": len(chunks),
            "mtime": datetime.now(UTC).isoformat(),
            "digest": await object_digest(payload),
            "options": {"max_chunk_size": _CHUNK_BYTES},
        }
        await self._publish(self._meta_of(name), json.dumps(meta).encode(), {"Nats-Rollup": "sub"})

    async def get_snapshot(self, name: str) -> bytes | None:
        """Get an object, from any replica if it is whole there."""
        try:
            message = await self._message(self._objects, {"last_by_subj": self._meta_of(name)})
            meta = json.loads(bytes_of(message.get("data")))
            digest, count = str(meta["digest"]), int(meta["chunks"])
        except (_NotFoundError, ValueError, KeyError, TypeError):
            return None
        for read in (self._chunks_from_any, self._chunks_from_leader):
            payload = await read(name, count)
            if await object_digest(payload) == digest:
                return payload
        return None

    async def snapshot_names(self) -> list[str]:
        """Every object that has chunks, also one whose writer died before it was whole."""
        prefix = self._chunks_of("")
        info = await self._info(self._objects, {"subjects_filter": f"{prefix}>"})
        return sorted(subject.removeprefix(prefix) for subject in info["state"].get("subjects") or {})

    async def delete_snapshot(self, name: str) -> None:
        """Purge an object; a deletion in the usual way would leave a marker for ever."""
        for subject in (self._meta_of(name), self._chunks_of(name)):
            await self._api(f"STREAM.PURGE.{self._objects}", {"filter": subject})

    @property
    def _objects(self) -> str:
        return f"OBJ_{self._snapshots}"

    def _chunks_of(self, name: str) -> str:
        return f"$O.{self._snapshots}.C.{self._shard}.{name}"

    def _meta_of(self, name: str) -> str:
        encoded = base64.urlsafe_b64encode(f"{self._shard}.{name}".encode()).decode()
        return f"$O.{self._snapshots}.M.{encoded}"

    async def _chunks_from_any(self, name: str, count: int) -> bytes:
        chunks: list[bytes] = []
        sequence = 0
        while len(chunks) < count:
            request = {
                "seq": sequence + 1,
                "next_by_subj": self._chunks_of(name),
                "batch": min(count - len(chunks), _CHUNKS_PER_PAGE),
            }
            page = await self._direct(self._objects, request)
            if not page:
                break
            chunks += [each.payload for each in page]
            sequence = int(page[-1].headers["Nats-Sequence"])
        return b"".join(chunks)

    async def _chunks_from_leader(self, name: str, count: int) -> bytes:
        chunks: list[bytes] = []
        sequence = 0
        with contextlib.suppress(_NotFoundError):
            while len(chunks) < count:
                request = {"seq": sequence + 1, "next_by_subj": self._chunks_of(name)}
                message = await self._message(self._objects, request)
                chunks.append(bytes_of(message.get("data")))
                sequence = message["seq"]
        return b"".join(chunks)

    # --- requests

    async def _config(self, stream: str) -> dict[str, Any]:
        config: dict[str, Any] = (await self._info(stream))["config"]
        return config

    async def _info(self, stream: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return await self._api(f"STREAM.INFO.{stream}", request or {})

    async def _message(self, stream: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """One message, from the stream's leader."""
        message: dict[str, Any] = (await self._api(f"STREAM.MSG.GET.{stream}", request))["message"]
        return message

    async def _publish(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Sequence of the message, once it is durable."""
        answer = await self._bus.request(subject, payload, timeout_s=_ATTEMPT_S, headers=headers)
        return self._sequence_in(answer)

    def _sequence_in(self, answer: Delivery) -> int:
        """That of the message which was stored."""
        if isinstance(sequence := self._checked(answer).get("seq"), int):
            return sequence
        raise UnavailableError(f"{self._stream}: the answer of JetStream says no sequence")

    async def _api(self, verb: str, request: Mapping[str, Any]) -> dict[str, Any]:
        timeout_s = _SETUP_TIMEOUT_S if verb.startswith("STREAM.CREATE") else _ATTEMPT_S
        payload = json.dumps(request).encode()
        return self._checked(await self._bus.request(f"$JS.API.{verb}", payload, timeout_s=timeout_s))

    def _checked(self, answer: Delivery) -> dict[str, Any]:
        """What JetStream answered, if it is not an error."""
        try:
            content: dict[str, Any] = from_json(answer.payload)
            error = content.get("error")
        except (ValueError, AttributeError):
            raise UnavailableError(f"{self._stream}: the answer of JetStream is not JSON") from None
        if error is None:
            return content
        code, text = error.get("err_code"), f"{self._stream}: JetStream: {error.get('description', '')[:200]}"
        if code in _WRONG_SEQUENCE_CODES:
            raise WrongSequenceError(text)
        if code == _TOO_LARGE_CODE:
            raise UsageError(text)
        if code == _NAME_IN_USE_CODE:
            raise _NameInUseError(text)
        if error.get("code") == 404:
            raise _NotFoundError(text)
        raise UnavailableError(text)

    async def _direct(self, stream: str, request: Mapping[str, Any]) -> list[Delivery]:
        """The messages of one batched direct get, in order."""
        arrived: asyncio.Queue[Delivery] = asyncio.Queue()

        async def receive(delivery: Delivery) -> None:
            arrived.put_nowait(delivery)

        inbox = self._bus.client.new_inbox()
        subscription = await self._bus.subscribe(inbox, receive)
        try:
            subject = f"$JS.API.DIRECT.GET.{stream}"
            await self._bus.publish(subject, json.dumps(request).encode(), reply_to=inbox)
            messages: list[Delivery] = []
            while True:
                async with asyncio.timeout(_ATTEMPT_S):
                    delivery = await arrived.get()
                match delivery.headers.get("Status"):
                    case None:
                        messages.append(delivery)
                    case "204" | "404":
                        return messages
                    case status:
                        raise UnavailableError(f"{stream}: JetStream refuses to be read (status {status})")
        except TimeoutError:
            raise UnavailableError(f"{stream}: JetStream does not answer") from None
        finally:
            await subscription.unsubscribe()
