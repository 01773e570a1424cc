"""Where a journal lives: single attempts at raw operations, without policy.

`coordination.runtime.journal.Journal` adds the policy (retries, gap detection, following, snapshots,
compaction), once, over whichever store: `coordination.runtime.jetstream.JetStreamStore` or
`coordination.runtime.memory.MemoryStore`. So a simulated cluster runs the code that a real one runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from coordination.runtime.errors import ConclaveError


class WrongSequenceError(ConclaveError):
    """A compare-and-set found another last record (or pointer revision) than was expected."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored record."""

    sequence: int
    """Position in the journal, from 1, without gaps."""
    payload: bytes
    record_id: str = ""
    """The id its writer gave it; names a record whose acknowledgement was lost."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which records are stored."""

    first: int
    """Sequence of the oldest record; 1 while nothing was compacted."""
    last: int
    """Sequence of the newest record; 0 while there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRef:
    """Names one stored snapshot."""

    name: str
    sequence: int
    """Last record that the snapshot contains."""
    epoch: int
    digest: str
    """SHA-256 of its bytes, in hex."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which snapshots count, newest first; the newest and the one before."""

    snapshots: tuple[SnapshotRef, ...] = ()
    revision: int = 0
    """For the compare-and-set of `JournalStore.move_pointer`; 0 while there is no pointer."""


class JournalStore(Protocol):
    """One journal's records and snapshots. Every method is ONE attempt.

    All of them raise `UnavailableError` when the store does not answer (the outcome of a write is
    then unknown) and `ClosedError` when the connection was closed for good.
    """

    @property
    def name(self) -> str:
        """For log lines and errors."""

    async def open(self) -> None:
        """Create what is not there.

        Raises:
            UsageError: The store exists and was made for another number of shards.
        """

    async def bounds(self) -> Bounds:
        """Which records are stored now."""

    async def read(self, after: int, *, limit: int) -> list[Entry]:
        """Up to `limit` stored records with a sequence greater than `after`, in order.

        May miss the newest ones (a replica that lags); skips what is not stored, so that the caller
        must look for gaps.
        """

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Store `payload` right after record `expected`; its sequence, once it is durable.

        Raises:
            WrongSequenceError: The last record is not `expected`.
            UsageError: The record is larger than the store takes.
        """

    async def record_id_at(self, sequence: int) -> str | None:
        """Id of the record at `sequence`, read from where writes go; None if nothing is stored there."""

    async def wait(self, after: int, *, timeout_s: float) -> None:
        """Return when a record after `after` may have been stored, at the latest after `timeout_s`.

        May return without cause. Never raises for a store that is away: it waits.
        """

    async def pointer(self) -> Pointer:
        """The current pointer."""

    async def move_pointer(self, pointer: Pointer) -> None:
        """Make ``pointer.snapshots`` count, if the stored revision is still ``pointer.revision``.

        Raises:
            WrongSequenceError: It is not; somebody else moved the pointer.
        """

    async def put_snapshot(self, name: str, payload: bytes) -> None:
        """Store a snapshot durably under a new `name`."""

    async def get_snapshot(self, name: str) -> bytes | None:
        """The bytes of a snapshot; None if it is not there or not whole."""

    async def delete_snapshot(self, name: str) -> None:
        """Remove a snapshot; idempotent."""

    async def compact(self, before: int) -> None:
        """Remove the records with a sequence less than `before`; idempotent.

        The last record always stays: compare-and-set needs it.
        """

    async def close(self) -> None:
        """Let go of subscriptions; idempotent."""
