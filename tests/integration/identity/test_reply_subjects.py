"""The server does not check reply subjects, so nobody who answers may be talked into speaking for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from nats.aio.msg import Msg

from conclave.deployment import deployed
from conclave.embedded import EmbeddedServer
from conclave.identity import OPERATOR, SERVICE_NAMES, agent_permissions
from coordination.runtime.credentials import Credentials
from coordination.runtime.names import Subjects
from tests.support.raw_client import RawClient, raw_client

JOURNAL = "conclave.journal.consensus.0"
STREAM = "conclave-journal-consensus-0"
ENDPOINTS = {
    "registry": "list",
    "tasks": "list",
    "dialog": "list",
    "consensus": "list",
    "knowledge": "topics",
    "artifacts": "nonsense",
    "gateway": "respond",
}
"""A verb of each service that answers at once."""
FOREIGN = (
    "conclave.call.consensus.vote.ada",
    "conclave.inbox.ada.result",
    "conclave.event.consensus.closed.1",
    JOURNAL,
    "conclave.shard.consensus.0.vote.ada",
    "conclave.presence.ada",
    "conclave.upload.ada.digest.0",
    "conclave.change.main.places.ada",
    "_INBOX_ada.forged",
    "$KV.conclave-pointers-consensus.0",
    "$JS.API.STREAM.PURGE.conclave-journal-consensus-0",
)
"""Where Mallory may not speak, and would like others to speak for her."""


@pytest.fixture
async def mallory(secured: EmbeddedServer) -> AsyncIterator[RawClient]:
    """An agent on a Conclave with all services."""
    credentials = Credentials.read(secured.identities.path("mallory"))
    async with (
        deployed(secured.url, credentials=secured.credentials),
        raw_client(secured.url, credentials, inbox="_INBOX_mallory") as client,
    ):
        yield client


@pytest.fixture
async def overseer(secured: EmbeddedServer) -> AsyncIterator[RawClient]:
    """The operator, who hears everything."""
    credentials = Credentials.read(secured.identities.path(OPERATOR))
    async with raw_client(secured.url, credentials, inbox="_INBOX_operator") as client:
        yield client


def spoken(heard: asyncio.Queue[Msg], sent: bytes) -> Iterator[tuple[str, bytes]]:
    """What was said, but for what Mallory sent herself and what services write into their journals."""
    while not heard.empty():
        message = heard.get_nowait()
        if message.data != sent and "Nats-Msg-Id" not in (message.headers or {}):
            yield message.subject, message.data


@pytest.mark.parametrize("reply_to", FOREIGN)
async def test_no_service_answers_into_a_subject_that_is_not_the_askers(
    mallory: RawClient, overseer: RawClient, reply_to: str
) -> None:
    assert set(ENDPOINTS) == set(SERVICE_NAMES)
    heard = await overseer.hear(reply_to)
    for service, verb in ENDPOINTS.items():
        for asked in (verb, "nonsense"):
            await mallory.client.publish(f"conclave.call.{service}.{asked}.mallory", b"{}", reply=reply_to)
        # The service has had those before this one, which it answers.
        await mallory.client.request(f"conclave.call.{service}.nonsense.mallory", b"{}", timeout=10)
    await overseer.client.flush()
    assert list(spoken(heard, b"{}")) == []
    assert mallory.denied == [], "the attempt must get as far as the services"


async def test_no_stream_takes_in_what_an_agent_may_say(mallory: RawClient, overseer: RawClient) -> None:
    """JetStream acknowledges what it stores into any reply subject, and so would write into a journal."""
    js = overseer.client.jetstream()
    captured = [subject for stream in await js.streams_info() for subject in stream.config.subjects or ()]
    assert len(captured) > len(SERVICE_NAMES), "there are journals, buckets and changes"
    permissions = agent_permissions("mallory", Subjects())
    for said in permissions.publish:
        overlapping = [subject for subject in captured if overlap(said.split("."), subject.split("."))]
        assert overlapping == [], said


def overlap(one: list[str], other: list[str]) -> bool:
    """Whether some subject matches both patterns."""
    if not one or not other:
        return not one and not other
    if ">" in (one[0], other[0]):
        return True
    return (one[0] == other[0] or "*" in (one[0], other[0])) and overlap(one[1:], other[1:])


@pytest.mark.parametrize("reply_to", FOREIGN)
@pytest.mark.parametrize("subject", ["conclave.presence.mallory", "_INBOX_mallory.1"])
async def test_nothing_else_an_agent_may_say_is_answered_there_either(
    mallory: RawClient, overseer: RawClient, subject: str, reply_to: str
) -> None:
    heard = await overseer.hear(reply_to)
    sent = await overseer.hear(subject)
    await mallory.client.publish(subject, b"whatever", reply=reply_to)
    async with asyncio.timeout(10):
        await sent.get()
    # Whoever answered has done so before this answer.
    await overseer.client.jetstream().account_info()
    await overseer.client.flush()
    assert list(spoken(heard, b"whatever")) == []


async def test_jetstream_would_acknowledge_into_a_journal(overseer: RawClient, mallory: RawClient) -> None:
    """Why agents may publish into no stream: a server that ends this can give them that right back."""
    before = (await overseer.client.jetstream().stream_info(STREAM)).state.last_seq
    heard = await overseer.hear(JOURNAL)
    await overseer.client.publish("conclave.change.main.places.operator", b"no change", reply=JOURNAL)
    async with asyncio.timeout(10):
        while b"conclave-changes-main" not in (await heard.get()).data:
            pass
    assert (await overseer.client.jetstream().stream_info(STREAM)).state.last_seq > before
