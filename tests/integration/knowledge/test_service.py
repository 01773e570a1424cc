"""The knowledge service for plain tools: assert, query, topics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest

from conclave.testing.storage import MemoryChanges
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from knowledge.changes import JetStreamChanges
from knowledge.client import KnowledgeClient
from knowledge.service import NAME, define
from tests.support.fixtures import Connect


@pytest.fixture
async def client(connect: Connect, subjects: Subjects) -> AsyncIterator[KnowledgeClient]:
    bus = await connect(NAME)
    shell = Shell.of(bus, service=NAME, subjects=subjects)
    runner = Runner(define(shell, bus), shell=shell)
    running = asyncio.create_task(runner.run())
    await runner.ready.wait()
    yield KnowledgeClient(Caller(await connect("ops"), agent="ops", subjects=subjects))
    runner.stop()
    await running


async def test_a_fact_is_asserted_in_the_callers_name_and_found(client: KnowledgeClient) -> None:
    said = await client.assert_fact("places", "lisbon", "country", {"name": "Portugal"}, asserted_at_ms=5)
    assert said.is_new
    assert (said.fact.source, said.fact.object) == ("ops", {"name": "Portugal"})
    found = await client.query("places", subject="lisbon")
    assert found.facts == (said.fact,)
    assert len(found.heads) == 1


async def test_the_same_fact_again_is_not_new(client: KnowledgeClient) -> None:
    first = await client.assert_fact("places", "lisbon", "country", "Portugal", asserted_at_ms=5)
    again = await client.assert_fact("places", "lisbon", "country", "Portugal", asserted_at_ms=5)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.fact == again.fact
    assert len((await client.query("places")).facts) == 1


async def test_a_repeated_command_id_gets_the_first_answer(client: KnowledgeClient) -> None:
    from knowledge import wire

    def ask(request: wire.AssertRequest) -> Awaitable[wire.AssertReply]:
        return client._caller.command(NAME, "assert", request, wire.AssertReply, command_id="once")

    request = wire.AssertRequest(topic="places", subject="lisbon", predicate="is", object="sunny")
    first = await ask(request)
    assert await ask(request) == first
    assert len((await client.query("places")).facts) == 1
    other = wire.AssertRequest(topic="places", subject="porto", predicate="is", object="rainy")
    with pytest.raises(RejectedError) as refused:
        await ask(other)
    assert refused.value.code == "command_id_reused"


async def test_topics_are_listed_with_their_size(client: KnowledgeClient) -> None:
    await client.assert_fact("a", "s", "p", 1)
    await client.assert_fact("b", "s", "p", 1)
    await client.assert_fact("b", "s", "p", 2)
    topics = (await client.topics()).topics
    assert [(topic.topic, topic.facts_count) for topic in topics] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("topic", "subject", "value", "code"),
    [
        ("Not A Topic", "s", 1, "invalid_request"),
        ("places", "", 1, "invalid_request"),
        ("places", "s", "x" * 9000, "invalid_fact"),
        ("places", "s", 2**60, "invalid_fact"),
        ("places", "line\nbreak", 1, "invalid_fact"),
    ],
)
async def test_what_cannot_be_a_fact_is_refused_with_its_reason(
    client: KnowledgeClient, topic: str, subject: str, value: object, code: str
) -> None:
    from knowledge import wire

    request = wire.AssertRequest.model_construct(
        topic=topic, subject=subject, predicate="p", object=value, asserted_at_ms=1
    )
    with pytest.raises(RejectedError) as refused:
        await client._caller.command(NAME, "assert", request, wire.AssertReply)
    assert refused.value.code == code


async def test_trust_is_fused_from_what_agents_said_of_each_other(
    client: KnowledgeClient, connect: Connect, subjects: Subjects
) -> None:
    other = KnowledgeClient(Caller(await connect("bob"), agent="bob", subjects=subjects))
    await client.assert_fact("ratings", "ada", "trust", {"positive": 3, "negative": 0})
    await other.assert_fact("ratings", "ada", "trust", {"positive": 5, "negative": 0})
    await other.assert_fact("ratings", "bob", "trust", {"positive": 1000, "negative": 0})
    assert await client.trust("ratings", ["ada", "bob", "cyd"]) == {"ada": 900, "bob": 500, "cyd": 500}
    assert await client.trust("elsewhere", ["ada"]) == {"ada": 500}


async def test_whose_ratings_are_malformed_is_said(client: KnowledgeClient) -> None:
    await client.assert_fact("ratings", "bob", "trust", 0.9)
    await client.assert_fact("ratings", "bob", "trust", {"positive": 1})
    rater = client._caller.agent
    reply = await client.ratings("ratings", ["bob"])
    assert (reply.weights, reply.ignored) == ({"bob": 500}, {rater: 2})
    await client.assert_fact("ratings", "bob", "trust", {"positive": 8, "negative": 0})
    reply = await client.ratings("ratings", ["bob"])
    assert (reply.weights, reply.ignored) == ({"bob": 900}, {})


@pytest.mark.parametrize("is_real", [True, False])
async def test_nobody_can_have_an_approved_change_dropped_by_publishing_it_elsewhere(
    connect: Connect, subjects: Subjects, *, is_real: bool
) -> None:
    changes = JetStreamChanges(await connect(NAME), subjects) if is_real else MemoryChanges()
    await changes.open()
    for topic, agent in (("x", "eve"), ("approved-x", "eve"), ("approved-x", "ada"), ("approved-x", "ada")):
        await changes.publish(topic, agent, b"the same bytes")
    assert [(each.topic, each.signer) for each in await changes.read(0, 10)] == [
        ("x", "eve"),
        ("approved-x", "eve"),
        ("approved-x", "ada"),
    ]
