"""A journal on the real server: what it leaves there, what it outlives, what it refuses to open."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from nats.js.api import RePublish, StreamConfig

from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.carrying import as_if_alone
from coordination.runtime.errors import CorruptJournalError, NotLeaderError, UsageError
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.jetstream_streams import SHARDS_KEY
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.names import Subjects
from coordination.runtime.store import Carried, Pointer, SnapshotRef
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until

CYCLES = 20
_PERMISSIONS_OF_AN_EARLIER_VERSION = """
authorization { users: [{
  user: toy, password: toy, permissions: { publish: { allow: ">", deny: "conclave.journal.toy.0.*.*" } }
}] }
no_auth_user: toy
"""


async def write(journal: Journal, count: int) -> None:
    """Append records behind the last one."""
    last = await journal.last_sequence()
    for index in range(last, last + count):
        await journal.append(b"%d" % (index + 1), expected=index, record_id=f"r{index + 1}")


async def consumer_count(bus: NatsBus, subjects: Subjects) -> int:
    """Consumers of every stream of the deployment."""
    streams = await bus.jetstream().streams_info()
    mine = [each for each in streams if subjects.prefix in str(each.config.name)]
    assert len(mine) == 3
    return sum(each.state.consumer_count for each in mine)


def subscription_count(server: RealServer) -> int:
    """Subscriptions of all clients, as the server counts them."""
    return sum(each["subscriptions"] for each in server.connections())


@pytest.fixture
async def two(own_server: RealServer) -> AsyncIterator[list[NatsBus]]:
    """Two connections to a server of the test's own."""
    async with contextlib.AsyncExitStack() as stack:
        buses = []
        for _ in range(2):
            buses.append(await NatsBus.connect(own_server.url, agent="toy"))
            stack.push_async_callback(buses[-1].close)
        yield buses


async def test_reading_and_saving_leave_nothing_on_the_server(
    own_server: RealServer, two: list[NatsBus], subjects: Subjects
) -> None:
    leader, standby = two
    store, other = [JetStreamStore(bus, subjects=subjects, service="toy") for bus in (leader, standby)]
    writer, reader = Journal(store), Journal(other)

    async def cycle() -> None:
        await write(writer, 3)
        last = await writer.last_sequence()
        await writer.save(Snapshot(sequence=last, epoch=1, payload=b"s" * 300_000))
        loaded = await reader.load()
        assert loaded is not None
        assert [entry.sequence async for entry in reader.replay(last - 1)] == [last]
        assert len(await reader.follow(last - 1, timeout_s=20)) == 1
        assert await reader.follow(last, timeout_s=0.01) == []

    await writer.open()
    await reader.open()
    await cycle()
    assert await consumer_count(leader, subjects) == 0  # asking subscribes to the answers
    before = subscription_count(own_server), len(await store.snapshot_names())
    for _ in range(CYCLES):
        await cycle()
    assert await consumer_count(leader, subjects) == 0
    assert len(await store.snapshot_names()) == before[1] + 1, "the newest and the one before"
    await wait_until(lambda: subscription_count(own_server) == before[0])
    await reader.close()
    await wait_until(lambda: subscription_count(own_server) == before[0] - 2)


async def test_who_writes_does_not_hear_its_own_records(
    own_server: RealServer, two: list[NatsBus], subjects: Subjects
) -> None:
    journal = Journal(JetStreamStore(two[0], subjects=subjects, service="toy"))
    await journal.open()
    alone = subscription_count(own_server)
    assert await journal.follow(0, timeout_s=0.01) == []
    await wait_until(lambda: subscription_count(own_server) == alone + 2)
    await write(journal, 1)
    await wait_until(lambda: subscription_count(own_server) == alone)


async def test_what_a_record_carries_is_handed_over_when_it_is_stored_and_not_if_it_is_refused(
    connect: Connect, subjects: Subjects
) -> None:
    writer, standby, ann = await connect("toy"), await connect("toy"), await connect("ann")
    heard: asyncio.Queue[Delivery] = asyncio.Queue()

    async def hear(delivery: Delivery) -> None:
        heard.put_nowait(delivery)

    await ann.subscribe(subjects.carried("ann"), hear)
    await ann.flush()
    store = JetStreamStore(writer, subjects=subjects, service="toy")
    journal = Journal(store)
    follower = Journal(JetStreamStore(standby, subjects=subjects, service="toy"))
    await journal.open()
    await write(journal, 1)
    assert len(await follower.follow(0, timeout_s=5)) == 1
    following = asyncio.create_task(follower.follow(1, timeout_s=20))
    ended = asyncio.Event()
    carried = Carried("ann", "task", '{"text":"\u00fc: \u2028"}'.encode())
    stored = journal.send(b"secret", expected=1, record_id="r2", on_end=ended.set, carried=carried)
    await ended.wait()
    assert stored.result() == 2
    assert not stored.was_repeated
    ended.clear()
    refused = journal.send(b"late", expected=0, record_id="late", on_end=ended.set, carried=carried)
    await ended.wait()
    with pytest.raises(NotLeaderError):
        refused.result()
    assert refused.was_repeated
    await write(follower, 1)
    assert [entry.payload for entry in await following][:1] == [b"secret"], "it hears of such records, too"
    assert [entry.sequence async for entry in journal.replay(0)] == [1, 2, 3]
    push = await heard.get()
    alone = as_if_alone(push)
    assert (alone.subject, alone.payload) == (subjects.inbox("ann", "task"), carried.body)
    assert push.headers["Nats-Sequence"] == "2"
    assert push.payload == b"", "the record is not for agents"
    own = subjects.journal_for("toy", 0, "ann", 2)
    assert push.headers["Nats-Subject"] == own, "else the server looks for the last one, and may read 8 MiB"
    await ann.flush()
    assert heard.empty()
    await follower.close()


async def test_where_the_server_knows_no_carried_pushes_records_are_stored_without(
    own_server: RealServer,
) -> None:
    own_server.kill()
    own_server.extra = _PERMISSIONS_OF_AN_EARLIER_VERSION
    own_server.start()
    bus = await NatsBus.connect(own_server.url, agent="toy")
    journal = Journal(JetStreamStore(bus, subjects=Subjects(), service="toy"))
    await journal.open()
    carries = [journal.carries_pushes]
    ended = asyncio.Event()
    carried = Carried("ann", "task", b"{}")
    append = journal.send(b"1", expected=0, record_id="r1", on_end=ended.set, carried=carried)
    async with asyncio.timeout(10):
        await ended.wait()
    assert append.result() == 1
    assert append.was_repeated, "who sent it sends the push itself"
    carries.append(journal.carries_pushes)
    assert carries == [True, False]
    await bus.close()


@pytest.mark.parametrize("carries", [False, True], ids=["carries nothing", "one subject for each agent"])
async def test_a_journal_of_an_earlier_version_is_brought_up_to_date(
    connect: Connect, subjects: Subjects, *, carries: bool
) -> None:
    bus = await connect("toy")
    js = bus.jetstream()
    name, subject = subjects.journal_stream("toy", 0), subjects.journal("toy", 0)
    earlier = StreamConfig(name=name, subjects=[subject], metadata={SHARDS_KEY: "1"}, allow_direct=True)
    if carries:
        earlier.subjects = [subject, f"{subject}.*"]
        earlier.republish = RePublish(src=f"{subject}.*", dest=subjects.carried("{{wildcard(1)}}"))
    await js.add_stream(earlier)
    for record, of_agent in ((b"1", ""), (b"2", ".ann" if carries else "")):
        await js.publish(f"{subject}{of_agent}", record)
    journal = Journal(JetStreamStore(bus, subjects=subjects, service="toy"))
    await journal.open()
    ended = asyncio.Event()
    carried = Carried("ann", "task", b"{}")
    append = journal.send(b"3", expected=2, record_id="r3", on_end=ended.set, carried=carried)
    await ended.wait()
    assert append.result() == 3
    await journal.open()  # again: there is nothing to change
    await journal.append(b"4", expected=3, record_id="r4")
    assert [entry.payload async for entry in journal.replay(0)] == [b"1", b"2", b"3", b"4"]


async def test_a_follower_outlives_its_server(
    own_server: RealServer, two: list[NatsBus], subjects: Subjects
) -> None:
    journals = [Journal(JetStreamStore(bus, subjects=subjects, service="toy")) for bus in two]
    for journal in journals:
        await journal.open()
    heard: list[int] = []

    async def follow() -> None:
        while len(heard) < 6:
            entries = await journals[0].follow(len(heard), timeout_s=1)
            heard.extend(entry.sequence for entry in entries)

    async with asyncio.TaskGroup() as group, asyncio.timeout(60):
        group.create_task(follow())
        await write(journals[1], 2)
        for appended in (2, 4):
            own_server.kill()
            append = group.create_task(
                journals[1].append(b"x", expected=appended, record_id=f"r{appended + 1}")
            )
            own_server.start()
            assert await append == appended + 1
            await write(journals[1], 1)
    assert heard == [1, 2, 3, 4, 5, 6]


async def test_a_snapshot_is_an_object_that_other_tools_can_get(connect: Connect, subjects: Subjects) -> None:
    bus = await connect("toy")
    store = JetStreamStore(bus, subjects=subjects, service="toy", shard=1, shards=2)
    await store.open()
    payload = bytes(range(256)) * 2_000
    await store.put_snapshot("1.7.aa", payload)
    bucket = await bus.jetstream().object_store(f"{subjects.prefix}-snapshots-toy")
    assert (await bucket.get("1.1.7.aa")).data == payload
    assert [each.name for each in await bucket.list()] == ["1.1.7.aa"]


async def test_a_snapshot_that_lacks_a_chunk_is_not_whole(connect: Connect, subjects: Subjects) -> None:
    bus = await connect("toy")
    store = JetStreamStore(bus, subjects=subjects, service="toy")
    await store.open()
    await store.put_snapshot("1.7.aa", b"s" * 300_000)
    await bus.jetstream().delete_msg(f"OBJ_{subjects.prefix}-snapshots-toy", 2)
    assert await store.get_snapshot("1.7.aa") is None
    await bus.jetstream().purge_stream(
        f"OBJ_{subjects.prefix}-snapshots-toy", subject=f"$O.{subjects.prefix}-snapshots-toy.M.>"
    )
    assert await store.get_snapshot("1.7.aa") is None
    assert await store.snapshot_names() == ["1.7.aa"], "what is left of it can be found, and removed"


async def test_a_pointer_that_is_none_is_named_and_a_deleted_one_can_be_set_again(
    connect: Connect, subjects: Subjects
) -> None:
    bus = await connect("toy")
    store = JetStreamStore(bus, subjects=subjects, service="toy")
    await store.open()
    bucket = await bus.jetstream().key_value(f"{subjects.prefix}-pointers-toy")
    for value in (b"", b"{}", b'[{"name":"x"}]', b"\xff"):
        await bucket.put("0", value)
        with pytest.raises(CorruptJournalError, match="the pointer to its snapshots is not one"):
            await store.pointer()
    await bucket.delete("0")
    deleted = await store.pointer()
    assert deleted.snapshots == ()
    ref = SnapshotRef(name="1.7.aa", sequence=7, epoch=1, digest="00", size_bytes=1)
    await store.move_pointer(Pointer((ref,), deleted.revision))
    entry = await bucket.get("0")
    assert json.loads(entry.value or b"")[0]["sequence"] == 7


async def test_every_shard_refuses_another_number_of_shards(connect: Connect, subjects: Subjects) -> None:
    bus = await connect("toy")
    for shard in range(2):
        await JetStreamStore(bus, subjects=subjects, service="toy", shard=shard, shards=2).open()
    for shard in range(4):
        store = JetStreamStore(bus, subjects=subjects, service="toy", shard=shard, shards=4)
        with pytest.raises(UsageError, match="made for 2 shards, asked for 4"):
            await store.open()
    assert len(await bus.jetstream().streams_info()) >= 4
    with pytest.raises(UsageError, match="shard 2 is not one of 2"):
        JetStreamStore(bus, subjects=subjects, service="toy", shard=2, shards=2)


async def test_shards_are_kept_apart(connect: Connect, subjects: Subjects) -> None:
    bus = await connect("toy")
    stores = [JetStreamStore(bus, subjects=subjects, service="toy", shard=n, shards=11) for n in (1, 10)]
    for number, store in enumerate(stores):
        await store.open()
        await store.append(b"%d" % number, expected=0, record_id="r1")
        await store.put_snapshot("1.1.aa", b"of %d" % number)
    for number, store in enumerate(stores):
        assert [entry.payload for entry in await store.read(0, limit=9)] == [b"%d" % number]
        assert await store.get_snapshot("1.1.aa") == b"of %d" % number
        assert await store.snapshot_names() == ["1.1.aa"]
    await stores[0].delete_snapshot("1.1.aa")
    assert await stores[1].get_snapshot("1.1.aa") == b"of 1"


async def test_a_stream_of_the_version_before_is_taken_over(connect: Connect, subjects: Subjects) -> None:
    bus = await connect("toy")
    stream, subject = subjects.journal_stream("toy", 0), subjects.journal("toy", 0)
    await bus.jetstream().add_stream(name=stream, subjects=[subject], deny_delete=True)
    await bus.jetstream().publish(subject, b"old", headers={"Nats-Msg-Id": "r1"})
    for shard in range(2):
        store = JetStreamStore(bus, subjects=subjects, service="toy", shard=shard, shards=2)
        with pytest.raises(UsageError, match="made for 1 shards, asked for 2"):
            await store.open()
    journal = Journal(JetStreamStore(bus, subjects=subjects, service="toy"))
    for _ in range(2):
        await journal.open()
    assert [entry.payload async for entry in journal.replay(0)] == [b"old"]
    with pytest.raises(NotLeaderError):
        await journal.append(b"x", expected=0, record_id="r-other")
    config = (await bus.jetstream().stream_info(stream)).config
    assert config.allow_direct
    assert config.deny_delete
