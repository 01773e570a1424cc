"""How the streams of a journal are configured: its records, its snapshots, its pointers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from coordination.runtime.limits import DUPLICATE_WINDOW_S

SHARDS_KEY: Final = "conclave-shards"
"""Stream metadata: the number of shards that the store was made for."""


def journal_stream(
    name: str, subjects: Sequence[str], republish: Mapping[str, Any], *, replicas: int, shards: int
) -> dict[str, Any]:
    """The stream of records.

    Args:
        name: Of the stream.
        subjects: Of its records.
        republish: What becomes of those that carry a push.
        replicas: Copies.
        shards: How many journals the service's state is split into.
    """
    return {
        "name": name,
        "subjects": [*subjects],
        "republish": {**republish},
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "num_replicas": replicas,
        "duplicate_window": DUPLICATE_WINDOW_S * 1_000_000_000,
        "deny_delete": True,
        "allow_direct": True,
        "metadata": {SHARDS_KEY: str(shards)},
    }


def brought_up(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the journal's stream as it was `found` must become; None if nothing is missing.

    One of an earlier version may have fewer subjects, republish nothing, or not know its shards. Whatever
    else an operator has set stays.
    """
    metadata = {**(found.get("metadata") or {}), **wanted["metadata"]}
    needed = {
        **{name: wanted[name] for name in ("subjects", "republish", "allow_direct")},
        "metadata": metadata,
    }
    is_there = all(found.get(name) == value for name, value in needed.items())
    return None if is_there else {**found, **needed}


def objects_stream(bucket: str, *, replicas: int) -> dict[str, Any]:
    """The stream of an object store, in the usual layout."""
    return {
        "name": f"OBJ_{bucket}",
        "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "allow_rollup_hdrs": True,
        "allow_direct": True,
    }


def pointers_stream(bucket: str, *, replicas: int, shards: int) -> dict[str, Any]:
    """The stream of a key-value bucket, in the usual layout. Its metadata fixes the number of shards."""
    return {
        "name": f"KV_{bucket}",
        "subjects": [f"$KV.{bucket}.>"],
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "metadata": {SHARDS_KEY: str(shards)},
    }
