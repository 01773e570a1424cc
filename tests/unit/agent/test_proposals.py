"""An agent that votes, hears of decisions and of anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from conclave import (
    Agent,
    Ballot,
    Context,
    DecisionContext,
    ProposalContext,
    PushContext,
    RejectedError,
    Session,
    SupersededError,
    UnavailableError,
    UsageError,
)
from conclave.testing import HandlersFailedError, MemoryMesh
from consensus.wire import Decision, ProposalAnnounced, Vote
from coordination.runtime.names import Subjects
from coordination.tasks.wire import TaskResult
from tests.support.virtual import pass_time

DIGEST = "ab" * 32


@dataclass
class Opinion:
    """Like a ballot."""

    choice: str
    rationale: str | None = None


def always(value: Any) -> Callable[[], Any]:
    """A handler with one answer to everything."""
    return lambda: value


async def votes(mesh: MemoryMesh, *agents: str, delay_ms: int = 0) -> list[tuple[str, str, str]]:
    """(voter, choice, rationale) of all votes on a proposal, after a while."""
    async with mesh.connect("chair") as chair:
        proposal = await chair.consensus.propose(
            "Tea", artifact_sha256=DIGEST, electorate=[*agents, "chair"], voting_delay_ms=delay_ms
        )
        await pass_time(10 + delay_ms / 1000)
        cast: tuple[Vote, ...] = (await chair.consensus.votes(proposal.proposal_id)).votes
        return sorted((each.voter, each.choice, each.rationale) for each in cast)


async def test_what_the_handler_returns_is_the_vote(memory_mesh: MemoryMesh) -> None:
    returned: dict[str, Any] = {
        "a": "for",
        "b": Ballot("against", "too hot"),
        "c": Opinion("abstain"),
        "d": None,
        "e": "maybe",
        "f": Ballot("for", "x" * 3000),
    }
    agents = []
    for name, value in returned.items():
        agents.append(agent := Agent(name))
        agent.proposal(always(value))
    async with (
        memory_mesh.join(agents[0]),
        memory_mesh.join(agents[1]),
        memory_mesh.join(agents[2]),
        memory_mesh.join(agents[3]),
        memory_mesh.join(agents[4]),
        memory_mesh.join(agents[5]),
    ):
        cast = await votes(memory_mesh, *returned)
    assert [(voter, choice) for voter, choice, _ in cast] == [
        ("a", "for"),
        ("b", "against"),
        ("c", "abstain"),
        ("f", "for"),
    ]
    assert [rationale for _, _, rationale in cast][1:3] == ["too hot", ""]
    assert len(cast[3][2]) == 2048
    (failure,) = memory_mesh.take_failures()
    assert str(failure.error) == (
        "the handler returned no vote: no choice 'maybe'; "
        "a choice is one of for, against, abstain, not 'maybe'"
    )


@pytest.mark.parametrize("choice", [7, None, True, [["a", ["b"]]], b"for"])
def test_a_ballot_with_what_is_no_choice_anywhere_is_refused_when_it_is_made(choice: Any) -> None:
    with pytest.raises(UsageError, match=r'Ballot: no choice .*; a choice is "for", a list such as '):
        Ballot(choice)


def test_a_ballot_says_what_else_is_wrong_with_it() -> None:
    with pytest.raises(UsageError, match=r"Ballot: scope is all, own, delegated, not 'mine'"):
        Ballot("for", scope="mine")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"conditions is a list of texts, not one text"):
        Ballot("for", conditions="tests pass")


@pytest.mark.parametrize("returned", ["yes", 7, True, {"choice": "for"}, Opinion("yes")])
async def test_a_vote_that_is_none_fails_a_test_as_an_exception_does(
    memory_mesh: MemoryMesh, returned: Any
) -> None:
    agent = Agent("voter")
    agent.proposal(always(returned))
    async with memory_mesh.join(agent):
        assert await votes(memory_mesh, "voter") == []
    with pytest.raises(HandlersFailedError, match=r"voter: no vote: the handler failed: UsageError"):
        memory_mesh.raise_failures()


async def test_a_handler_that_fails_does_not_vote_and_ends_nothing(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    seen: list[str] = []

    @agent.proposal
    async def think(proposal: ProposalAnnounced, context: ProposalContext) -> str:
        seen.append(proposal.proposal_id)
        assert proposal == context.proposal
        if len(seen) == 1:
            raise ValueError("no idea")
        return "for"

    async with memory_mesh.join(agent):
        assert await votes(memory_mesh, "voter") == []
        assert [type(each.error) for each in memory_mesh.take_failures()] == [ValueError]
        assert await votes(memory_mesh, "voter") == [("voter", "for", "")]


async def test_discussion_and_vote_have_handlers_of_their_own(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    comments: list[str] = []

    @agent.proposal("pending")
    async def discuss(context: ProposalContext) -> str:
        comments.append((await context.discuss("What for?")).text)
        return "for"  # too early: not counted

    @agent.proposal
    async def vote(context: ProposalContext) -> None:
        await context.vote("abstain", rationale="nobody said")

    async with memory_mesh.join(agent):
        assert await votes(memory_mesh, "voter", delay_ms=5_000) == [("voter", "abstain", "nobody said")]
    assert comments == ["What for?"]


async def test_a_proposal_that_is_announced_twice_is_thought_about_once(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    seen = []

    @agent.proposal
    async def think(proposal: ProposalAnnounced, context: Context) -> str:
        seen.append(proposal.proposal_id)
        subject = context.session.subjects.inbox("voter", "proposal")
        await context.session.bus.publish(subject, proposal.model_dump_json().encode())
        return "for"

    async with memory_mesh.join(agent):
        assert await votes(memory_mesh, "voter") == [("voter", "for", "")]
    assert len(seen) == 1


async def test_a_decision_that_is_pushed_twice_is_told_once(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    seen: list[str] = []
    agent.proposal(lambda: "for")

    @agent.decision
    async def decided(decision: Decision, context: Context) -> None:
        seen.append(decision.status)
        subject = context.session.subjects.inbox("voter", "decision")
        await context.session.bus.publish(subject, decision.model_dump_json().encode())

    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        await chair.consensus.propose("Tea", artifact_sha256=DIGEST, electorate=["voter"])
        await memory_mesh.until(lambda: seen)
        await pass_time(1)
    assert seen == ["succeeded"]


async def test_decisions_and_other_pushes_reach_their_handlers(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    seen: list[Any] = []
    agent.proposal(lambda: "for")

    @agent.decision
    def decided(decision: Decision, context: DecisionContext) -> None:
        seen.append((decision.status, decision == context.decision))

    @agent.on("result")
    async def take(result: TaskResult, context: PushContext) -> None:
        seen.append((context.kind, result.result))

    @agent.task("greeting")
    def greet() -> str:
        return "hello"

    async with memory_mesh.join(agent) as session:
        async with memory_mesh.connect("chair") as chair:
            await chair.consensus.propose("Tea", artifact_sha256=DIGEST, electorate=["voter"])
        await memory_mesh.until(lambda: seen)
        await session.bus.publish(session.subjects.inbox("voter", "result"), b'{"task_id": 7}')
        await session.tasks.submit("greeting")
        await memory_mesh.until(lambda: len(seen) == 2)
    assert seen == [("succeeded", True), ("result", {"result": "hello"})]


def test_mistakes_are_told_where_they_are_made() -> None:
    agent = Agent("voter")
    agent.proposal(lambda: None)
    agent.decision(lambda: None)
    agent.on("result")(lambda: None)
    with pytest.raises(UsageError, match=r"is told of active proposals already"):
        agent.proposal(lambda: None)
    with pytest.raises(UsageError, match=r"a proposal is 'pending' or 'active', not 'over'"):
        agent.proposal("over")(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=r"is told of decisions already"):
        agent.decision(lambda: None)
    with pytest.raises(UsageError, match=r"hears 'result' already"):
        agent.on("result")(lambda: None)
    for kind in ("task", "message", "proposal", "decision", "prompt"):
        with pytest.raises(UsageError, match=rf"for {kind}s there is @agent.{kind}"):
            agent.on(kind)(lambda: None)
    with pytest.raises(UsageError, match=r"no push is of kind 'carried'; .* under the kind that it is"):
        agent.on("carried")(lambda: None)
    with pytest.raises(UsageError, match=r"kind of push 'a.b' is not valid"):
        agent.on("a.b")(lambda: None)

    def wrong(proposal: Decision) -> None: ...

    with pytest.raises(UsageError, match=r"'proposal' gets a ProposalAnnounced; annotate it so"):
        Agent("other").proposal(wrong)


async def test_an_agent_that_is_superseded_ends_and_says_so(memory_mesh: MemoryMesh) -> None:
    with pytest.raises(SupersededError, match=r"another process registered as twin .incarnation 2"):
        async with memory_mesh.join(Agent("twin")), memory_mesh.join(Agent("twin")):
            await pass_time(60)


async def test_an_agent_without_a_registry_does_not_pretend_to_take_part(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("lonely") as there:
        session = Session(there.bus, agent="lonely", subjects=Subjects("elsewhere"), patience_s=1)
        with pytest.raises(UnavailableError, match=r"nobody serves elsewhere.call.registry.register.lonely"):
            async with Agent("lonely").joined(session):
                pytest.fail("it joined nothing")


async def test_a_handler_ranks_approves_and_gives_points(memory_mesh: MemoryMesh) -> None:
    returned: dict[str, Any] = {
        "ranked_choice": ["b", ["a", "c"]],
        "approval": ["a", "b"],
        "quadratic": {"a": 3},
    }
    agent = Agent("voter")

    @agent.proposal
    def choose(proposal: ProposalAnnounced) -> Any:
        assert [each.option for each in proposal.rules.options] == ["a", "b", "c"]
        return returned[proposal.rules.protocol]

    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        for protocol, choice in (
            ("ranked_choice", [["b"], ["a", "c"]]),
            ("approval", [["a", "b"]]),
            ("quadratic", {"a": 3}),
        ):
            proposal = await chair.consensus.propose(
                "Tea",
                artifact_sha256=DIGEST,
                electorate=["voter"],
                protocol=protocol,  # type: ignore[arg-type]
                options=["a", "b", "c"],
            )
            await chair.consensus.decision(proposal.proposal_id, timeout_s=90)
            (vote,) = (await chair.consensus.votes(proposal.proposal_id)).votes
            assert vote.choice == choice


async def test_conditions_of_a_ballot_stand_in_the_decision(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    agent.proposal(always(Ballot("for", conditions=["tests pass", "Ada is told"])))
    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        proposal = await chair.consensus.propose("Tea", artifact_sha256=DIGEST, electorate=["voter"])
        decision = await chair.consensus.decision(proposal.proposal_id, timeout_s=90)
        assert decision.conditions == ("tests pass", "Ada is told")


async def test_an_amendment_is_thought_about_anew(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    seen: list[tuple[str, str]] = []

    @agent.proposal("pending")
    def consider(proposal: ProposalAnnounced) -> None:
        seen.append((proposal.status, proposal.artifact_sha256[:2]))

    @agent.proposal
    def vote(proposal: ProposalAnnounced) -> str:
        seen.append((proposal.status, proposal.artifact_sha256[:2]))
        return "for"

    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        made = await chair.consensus.propose(
            "Tea", artifact_sha256=DIGEST, electorate=["voter"], voting_delay_ms=5_000
        )
        for other in ("cd" * 32, DIGEST):
            await pass_time(1)
            await chair.consensus.amend(made.proposal_id, other)
        await pass_time(10)
        assert (await chair.consensus.get(made.proposal_id)).status == "succeeded"
    assert seen == [("pending", "ab"), ("pending", "cd"), ("pending", "ab"), ("active", "ab")]


async def test_a_vote_on_what_was_amended_since_does_not_count(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    refused: list[str] = []
    old: list[ProposalContext] = []

    @agent.proposal("pending")
    def keep(context: ProposalContext) -> None:
        old.append(context)

    @agent.proposal
    async def vote(context: ProposalContext) -> str:
        try:
            await old[0].vote("for")
        except RejectedError as error:
            refused.append(error.code)
        return "against"

    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        made = await chair.consensus.propose(
            "Tea", artifact_sha256=DIGEST, electorate=["voter"], voting_delay_ms=5_000
        )
        await chair.consensus.amend(made.proposal_id, "cd" * 32)
        await pass_time(10)
        (vote_cast,) = (await chair.consensus.votes(made.proposal_id)).votes
    assert (refused, vote_cast.choice) == (["stale_artifact"], "against")


async def test_a_handler_reads_the_artifact_and_the_dialog(memory_mesh: MemoryMesh) -> None:
    agent = Agent("voter")
    seen: list[Any] = []

    @agent.proposal
    async def vote(context: ProposalContext) -> str:
        conversation = await context.conversation()
        seen.append((await context.artifact(), conversation and conversation.topic))
        return "for"

    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        digest = await chair.artifacts.put(b"tea")
        for talk in (None, await chair.dialog.open("Which tea?", ["voter"])):
            made = await chair.consensus.propose(
                "Tea",
                artifact_sha256=digest,
                electorate=["voter"],
                conversation_id=talk.conversation_id if talk else None,
            )
            await chair.consensus.decision(made.proposal_id, timeout_s=90)
    assert seen == [(b"tea", None), (b"tea", "Which tea?")]


async def test_proposer_and_electors_hear_how_a_proposal_was_stopped(memory_mesh: MemoryMesh) -> None:
    proposer, voter = Agent("proposer"), Agent("voter")
    seen: list[tuple[str, str, str | None, str]] = []

    def hearing(name: str) -> Callable[[Decision], None]:
        def hear(decision: Decision) -> None:
            seen.append((name, decision.status, decision.agent, decision.reason))

        return hear

    proposer.decision(hearing("proposer"))
    voter.decision(hearing("voter"))
    async with (
        memory_mesh.join(proposer) as session,
        memory_mesh.join(voter),
        memory_mesh.connect("warden") as warden,
    ):
        made = await session.consensus.propose(
            "Tea", artifact_sha256=DIGEST, electorate=["voter"], veto_holders=["warden"]
        )
        await warden.consensus.veto(made.proposal_id, "coffee")
        await memory_mesh.until(lambda: len(seen) == 2)
    assert sorted(seen) == [
        ("proposer", "vetoed", "warden", "coffee"),
        ("voter", "vetoed", "warden", "coffee"),
    ]


async def test_a_proposal_is_discussed_in_a_dialog_of_its_own(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("chair") as chair:
        made = await chair.consensus.propose(
            "Tea", artifact_sha256=DIGEST, electorate=["voter", "chair"], discuss=True
        )
        assert made.conversation_id is not None
        talk = await chair.dialog.get(made.conversation_id)
        assert (talk.topic, set(talk.participants)) == ("Tea", {"chair", "voter"})
        with pytest.raises(UsageError, match=r"discuss opens a dialog of its own"):
            await chair.consensus.propose(
                "Tea",
                artifact_sha256=DIGEST,
                electorate=["voter"],
                discuss=True,
                conversation_id=made.conversation_id,
            )
        with pytest.raises(UsageError, match=r"discuss needs an electorate of named agents"):
            await chair.consensus.propose(
                "Tea", artifact_sha256=DIGEST, electorate={"role": "keeper"}, discuss=True
            )
