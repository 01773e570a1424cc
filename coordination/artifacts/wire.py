"""Wire contract of the artifact store: ``conclave.call.artifacts.<verb>.<caller>``.

An artifact is named by its SHA-256 and travels in chunks of `CHUNK_BYTES`, the last one shorter. One
that fits into a chunk is stored by a single ``put``; a larger one by a ``put`` for each chunk, in any
order, and a ``commit``. Every verb is idempotent by content: repeat it as you like.

Codes: ``unknown_artifact``; ``unknown_chunk`` (an index beyond the artifact's end); ``invalid_chunk``
(a chunk that is not as long as its place asks); ``digest_mismatch`` (the bytes have another hash or
size than the request says, or the stored ones were altered); ``incomplete`` (chunks have not arrived or
were dropped; ``details.missing`` has their indexes, put them again and commit again); ``store_full``;
``overloaded`` (too much is being uploaded, by the caller or by all; retry).
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from coordination.artifacts.limits import MAX_ARTIFACT_BYTES, MAX_CHUNKS
from coordination.runtime.content import Base64
from coordination.runtime.wire import Body

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""64 digits of lower-case hex."""
SizeBytes = Annotated[int, Field(ge=0, le=MAX_ARTIFACT_BYTES)]
Index = Annotated[int, Field(ge=0, lt=MAX_CHUNKS)]

INCOMPLETE: Final = "incomplete"
DIGEST_MISMATCH: Final = "digest_mismatch"
"""Codes that the client acts on."""


class PutRequest(Body):
    """One chunk of an artifact."""

    sha256: Sha256
    """Of the whole artifact."""
    size_bytes: SizeBytes
    """Of the whole artifact."""
    index: Index = 0
    """Which chunk: byte ``index * 131072`` of the artifact is its first."""
    content: Base64


class PutReply(Body):
    """The chunk was taken."""

    is_stored: bool
    """Whether the whole artifact is stored; then neither more chunks nor a commit are needed."""


class CommitRequest(Body):
    """All chunks of an artifact have been put: check and store it."""

    sha256: Sha256
    size_bytes: SizeBytes


class CommitReply(Body):
    """The artifact is stored for good."""

    is_new: bool
    """False if it was stored already."""


class StatRequest(Body):
    """Ask whether an artifact is stored."""

    sha256: Sha256


class StatReply(Body):
    """A stored artifact."""

    size_bytes: SizeBytes
    chunk_count: int
    """At least 1: an empty artifact is one empty chunk."""


class GetRequest(Body):
    """Ask for one chunk of an artifact."""

    sha256: Sha256
    index: Index = 0


class GetReply(Body):
    """One chunk, with what is needed to ask for the others."""

    size_bytes: SizeBytes
    """Of the whole artifact."""
    chunk_count: int
    content: Base64
