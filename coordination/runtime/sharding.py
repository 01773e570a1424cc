"""Which shard an aggregate belongs to. Pure; fixed for as long as the store lives."""

from __future__ import annotations

import hashlib


def shard_of(aggregate: str, shards: int) -> int:
    """The shard, from 0, of the aggregate with this id among `shards`."""
    if shards == 1:
        return 0
    return int.from_bytes(hashlib.sha256(aggregate.encode()).digest()[:8]) % shards
