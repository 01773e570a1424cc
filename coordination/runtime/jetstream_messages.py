"""What JetStream's messages look like: headers of an append, and what its JSON answers hold of a message."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from coordination.runtime.concurrency import sha256_of


def append_headers(expected: int, record_id: str, previous_id: str | None) -> dict[str, str]:
    """Make an append a compare-and-set on the last record, which is `expected`, and idempotent.

    The sequence is that of the stream, which holds nothing but the journal; records that carry a push have
    subjects of their own.
    """
    headers = {"Nats-Expected-Last-Sequence": str(expected), "Nats-Msg-Id": record_id}
    if previous_id is not None:
        headers["Nats-Expected-Last-Msg-Id"] = previous_id
    return headers


def bytes_of(encoded: str | None) -> bytes:
    """What stands in a JSON answer as base64."""
    return base64.b64decode(encoded or "")


def headers_of(message: Mapping[str, object]) -> dict[str, str]:
    """The headers of a message that the leader gave; the first line is the protocol's version."""
    encoded = message.get("hdrs")
    lines = bytes_of(encoded if isinstance(encoded, str) else None).decode(errors="replace").split("\r\n")[1:]
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines) if key}


async def object_digest(payload: bytes) -> str:
    """As the object store's layout has it."""
    return "SHA-256=" + base64.urlsafe_b64encode(await sha256_of(payload)).decode()
