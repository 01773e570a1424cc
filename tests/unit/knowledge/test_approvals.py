"""Topics that take only what was voted on: exactly that, in exactly that topic, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import consensus.service
from conclave.testing.storage import MemoryChanges
from consensus.client import ConsensusClient
from coordination.approvals.artifact import Artifact
from coordination.approvals.wire import presented
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from knowledge import wire
from knowledge.artifact import change_artifact, fact_artifact
from knowledge.client import KnowledgeClient
from knowledge.facts import Fact
from knowledge.replica import Replica, following
from knowledge.served import ServedChanges
from knowledge.service import NAME, define_over
from tests.support.approving import WINDOW_MS, Hall, a_hall, token_of

TOPIC = "approved-limits"
FACT = Fact.of(subject="alpha", predicate="may-use", object={"cpu": 0.5}, source="ada", asserted_at_ms=7)
OTHER = "0" * 64


class Library:
    """The knowledge service in a hall."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.stream = MemoryChanges()

    def client(self, agent: str = "ada") -> KnowledgeClient:
        return KnowledgeClient(self.hall.caller(agent))

    async def state(self, approval: Any, *, agent: str = "ada", topic: str = TOPIC, **changed: Any) -> bool:
        stated = {"subject": FACT.subject, "predicate": FACT.predicate, "object": FACT.object, **changed}
        stated.setdefault("asserted_at_ms", FACT.asserted_at_ms)
        return (await self.client(agent).assert_fact(topic, approval=approval, **stated)).is_new

    async def refused(self, asking: Awaitable[Any]) -> str:
        """The code with which something is refused; nothing came into the stream."""
        before = await self.stream.last_sequence()
        with pytest.raises(RejectedError) as refused:
            await asking
        assert await self.stream.last_sequence() == before
        return refused.value.code


@contextlib.asynccontextmanager
async def a_library() -> AsyncIterator[Library]:
    async with a_hall() as hall:
        library = Library(hall)
        await hall.serve(NAME, lambda shell: define_over(shell, library.stream), has_journal=False)
        yield library


@contextlib.asynccontextmanager
async def a_replica(library: Library, agent: str = "ada") -> AsyncIterator[Replica]:
    async with following(ServedChanges(library.hall.caller(agent)), agent=agent) as replica:
        yield replica


def test_the_artifact_of_a_fact_is_its_canonical_document_with_the_topic() -> None:
    assert fact_artifact(TOPIC, FACT) == Artifact(
        b'{"fact":{"asserted_at_ms":7,"object":{"cpu":0.5},"predicate":"may-use","source":"ada",'
        b'"subject":"alpha"},"purpose":"conclave.fact.1","topic":"approved-limits"}'
    )
    assert fact_artifact("approved-others", FACT) != fact_artifact(TOPIC, FACT)


async def test_an_approved_fact_is_stored_and_the_same_again_is_no_second_one() -> None:
    async with a_library() as library:
        proposal = await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation")
        assert [await library.state(proposal.approval) for _ in range(2)] == [True, False]
        (found,) = (await library.client().query(TOPIC)).facts
        assert found.fact_id == FACT.fact_id
        executed = await ConsensusClient(library.hall.caller("bob")).get(proposal.proposal_id)
        assert (executed.status, executed.execution and executed.execution.executor) == ("executed", NAME)


async def test_a_topic_that_needs_approval_takes_nothing_without() -> None:
    async with a_library() as library:
        assert await library.refused(library.state(None)) == "approval_required"
        assert await library.refused(library.client().publish(TOPIC, b"bytes")) == "approval_required"
        assert (await library.client().topics()).topics == (), "a refusal leaves no topic behind"
        async with a_replica(library) as replica:
            assert await library.refused(replica.assert_fact(TOPIC, FACT)) == "approval_required"
            assert await replica.assert_fact("limits", FACT), "and what comes after it is not held up"


Asking = Callable[[Library, Any], Awaitable[Any]]


@pytest.mark.parametrize(
    ("asking", "code"),
    [
        (lambda library, token: library.state(token, object={"cpu": 64}), "wrong_artifact"),
        (lambda library, token: library.state(token, asserted_at_ms=8), "wrong_artifact"),
        (lambda library, token: library.state(token, agent="bob"), "wrong_artifact"),
        (lambda library, token: library.state(token, topic="approved-others"), "wrong_artifact"),
        (lambda library, token: library.state(token, topic="limits"), "wrong_artifact"),
    ],
)
async def test_another_fact_than_the_approved_one_is_refused_and_spends_nothing(
    asking: Asking, code: str
) -> None:
    async with a_library() as library:
        proposal = await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation")
        assert await library.refused(asking(library, proposal.approval)) == code
        assert await library.hall.status(proposal.proposal_id) == "succeeded"
        assert await library.state(proposal.approval)
        assert await library.refused(asking(library, proposal.approval)) == "already_executed"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"trail_hash": OTHER}, "token_mismatch"),
        ({"expires_at_ms": 2**53 - 1}, "token_mismatch"),
        ({"artifact_sha256": OTHER}, "token_mismatch"),
        ({"kind": "task_assignment"}, "wrong_kind"),
        ({"kind": "custom"}, "wrong_kind"),
        ({"proposal_id": "nobody"}, "unknown_proposal"),
    ],
)
async def test_an_altered_token_is_refused_and_spends_nothing(changed: dict[str, Any], code: str) -> None:
    async with a_library() as library:
        proposal = await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation")
        assert await library.refused(library.state(token_of(proposal, **changed))) == code
        assert await library.hall.status(proposal.proposal_id) == "succeeded"


async def test_the_token_of_another_fact_is_refused() -> None:
    async with a_library() as library:
        other = Fact.of(subject="beta", predicate="p", object=1, source="ada", asserted_at_ms=7)
        proposal = await library.hall.approved(fact_artifact(TOPIC, other), "knowledge_validation")
        assert await library.refused(library.state(proposal.approval)) == "wrong_artifact"


async def test_an_approval_counts_between_its_timelock_and_its_expiry() -> None:
    async with a_library() as library:
        token = (
            await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation", timelock_ms=5_000)
        ).approval
        assert await library.refused(library.state(token)) == "timelock_pending"
        library.hall.clock.advance(5_000 + WINDOW_MS + 1)
        assert await library.refused(library.state(token)) == "approval_expired"


async def test_an_approval_that_an_executor_of_its_own_redeemed_is_refused() -> None:
    async with a_library() as library:
        artifact = fact_artifact(TOPIC, FACT)
        proposal = await library.hall.approved(
            artifact, "knowledge_validation", executors=["bob", "knowledge"]
        )
        bob = ConsensusClient(library.hall.caller("bob"))
        await bob.execute(proposal.proposal_id, artifact_sha256=artifact.sha256)
        assert await library.refused(library.state(proposal.approval)) == "already_executed"


async def test_conditions_and_the_time_of_the_fact_must_be_given() -> None:
    async with a_library() as library:
        artifact = fact_artifact(TOPIC, FACT)
        token = (
            await library.hall.approved(artifact, "knowledge_validation", conditions=["measured twice"])
        ).approval
        assert await library.refused(library.state(token)) == "conditions_unmet"
        assert await library.state(token, conditions_met=["measured twice"])
        timeless = wire.AssertRequest(
            topic=TOPIC, subject="s", predicate="p", object=1, approval=presented(token)
        )
        asking = library.hall.caller("ada").command(NAME, "assert", timeless, wire.AssertReply)
        assert await library.refused(asking) == "invalid_fact"


async def test_an_approved_change_of_a_replica_reaches_every_replica() -> None:
    async with a_library() as library, a_replica(library) as ada, a_replica(library, "bob") as bob:
        await ada.assert_fact("limits", FACT)
        change = ada.draft(TOPIC, FACT)
        assert ada.query(TOPIC) == []
        proposal = await library.hall.approved(change_artifact(TOPIC, change), "knowledge_validation")
        for _ in range(2):
            await library.client().publish(TOPIC, change, approval=proposal.approval)
        for replica in (ada, bob):
            assert await replica.wait_for(TOPIC, FACT.fact_id, timeout_s=5) == FACT
        assert ada.heads(TOPIC) == bob.heads(TOPIC)
        with pytest.raises(UsageError, match="holds the fact"):
            ada.draft(TOPIC, FACT)


async def test_another_change_or_topic_or_signer_than_the_approved_one_is_refused() -> None:
    async with a_library() as library, a_replica(library) as ada:
        change, again = ada.draft(TOPIC, FACT), ada.draft(TOPIC, FACT)
        assert change != again, "each draft is by an actor of its own"
        proposal = await library.hall.approved(change_artifact(TOPIC, change), "knowledge_validation")
        for agent, topic, content, code in (
            ("ada", TOPIC, again, "wrong_artifact"),
            ("ada", "approved-others", change, "wrong_artifact"),
            ("bob", TOPIC, change, "invalid_change"),
            ("ada", TOPIC, b"no change", "invalid_change"),
        ):
            asking = library.client(agent).publish(topic, content, approval=proposal.approval)
            assert await library.refused(asking) == code
        await library.client().publish(TOPIC, change, approval=proposal.approval)
        asking = library.client().publish(TOPIC, again, approval=proposal.approval)
        assert await library.refused(asking) == "already_executed"


async def test_a_service_killed_between_redemption_and_store_stores_the_fact_when_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_library() as library:
        proposal = await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation")

        async def lost(*_: Any) -> None:
            raise UnavailableError("the stream is away")

        with monkeypatch.context() as patched:
            patched.setattr(library.stream, "publish", lost)
            with pytest.raises((UnavailableError, RejectedError), match="the stream is away"):
                await library.state(proposal.approval)
        assert await library.hall.status(proposal.proposal_id) == "executed"
        await library.hall.stop_one(NAME)
        assert await library.stream.last_sequence() == 0
        await library.hall.serve(NAME, lambda shell: define_over(shell, library.stream), has_journal=False)
        assert await library.refused(library.state(proposal.approval, agent="bob")) == "already_executed"
        assert await library.state(proposal.approval)


async def test_without_consensus_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordination.approvals.redeeming.PATIENCE_S", 0.05)
    async with a_library() as library:
        proposal = await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation")
        await library.hall.stop_one(consensus.service.NAME)
        with pytest.raises((UnavailableError, RejectedError), match="consensus does not answer"):
            await library.state(proposal.approval)
        assert await library.stream.last_sequence() == 0


async def test_no_approval_is_spent_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.replica.MAX_TOPIC_FACTS", 1)
    async with a_library() as library:
        first = await library.hall.approved(fact_artifact(TOPIC, FACT), "knowledge_validation")
        assert await library.state(first.approval)
        other = Fact.of(subject="beta", predicate=FACT.predicate, object=1, source="ada", asserted_at_ms=7)
        second = await library.hall.approved(fact_artifact(TOPIC, other), "knowledge_validation")
        elsewhere = await library.hall.approved(
            fact_artifact("approved-others", FACT), "knowledge_validation"
        )
        asking = library.state(second.approval, subject="beta", object=1)
        assert await library.refused(asking) == "topic_full"
        assert await library.hall.status(second.proposal_id) == "succeeded"
        assert not await library.state(first.approval)
        monkeypatch.setattr("knowledge.replica.MAX_TOPICS", 1)
        asking = library.state(elsewhere.approval, topic="approved-others")
        assert await library.refused(asking) == "too_many_topics"
        assert await library.hall.status(elsewhere.proposal_id) == "succeeded"
