"""Where a journal lives: single attempts at raw operations, without policy.

`coordination.runtime.journal.Journal` adds the policy (retries, gap detection, following, snapshots,
compaction), once, over whichever store: `coordination.runtime.jetstream.JetStreamStore` or
`coordination.runtime.memory_store.MemoryStore`. So a simulated cluster runs the code that a real one runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from coordination.runtime.errors import ConclaveError, UsageError


class WrongSequenceError(ConclaveError):
    """A compare-and-set found another last record (or pointer revision) than was expected."""


def require_same_shards(name: str, *, made_for: int, asked_for: int) -> None:
    """Refuse to open a store with another number of shards: ids would be looked for in the wrong one.

    Raises:
        UsageError: The numbers differ.
    """
    if made_for != asked_for:
        raise UsageError(
            f"{name}: made for {made_for} shards, asked for {asked_for}: "
            "the number is fixed when a store is created"
        )


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


class Carried(NamedTuple):
    """A push that a record takes along: the store hands it to the agent when it has stored the record."""

    agent: str
    kind: str
    body: bytes
    """JSON, at most `coordination.runtime.limits.MAX_CARRIED_BYTES`."""


class Sent(Protocol):
    """An attempt that is under way."""

    def cancel(self) -> object:
        """Hear of it no more; whether it takes effect is unknown. Idempotent."""


class JournalStore(Protocol):
    """One journal's records and snapshots. Every method is ONE attempt.

    All of them raise `UnavailableError` when the store does not answer (the outcome of a write is
    then unknown) and `ClosedError` when the connection was closed for good.
    """

    @property
    def name(self) -> str:
        """For log lines and errors."""

    @property
    def max_in_flight(self) -> int:
        """Records that may be sent before the one before is acknowledged; known once it is open."""

    @property
    def carries_pushes(self) -> bool:
        """Whether a record may take a push along."""

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

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        """Store `payload` right after record `expected`; its sequence, once it is durable.

        Idempotence: a record that is stored under `record_id` already may be acknowledged again (while
        the store remembers the id) or be refused as any other.

        Args:
            payload: The record.
            expected: Sequence of the last record.
            record_id: Names the record; never used for another one.
            previous_id: The id that record `expected` must have; None if the caller has read or written
                that record. Whoever appends behind a record of their own that may still be lost must
                give it: a rival's record could stand there, and a sequence alone would not tell.

        Raises:
            WrongSequenceError: The last record is not `expected`, or not the one meant.
            UsageError: The record is larger than the store takes.
        """

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[BaseException | None], None],
        previous_id: str | None = None,
        carried: Carried | None = None,
    ) -> Sent:
        """As `append`, without waiting: what is sent by several calls is sent in their order.

        Args:
            payload: As for `append`.
            expected: As for `append`.
            record_id: As for `append`.
            on_end: Called at most once, after this has returned: with None when the record is stored, else
                with what `append` raises. Must not raise.
            previous_id: As for `append`.
            carried: A push for an agent; at most once, as every push. Only if the store `carries_pushes`.

        Raises:
            ConclaveError: As `append`; it could not even be sent.
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
        """Store a snapshot durably under a new `name` (after a failure: under another new one)."""

    async def get_snapshot(self, name: str) -> bytes | None:
        """The bytes of a snapshot; None if it is not there or not whole."""

    async def snapshot_names(self) -> list[str]:
        """Every snapshot that takes up room, whole or not, whether it counts or not."""

    async def delete_snapshot(self, name: str) -> None:
        """Remove a snapshot; idempotent."""

    async def compact(self, before: int) -> None:
        """Remove the records with a sequence less than `before`; idempotent.

        The last record always stays: compare-and-set needs it.
        """

    async def close(self) -> None:
        """Let go of subscriptions; idempotent."""
