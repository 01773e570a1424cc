"""How results in Redis are counted: the same for every system that keeps them there."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Final

import redis

from benchmarks.peers.side import REDIS_URL

_CHUNK_KEYS: Final = 100
_POLL_S: Final = 0.02


def wait_for_keys(keys: Sequence[str | bytes]) -> None:
    """Return when all `keys` exist; under ``appendfsync always`` what a reader sees is on disk.

    One ``EXISTS`` of a hundred keys at a time, oldest first, every 20 ms while they are not all there:
    about a hundred cheap commands for 10,000 tasks.
    """
    client = redis.Redis.from_url(os.environ[REDIS_URL])
    for at in range(0, len(keys), _CHUNK_KEYS):
        chunk = keys[at : at + _CHUNK_KEYS]
        while client.exists(*chunk) < len(chunk):
            time.sleep(_POLL_S)
    client.close()
