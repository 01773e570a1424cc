"""Typed client of the artifact store: whole artifacts in and out, however many chunks they take."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

from coordination.artifacts import wire
from coordination.artifacts.limits import CHUNK_BYTES, MAX_ARTIFACT_BYTES, chunk_count
from coordination.runtime.asking import request
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError, UsageError

_SERVICE: Final = "artifacts"
_CHUNKS_AT_ONCE: Final = 8
_MAX_ROUNDS: Final = 4
"""How often chunks are put that the service has lost since, before giving up."""
_UPLOAD_PATIENCE_S: Final = 15.0
_UPLOAD_BYTES_PER_S: Final = 1024 * 1024
"""What a slow disk takes down, written through."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")


class ArtifactStoreError(UnavailableError):
    """The artifact store did not answer while something was brought to it, or fetched from it."""


class ArtifactsClient:
    """What one agent asks of the artifact store; errors as in `coordination.runtime.client.Caller`.

    Everything is checked at both ends: the service stores only what has the digest it was announced
    under, and this client returns only what has the digest that was asked for.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def put(self, content: bytes) -> str:
        """Store `content` and return its SHA-256 in hexadecimal; idempotent.

        Raises:
            UsageError: It is larger than `MAX_ARTIFACT_BYTES`.
            RejectedError: ``store_full``; ``overloaded`` when the room for uploads stays occupied.
            ArtifactStoreError: The service does not answer: to the first chunk within the caller's patience,
                then within 15 s and a second for each MiB, if that is longer.
        """
        if len(content) > MAX_ARTIFACT_BYTES:
            raise UsageError(f"an artifact has at most {MAX_ARTIFACT_BYTES} bytes, not {len(content)}")
        digest = hashlib.sha256(content).hexdigest()
        with _naming(f"the upload of {len(content)} bytes to the artifact store was not finished"):
            # The first chunk alone: with it the service may say that it wants no others, and whether it is
            # there at all is known as soon as of any other service.
            if not await self._put_chunk(digest, content, 0):
                await self._put_others(digest, content)
        return digest

    async def get(self, digest: str) -> bytes:
        """The bytes whose SHA-256 is `digest`.

        Raises:
            UsageError: `digest` is not 64 hexadecimal digits.
            RejectedError: No such artifact (``unknown_artifact``).
            PeerProtocolError: What is stored there has another hash.
            ArtifactStoreError: The service does not answer.
        """
        _require_digest(digest)
        try:
            with _naming(f"artifact {digest} was not fetched from the artifact store"):
                content = await self._get_chunks(digest)
        except RejectedError as error:
            if error.code == wire.DIGEST_MISMATCH:
                raise PeerProtocolError(f"artifact {digest} was altered") from None
            raise
        if hashlib.sha256(content).hexdigest() != digest:
            raise PeerProtocolError(f"artifact {digest} was altered")
        return content

    async def stat(self, digest: str) -> wire.StatReply:
        """Size and chunks of an artifact.

        Raises:
            UsageError: `digest` is not 64 hexadecimal digits.
            RejectedError: No such artifact (``unknown_artifact``).
        """
        _require_digest(digest)
        return await self._caller.query(
            _SERVICE, "stat", request(wire.StatRequest, sha256=digest), wire.StatReply
        )

    async def _put_others(self, digest: str, content: bytes) -> None:
        patience_s = _UPLOAD_PATIENCE_S + len(content) / _UPLOAD_BYTES_PER_S

        async def put(index: int) -> None:
            await self._put_chunk(digest, content, index, patience_s=patience_s)

        indexes: Iterable[int] = range(1, chunk_count(len(content)))
        commit = request(wire.CommitRequest, sha256=digest, size_bytes=len(content))
        for _ in range(_MAX_ROUNDS):
            await _some_at_once(indexes, put)
            try:
                await self._caller.query(
                    _SERVICE, "commit", commit, wire.CommitReply, least_patience_s=patience_s
                )
            except RejectedError as error:
                if error.code != wire.INCOMPLETE:
                    raise
                indexes = _missing(error, len(content))
            else:
                return
        raise UnavailableError(f"artifact {digest}: its chunks were lost {_MAX_ROUNDS} times, put it again")

    async def _put_chunk(self, digest: str, content: bytes, index: int, *, patience_s: float = 0.0) -> bool:
        """Put one chunk; whether the whole artifact is stored."""
        start = index * CHUNK_BYTES
        body = request(
            wire.PutRequest,
            sha256=digest,
            size_bytes=len(content),
            index=index,
            content=content[start : start + CHUNK_BYTES],
        )
        reply = await self._caller.query(_SERVICE, "put", body, wire.PutReply, least_patience_s=patience_s)
        return reply.is_stored

    async def _get_chunks(self, digest: str) -> bytes:
        first = await self._get_chunk(digest, 0)
        if first.chunk_count != chunk_count(first.size_bytes):
            raise PeerProtocolError(f"{first.size_bytes} bytes are not {first.chunk_count} chunks")
        chunks = {0: first.content}

        async def get(index: int) -> None:
            chunks[index] = (await self._get_chunk(digest, index)).content

        await _some_at_once(range(1, first.chunk_count), get)
        return b"".join(chunks[index] for index in range(first.chunk_count))

    async def _get_chunk(self, digest: str, index: int) -> wire.GetReply:
        body = request(wire.GetRequest, sha256=digest, index=index)
        return await self._caller.query(_SERVICE, "get", body, wire.GetReply)


@contextlib.contextmanager
def _naming(trouble: str) -> Iterator[None]:
    """Have whoever is not answered know that it is the artifact store who does not."""
    try:
        yield
    except UnavailableError as error:
        raise ArtifactStoreError(f"{trouble}: {error}") from error


async def _some_at_once(indexes: Iterable[int], work: Callable[[int], Awaitable[None]]) -> None:
    """Do `work` for every index, `_CHUNKS_AT_ONCE` at a time; the first error ends it."""
    left = iter(indexes)

    async def worker() -> None:
        for index in left:
            await work(index)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_CHUNKS_AT_ONCE):
                group.create_task(worker())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _missing(error: RejectedError, size_bytes: int) -> list[int]:
    """The chunks that the service asks for again."""
    missing = error.details.get("missing")
    if not isinstance(missing, list) or not all(
        isinstance(index, int) and 0 <= index < chunk_count(size_bytes) for index in missing
    ):
        raise PeerProtocolError("the refusal does not say which chunks are missing") from None
    return missing


def _require_digest(digest: str) -> None:
    if not _DIGEST.match(digest):
        raise UsageError("an artifact is named by 64 hexadecimal digits")
