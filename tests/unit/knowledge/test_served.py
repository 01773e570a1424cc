"""An agent's change stream over the in-memory bus: nothing skipped, nothing twice, whatever gets lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from coordination.runtime.service import Action, Call, ServiceDefinition
from knowledge import wire
from knowledge.changes import PublishedChange
from knowledge.feed import notices
from knowledge.limits import MAX_NOTICE_BYTES
from knowledge.served import Heard, ServedChanges
from tests.support.artifacts import running
from tests.support.waiting import settle, wait_until

SUBJECTS = Subjects()


class Stage:
    """A change stream and a service in the hands of a test, and followers of it."""

    def __init__(self) -> None:
        self.exchange = MemoryExchange()
        self.bus = MemoryBus(self.exchange, agent="knowledge")
        self.stream: list[PublishedChange] = []
        self.told = 0
        self.page = 3
        self.asked_count = 0

    def add(self, topic: str = "sky", size_bytes: int = 8) -> None:
        sequence = len(self.stream) + 1
        content = sequence.to_bytes(8, "big") + bytes(size_bytes - 8)
        self.stream.append(PublishedChange(sequence=sequence, topic=topic, signer="ada", content=content))

    async def tell(self, *, lose: bool = False, space: str = "main") -> None:
        """Announce what is new; or lose the notice."""
        batch, after = self.stream[self.told :], self.told
        self.told = len(self.stream)
        for topic, notice in notices(space, after, batch):
            if not lose:
                await self.send(notice.model_dump_json().encode(), topic)

    async def send(self, payload: bytes, topic: str = "sky") -> None:
        await self.bus.publish(SUBJECTS.event("knowledge", "changed", topic), payload)

    async def answer(self, _: Call, request: wire.ChangesRequest) -> wire.ChangesReply:
        self.asked_count += 1
        if request.space != "main":
            raise RejectedError("unknown_space", "no such space")
        found = self.stream[request.after : request.after + min(self.page, request.limit)]
        changes = tuple(
            wire.ChangeBody(
                sequence=each.sequence, topic=each.topic, signer=each.signer, content=each.content
            )
            for each in found
        )
        return wire.ChangesReply(changes=changes, last_sequence=len(self.stream))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        endpoint = Action(
            verb="changes",
            description="d",
            request=wire.ChangesRequest,
            reply=wire.ChangesReply,
            act=self.answer,
        )
        definition = ServiceDefinition(
            name="knowledge", version="0.0.0", description="d", endpoints=(endpoint,)
        )
        async with running(definition, Shell.of(self.bus, service="knowledge", subjects=SUBJECTS)):
            yield

    def changes(self, *, poll_s: float = 60.0, patience_s: float = 0.1, space: str = "main") -> ServedChanges:
        caller = Caller(MemoryBus(self.exchange, agent="bob"), agent="bob", patience_s=patience_s)
        return ServedChanges(caller, poll_s=poll_s, space=space)


class Follower:
    """Follows for the length of a block and remembers what it saw."""

    def __init__(self, changes: ServedChanges) -> None:
        self.changes = changes
        self.seen: list[PublishedChange] = []

    async def follow(self) -> None:
        async for batch in self.changes.follow():
            self.seen += batch

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[Follower]:
        task = asyncio.ensure_future(self.follow())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def sees(self, stage: Stage) -> None:
        await wait_until(lambda: len(self.seen) >= len(stage.stream))
        assert self.seen == stage.stream


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    async with stage.serving():
        yield stage


async def test_what_is_there_comes_in_pages_and_what_is_new_without_a_question(stage: Stage) -> None:
    for _ in range(10):
        stage.add()
    stage.told = 10
    async with Follower(stage.changes()).following() as follower:
        await follower.sees(stage)
        asked = stage.asked_count
        for topic in ("sky", "sea", "sky"):
            stage.add(topic)
            await stage.tell()
        await follower.sees(stage)
        assert stage.asked_count == asked == 4


async def test_a_lost_notice_is_made_up_for_at_the_next_one(stage: Stage) -> None:
    async with Follower(stage.changes()).following() as follower:
        stage.add()
        await wait_until(lambda: follower.seen or stage.asked_count)
        await stage.tell()
        await follower.sees(stage)
        stage.add()
        await stage.tell(lose=True)
        stage.add()
        await stage.tell()
        await follower.sees(stage)


async def test_a_lost_last_notice_is_made_up_for_by_the_poll(stage: Stage) -> None:
    async with Follower(stage.changes(poll_s=0.05)).following() as follower:
        await wait_until(lambda: stage.asked_count > 2)
        stage.add()
        await stage.tell(lose=True)
        await follower.sees(stage)


async def test_a_large_change_is_asked_for(stage: Stage) -> None:
    async with Follower(stage.changes()).following() as follower:
        await wait_until(lambda: stage.asked_count)
        for size_bytes in (8, MAX_NOTICE_BYTES + 1, 8):
            stage.add(size_bytes=size_bytes)
            await stage.tell()
        await follower.sees(stage)


@pytest.mark.parametrize("seed", range(20))
async def test_any_mixture_of_lost_doubled_and_foreign_notices_is_harmless(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    async with Follower(stage.changes(poll_s=0.05)).following() as follower:
        for _ in range(60):
            for _ in range(chance.randint(1, 4)):
                stage.add(chance.choice(("sky", "sea")), chance.choice((8, 8, 8, MAX_NOTICE_BYTES)))
            told = stage.told
            match chance.randint(0, 5):
                case 0:
                    await stage.tell(lose=True)
                case 1:
                    await stage.tell()
                    stage.told = told
                    await stage.tell()
                case 2:
                    await stage.send(chance.choice((b"noise", b"{}", b"\xff", b"")))
                case 3:
                    await stage.tell(space="other")
                case _:
                    await stage.tell()
            await settle(chance.randint(0, 30))
        await follower.sees(stage)


async def test_a_service_that_restarts_is_followed_again() -> None:
    stage = Stage()
    follower = Follower(stage.changes(poll_s=0.05))
    async with follower.following():
        await settle()
        stage.add()
        async with stage.serving():
            await follower.sees(stage)
        stage.add()
        stage.add()
        await settle()
        async with stage.serving():
            await follower.sees(stage)


async def test_a_space_that_the_service_does_not_keep_is_refused(stage: Stage) -> None:
    changes = stage.changes(space="attic")
    for ask in (changes.last_sequence, Follower(changes).follow):
        with pytest.raises(RejectedError) as refused:
            await ask()
        assert refused.value.code == "unknown_space"


async def test_changes_out_of_order_are_the_services_fault(stage: Stage) -> None:
    stage.add()
    stage.add()
    stage.stream.reverse()
    with pytest.raises(PeerProtocolError, match="out of order"):
        await Follower(stage.changes()).follow()


async def test_an_ended_follower_listens_no_more(stage: Stage) -> None:
    changes = stage.changes()
    before = len(stage.exchange._wildcard)
    async with Follower(changes).following():
        await wait_until(lambda: len(stage.exchange._wildcard) == before + 1)
    assert len(stage.exchange._wildcard) == before


async def test_a_replica_far_behind_keeps_no_more_notices_than_it_may() -> None:
    heard = Heard("main", max_bytes=1000)
    stage = Stage()
    for _ in range(50):
        stage.add()
    for _, notice in notices("main", 0, stage.stream):
        for _ in range(20):
            await heard.hear(Delivery(subject="s", payload=notice.model_dump_json().encode()))
    assert heard._size_bytes <= 1000
    assert await heard.following(0, timeout_s=5) is None
    assert await heard.following(0, timeout_s=0) is None


async def test_a_change_is_handed_over_again_until_the_service_has_stored_it() -> None:
    heard: list[tuple[str, wire.PublishRequest]] = []

    async def store(call: Call, request: wire.PublishRequest) -> wire.PublishReply:
        heard.append((call.caller, request))
        if len(heard) < 3:
            raise RejectedError("unavailable", "the stream does not answer", retryable=True)
        return wire.PublishReply()

    stage = Stage()
    endpoint = Action(
        verb="publish",
        description="d",
        request=wire.PublishRequest,
        reply=wire.PublishReply,
        act=store,
    )
    definition = ServiceDefinition(name="knowledge", version="0.0.0", description="d", endpoints=(endpoint,))
    async with running(definition, Shell.of(stage.bus, service="knowledge", subjects=SUBJECTS)):
        await stage.changes(patience_s=20).publish("sky", "bob", b"change")
    assert heard == [("bob", wire.PublishRequest(topic="sky", content=b"change"))] * 3


async def test_a_change_that_nobody_stores_is_not_taken_for_stored() -> None:
    with pytest.raises(UnavailableError):
        await Stage().changes(patience_s=0).publish("sky", "bob", b"change")
