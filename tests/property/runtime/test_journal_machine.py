"""Two writers on one journal, whatever is lost on the way, against a list of what should be stored.

Appends are pipelined, by one writer or by both at once. Requests and answers are lost, or come late, even
after the writer has given the record up for lost; snapshots are taken, broken and used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, get_args
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coordination.runtime import journal as journal_module
from coordination.runtime.errors import CompactedError, NotLeaderError
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.memory_store import MemoryStream
from tests.support.journals import Fault, FaultyStore

T = TypeVar("T")
WRITERS = st.sampled_from([0, 1])
FAULTS = st.lists(st.sampled_from([each for each in get_args(Fault) if each != "closed"]), max_size=10)
COUNTS = st.integers(1, 4)
NO_PAUSES: dict[str, Any] = {"_RETRY_FIRST_S": 0.0, "_RETRY_LAST_S": 0.0, "_POLLS_S": ()}


class JournalMachine(RuleBasedStateMachine):
    """`expected` is the model: the id of every record ever stored, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._patches = mock.patch.multiple(journal_module, **NO_PAUSES)
        self._patches.start()
        self.expected: list[str] = []
        self.stream = MemoryStream()
        self.stores = [FaultyStore(self.stream) for _ in range(2)]
        self.journals = [Journal(store) for store in self.stores]
        self.positions = [0, 0]
        """The record that each writer has read up to."""
        self._names = iter(range(1_000_000))
        self.saved: list[int] = []
        """Sequences of the snapshots that count, newest first."""
        self.broken: set[int] = set()

    def teardown(self) -> None:
        self._patches.stop()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    @initialize()
    def open_all(self) -> None:
        for journal in self.journals:
            self.run(journal.open())

    def batch(self, writer: int, count: int) -> list[str]:
        return [f"writer {writer} record {next(self._names)}" for _ in range(count)]

    def appends(self, writer: int, batch: list[str]) -> list[Coroutine[Any, Any, int]]:
        first = self.positions[writer]
        return [
            self.journals[writer].append(name.encode(), expected=first + index, record_id=name)
            for index, name in enumerate(batch)
        ]

    def settle(self, writer: int, batch: list[str], results: list[Any]) -> None:
        """Judge what the pipelined appends of `batch` returned."""
        first = self.positions[writer]
        if first == len(self.expected):
            self.expected += batch
        if self.expected[first : first + len(batch)] == batch:
            assert results == list(range(first + 1, first + len(batch) + 1))
            self.positions[writer] = first + len(batch)
        else:
            assert [type(each) for each in results] == [NotLeaderError] * len(batch)
            self.catch_up(writer, by_replay=True)

    @rule(writer=WRITERS, count=COUNTS, faults=FAULTS)
    def append(self, writer: int, count: int, faults: list[Fault]) -> None:
        self.stores[writer].faults.extend(faults)
        batch = self.batch(writer, count)
        results = self.run(_all(self.appends(writer, batch)))
        self.stores[writer].faults.clear()
        self.settle(writer, batch, results)

    @rule(counts=st.tuples(COUNTS, COUNTS), faults=st.tuples(FAULTS, FAULTS), interleaving=st.randoms())
    def race(
        self, counts: tuple[int, int], faults: tuple[list[Fault], list[Fault]], interleaving: Any
    ) -> None:
        order = [0] * counts[0] + [1] * counts[1]
        interleaving.shuffle(order)
        batches = [self.batch(writer, counts[writer]) for writer in (0, 1)]
        calls = [self.appends(writer, batches[writer]) for writer in (0, 1)]
        for store, own_faults in zip(self.stores, faults, strict=True):
            store.faults.extend(own_faults)
        outcomes = self.run(_all([calls[writer].pop(0) for writer in order]))
        for store in self.stores:
            store.faults.clear()
        results = [[o for o, w in zip(outcomes, order, strict=True) if w == writer] for writer in (0, 1)]
        # Who was behind must lose. Of two who were not, one wins with all it has, the other with nothing.
        stored = [record.record_id for record in self.stream.records]
        winner = 0 if batches[0][0] in stored else 1
        for writer in (winner, 1 - winner):
            self.settle(writer, batches[writer], results[writer])

    @rule(writer=WRITERS)
    def deliver_late(self, writer: int) -> None:
        self.run(self.stores[writer].deliver_late())

    @rule(writer=WRITERS, count=COUNTS)
    def give_up(self, writer: int, count: int) -> None:
        """Nothing is answered, the writer is cancelled, and whatever was sent comes late."""
        self.stores[writer].faults.extend(["late"] * 50)
        batch = self.batch(writer, count)
        self.run(_cancelled(self.appends(writer, batch)))
        self.stores[writer].faults.clear()
        before = len(self.expected)
        may_land = self.positions[writer] == before
        self.run(self.stores[writer].deliver_late())
        landed = self.stream.bounds.last - before
        assert landed == 0 or may_land
        self.expected += batch[:landed]
        self.catch_up(writer, by_replay=True)

    @rule(writer=WRITERS, by_replay=st.booleans())
    def catch_up(self, writer: int, by_replay: bool) -> None:  # noqa: FBT001 - a rule's argument
        journal, after = self.journals[writer], self.positions[writer]
        if after + 1 < self.stream.bounds.first:
            with pytest.raises(CompactedError):
                self.run(journal.follow(after, timeout_s=0) if not by_replay else _read(journal, after))
            snapshot = self.run(journal.load())
            assert snapshot is not None
            after = snapshot.sequence
        if by_replay:
            names = self.run(_read(journal, after))
        else:
            names = [entry.record_id for entry in self.run(journal.follow(after, timeout_s=0))]
        assert names == self.expected[after:]
        self.positions[writer] = len(self.expected)

    @rule(writer=WRITERS, answered=st.integers(0, 12), outages=st.integers(0, 3))
    def save(self, writer: int, answered: int, outages: int) -> None:
        sequence = self.positions[writer]
        self.stores[writer].answered, self.stores[writer].outages = answered, outages
        payload = b"state after %d" % sequence
        self.run(self.journals[writer].save(Snapshot(sequence=sequence, epoch=1, payload=payload)))
        self.stores[writer].answered = self.stores[writer].outages = 0
        if not self.saved or sequence > self.saved[0]:
            self.saved = [sequence, *self.saved[:1]]

    @rule(writer=WRITERS)
    def load(self, writer: int) -> None:
        snapshot = self.run(self.journals[writer].load())
        assert (snapshot.sequence if snapshot else None) == (self.saved[0] if self.saved else None)
        if snapshot is not None:
            assert snapshot.payload == b"state after %d" % snapshot.sequence
            assert (
                self.run(_read(self.journals[writer], snapshot.sequence))
                == self.expected[snapshot.sequence :]
            )

    @precondition(lambda self: len(self.saved) == 2)
    @rule(writer=WRITERS)
    def break_newest_snapshot(self, writer: int) -> None:
        ref = self.stream.pointer.snapshots[0]
        whole = self.stream.snapshots[ref.name]
        self.stream.snapshots[ref.name] = whole[:-1]
        reader = Journal(self.stores[writer])
        snapshot = self.run(reader.load())
        assert snapshot is not None
        assert snapshot.sequence == self.saved[1]
        assert self.run(_read(reader, snapshot.sequence)) == self.expected[snapshot.sequence :]
        self.stream.snapshots[ref.name] = whole

    @invariant()
    def stored_is_expected(self) -> None:
        bounds = self.stream.bounds
        assert bounds.last == len(self.expected)
        assert [record.record_id for record in self.stream.records] == self.expected[bounds.first - 1 :]
        # What the older one of two snapshots does not cover is there.
        assert bounds.first <= max(1, self.saved[1] if len(self.saved) == 2 else 1)
        counting = {ref.name: ref.sequence for ref in self.stream.pointer.snapshots}
        assert list(counting.values()) == self.saved
        superfluous = self.stream.snapshots.keys() - counting.keys()
        assert all(int(name.split(".")[1]) >= min(self.saved) for name in superfluous)


async def _all(appends: list[Coroutine[Any, Any, int]]) -> list[int | BaseException]:
    return await asyncio.gather(*appends, return_exceptions=True)


async def _cancelled(appends: list[Coroutine[Any, Any, int]]) -> None:
    tasks = [asyncio.ensure_future(each) for each in appends]
    for _ in range(10):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _read(journal: Journal, after: int) -> list[str]:
    return [entry.record_id async for entry in journal.replay(after)]


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
