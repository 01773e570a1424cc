"""Artifacts by content: what is voted on is stored under its SHA-256 and checked when it is read.

Kept in one JetStream object store bucket, so that every agent, on every host, judges the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.object_store import ObjectStore

from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError, UsageError
from coordination.runtime.names import Subjects

MAX_ARTIFACT_BYTES: Final = 16 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class ArtifactStore:
    """Puts and gets bytes by their SHA-256.

    Args:
        bus: A NATS connection with access to JetStream.
        subjects: The deployment's subjects; each deployment has a bucket of its own.
    """

    def __init__(self, bus: NatsBus, subjects: Subjects) -> None:
        self._bus = bus
        self._bucket = f"{subjects.prefix}-artifacts"

    @property
    def _js(self) -> JetStreamContext:
        """For one use: the bus goes on with another client when the connection was lost."""
        return self._bus.jetstream()

    async def put(self, content: bytes) -> str:
        """Store `content` and return its SHA-256 in hexadecimal; idempotent.

        Raises:
            UsageError: It is larger than `MAX_ARTIFACT_BYTES`.
            UnavailableError: JetStream does not answer.
        """
        if len(content) > MAX_ARTIFACT_BYTES:
            raise UsageError(f"an artifact has at most {MAX_ARTIFACT_BYTES} bytes, not {len(content)}")
        digest = hashlib.sha256(content).hexdigest()
        try:
            await (await self._open()).put(digest, content)
        except (nats.errors.Error, TimeoutError):
            raise UnavailableError(f"artifact {digest} could not be stored") from None
        return digest

    async def get(self, digest: str) -> bytes:
        """The bytes whose SHA-256 is `digest`.

        Raises:
            UsageError: `digest` is not 64 hexadecimal digits.
            RejectedError: No such artifact (``unknown_artifact``).
            PeerProtocolError: What is stored there has another hash.
            UnavailableError: JetStream does not answer.
        """
        if not _DIGEST.match(digest):
            raise UsageError("an artifact is named by 64 hexadecimal digits")
        try:
            found = (await (await self._open()).get(digest)).data or b""
        except nats.js.errors.NotFoundError:
            raise RejectedError("unknown_artifact", f"no artifact {digest}") from None
        except (nats.errors.Error, TimeoutError):
            raise UnavailableError(f"artifact {digest} could not be read") from None
        if hashlib.sha256(found).hexdigest() != digest:
            raise PeerProtocolError(f"artifact {digest} was altered")
        return found

    async def _open(self) -> ObjectStore:
        try:
            return await self._js.object_store(self._bucket)
        except nats.js.errors.NotFoundError:
            return await self._js.create_object_store(self._bucket)
