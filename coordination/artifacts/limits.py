"""Every bound of the artifact store in one place, with units as the last word of the name."""

from __future__ import annotations

from typing import Final

from coordination.runtime.limits import MAX_REPLY_BYTES, MAX_REQUEST_BYTES

MAX_ARTIFACT_BYTES: Final = 16 * 1024 * 1024
"""Largest artifact."""

CHUNK_BYTES: Final = 128 * 1024
"""Every chunk but the last; a third more on the wire, as base64. Part of the wire contract."""

MAX_CHUNKS: Final = MAX_ARTIFACT_BYTES // CHUNK_BYTES
"""Chunks of the largest artifact."""

MAX_CALLER_UPLOAD_BYTES: Final = 2 * MAX_ARTIFACT_BYTES
"""Uncommitted artifacts of one caller, so that one agent cannot occupy all the room."""

MAX_UPLOAD_BYTES: Final = 4 * MAX_ARTIFACT_BYTES
"""Uncommitted artifacts of all callers together."""

MAX_STAGE_BYTES: Final = MAX_UPLOAD_BYTES + 8 * 1024 * 1024
"""What the stream of uncommitted chunks may hold, with what JetStream adds to each message."""

UPLOAD_AGE_S: Final = 120
"""How long an uncommitted chunk is kept."""

MAX_STORE_BYTES: Final = 4 * 1024 * 1024 * 1024
"""All stored artifacts of a deployment."""

MAX_CACHED_BYTES: Final = 4 * MAX_ARTIFACT_BYTES
"""Artifacts that were read lately and are kept in memory, because chunks are asked for one by one."""

MAX_WORKING_ARTIFACTS: Final = 4
"""Artifacts that one process reads or assembles at a time."""


def chunk_count(size_bytes: int) -> int:
    """How many chunks an artifact has; an empty one is one empty chunk."""
    return max(1, -(-size_bytes // CHUNK_BYTES))


def chunk_size_bytes(size_bytes: int, index: int) -> int:
    """How long chunk `index` of an artifact is; 0 beyond its end."""
    return max(0, min(CHUNK_BYTES, size_bytes - index * CHUNK_BYTES))


assert MAX_ARTIFACT_BYTES == MAX_CHUNKS * CHUNK_BYTES
assert CHUNK_BYTES * 4 // 3 + 1024 < MAX_REQUEST_BYTES < MAX_REPLY_BYTES
assert MAX_ARTIFACT_BYTES <= MAX_CALLER_UPLOAD_BYTES <= MAX_UPLOAD_BYTES < MAX_STAGE_BYTES
