"""The artifact store over the in-memory bus: what goes in comes out, and nothing else does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coordination.artifacts import wire
from coordination.artifacts.client import ArtifactsClient
from coordination.artifacts.depot import Depot, RecentArtifacts
from coordination.artifacts.limits import CHUNK_BYTES, MAX_ARTIFACT_BYTES, MAX_CALLER_UPLOAD_BYTES
from coordination.artifacts.service import NAME, define_over
from coordination.artifacts.uploads import Upload
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError, UsageError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from tests.support.artifacts import MemoryStore, content_of, running
from tests.support.clock import ManualClock

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 10 * CHUNK_BYTES + 7)


class Bench:
    """A store, a service over it that can be restarted, and callers."""

    def __init__(self, *, max_store_bytes: int = 2**40) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.exchange = MemoryExchange()
        self.max_store_bytes = max_store_bytes

    def caller(self, agent: str = "ada", *, patience_s: float = 2.0) -> Caller:
        return Caller(MemoryBus(self.exchange, agent=agent), agent=agent, patience_s=patience_s)

    def client(self, agent: str = "ada", *, patience_s: float = 2.0) -> ArtifactsClient:
        return ArtifactsClient(self.caller(agent, patience_s=patience_s))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        bus = MemoryBus(self.exchange, agent=NAME)
        shell = Shell.of(bus, service=NAME, subjects=Subjects(), clock=self.clock)
        depot = Depot(self.store, self.clock, max_store_bytes=self.max_store_bytes)
        async with running(define_over(depot), shell):
            yield
        await bus.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with bench.serving():
        yield bench


@pytest.mark.parametrize("size_bytes", SIZES)
async def test_what_was_put_is_got_by_anybody(bench: Bench, size_bytes: int) -> None:
    digest, content = content_of(size_bytes)
    assert await bench.client().put(content) == digest
    assert await bench.client("bob").get(digest) == content
    assert (await bench.client("bob").stat(digest)).size_bytes == size_bytes
    assert bench.store.artifacts == {digest: content}
    assert bench.store.chunks == {}


async def test_the_largest_artifact_passes_and_one_byte_more_does_not(bench: Bench) -> None:
    digest, content = content_of(MAX_ARTIFACT_BYTES)
    await bench.client().put(content)
    assert await bench.client("bob").get(digest) == content
    with pytest.raises(UsageError, match="at most"):
        await bench.client().put(content + b"x")


async def test_putting_the_same_again_stores_nothing_again(bench: Bench) -> None:
    digest, content = content_of(5 * CHUNK_BYTES)
    ada, bob = bench.client(), bench.client("bob")
    assert await asyncio.gather(*(each.put(content) for each in (ada, bob, ada, bob))) == [digest] * 4
    assert bench.store.chunks == {}
    bench.store.artifacts[digest] = marked = bytes(bytearray(content))
    await ada.put(content)
    assert bench.store.artifacts[digest] is marked


async def test_many_readers_at_once_cost_one_read(bench: Bench) -> None:
    digest, content = content_of(5 * CHUNK_BYTES)
    await bench.client().put(content)
    clients = [bench.client(f"agent{number}") for number in range(20)]
    assert set(await asyncio.gather(*(client.get(digest) for client in clients))) == {content}
    assert bench.store.reads_count == 1


async def test_an_unknown_artifact_is_refused_as_such(bench: Bench) -> None:
    for ask in (bench.client().get, bench.client().stat):
        with pytest.raises(RejectedError) as refused:
            await ask("0" * 64)
        assert refused.value.code == "unknown_artifact"
        for name in ("", "0" * 63, "A" * 64, "0" * 64 + "\n"):
            with pytest.raises(UsageError):
                await ask(name)


async def test_a_service_restarted_in_the_middle_of_an_upload_goes_on_with_it() -> None:
    bench = Bench()
    digest, content = content_of(3 * CHUNK_BYTES)
    parts = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    client_caller = bench.caller()

    async def put(index: int) -> None:
        request = wire.PutRequest(sha256=digest, size_bytes=len(content), index=index, content=parts[index])
        assert not (await client_caller.query(NAME, "put", request, wire.PutReply)).is_stored

    async with bench.serving():
        await put(0)
        await put(2)
    async with bench.serving():
        await put(1)
        commit = wire.CommitRequest(sha256=digest, size_bytes=len(content))
        assert (await client_caller.query(NAME, "commit", commit, wire.CommitReply)).is_new
        assert not (await client_caller.query(NAME, "commit", commit, wire.CommitReply)).is_new
    assert bench.store.artifacts == {digest: content}


async def test_chunks_that_were_lost_are_put_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, content = content_of(4 * CHUNK_BYTES)
    real, losses = bench.store.staged, [1, 3]

    async def lossy(upload: Upload) -> dict[int, bytes]:
        while losses:
            del bench.store.chunks[upload][losses.pop()]
        return await real(upload)

    monkeypatch.setattr(bench.store, "staged", lossy)
    await bench.client().put(content)
    assert bench.store.artifacts == {digest: content}


async def test_a_store_that_loses_every_chunk_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: Upload) -> dict[int, bytes]:
        return {}

    monkeypatch.setattr(bench.store, "staged", nothing)
    with pytest.raises(UnavailableError, match="lost"):
        await bench.client().put(content_of(4 * CHUNK_BYTES)[1])
    assert bench.store.artifacts == {}


async def test_an_altered_artifact_is_never_given_out(bench: Bench) -> None:
    digest, content = content_of(2 * CHUNK_BYTES)
    bench.store.artifacts[digest] = content[:-1] + b"?"
    with pytest.raises(PeerProtocolError, match="altered"):
        await bench.client().get(digest)


async def test_a_store_that_is_away_is_said_to_be_unavailable(bench: Bench) -> None:
    bench.store.is_away = True
    client = bench.client(patience_s=0.2)
    for work in (client.put(b"x"), client.get("0" * 64)):
        with pytest.raises(RejectedError) as refused:
            await work
        assert (refused.value.code, refused.value.retryable) == ("unavailable", True)


async def test_a_full_store_refuses_and_still_gives_out() -> None:
    bench = Bench(max_store_bytes=3 * CHUNK_BYTES)
    async with bench.serving():
        digest, content = content_of(2 * CHUNK_BYTES)
        await bench.client().put(content)
        for size_bytes in (CHUNK_BYTES + 1, 4 * CHUNK_BYTES):
            with pytest.raises(RejectedError) as refused:
                await bench.client().put(content_of(size_bytes, 1)[1])
            assert (refused.value.code, refused.value.retryable) == ("store_full", False)
        assert await bench.client().put(content) == digest, "it is here already"
        assert await bench.client().get(digest) == content


async def test_one_agents_unfinished_uploads_leave_room_for_others(bench: Bench) -> None:
    ada = bench.caller(patience_s=0.2)

    async def begin(number: int) -> None:
        digest, content = content_of(CHUNK_BYTES, number)
        request = wire.PutRequest(sha256=digest, size_bytes=MAX_ARTIFACT_BYTES, content=content)
        await ada.query(NAME, "put", request, wire.PutReply)

    for number in range(MAX_CALLER_UPLOAD_BYTES // MAX_ARTIFACT_BYTES):
        await begin(number)
    with pytest.raises(RejectedError) as refused:
        await begin(99)
    assert (refused.value.code, refused.value.retryable) == ("overloaded", True)
    await bench.client("bob").put(content_of(2 * CHUNK_BYTES)[1])
    bench.clock.advance(121_000)
    await begin(99)


DIGEST, CONTENT = content_of(CHUNK_BYTES + 5)
FIRST = base64.b64encode(CONTENT[:CHUNK_BYTES]).decode()
LAST = base64.b64encode(CONTENT[CHUNK_BYTES:]).decode()
WHOLE = {"sha256": DIGEST, "size_bytes": len(CONTENT)}


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("put", {**WHOLE, "sha256": DIGEST.upper(), "content": FIRST}, "invalid_request"),
        ("put", {**WHOLE, "sha256": "../" + DIGEST[3:], "content": FIRST}, "invalid_request"),
        ("put", {**WHOLE, "size_bytes": MAX_ARTIFACT_BYTES + 1, "content": FIRST}, "invalid_request"),
        ("put", {**WHOLE, "size_bytes": -1, "content": FIRST}, "invalid_request"),
        ("put", {**WHOLE, "index": -1, "content": FIRST}, "invalid_request"),
        ("put", {**WHOLE, "index": 128, "content": FIRST}, "invalid_request"),
        ("put", {**WHOLE, "content": "not base64!"}, "invalid_request"),
        ("put", {**WHOLE, "content": FIRST[:-1]}, "invalid_request"),
        ("put", {**WHOLE, "content": [1, 2]}, "invalid_request"),
        ("put", WHOLE, "invalid_request"),
        ("put", {**WHOLE, "content": LAST}, "invalid_chunk"),
        ("put", {**WHOLE, "index": 1, "content": FIRST}, "invalid_chunk"),
        ("put", {**WHOLE, "index": 2, "content": ""}, "invalid_chunk"),
        ("put", {"sha256": DIGEST, "size_bytes": 5, "content": LAST}, "digest_mismatch"),
        ("put", {"sha256": DIGEST, "size_bytes": 0, "content": ""}, "digest_mismatch"),
        ("put", {**WHOLE, "content": "A" * 262144}, "too_large"),
        ("commit", WHOLE, "incomplete"),
        ("get", {"sha256": DIGEST}, "unknown_artifact"),
        ("get", {"sha256": "x"}, "invalid_request"),
        ("stat", {"sha256": DIGEST}, "unknown_artifact"),
        ("list", {}, "unknown_verb"),
    ],
)
async def test_bad_input_is_refused_with_its_reason_and_stores_nothing(
    bench: Bench, verb: str, body: dict[str, Any], code: str
) -> None:
    bus = MemoryBus(bench.exchange, agent="ada")
    subject = Subjects().call(NAME, verb, "ada")
    answer = await bus.request(subject, json.dumps(body).encode(), timeout_s=5)
    assert answer.headers["Nats-Service-Error-Code"] == code, answer.payload[:300]
    assert bench.store.artifacts == {}
    assert bench.store.chunks == {}
    await bus.close()


async def test_chunks_that_do_not_make_the_artifact_are_refused_whole_and_dropped(bench: Bench) -> None:
    caller = bench.caller()
    size_bytes = 2 * CHUNK_BYTES
    for index in range(2):
        request = wire.PutRequest(
            sha256=DIGEST, size_bytes=size_bytes, index=index, content=bytes(CHUNK_BYTES)
        )
        await caller.query(NAME, "put", request, wire.PutReply)
    commit = wire.CommitRequest(sha256=DIGEST, size_bytes=size_bytes)
    with pytest.raises(RejectedError) as refused:
        await caller.query(NAME, "commit", commit, wire.CommitReply)
    assert refused.value.code == "digest_mismatch"
    assert bench.store.artifacts == {}
    assert bench.store.chunks == {}


async def test_a_stored_artifact_is_not_to_be_had_under_another_size(bench: Bench) -> None:
    await bench.client().put(CONTENT)
    caller = bench.caller()
    with pytest.raises(RejectedError) as refused:
        await caller.query(NAME, "commit", wire.CommitRequest(sha256=DIGEST, size_bytes=7), wire.CommitReply)
    assert refused.value.code == "digest_mismatch"
    with pytest.raises(RejectedError) as refused:
        await caller.query(NAME, "get", wire.GetRequest(sha256=DIGEST, index=2), wire.GetReply)
    assert refused.value.code == "unknown_chunk"


def test_the_artifact_read_longest_ago_makes_room() -> None:
    recent = RecentArtifacts(max_bytes=10)
    recent.add("a", b"aaaa")
    recent.add("b", b"bbbb")
    assert recent.get("a") == b"aaaa"
    recent.add("c", b"cccc")
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (b"aaaa", None, b"cccc")
    recent.add("d", b"d" * 11)
    assert [recent.get(name) for name in "acd"] == [None, None, None]
