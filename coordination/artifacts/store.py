"""Where artifacts are: a JetStream object store bucket, and beside it a stream of uncommitted chunks.

Artifacts are objects named by their digest, as any client of the object store sees them. They are read
by batched direct gets (NATS ADR-31) and not by the ordered consumer that nats-py's own ``get`` makes: that
one waits without end for a chunk that is not there, and stays behind when the read fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Iterator
from typing import Final, Protocol

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.object_store import ObjectStore

from coordination.artifacts.limits import MAX_STAGE_BYTES, UPLOAD_AGE_S
from coordination.artifacts.uploads import Upload
from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.concurrency import raise_if_cancelled
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.names import Subjects, inbox_prefix

NAME: Final = "artifacts"
_BATCH_MESSAGES: Final = 32
"""Messages asked for at a time; a server sends no more than a quarter of what it may keep pending."""
_TIMEOUT_S: Final = 5.0
_MAX_BATCHES: Final = 128
"""More than any artifact needs, however small the chunks were that another client stored it in."""
_NO_STORAGE: Final = (10023, 10047, 10077)
"""JetStream error codes: insufficient resources, insufficient storage, maximum bytes exceeded."""


class Store(Protocol):
    """Keeps artifacts for good and uncommitted chunks for a while.

    Every method raises `UnavailableError` when the storage does not answer.
    """

    async def size_bytes(self, sha256: str) -> int | None:
        """Size of a stored artifact, or None."""
        ...

    async def read(self, sha256: str) -> bytes | None:
        """The stored bytes, unchecked, or None if there is no such artifact."""
        ...

    async def write(self, sha256: str, content: bytes) -> None:
        """Store an artifact; returns when it is durable.

        Raises:
            RejectedError: ``store_full``.
        """
        ...

    async def used_bytes(self) -> int:
        """What all stored artifacts take."""
        ...

    async def stage(self, upload: Upload, index: int, content: bytes) -> None:
        """Keep an uncommitted chunk for `UPLOAD_AGE_S`, or until the storage restarts.

        Raises:
            RejectedError: ``overloaded``.
        """
        ...

    async def staged(self, upload: Upload) -> dict[int, bytes]:
        """The uncommitted chunks of `upload` by index."""
        ...

    async def drop(self, upload: Upload) -> None:
        """Forget the uncommitted chunks of `upload`."""
        ...


class ObjectBucket:
    """The store on JetStream.

    Args:
        bus: The service's connection.
        subjects: The deployment's subjects; each deployment has a bucket of its own.
    """

    def __init__(self, bus: NatsBus, subjects: Subjects) -> None:
        self._bus = bus
        self._bucket = f"{subjects.prefix}-artifacts"
        self._stream = f"OBJ_{self._bucket}"
        self._stage = f"{subjects.prefix}-uploads"
        self._stage_subject = f"{subjects.prefix}.upload"

    async def size_bytes(self, sha256: str) -> int | None:
        """See `Store.size_bytes`."""
        with _our_errors(f"artifact {sha256} cannot be looked up"):
            try:
                return (await self._objects().get_info(sha256)).size or 0
            except nats.js.errors.NotFoundError:
                return None

    async def read(self, sha256: str) -> bytes | None:
        """See `Store.read`."""
        with _our_errors(f"artifact {sha256} cannot be read"):
            try:
                info = await self._objects().get_info(sha256)
            except nats.js.errors.NotFoundError:
                return None
            if not info.size:
                return b""
            chunks = await self._messages(self._stream, f"$O.{self._bucket}.C.{info.nuid}")
        return b"".join(chunk.payload for chunk in chunks)

    async def write(self, sha256: str, content: bytes) -> None:
        """See `Store.write`."""
        with _our_errors(f"artifact {sha256} cannot be stored", full="store_full"):
            try:
                await self._objects().put(sha256, content)
            except nats.js.errors.NotFoundError:
                await self._js().create_object_store(self._bucket)
                await self._objects().put(sha256, content)
        raise_if_cancelled()

    async def used_bytes(self) -> int:
        """See `Store.used_bytes`."""
        with _our_errors("the artifact store does not answer"):
            try:
                return int((await self._js().stream_info(self._stream)).state.bytes)
            except nats.js.errors.NotFoundError:
                return 0

    async def stage(self, upload: Upload, index: int, content: bytes) -> None:
        """See `Store.stage`."""
        subject = self._stage_of(upload, str(index))
        with _our_errors("a chunk cannot be kept", full="overloaded"):
            try:
                await self._js().publish(subject, content)
            except nats.js.errors.NoStreamResponseError:
                await self._open_stage()
                await self._js().publish(subject, content)
        raise_if_cancelled()

    async def staged(self, upload: Upload) -> dict[int, bytes]:
        """See `Store.staged`."""
        with _our_errors("uncommitted chunks cannot be read"):
            try:
                found = await self._messages(self._stage, self._stage_of(upload, "*"))
            except nats.js.errors.NoStreamResponseError:
                return {}
        return {int(each.headers["Nats-Subject"].rpartition(".")[2]): each.payload for each in found}

    async def drop(self, upload: Upload) -> None:
        """See `Store.drop`."""
        with (
            _our_errors("uncommitted chunks cannot be dropped"),
            contextlib.suppress(nats.js.errors.NotFoundError),
        ):
            await self._js().purge_stream(self._stage, subject=self._stage_of(upload, "*"))
        raise_if_cancelled()

    def _js(self) -> JetStreamContext:
        return self._bus.jetstream(timeout_s=_TIMEOUT_S)

    def _objects(self) -> ObjectStore:
        return ObjectStore(name=self._bucket, stream=self._stream, js=self._js())

    def _stage_of(self, upload: Upload, index: str) -> str:
        return f"{self._stage_subject}.{upload.caller}.{upload.sha256}.{index}"

    async def _open_stage(self) -> None:
        config = StreamConfig(
            name=self._stage,
            subjects=[f"{self._stage_subject}.*.*.*"],
            storage=StorageType.MEMORY,  # a chunk that is lost is put again; it need not wait for a disk
            max_age=UPLOAD_AGE_S,
            duplicate_window=UPLOAD_AGE_S,
            max_bytes=MAX_STAGE_BYTES,
            max_msgs_per_subject=1,
            discard=DiscardPolicy.NEW,
            allow_direct=True,
        )
        await self._js().add_stream(config)

    async def _messages(self, stream: str, subject: str) -> list[Delivery]:
        """Every message of `stream` under `subject`, in order."""
        arrived: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=2 * _BATCH_MESSAGES)
        inbox = f"{inbox_prefix(NAME)}.direct.{secrets.token_hex(8)}"
        found: list[Delivery] = []
        subscription = await self._bus.subscribe(f"{inbox}.*", arrived.put)
        try:
            for turn in range(_MAX_BATCHES):
                after = int(found[-1].headers["Nats-Sequence"]) if found else 0
                ask = {"seq": after + 1, "next_by_subj": subject, "batch": _BATCH_MESSAGES}
                # An inbox for each turn: what comes late belongs to no other.
                reply_to = f"{inbox}.{turn}"
                await self._bus.publish(
                    f"$JS.API.DIRECT.GET.{stream}", json.dumps(ask).encode(), reply_to=reply_to
                )
                if not await _take_batch(arrived, reply_to, found):
                    return found
        finally:
            await subscription.unsubscribe()
        raise UnavailableError(f"{subject} has no end")


async def _take_batch(arrived: asyncio.Queue[Delivery], reply_to: str, found: list[Delivery]) -> bool:
    """Append the messages of one batch to `found`; whether there are more after it."""
    while True:
        async with asyncio.timeout(_TIMEOUT_S):
            delivery = await arrived.get()
        if delivery.subject != reply_to:
            continue
        if "Nats-Sequence" in delivery.headers:
            found.append(delivery)
            continue
        match delivery.headers.get("Status"):
            case "204":
                return int(delivery.headers.get("Nats-Num-Pending", "0")) > 0
            case "404":  # no (more) such message
                return False
            case "503":  # no such stream, or nobody leads it
                raise nats.js.errors.NoStreamResponseError
            case status:
                raise UnavailableError(f"JetStream refused a read with status {status}")


@contextlib.contextmanager
def _our_errors(what: str, *, full: str = "") -> Iterator[None]:
    """Raise nats-py's errors as ours; `full` is the code of the refusal when there is no more room."""
    try:
        yield
    except nats.js.errors.APIError as error:
        if full and error.err_code in _NO_STORAGE:
            message = f"{what}: JetStream has no room left for it"
            raise RejectedError(full, message, retryable=full == "overloaded") from None
        raise UnavailableError(f"{what}: {type(error).__name__}") from None
    except (nats.errors.Error, TimeoutError) as error:
        raise UnavailableError(f"{what}: {type(error).__name__}") from None
