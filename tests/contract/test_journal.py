"""What every journal does, in memory and on JetStream alike."""

from __future__ import annotations

import asyncio

import pytest

from coordination.runtime.errors import NotLeaderError, UsageError
from coordination.runtime.journal import Journal
from tests.contract.conftest import OpenJournal

MANY = 520
"""More than two pages of a replay."""
IN_FLIGHT = 4


async def read(journal: Journal, *, after: int = 0) -> list[tuple[int, bytes]]:
    return [(entry.sequence, entry.payload) async for entry in journal.replay(after)]


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


@pytest.mark.parametrize("count", [1, 2, 256, 257, MANY])
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
    assert await second.append(b"mine", expected=2, record_id="other-3") == 3, "it has read again"


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
    async for entry in reader.replay(0):
        seen.append((entry.sequence, entry.payload))
        if entry.sequence in (1, 70, MANY - 1):
            await write(writer, 1, after=MANY + len([s for s in (1, 70, MANY - 1) if s < entry.sequence]))
    assert seen == written
    assert len(await read(reader)) == MANY + 3


async def test_a_replay_may_be_left_early(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    written = await write(journal, 5)
    replay = journal.replay(0)
    assert (await anext(replay)).sequence == 1
    await replay.aclose()
    assert await read(journal) == written


async def test_a_replay_begins_behind_the_record_it_is_told(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    written = await write(journal, 5)
    for after in range(6):
        assert await read(journal, after=after) == written[after:]


async def test_appends_may_overtake_their_acknowledgements(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for begin in range(0, 40, IN_FLIGHT):
        sequences = await asyncio.gather(
            *(
                journal.append(b"%d" % index, expected=index, record_id=f"r{index + 1}")
                for index in range(begin, begin + IN_FLIGHT)
            )
        )
        assert sequences == list(range(begin + 1, begin + IN_FLIGHT + 1))
    assert await read(journal) == [(index + 1, b"%d" % index) for index in range(40)]


async def test_of_two_pipelining_writers_all_or_nothing_of_each_is_stored(open_journal: OpenJournal) -> None:
    writers = [await open_journal(), await open_journal()]
    results = await asyncio.gather(
        *(
            writer.append(name.encode(), expected=index, record_id=f"{name}{index}")
            for index in range(IN_FLIGHT)
            for name, writer in zip("ab", writers, strict=True)
        ),
        return_exceptions=True,
    )
    of_each = [results[0::2], results[1::2]]
    assert [1, 2, 3, 4] in of_each
    lost = of_each[1 - of_each.index([1, 2, 3, 4])]
    assert [type(result) for result in lost] == [NotLeaderError] * IN_FLIGHT
    assert len({payload for _, payload in await read(writers[0])}) == 1


async def test_who_lost_a_record_must_read_before_appending_again(open_journal: OpenJournal) -> None:
    journal, rival = await open_journal(), await open_journal()
    await write(rival, 1)
    with pytest.raises(NotLeaderError):
        await journal.append(b"mine", expected=0, record_id="mine-1")
    with pytest.raises(NotLeaderError):
        await journal.append(b"behind the rival's", expected=1, record_id="mine-2")
    assert len(await journal.follow(0, timeout_s=20)) == 1
    assert await journal.append(b"mine", expected=1, record_id="mine-3") == 2


async def test_a_record_that_is_too_large_ends_those_behind_it(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    payloads = [b"x", b"x" * (1024 * 1024 + 1), b"y"]
    results = await asyncio.gather(
        *(
            journal.append(payload, expected=index, record_id=f"r{index + 1}")
            for index, payload in enumerate(payloads)
        ),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert [type(result) for result in results[1:]] == [UsageError, UsageError]
    assert await read(journal) == [(1, b"x")]


async def test_following_gives_what_is_there_at_once(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await write(journal, 3)
    for after in range(3):
        entries = await journal.follow(after, timeout_s=0)
        assert [entry.sequence for entry in entries] == list(range(after + 1, 4))


async def test_following_gives_nothing_when_nothing_comes(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    written = await write(journal, 1)
    assert await journal.follow(len(written), timeout_s=0.01) == []


async def test_who_follows_hears_of_every_record(open_journal: OpenJournal) -> None:
    follower, writer = await open_journal(), await open_journal()
    heard: list[int] = []

    async def follow() -> None:
        while len(heard) < 30:
            after = len(heard)
            heard.extend(entry.sequence for entry in await follower.follow(after, timeout_s=60))

    async with asyncio.TaskGroup() as group, asyncio.timeout(30):
        group.create_task(follow())
        for index in range(30):
            await writer.append(b"x", expected=index, record_id=f"r{index + 1}")
    assert heard == list(range(1, 31))


async def test_a_follower_can_take_over_the_writing(open_journal: OpenJournal) -> None:
    first, second = await open_journal(), await open_journal()
    await write(first, 2)
    after = (await second.follow(0, timeout_s=20))[-1].sequence
    assert await second.follow(after, timeout_s=0.01) == []
    assert await second.append(b"mine", expected=2, record_id="second-1") == 3
    assert await second.append(b"mine", expected=3, record_id="second-2") == 4
    with pytest.raises(NotLeaderError):
        await first.append(b"x", expected=2, record_id="r3")
    assert [entry.sequence for entry in await first.follow(2, timeout_s=20)] == [3, 4]


async def test_the_last_sequence_can_be_asked_for(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    assert await journal.last_sequence() == 0
    await write(journal, 3)
    assert await journal.last_sequence() == 3
