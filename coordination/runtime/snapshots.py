"""When a leader takes a snapshot, and how it is stored beside the work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coordination.runtime.concurrency import Turns
from coordination.runtime.errors import ClosedError, UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.limits import SNAPSHOT_BYTES, SNAPSHOT_RECORDS
from coordination.runtime.logs import get_logger
from coordination.runtime.shard import ShardState

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPolicy:
    """When the leader takes a snapshot; whichever comes first."""

    records: int = SNAPSHOT_RECORDS
    size_bytes: int = SNAPSHOT_BYTES


class Snapshots:
    """Counts what no snapshot covers yet, and writes and stores one at a time in the background.

    Args:
        name: For log lines.
        journal: Where snapshots go.
        policy: When one is due.
    """

    def __init__(self, name: str, journal: Journal, policy: SnapshotPolicy) -> None:
        self._name = name
        self._journal = journal
        self._policy = policy
        self._records = 0
        self._bytes = 0
        self._last_bytes = 0
        self._saving: asyncio.Task[None] | None = None

    @property
    def is_due(self) -> bool:
        """Whether the next moment without a record in flight should be used for a snapshot."""
        if self._saving is not None:
            return False
        # As many bytes again as a snapshot has, so that writing snapshots stays the smaller part.
        enough_bytes = max(self._policy.size_bytes, 4 * self._last_bytes)
        return self._records >= self._policy.records or self._bytes >= enough_bytes

    def begin_after(self, snapshot: Snapshot | None) -> None:
        """Count anew from a loaded snapshot, or from nothing."""
        self._records = self._bytes = 0
        self._last_bytes = len(snapshot.payload) if snapshot is not None else 0

    def count(self, payload: bytes) -> None:
        """Count one record."""
        self._records += 1
        self._bytes += len(payload)

    def take(self, state: ShardState[Any]) -> None:
        """Take `state` as it is now, all of which is durable; write and store it in the background.

        A state that cannot be written is a bug of ours, but the journal is whole without a snapshot: that is
        logged, and tried again when the next one is due.
        """
        self._records = self._bytes = 0
        try:
            parts = state.snapshot_parts()
        except Exception:  # noqa: BLE001
            log_failure(_log, "snapshot could not be written", host=self._name)
            return
        self._saving = asyncio.create_task(self._save(state.sequence, state.epoch, parts))

    async def end(self) -> None:
        """Give up what is being stored; the journal is whole without it."""
        saving: asyncio.Task[Any] | None = self._saving
        if saving is not None:
            saving.cancel()
            await asyncio.wait([saving])
            self._saving = None

    async def _save(self, sequence: int, epoch: int, parts: Iterator[bytes]) -> None:
        try:
            payload = await _in_turns(parts)
            self._last_bytes = len(payload)
            await self._journal.save(Snapshot(sequence=sequence, epoch=epoch, payload=payload))
        except (UnavailableError, ClosedError) as error:
            _log.warning("snapshot not stored", host=self._name, error=str(error))
        except Exception:  # noqa: BLE001 - the journal is whole without it; the next one may succeed
            log_failure(_log, "snapshot failed", host=self._name)
        self._saving = None


async def _in_turns(parts: Iterator[bytes]) -> bytes:
    """All parts together."""
    whole: list[bytes] = []
    turns = Turns()
    for part in parts:
        whole.append(part)
        await turns.after(len(part))
    return b"".join(whole)
