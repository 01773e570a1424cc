"""What the verbs of the artifact store do, over any `Store`."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import Final
from weakref import WeakValueDictionary

from coordination.artifacts import wire
from coordination.artifacts.limits import (
    CHUNK_BYTES,
    MAX_CACHED_BYTES,
    MAX_STORE_BYTES,
    MAX_WORKING_ARTIFACTS,
    chunk_count,
    chunk_size_bytes,
)
from coordination.artifacts.store import Store
from coordination.artifacts.uploads import Upload, Uploads
from coordination.runtime.clock import Clock
from coordination.runtime.errors import RejectedError
from coordination.runtime.logs import get_logger

_MAX_SHOWN_MISSING: Final = 8
_log = get_logger(__name__)


class Depot:
    """Takes artifacts in chunks, checks them whole, and gives them out in chunks.

    Nothing that matters is in its memory: another process, or this one after a restart, goes on with the
    same upload.

    Args:
        store: Where artifacts and uncommitted chunks are.
        clock: Tells the age of uploads.
        max_store_bytes: Quota of all artifacts together.
    """

    def __init__(self, store: Store, clock: Clock, *, max_store_bytes: int = MAX_STORE_BYTES) -> None:
        self._store = store
        self._clock = clock
        self._max_store_bytes = max_store_bytes
        self._uploads = Uploads()
        self._recent = RecentArtifacts()
        self._one_each: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By digest: what many ask for at once is read, or stored, once."""
        self._working = asyncio.Semaphore(MAX_WORKING_ARTIFACTS)

    async def put(self, caller: str, request: wire.PutRequest) -> wire.PutReply:
        """Take one chunk; an artifact of one chunk is stored at once.

        Raises:
            RejectedError: ``invalid_chunk``, ``digest_mismatch``, ``overloaded`` or ``store_full``.
            UnavailableError: The storage does not answer.
        """
        _check_chunk(request)
        if request.index == 0 and await self._is_stored(request.sha256, request.size_bytes):
            return wire.PutReply(is_stored=True)
        if chunk_count(request.size_bytes) == 1:
            await self._check_digest(request.sha256, request.content)
            async with self._one(request.sha256):
                if not await self._is_stored(request.sha256, request.size_bytes):
                    await self._write(request.sha256, request.content)
            return wire.PutReply(is_stored=True)
        upload = Upload(caller, request.sha256)
        self._uploads.admit(upload, request.size_bytes, self._clock.monotonic_s())
        await self._store.stage(upload, request.index, request.content)
        return wire.PutReply(is_stored=False)

    async def commit(self, caller: str, request: wire.CommitRequest) -> wire.CommitReply:
        """Put the chunks together, check them against the digest and store them.

        Raises:
            RejectedError: ``incomplete``, ``digest_mismatch`` or ``store_full``.
            UnavailableError: The storage does not answer; the outcome is unknown, commit again.
        """
        upload = Upload(caller, request.sha256)
        async with self._one(request.sha256):
            is_new = not await self._is_stored(request.sha256, request.size_bytes)
            if is_new:
                async with self._working:
                    content = await self._assemble(upload, request.size_bytes)
                    await self._write(request.sha256, content)
        await self._forget(upload)
        return wire.CommitReply(is_new=is_new)

    async def stat(self, request: wire.StatRequest) -> wire.StatReply:
        """Size and chunks of a stored artifact.

        Raises:
            RejectedError: ``unknown_artifact``.
            UnavailableError: The storage does not answer.
        """
        size_bytes = await self._store.size_bytes(request.sha256)
        if size_bytes is None:
            raise _unknown(request.sha256)
        return wire.StatReply(size_bytes=size_bytes, chunk_count=chunk_count(size_bytes))

    async def get(self, request: wire.GetRequest) -> wire.GetReply:
        """One chunk of a stored artifact, all of which has been checked.

        Raises:
            RejectedError: ``unknown_artifact``, ``unknown_chunk`` or ``digest_mismatch``.
            UnavailableError: The storage does not answer.
        """
        content = self._recent.get(request.sha256)
        if content is None:
            async with self._one(request.sha256):
                content = self._recent.get(request.sha256) or await self._read(request.sha256)
        count = chunk_count(len(content))
        if request.index >= count:
            raise RejectedError("unknown_chunk", f"artifact {request.sha256} has {count} chunks")
        start = request.index * CHUNK_BYTES
        return wire.GetReply(
            size_bytes=len(content), chunk_count=count, content=content[start : start + CHUNK_BYTES]
        )

    def _one(self, sha256: str) -> asyncio.Lock:
        return self._one_each.setdefault(sha256, asyncio.Lock())

    async def _read(self, sha256: str) -> bytes:
        async with self._working:
            content = await self._store.read(sha256)
            if content is None:
                raise _unknown(sha256)
            try:
                await self._check_digest(sha256, content)
            except RejectedError:
                _log.error("artifact altered", sha256=sha256, size_bytes=len(content))
                raise
        self._recent.add(sha256, content)
        return content

    async def _is_stored(self, sha256: str, size_bytes: int) -> bool:
        stored_bytes = await self._store.size_bytes(sha256)
        if stored_bytes not in (None, size_bytes):
            message = f"artifact {sha256} has {stored_bytes} bytes, not {size_bytes}"
            raise RejectedError(wire.DIGEST_MISMATCH, message)
        return stored_bytes is not None

    async def _assemble(self, upload: Upload, size_bytes: int) -> bytes:
        chunks = await self._store.staged(upload)
        expected = range(chunk_count(size_bytes))
        missing = [index for index in expected if index not in chunks]
        if missing:
            shown = ", ".join(map(str, missing[:_MAX_SHOWN_MISSING]))
            message = f"{len(missing)} of {len(expected)} chunks are not here ({shown}): put them and commit"
            raise RejectedError(wire.INCOMPLETE, message, details={"missing": missing})
        content = b"".join(chunks[index] for index in expected)
        try:
            await self._check_digest(upload.sha256, content)
        except RejectedError:
            await self._forget(upload)
            raise
        return content

    async def _write(self, sha256: str, content: bytes) -> None:
        if await self._store.used_bytes() + len(content) > self._max_store_bytes:
            message = f"all artifacts together have at most {self._max_store_bytes} bytes"
            raise RejectedError("store_full", message)
        await self._store.write(sha256, content)

    async def _forget(self, upload: Upload) -> None:
        await self._store.drop(upload)
        self._uploads.release(upload)

    async def _check_digest(self, sha256: str, content: bytes) -> None:
        # In a thread, without the interpreter's lock: 16 MiB would hold up everybody for 50 ms.
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
        if digest != sha256:
            message = f"{len(content)} bytes were given as {sha256}, but their SHA-256 is {digest}"
            raise RejectedError(wire.DIGEST_MISMATCH, message)


class RecentArtifacts:
    """Artifacts read lately, by digest; the one read longest ago goes first when there is no room."""

    def __init__(self, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._by_digest: OrderedDict[str, bytes] = OrderedDict()

    def get(self, sha256: str) -> bytes | None:
        """The bytes, if they are here."""
        if sha256 in self._by_digest:
            self._by_digest.move_to_end(sha256)
        return self._by_digest.get(sha256)

    def add(self, sha256: str, content: bytes) -> None:
        """Keep an artifact that is not here."""
        self._by_digest[sha256] = content
        self._size_bytes += len(content)
        while self._size_bytes > self._max_bytes:
            _, forgotten = self._by_digest.popitem(last=False)
            self._size_bytes -= len(forgotten)


def _check_chunk(request: wire.PutRequest) -> None:
    count = chunk_count(request.size_bytes)
    if request.index >= count:
        message = f"{request.size_bytes} bytes are chunks 0 to {count - 1}; there is no chunk {request.index}"
        raise RejectedError("invalid_chunk", message)
    wanted_bytes = chunk_size_bytes(request.size_bytes, request.index)
    if len(request.content) != wanted_bytes:
        message = f"chunk {request.index} of {request.size_bytes} bytes has {wanted_bytes} bytes, not "
        raise RejectedError("invalid_chunk", f"{message}{len(request.content)}")


def _unknown(sha256: str) -> RejectedError:
    return RejectedError("unknown_artifact", f"artifact {sha256} is not stored")
