"""The journal: an ordered, durable list of records with compare-and-set append, and its snapshots.

All policy is here, once, over whichever store (`coordination.runtime.store.JournalStore`): what is
repeated and for how long, how a lost acknowledgement is found out, what counts as a gap, how appends
overtake their acknowledgements, which snapshots count and what may be compacted away.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from coordination.runtime.appending import Append, Appends
from coordination.runtime.concurrency import raise_if_cancelled, sha256_of
from coordination.runtime.errors import (
    CompactedError,
    CorruptJournalError,
    UnavailableError,
)
from coordination.runtime.logs import get_logger
from coordination.runtime.store import (
    Carried,
    Entry,
    JournalStore,
    Pointer,
    SnapshotRef,
    WrongSequenceError,
)

T = TypeVar("T")

_READ_RECORDS: Final = 256
_PATIENCE_S: Final = 20.0
"""How long opening, loading, replaying and saving wait for a store that is starting or lost."""
_RETRY_FIRST_S: Final = 0.05
_RETRY_LAST_S: Final = 1.0
_POLLS_S: Final = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
"""Pauses between looking again after a wake-up. The hint that a record was sent arrives before the record
is on disk, and a replica hears of it later still."""
_LEAST_READ_S: Final = 0.25
"""A read is given that long even when the caller wants to wait no longer."""
_SHORT_JOURNAL_S: Final = 1.0
"""How long a journal may seem to end before what we have of it: a new stream leader that catches up."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state after one record, as bytes."""

    sequence: int
    """Last record that it contains."""
    epoch: int
    payload: bytes


class Journal:
    """One process's way to one shard's journal. Use one instance per host, from one event loop.

    Args:
        store: Where the journal lives.
        entropy: Names snapshots; a simulation gives its own.
    """

    def __init__(self, store: JournalStore, *, entropy: random.Random | None = None) -> None:
        self._store = store
        self._entropy = entropy or random.SystemRandom()
        self._appends = Appends(store, self._until_answered)
        self._unreadable: set[str] = set()
        """Names of snapshots that turned out to be broken."""

    @property
    def name(self) -> str:
        """For log lines and errors."""
        return self._store.name

    @property
    def max_in_flight(self) -> int:
        """Appends that may be under way at a time; known once it is open."""
        return self._store.max_in_flight

    @property
    def carries_pushes(self) -> bool:
        """Whether a record may take a push along."""
        return self._store.carries_pushes

    async def open(self) -> None:
        """Create the journal if it is not there.

        Raises:
            UnavailableError: The store does not answer.
            UsageError: It was made for another number of shards.
        """
        await self._until_answered(self._store.open)

    async def close(self) -> None:
        """Let go of what listens for records; idempotent."""
        await self._store.close()

    # --- reading

    async def last_sequence(self) -> int:
        """Sequence of the newest record, 0 if there is none. One attempt.

        Raises:
            UnavailableError: The store does not answer.
        """
        return (await self._store.bounds()).last

    async def replay(self, after: int) -> AsyncGenerator[Entry, None]:
        """Every record after `after`, in order, ending with the last one present at the call.

        Raises:
            CorruptJournalError: A record is missing, or the journal ends before `after`.
            CompactedError: Records after `after` were compacted away; load the snapshot.
            UnavailableError: The store does not answer.
        """
        self._appends.forget_losses()
        last = await self._last_from(after)
        sequence = after
        while sequence < last:

            async def next_page(after: int = sequence) -> list[Entry]:
                return await self._page(after, last=last)

            for entry in await self._until_answered(next_page):
                if entry.sequence > last:
                    return
                sequence = entry.sequence
                yield entry

    async def follow(self, after: int, *, timeout_s: float) -> list[Entry]:
        """The next records after `after`: at least one, in order, without gaps; [] if none came.

        A store that is away is silence: it gives [].

        Raises:
            CorruptJournalError: A record is missing, or the journal ends before `after`.
            CompactedError: Records after `after` were compacted away; load the snapshot.
        """
        self._appends.forget_losses()
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + timeout_s
        pauses: Iterator[float] = iter(())
        while True:
            is_away = True
            with contextlib.suppress(UnavailableError, TimeoutError):
                async with asyncio.timeout_at(max(give_up_s, loop.time() + _LEAST_READ_S)):
                    if entries := await self._page(after):
                        return entries
                    is_away = False
            raise_if_cancelled()
            remaining_s = give_up_s - loop.time()
            if remaining_s <= 0:
                break
            pause_s = next(pauses, None)
            if pause_s is not None:
                await asyncio.sleep(min(pause_s, remaining_s))
                continue
            await self._store.wait(after, timeout_s=remaining_s)
            pauses = iter(_POLLS_S)
        if not is_away:
            with contextlib.suppress(UnavailableError):
                await self._require_reaching(after)
        return []

    async def _page(self, after: int, *, last: int = 0) -> list[Entry]:
        """The next records, without a gap; none if there is none yet.

        `last` is a record known to be stored: up to it, nothing is not an answer.
        """
        entries = await self._store.read(after, limit=_READ_RECORDS)
        whole = 0
        while whole < len(entries) and entries[whole].sequence == after + whole + 1:
            whole += 1
        if whole or not (entries or after < last):
            return entries[:whole]
        missing = after + 1
        if (await self._store.bounds()).first > missing:
            raise CompactedError(f"{self.name}: record {missing} was compacted away")
        if await self._store.record_id_at(missing) is not None:
            raise UnavailableError(f"{self.name}: record {missing} has not come to the replica that was read")
        # Compaction may have gone past it between the two questions.
        if (await self._store.bounds()).first > missing:
            raise CompactedError(f"{self.name}: record {missing} was compacted away")
        following = f"the next one there is {entries[0].sequence}" if entries else f"the last one is {last}"
        raise CorruptJournalError(self.name, missing, f"missing, {following}")

    async def _last_from(self, after: int) -> int:
        """Sequence of the last record, which is not before `after`."""
        return await self._until_answered(lambda: self._require_reaching(after))

    async def _require_reaching(self, after: int) -> int:
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _SHORT_JOURNAL_S
        while (last := (await self._store.bounds()).last) < after:
            raise_if_cancelled()
            if loop.time() > give_up_s:
                raise CorruptJournalError(self.name, after, f"missing, the journal ends with {last}")
            await asyncio.sleep(_RETRY_FIRST_S)
        return last

    # --- appending

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Store `payload` right after record `expected`; its sequence, once it is durable.

        Idempotent in `record_id`. An outage is waited out, however long, so that the outcome is not
        unknown to the caller. May be called for the next record before this call has returned
        (pipelining): each call sends at once, in the order of the calls, and one whose first attempt did
        not succeed waits for the one before it. A record is stored only behind the very record that its
        call was behind: a rival's in its place makes all the following calls fail.

        Cancelling a call leaves its outcome unknown, and ends the calls behind it with `NotLeaderError`.
        After any failure the caller must read (`load`, `replay`, `follow`) before appending again.

        Raises:
            NotLeaderError: Another record stands there: somebody else writes this journal.
            ClosedError: The connection was closed for good; the outcome is unknown.
            UsageError: The record is larger than the store takes.
        """
        ended = asyncio.Event()
        append = self.send(payload, expected=expected, record_id=record_id, on_end=ended.set)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            await self.abandon([append])
            raise
        return append.result()

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[], None] | None = None,
        carried: Carried | None = None,
    ) -> Append:
        """As `append`, without waiting: it is sent at once, and how it ends is in what is returned.

        Args:
            payload: The record.
            expected: The record that it is to stand behind.
            record_id: Names it.
            on_end: Called when it has ended, perhaps before this returns; not if it is abandoned. Must not
                raise.
            carried: A push that the record takes along, if the journal `carries_pushes`; if the first attempt
                does not succeed it may be lost (`Append.was_repeated`).
        """
        return self._appends.send(
            payload, expected=expected, record_id=record_id, on_end=on_end, carried=carried
        )

    async def abandon(self, appends: Iterable[Append]) -> None:
        """Give appends up, as cancelling `append` does; returns when nothing is left of them. Idempotent."""
        await self._appends.abandon(appends)

    # --- snapshots

    async def load(self) -> Snapshot | None:
        """The newest snapshot that is whole; None if there is none and all records are there.

        Raises:
            CorruptJournalError: No snapshot can be read, and the records from the first on are gone.
            UnavailableError: The store does not answer.
        """
        self._appends.forget_losses()
        pointer = await self._until_answered(self._store.pointer)
        while True:
            for ref in pointer.snapshots:
                if (payload := await self._content(ref)) is not None:
                    return Snapshot(sequence=ref.sequence, epoch=ref.epoch, payload=payload)
            # The records first and then the pointer again: compaction follows a pointer that was moved, so
            # records that are gone for a pointer which still stands are gone for good.
            first = (await self._until_answered(self._store.bounds)).first
            revision = pointer.revision
            pointer = await self._until_answered(self._store.pointer)
            if pointer.revision == revision:
                break  # nobody replaced the snapshots meanwhile: they are broken
        if first > 1:
            problem = f"missing, the first one there is {first} and no snapshot can be read"
            raise CorruptJournalError(self.name, 1, problem)
        return None

    async def save(self, snapshot: Snapshot) -> int:
        """Store a snapshot, make it count, and remove what it makes superfluous; its size in bytes.

        The newest two count; records are removed up to the older one, so that a broken newest one loses
        nothing. A snapshot that is not newer than what counts changes nothing.

        Raises:
            UnavailableError: Given up, because the store does not answer or loses bytes. The journal is
                whole without the snapshot.
        """
        size = len(snapshot.payload)
        pointer = await self._until_answered(self._store.pointer)
        if _is_newer(snapshot.sequence, pointer):
            ref = await self._until_answered(lambda: self._put(snapshot))
            pointer = await self._until_answered(lambda: self._point_at(ref))
            if ref not in pointer.snapshots:
                await self._until_answered(lambda: self._store.delete_snapshot(ref.name))
            await self._until_answered(lambda: self._remove_superfluous(pointer))
        return size

    async def _put(self, snapshot: Snapshot) -> SnapshotRef:
        ref = SnapshotRef(
            name=f"{snapshot.epoch}.{snapshot.sequence}.{self._entropy.getrandbits(64):016x}",
            sequence=snapshot.sequence,
            epoch=snapshot.epoch,
            digest=(await sha256_of(snapshot.payload)).hex(),
            size_bytes=len(snapshot.payload),
        )
        await self._store.put_snapshot(ref.name, snapshot.payload)
        stored = await self._store.get_snapshot(ref.name)
        if stored is None or (await sha256_of(stored)).hex() != ref.digest:
            raise UnavailableError(f"{self.name}: snapshot {ref.name} was not stored as it was written")
        return ref

    async def _point_at(self, ref: SnapshotRef) -> Pointer:
        """Make `ref` count, unless a newer one does; the pointer that counts then."""
        while True:
            current = await self._store.pointer()
            if not _is_newer(ref.sequence, current):
                return current  # also when an unanswered attempt of ours moved it
            readable = [each for each in current.snapshots if each.name not in self._unreadable]
            with contextlib.suppress(WrongSequenceError):
                await self._store.move_pointer(Pointer((ref, *readable[:1]), current.revision))
            raise_if_cancelled()

    async def _remove_superfluous(self, pointer: Pointer) -> None:
        """Remove the records and snapshots that the older one of two snapshots replaces.

        Snapshots that are not older and do not count stay: somebody may be about to make them count.
        """
        if len(pointer.snapshots) < 2:
            return
        oldest = min(each.sequence for each in pointer.snapshots)
        await self._store.compact(oldest)
        counting = {each.name for each in pointer.snapshots}
        for name in await self._store.snapshot_names():
            sequence = _sequence_of(name)
            if name not in counting and sequence is not None and sequence < oldest:
                await self._store.delete_snapshot(name)

    async def _content(self, ref: SnapshotRef) -> bytes | None:
        """The bytes of a snapshot if they are what was written."""
        payload = await self._until_answered(lambda: self._store.get_snapshot(ref.name))
        if payload is not None and (await sha256_of(payload)).hex() == ref.digest:
            return payload
        _log.error("snapshot is broken", journal=self.name, snapshot=ref.name, sequence=ref.sequence)
        self._unreadable.add(ref.name)
        return None

    async def _until_answered(
        self, attempt: Callable[[], Awaitable[T]], *, patience_s: float | None = None
    ) -> T:
        """Repeat `attempt`, which must be idempotent, until the store answers it."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + (_PATIENCE_S if patience_s is None else patience_s)
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                return await attempt()
            except UnavailableError as error:
                raise_if_cancelled()
                if loop.time() + delay_s > give_up_s:
                    raise
                _log.warning("journal does not answer, retrying", journal=self.name, reason=str(error))
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RETRY_LAST_S)


def _is_newer(sequence: int, pointer: Pointer) -> bool:
    return all(sequence > each.sequence for each in pointer.snapshots)


def _sequence_of(name: str) -> int | None:
    """Last record in the snapshot called `name`; None if no journal gave that name."""
    parts = name.split(".")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None
