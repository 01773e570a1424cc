"""What every journal does, in memory and on JetStream alike."""

from __future__ import annotations

import asyncio

import pytest

from coordination.runtime.errors import NotLeaderError
from coordination.runtime.journal import Journal
from tests.contract.conftest import OpenJournal

MANY = 150
"""More than two pages of a replay."""


async def read(journal: Journal) -> list[tuple[int, bytes]]:
    return [(entry.sequence, entry.payload) async for entry in journal.replay()]


async def write(journal: Journal, count: int, *, after: int = 0) -> list[tuple[int, bytes]]:
    """Append `count` records behind record `after`; returns them as a replay should."""
    written = []
    for index in range(after, after + count):
        payload = f"record {index + 1}".encode()
        sequence = await journal.append(payload, expected=index, record_id=f"r{index + 1}")
        written.append((sequence, payload))
    return written


async def test_a_new_journal_is_empty(open_journal: OpenJournal) -> None:
    assert await read(await open_journal()) == []


async def test_opening_twice_changes_nothing(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    written = await write(journal, 1)
    await journal.open()
    assert await read(journal) == written


@pytest.mark.parametrize("count", [1, 2, 64, 65, MANY])
async def test_records_are_replayed_in_order_and_unchanged(open_journal: OpenJournal, count: int) -> None:
    journal = await open_journal()
    written = await write(journal, count)
    assert [sequence for sequence, _ in written] == list(range(1, count + 1))
    assert await read(journal) == written
    assert await read(journal) == written, "a replay takes nothing away"


async def test_a_record_may_be_any_bytes(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    payload = bytes(range(256)) * 3000
    await journal.append(payload, expected=0, record_id="r1")
    await journal.append(b"", expected=1, record_id="r2")
    assert await read(journal) == [(1, payload), (2, b"")]


async def test_records_survive_a_restart(open_journal: OpenJournal) -> None:
    written = await write(await open_journal(), 3)
    restarted = await open_journal()
    assert await read(restarted) == written
    written += await write(restarted, 2, after=3)
    assert await read(await open_journal()) == written


async def test_of_two_writers_only_the_first_wins(open_journal: OpenJournal) -> None:
    first, second = await open_journal(), await open_journal()
    await write(first, 1)
    with pytest.raises(NotLeaderError, match="record 1 was written by somebody else"):
        await second.append(b"mine", expected=0, record_id="other")
    await write(first, 1, after=1)
    with pytest.raises(NotLeaderError):
        await second.append(b"mine", expected=1, record_id="other-2")
    assert len(await read(second)) == 2


async def test_of_many_racing_writers_exactly_one_wins(open_journal: OpenJournal) -> None:
    journals = [await open_journal() for _ in range(4)]
    results = await asyncio.gather(
        *(
            journal.append(f"writer {index}".encode(), expected=0, record_id=f"w{index}")
            for index, journal in enumerate(journals)
        ),
        return_exceptions=True,
    )
    assert sorted(map(repr, results)).count("1") == 1
    assert sum(isinstance(result, NotLeaderError) for result in results) == 3
    winner = results.index(1)
    assert await read(journals[0]) == [(1, f"writer {winner}".encode())]


async def test_a_record_cannot_be_placed_behind_one_that_is_not_there(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    with pytest.raises(NotLeaderError):
        await journal.append(b"x", expected=5, record_id="r6")
    assert await read(journal) == []


async def test_repeating_an_append_gives_the_first_sequence_and_stores_nothing(
    open_journal: OpenJournal,
) -> None:
    journal = await open_journal()
    written = await write(journal, 2)
    for _ in range(3):
        assert await journal.append(written[1][1], expected=1, record_id="r2") == 2
    assert await read(journal) == written


async def test_repeating_an_append_that_others_followed_still_gives_its_sequence(
    open_journal: OpenJournal,
) -> None:
    journal, rival = await open_journal(), await open_journal()
    written = await write(journal, 1)
    written += await write(rival, 3, after=1)
    assert await journal.append(written[0][1], expected=0, record_id="r1") == 1
    assert await read(journal) == written


async def test_a_replay_ends_with_the_last_record_at_its_beginning(open_journal: OpenJournal) -> None:
    reader, writer = await open_journal(), await open_journal()
    written = await write(writer, MANY)
    seen = []
    async for entry in reader.replay():
        seen.append((entry.sequence, entry.payload))
        if entry.sequence in (1, 70, MANY - 1):
            await write(writer, 1, after=MANY + len([s for s in (1, 70, MANY - 1) if s < entry.sequence]))
    assert seen == written
    assert len(await read(reader)) == MANY + 3


async def test_a_replay_may_be_left_early(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    written = await write(journal, 5)
    replay = journal.replay()
    assert (await anext(replay)).sequence == 1
    await replay.aclose()
    assert await read(journal) == written
