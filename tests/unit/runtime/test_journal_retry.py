"""What is repeated, for how long, and how the outcome of an append is found out, whatever was lost."""

from __future__ import annotations

import asyncio

import pytest

from coordination.runtime import journal as journal_module
from coordination.runtime.errors import (
    ClosedError,
    ConclaveError,
    CorruptJournalError,
    NotLeaderError,
    UnavailableError,
)
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.store import WrongSequenceError
from tests.support.journals import Fault, FaultyStore
from tests.support.waiting import settle

SNAPSHOT = Snapshot(sequence=2, epoch=1, payload=b"the state")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    monkeypatch.setattr(journal_module, "_RETRY_FIRST_S", 0.0)
    monkeypatch.setattr(journal_module, "_RETRY_LAST_S", 0.0)
    monkeypatch.setattr(journal_module, "_POLLS_S", (0.0,) * 3)


async def append(journal: Journal, index: int) -> int:
    return await journal.append(b"%d" % index, expected=index, record_id=f"r{index + 1}")


async def append_together(journal: Journal, *indexes: int) -> list[int | BaseException]:
    return await asyncio.gather(*(append(journal, index) for index in indexes), return_exceptions=True)


@pytest.mark.parametrize(
    "faults", [["lost before"] * 9, ["lost after"], ["lost before", "lost after"], ["lost after"] * 3]
)
async def test_an_outage_is_waited_out_under_one_record_id(faults: list[Fault]) -> None:
    stream = MemoryStream()
    store = FaultyStore(stream, *faults)
    assert await append(Journal(store), 0) == 1
    assert {call["record_id"] for call in store.calls} == {"r1"}
    assert stream.payloads == [b"0"]


async def test_finding_out_survives_an_outage_of_its_own() -> None:
    store = FaultyStore(MemoryStream(), "lost after", "none", "none", "none")
    store.outages = 2
    assert await append(Journal(store), 0) == 1


async def test_a_lost_append_behind_which_a_rival_wrote_has_failed() -> None:
    stream = MemoryStream()
    store = FaultyStore(stream, "lost before")
    appending = asyncio.create_task(append(Journal(store), 0))
    await settle(1)
    stream.append(b"theirs", record_id="rival")
    with pytest.raises(NotLeaderError, match="record 1 was written by somebody else"):
        await appending
    assert stream.payloads == [b"theirs"]


async def test_a_closed_connection_ends_the_waiting() -> None:
    with pytest.raises(ClosedError):
        await append(Journal(FaultyStore(MemoryStream(), "lost before", "closed")), 0)


async def test_all_of_a_pipeline_is_sent_at_once_and_in_order() -> None:
    store = FaultyStore(MemoryStream())
    appending = asyncio.create_task(append_together(Journal(store), 0, 1, 2, 3))
    while not store.calls:
        await settle(1)
    assert [(call["expected"], call["previous_id"]) for call in store.calls] == [
        (0, None),
        (1, "r1"),
        (2, "r2"),
        (3, "r3"),
    ]
    assert await appending == [1, 2, 3, 4]


FAULTS: tuple[Fault, ...] = ("none", "lost before", "lost after")


@pytest.mark.parametrize("first", FAULTS)
@pytest.mark.parametrize("second", FAULTS)
@pytest.mark.parametrize("third", FAULTS)
@pytest.mark.parametrize("fourth", FAULTS)
async def test_any_of_a_pipeline_may_be_lost(
    first: Fault, second: Fault, third: Fault, fourth: Fault
) -> None:
    stream = MemoryStream()
    journal = Journal(FaultyStore(stream, first, second, third, fourth))
    assert await append_together(journal, 0, 1, 2, 3) == [1, 2, 3, 4]
    assert stream.payloads == [b"0", b"1", b"2", b"3"]
    assert await append(journal, 4) == 5


async def test_a_pipeline_never_lands_behind_a_rival_in_the_place_of_its_lost_beginning() -> None:
    stream = MemoryStream()
    store = FaultyStore(stream, "lost before", "late", "late")
    journal = Journal(store)
    appending = asyncio.create_task(append_together(journal, 0, 1, 2))
    while len(store.calls) < 3:
        await settle(1)
    stream.append(b"theirs", record_id="rival")
    await store.deliver_late()
    assert [type(each) for each in await appending] == [NotLeaderError] * 3
    assert stream.payloads == [b"theirs"]
    assert [type(each) for each in await append_together(journal, 1, 2)] == [NotLeaderError] * 2, (
        "they would rest on a record that was never stored"
    )
    assert [entry.payload for entry in await journal.follow(0, timeout_s=0)] == [b"theirs"]
    assert await append_together(journal, 1, 2) == [2, 3]


async def test_the_kind_of_an_error_is_that_of_the_append_before() -> None:
    store = FaultyStore(MemoryStream(), "closed", "lost before", "none")
    results = await append_together(Journal(store), 0, 1, 2)
    assert [type(each) for each in results] == [ClosedError] * 3


async def test_cancelling_one_append_ends_those_behind_it() -> None:
    stream = MemoryStream()
    store = FaultyStore(stream, *["lost before"] * 1000)  # type: ignore[arg-type]
    journal = Journal(store)
    tasks = [asyncio.create_task(append(journal, index)) for index in range(4)]
    await settle()
    assert not any(task.done() for task in tasks)
    tasks[1].cancel()
    store.faults.clear()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [int, asyncio.CancelledError, NotLeaderError, NotLeaderError]
    assert stream.payloads == [b"0"]
    with pytest.raises(NotLeaderError, match="nobody knows whether it is stored"):
        await append(journal, 2)


async def test_a_refusal_of_what_is_still_being_stored_is_no_rival() -> None:
    """A cluster refuses a repetition while the first attempt is under way (error 10164)."""
    store = FaultyStore(MemoryStream(), "late", "none")
    journal = Journal(store)
    refused = 0
    original = store.append

    async def refuse_twice(payload: bytes, **arguments: str | int) -> int:
        nonlocal refused
        if store.calls and refused < 2:
            refused += 1
            raise WrongSequenceError("in process")
        return await original(payload, **arguments)  # type: ignore[arg-type]

    store.append = refuse_twice  # type: ignore[method-assign,assignment]
    assert await append(journal, 0) == 1
    assert refused == 2


@pytest.mark.parametrize("answered", range(12))
@pytest.mark.parametrize("outages", [1, 3])
async def test_a_snapshot_is_saved_and_loaded_through_outages(answered: int, outages: int) -> None:
    stream = MemoryStream()
    store = FaultyStore(stream)
    journal = Journal(store)
    assert await append_together(journal, 0, 1, 2) == [1, 2, 3]
    await journal.save(Snapshot(sequence=1, epoch=1, payload=b"the state before"))
    store.answered, store.outages = answered, outages
    assert await journal.save(SNAPSHOT) == len(SNAPSHOT.payload)
    store.answered, store.outages = answered, outages
    assert await journal.load() == SNAPSHOT
    assert [ref.sequence for ref in stream.pointer.snapshots] == [2, 1]


async def test_opening_loading_and_saving_give_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_PATIENCE_S", -1.0)
    store = FaultyStore(MemoryStream())
    store.outages = 1_000
    journal = Journal(store)
    for attempt in (journal.open(), journal.load(), journal.save(SNAPSHOT), anext(journal.replay(0))):
        with pytest.raises(UnavailableError, match="no answer"):
            await attempt


async def test_a_store_that_is_away_is_silence_to_who_follows() -> None:
    stream = MemoryStream()
    store = FaultyStore(stream)
    journal = Journal(store)
    stream.append(b"x", record_id="r1")
    store.outages = 10_000
    assert await journal.follow(0, timeout_s=0.01) == []
    store.outages = 1
    assert len(await journal.follow(0, timeout_s=20)) == 1


def without(sequence: int, *, of: int = 5) -> Journal:
    """A journal that has lost one record."""
    stream = MemoryStream("toy.0")
    for number in range(1, of + 1):
        stream.append(b"%d" % number, record_id=f"r{number}")
    del stream.records[sequence - 1]
    return Journal(FaultyStore(stream))


async def test_a_missing_record_is_named_and_never_skipped() -> None:
    journal = without(3)
    assert [entry.sequence for entry in await journal.follow(0, timeout_s=0)] == [1, 2]
    with pytest.raises(CorruptJournalError, match=r"toy\.0, record 3: missing, the next one there is 4"):
        await journal.follow(2, timeout_s=0)
    replay = journal.replay(0)
    assert [(await anext(replay)).sequence for _ in range(2)] == [1, 2]
    with pytest.raises(CorruptJournalError, match=r"toy\.0, record 3: missing") as raised:
        await anext(replay)
    assert raised.value.sequence == 3


async def test_a_missing_last_record_is_named() -> None:
    with pytest.raises(CorruptJournalError, match="record 5: missing, the last one is 5"):
        async for _ in without(5).replay(0):
            pass


async def test_a_journal_that_ends_before_what_is_known_of_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "_SHORT_JOURNAL_S", 0.0)
    journal = Journal(FaultyStore(MemoryStream("toy.0")))
    reading: list[ConclaveError] = []
    for attempt in (anext(journal.replay(7)), journal.follow(7, timeout_s=0)):
        with pytest.raises(CorruptJournalError, match="record 7: missing, the journal ends with 0") as raised:
            await attempt
        reading.append(raised.value)
    assert len(reading) == 2
