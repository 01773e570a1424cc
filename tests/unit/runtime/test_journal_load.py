"""Loading while somebody else stores snapshots and compacts: what is found belongs together."""

from __future__ import annotations

from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.store import Bounds


class _Overtaken(MemoryStore):
    """While it is asked what is stored for the first time, another process takes two snapshots."""

    def __init__(self, stream: MemoryStream) -> None:
        super().__init__(stream)
        self._other: Journal | None = Journal(MemoryStore(stream))

    async def bounds(self) -> Bounds:
        other, self._other = self._other, None
        if other is not None:
            for sequence in (4, 7):
                payload = f"state {sequence}".encode()
                await other.save(Snapshot(sequence=sequence, epoch=1, payload=payload))
        return await super().bounds()


async def test_a_journal_compacted_while_it_is_loaded_is_loaded_from_the_new_snapshot() -> None:
    """Found by simulation: the first pointer was read before, the bounds after the compaction."""
    stream = MemoryStream()
    for number in range(1, 9):
        stream.append(b"{}", record_id=str(number))
    snapshot = await Journal(_Overtaken(stream)).load()
    assert stream.bounds.first == 4
    assert snapshot is not None
    assert (snapshot.sequence, snapshot.payload) == (7, b"state 7")
