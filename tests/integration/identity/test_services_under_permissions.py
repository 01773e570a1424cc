"""Every service does its whole work under its own permissions, and none reaches into another's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from conclave import Agent, connect
from conclave.deployment import SERVICES, deployed
from conclave.embedded import EmbeddedServer
from conclave.identity import SERVICE_NAMES
from coordination.runtime.bus import NatsBus
from coordination.runtime.credentials import Credentials
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.names import Subjects
from tests.support.raw_client import RawClient, raw_client

DIGEST = "ab" * 32


@pytest.fixture
async def conclave(secured: EmbeddedServer) -> AsyncIterator[EmbeddedServer]:
    """The server with all services on it."""
    async with deployed(secured.url, credentials=secured.credentials):
        yield secured


def refused_by_the_server(server: EmbeddedServer) -> list[str]:
    """The lines of the server's log that speak of a refused subject."""
    log = (server.store / "nats-server.log").read_text(encoding="utf-8")
    return [line for line in log.splitlines() if "Violation" in line]


def test_every_service_has_a_user() -> None:
    assert set(SERVICES) == set(SERVICE_NAMES)


@pytest.mark.parametrize("service", SERVICE_NAMES)
async def test_a_service_keeps_its_journal_and_its_snapshots(secured: EmbeddedServer, service: str) -> None:
    bus = await NatsBus.connect(secured.url, agent=service, credentials=secured.credentials[service])
    try:
        for shard in range(2):
            store = JetStreamStore(bus, subjects=Subjects(), service=service, shard=shard, shards=2)
            journal = Journal(store)
            await journal.open()
            for number in range(3):
                record = f"{service}-{shard}-{number}"
                assert await journal.append(b"event", expected=number, record_id=record) == number + 1
            assert [entry.sequence async for entry in journal.replay(0)] == [1, 2, 3]
            for sequence in (1, 2, 3):
                await journal.save(Snapshot(sequence=sequence, epoch=1, payload=b"x" * 300_000))
            loaded = await journal.load()
            assert loaded is not None
            assert (loaded.sequence, len(loaded.payload)) == (3, 300_000)
            assert [entry.sequence for entry in await journal.follow(2, timeout_s=5)] == [3]
            assert await journal.follow(3, timeout_s=0.01) == []
            await journal.close()
    finally:
        await bus.close()
    assert refused_by_the_server(secured) == []


async def test_all_services_do_all_their_work(conclave: EmbeddedServer) -> None:
    keys = conclave.identities.directory
    worker = Agent("ada")

    @worker.task("greeting")
    async def greet(name: str) -> dict[str, str]:
        return {"text": f"hello {name}"}

    async with (
        worker.running(conclave.url, credentials=keys) as ada,
        connect(conclave.url, agent="mallory", credentials=keys) as guest,
    ):
        results: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(delivery: object) -> None:
            results.put_nowait(getattr(delivery, "payload", b""))

        await guest.bus.subscribe(guest.subjects.inbox("mallory", "result"), take)
        await guest.bus.flush()
        await guest.tasks.submit("greeting", {"name": "world"})
        async with asyncio.timeout(30):
            assert json.loads(await results.get())["result"] == {"text": "hello world"}
        talk = await guest.dialog.open("Well?", ["ada"])
        await ada.dialog.say(talk.conversation_id, "Well.")
        assert len((await guest.dialog.history(talk.conversation_id)).messages) == 1
        vote = await guest.consensus.propose("Go", artifact_sha256=DIGEST, electorate=["ada"])
        await ada.consensus.vote(vote.proposal_id, "for")
        assert (await guest.consensus.decision(vote.proposal_id, timeout_s=10)).status == "succeeded"
        await ada.knowledge.assert_fact("places", "lisbon", "country", "Portugal")
        assert len((await guest.knowledge.query("places")).facts) == 1
        content = b"x" * 700_000
        assert await guest.artifacts.get(await ada.artifacts.put(content)) == content
    assert refused_by_the_server(conclave) == []


@pytest.fixture
async def dialog(conclave: EmbeddedServer) -> AsyncIterator[RawClient]:
    """Somebody who has taken the dialog service's credential."""
    async with raw_client(conclave.url, conclave.credentials["dialog"], inbox="_INBOX_dialog") as client:
        yield client


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.journal.consensus.0",
        "conclave.event.consensus.closed.1",
        "conclave.shard.consensus.0.vote.ada",
        "conclave.call.consensus.vote.ada",
        "conclave.call.consensus.vote.operator",
        "conclave.change.main.places.ada",
        "conclave.presence.ada",
        "_INBOX_ada.forged",
        "$KV.conclave-pointers-consensus.0",
        "$O.conclave-snapshots-consensus.C.0",
        "$O.conclave-artifacts.C.0",
        "$JS.API.STREAM.INFO.conclave-journal-consensus-0",
        "$JS.API.STREAM.PURGE.conclave-journal-consensus-0",
        "$JS.API.STREAM.DELETE.conclave-journal-dialog-0",
        "$JS.API.STREAM.MSG.DELETE.conclave-journal-dialog-0",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.CREATE.spy",
        "$JS.API.CONSUMER.CREATE.conclave-journal-dialog-0",
    ],
)
async def test_a_service_cannot_publish_what_is_not_its_own(dialog: RawClient, subject: str) -> None:
    assert await dialog.refuses_to_publish(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.call.consensus.*.*",
        "conclave.journal.consensus.0",
        "conclave.inbox.ada.>",
        "_INBOX_ada.>",
        "conclave.>",
        "$JS.API.>",
        ">",
    ],
)
async def test_a_service_cannot_listen_to_what_is_not_its_own(dialog: RawClient, subject: str) -> None:
    assert await dialog.refuses_to_subscribe(subject)


async def test_a_service_answers_once_and_only_what_it_was_asked(secured: EmbeddedServer) -> None:
    ada = Credentials.read(secured.identities.path("ada"))
    async with (
        raw_client(secured.url, secured.credentials["dialog"], inbox="_INBOX_dialog") as service,
        raw_client(secured.url, ada, inbox="_INBOX_ada") as client,
    ):
        requests = await service.hear("conclave.call.dialog.*.*")
        answers = await client.hear("_INBOX_ada.>")
        assert await service.refuses_to_publish("_INBOX_ada.1")
        service.denied.clear()
        await client.client.publish("conclave.call.dialog.get.ada", b"{}", reply="_INBOX_ada.1")
        async with asyncio.timeout(10):
            request = await requests.get()
        await request.respond(b"first")
        async with asyncio.timeout(10):
            assert (await answers.get()).data == b"first"
        await request.respond(b"second")
        assert await service.is_denied("publish", "_INBOX_ada.1")
        assert answers.empty()
