"""The artifact store on the real server: readable by any object store client, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from coordination.artifacts import store as store_module
from coordination.artifacts import wire
from coordination.artifacts.client import ArtifactsClient
from coordination.artifacts.limits import CHUNK_BYTES, MAX_ARTIFACT_BYTES
from coordination.artifacts.service import NAME, define
from coordination.artifacts.store import ObjectBucket
from coordination.artifacts.uploads import Upload
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError, RejectedError
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from tests.support.artifacts import content_of, running
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until

SIZES = (0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 40 * CHUNK_BYTES + 3)


@pytest.fixture
async def service_bus(connect: Connect, subjects: Subjects) -> AsyncIterator[NatsBus]:
    """The connection of a service that runs for the length of the test."""
    bus = await connect(NAME)
    shell = Shell.of(bus, service=NAME, subjects=subjects)
    async with running(define(shell, bus), shell):
        yield bus


@pytest.fixture
async def client(service_bus: NatsBus, connect: Connect, subjects: Subjects) -> ArtifactsClient:
    return ArtifactsClient(Caller(await connect("ada"), agent="ada", subjects=subjects))


async def consumers_of(bus: NatsBus, stream: str) -> int:
    return (await bus.jetstream().stream_info(stream)).state.consumer_count


@pytest.mark.parametrize("size_bytes", SIZES)
async def test_what_was_put_is_got_and_leaves_neither_consumer_nor_chunk(
    client: ArtifactsClient, service_bus: NatsBus, subjects: Subjects, size_bytes: int
) -> None:
    digest, content = content_of(size_bytes)
    assert await client.put(content) == await client.put(content) == digest
    assert await client.get(digest) == content
    assert await consumers_of(service_bus, f"OBJ_{subjects.prefix}-artifacts") == 0
    if size_bytes > CHUNK_BYTES:
        stage = await service_bus.jetstream().stream_info(f"{subjects.prefix}-uploads")
        assert (stage.state.messages, stage.state.consumer_count) == (0, 0)


async def test_the_largest_artifact_passes(client: ArtifactsClient) -> None:
    digest, content = content_of(MAX_ARTIFACT_BYTES)
    await client.put(content)
    assert await client.get(digest) == content


@pytest.mark.parametrize("size_bytes", SIZES)
async def test_any_object_store_client_reads_and_writes_the_same_artifacts(
    client: ArtifactsClient, connect: Connect, subjects: Subjects, size_bytes: int
) -> None:
    """What an earlier version stored, through nats-py's own object store, stays readable."""
    js = (await connect("old")).jetstream()
    bucket = await js.create_object_store(f"{subjects.prefix}-artifacts")
    old, content = content_of(size_bytes, 1)
    await bucket.put(old, content)
    assert await client.get(old) == content
    new, content = content_of(size_bytes, 2)
    await client.put(content)
    assert ((await bucket.get(new)).data or b"") == content


async def test_an_object_that_is_not_what_its_name_says_is_not_given_out(
    client: ArtifactsClient, connect: Connect, subjects: Subjects
) -> None:
    js = (await connect("old")).jetstream()
    bucket = await js.create_object_store(f"{subjects.prefix}-artifacts")
    digest, content = content_of(3 * CHUNK_BYTES)
    await bucket.put(digest, content[:-1])
    with pytest.raises(PeerProtocolError, match="altered"):
        await client.get(digest)
    other, content = content_of(3 * CHUNK_BYTES, 1)
    await bucket.put(other, content)
    info = await bucket.get_info(other)
    await js.purge_stream(
        f"OBJ_{subjects.prefix}-artifacts", subject=f"$O.{subjects.prefix}-artifacts.C.{info.nuid}"
    )
    with pytest.raises(PeerProtocolError, match="altered"):
        await client.get(other)


async def test_two_processes_serve_one_upload(
    client: ArtifactsClient, connect: Connect, subjects: Subjects
) -> None:
    second = await connect(NAME)
    shell = Shell.of(second, service=NAME, subjects=subjects)
    async with running(define(shell, second), shell):
        contents = [content_of(12 * CHUNK_BYTES, seed) for seed in range(2)]
        await asyncio.gather(*(client.put(content) for _, content in contents))
        for digest, content in contents:
            assert await client.get(digest) == content


async def test_an_upload_goes_on_after_the_server_was_killed(
    own_server: RealServer, subjects: Subjects
) -> None:
    """The uncommitted chunks are gone then; what was committed is not."""
    service, agent = [await NatsBus.connect(own_server.url, agent=name) for name in (NAME, "ada")]
    shell = Shell.of(service, service=NAME, subjects=subjects)
    async with running(define(shell, service), shell):
        caller = Caller(agent, agent="ada", subjects=subjects)
        client = ArtifactsClient(caller)
        kept, kept_content = content_of(3 * CHUNK_BYTES, 1)
        await client.put(kept_content)
        digest, content = content_of(3 * CHUNK_BYTES)
        first = wire.PutRequest(sha256=digest, size_bytes=len(content), content=content[:CHUNK_BYTES])
        assert not (await caller.query(NAME, "put", first, wire.PutReply)).is_stored
        own_server.kill()
        own_server.start()
        await wait_until(lambda: service.client.is_connected and agent.client.is_connected)
        commit = wire.CommitRequest(sha256=digest, size_bytes=len(content))
        with pytest.raises(RejectedError) as refused:
            await caller.query(NAME, "commit", commit, wire.CommitReply)
        assert (refused.value.code, refused.value.details["missing"]) == ("incomplete", [0, 1, 2])
        await client.put(content)
        assert await client.get(digest) == content
        assert await client.get(kept) == kept_content
    await service.close()
    await agent.close()


async def test_a_stage_without_room_says_so_as_overloaded(
    connect: Connect, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_STAGE_BYTES", 3 * CHUNK_BYTES)
    bucket = ObjectBucket(await connect(NAME), subjects)
    digest, content = content_of(CHUNK_BYTES)
    for index in range(2):
        await bucket.stage(Upload("ada", digest), index, content)
    await bucket.stage(Upload("ada", digest), 1, content)
    with pytest.raises(RejectedError) as refused:
        await bucket.stage(Upload("ada", digest), 2, content)
    assert (refused.value.code, refused.value.retryable) == ("overloaded", True)
    assert sorted(await bucket.staged(Upload("ada", digest))) == [0, 1]
    assert await bucket.staged(Upload("bob", digest)) == {}
    await bucket.drop(Upload("ada", digest))
    await bucket.stage(Upload("ada", digest), 2, content)


async def test_a_bucket_without_room_says_so_as_store_full(connect: Connect, subjects: Subjects) -> None:
    bus = await connect(NAME)
    await bus.jetstream().create_object_store(f"{subjects.prefix}-artifacts", max_bytes=2 * CHUNK_BYTES)
    digest, content = content_of(3 * CHUNK_BYTES)
    bucket = ObjectBucket(bus, subjects)
    with pytest.raises(RejectedError) as refused:
        await bucket.write(digest, content)
    assert (refused.value.code, refused.value.retryable) == ("store_full", False)
    assert await bucket.used_bytes() < CHUNK_BYTES, "what was written of it is gone again"
