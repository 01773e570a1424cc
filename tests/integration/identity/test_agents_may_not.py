"""What an agent with a real credential tries on the real server, and is refused. One attempt each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import nats.errors
import pytest

from conclave.embedded import EmbeddedServer
from conclave.identity import OPERATOR
from coordination.runtime.credentials import Credentials
from tests.support.raw_client import RawClient, is_let_in, raw_client

JOURNAL = "conclave-journal-consensus-0"


@pytest.fixture
async def mallory(secured: EmbeddedServer) -> AsyncIterator[RawClient]:
    """An agent with a credential of its own and bad intentions."""
    credentials = Credentials.read(secured.identities.path("mallory"))
    async with raw_client(secured.url, credentials, inbox="_INBOX_mallory") as client:
        yield client


@pytest.fixture
async def operator(secured: EmbeddedServer) -> AsyncIterator[RawClient]:
    """Sees and does everything; keeps a stream as the consensus service does."""
    credentials = Credentials.read(secured.identities.path(OPERATOR))
    async with raw_client(secured.url, credentials) as client:
        js = client.client.jetstream()
        await js.add_stream(name=JOURNAL, subjects=["conclave.journal.consensus.0"])
        await js.publish("conclave.journal.consensus.0", b"a record")
        yield client


async def test_an_agent_says_what_is_its_own(mallory: RawClient, operator: RawClient) -> None:
    """The twin of every refusal below: were all refused, those would prove nothing."""
    heard = await operator.hear("conclave.>")
    for subject in (
        "conclave.call.consensus.vote.mallory",
        "conclave.presence.mallory",
    ):
        assert not await mallory.refuses_to_publish(subject)
        assert (await heard.get()).subject == subject
    for subject in ("_INBOX_mallory.>", "conclave.inbox.mallory.>", "conclave.event.>"):
        assert not await mallory.refuses_to_subscribe(subject)
    assert mallory.denied == []


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.call.consensus.vote.ada",
        "conclave.call.tasks.complete.tasks",
        "conclave.call.registry.deregister.operator",
        "conclave.call.consensus.vote.x.mallory",
        "conclave.presence.ada",
        "conclave.change.main.places.ada",
        "conclave.change.main.places.knowledge",
    ],
)
async def test_an_agent_cannot_speak_as_another(
    mallory: RawClient, operator: RawClient, subject: str
) -> None:
    heard = await operator.hear(subject)
    assert await mallory.refuses_to_publish(subject)
    await operator.client.flush()
    assert heard.empty()


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.inbox.ada.task",
        "conclave.inbox.mallory.task",
        "conclave.inbox.mallory.carried",
        "_INBOX_ada.forged",
        "_INBOX.forged",
        "conclave.event.consensus.closed.1",
        "conclave.journal.consensus.0",
        "conclave.journal.consensus.0.mallory.1",
        "conclave.change.main.places.mallory",
        "conclave.upload.mallory.digest.0",
        "conclave.shard.consensus.0.vote.ada",
        "conclave.shard.consensus.0.vote.mallory",
        "$SRV.PING",
        "$SYS.REQ.SERVER.PING",
    ],
)
async def test_an_agent_cannot_speak_as_a_service(
    mallory: RawClient, operator: RawClient, subject: str
) -> None:
    assert await mallory.refuses_to_publish(subject)
    assert (await operator.client.jetstream().stream_info(JOURNAL)).state.messages == 1


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.inbox.ada.task",
        "conclave.inbox.ada.>",
        "conclave.inbox.*.task",
        "_INBOX_ada.>",
        "_INBOX_ada.reply",
        "_INBOX.>",
        "_INBOX_consensus.>",
        "conclave.call.consensus.*.*",
        "conclave.call.>",
        "conclave.shard.>",
        "conclave.journal.consensus.0",
        "conclave.journal.consensus.0.mallory.1",
        "conclave.presence.*",
        "conclave.change.main.places.ada",
        "conclave.>",
        "*.event.>",
        "$SRV.PING",
        "$SRV.>",
        "$JS.EVENT.>",
        "$SYS.>",
        "*.>",
        ">",
    ],
)
async def test_an_agent_cannot_listen_to(mallory: RawClient, subject: str) -> None:
    assert await mallory.refuses_to_subscribe(subject)


async def test_an_agent_cannot_listen_in_a_queue_group_of_services(mallory: RawClient) -> None:
    await mallory.client.subscribe("conclave.call.consensus.*.*", queue="conclave-consensus")
    assert await mallory.is_denied("subscription", "conclave.call.consensus.*.*")


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("INFO", b""),
        ("STREAM.NAMES", b""),
        ("STREAM.LIST", b""),
        (f"STREAM.INFO.{JOURNAL}", b""),
        (f"STREAM.MSG.GET.{JOURNAL}", b'{"seq": 1}'),
        (f"DIRECT.GET.{JOURNAL}", b'{"seq": 1}'),
        (f"STREAM.MSG.DELETE.{JOURNAL}", b'{"seq": 1}'),
        (f"STREAM.PURGE.{JOURNAL}", b""),
        (f"STREAM.DELETE.{JOURNAL}", b""),
        ("STREAM.CREATE.mine", b'{"name": "mine", "subjects": ["conclave.call.>"]}'),
        (f"CONSUMER.CREATE.{JOURNAL}", b"{}"),
    ],
)
async def test_an_agent_cannot_use_the_jetstream_api(
    mallory: RawClient, operator: RawClient, verb: str, body: bytes
) -> None:
    with pytest.raises((nats.errors.TimeoutError, nats.errors.NoRespondersError)):
        await mallory.client.request(f"$JS.API.{verb}", body, timeout=0.2)
    assert await mallory.is_denied("publish", f"$JS.API.{verb}")
    js = operator.client.jetstream()
    assert (await js.stream_info(JOURNAL)).state.messages == 1
    assert [stream.config.name for stream in await js.streams_info()] == [JOURNAL]


async def test_an_agent_cannot_answer_what_it_was_asked(
    secured: EmbeddedServer, mallory: RawClient, operator: RawClient
) -> None:
    """An agent that may answer could be handed any reply subject, and so speak there."""
    heard = await operator.hear("conclave.call.consensus.vote.ada")
    pushed = await mallory.hear("conclave.inbox.mallory.>")
    await operator.client.publish(
        "conclave.inbox.mallory.task", b"{}", reply="conclave.call.consensus.vote.ada"
    )
    await (await pushed.get()).respond(b"{}")
    assert await mallory.is_denied("publish", "conclave.call.consensus.vote.ada")
    assert heard.empty()


async def test_nobody_connects_without_a_credential(secured: EmbeddedServer) -> None:
    assert not await is_let_in(secured.url)


async def test_nobody_connects_with_a_credential_of_another_server(secured: EmbeddedServer) -> None:
    assert not await is_let_in(secured.url, Credentials.generate(os.urandom(32)))
    assert await is_let_in(secured.url, Credentials.read(secured.identities.path("ada")))
