"""Who votes: looked up in the registry when voting opens, and followed while it goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from consensus import wire
from consensus.client import ConsensusClient
from coordination.registry.client import RegistryClient
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Action, Call, ServiceDefinition
from coordination.runtime.wire import Body
from tests.integration.consensus.conftest import Town
from tests.support.registry import running
from tests.support.voting import ARTIFACT, OTHER_ARTIFACT

WAIT_S = 20.0


async def shown(
    client: ConsensusClient, proposal_id: str, condition: Callable[[wire.Proposal], bool]
) -> wire.Proposal:
    """The proposal, as soon as `condition` holds."""
    async with asyncio.timeout(WAIT_S):
        while True:
            proposal = await client.get(proposal_id)
            if condition(proposal):
                return proposal


def is_open(proposal: wire.Proposal) -> bool:
    return proposal.status != "pending"


async def test_agents_that_meet_the_requirement_when_voting_opens_may_vote(town: Town) -> None:
    ada = await town.client("ada")
    async with town.living("bob", "python") as bob, town.living("cy", "python", "rust"):
        await town.move_in("dan", "cobol")
        proposed = await ada.propose(
            "t", artifact_sha256=ARTIFACT, electorate={"requirement": "python"}, voting_period_ms=60_000
        )
        assert proposed.deadline_ms is None, "it depends on when the snapshot comes"
        proposal = await shown(ada, proposed.proposal_id, is_open)
        assert proposal.weights == {"bob": 1, "cy": 1}
        assert proposal.electorate.requirement == "python"
        assert proposal.opened_at_ms is not None
        assert proposal.deadline_ms == proposal.opened_at_ms + 60_000
        async with town.living("eve", "python") as eve:
            with pytest.raises(RejectedError, match="not_in_electorate"):
                await eve.vote(proposed.proposal_id, "for")
        assert (await bob.vote(proposed.proposal_id, "for")).weight == 1
    assert (await ada.trail(proposed.proposal_id)).entries[1].body["source_revision"] >= 3


async def test_who_joins_during_the_discussion_votes_and_who_is_offline_does_not(town: Town) -> None:
    ada = await town.client("ada")
    async with town.living("bob", "python"):
        await town.move_in("cy", "python")
        proposed = await ada.propose(
            "t", artifact_sha256=ARTIFACT, electorate={"requirement": "python"}, voting_delay_ms=1_500
        )
        async with town.living("dan", "python"):
            registry = RegistryClient(await town.caller("ada"))
            async with asyncio.timeout(WAIT_S):
                while (await registry.get("cy")).status != "offline":
                    pass
            assert (await ada.get(proposed.proposal_id)).waiting_for == ""
            proposal = await shown(ada, proposed.proposal_id, is_open)
            assert proposal.weights == {"bob": 1, "dan": 1}


async def test_a_role_is_a_label_whatever_is_written_in_it(town: Town) -> None:
    ada = await town.client("ada")
    role = 'lead "reviewer", [x]'
    async with town.living("bob", role=role), town.living("cy", role="reviewer"):
        proposed = await ada.propose(
            "t", artifact_sha256=ARTIFACT, electorate={"role": role}, weights={"bob": 3}
        )
        proposal = await shown(ada, proposed.proposal_id, is_open)
        assert proposal.weights == {"bob": 3}


async def test_nobody_to_vote_is_a_defeat_with_its_reason(town: Town) -> None:
    ada = await town.client("ada")
    proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate={"requirement": "python"})
    decision = await ada.decision(proposed.proposal_id, timeout_s=WAIT_S)
    assert (decision.status, decision.reason) == ("defeated", "empty_electorate")
    async with town.living("bob", "python"):
        proposed = await ada.propose(
            "t", artifact_sha256=ARTIFACT, electorate={"requirement": "python"}, minimum_electorate=2
        )
        decision = await ada.decision(proposed.proposal_id, timeout_s=WAIT_S)
        assert (decision.status, decision.reason) == ("defeated", "electorate_too_small")


async def test_electors_that_fall_silent_are_left_out_and_the_quorum_with_them(town: Town) -> None:
    ada = await town.client("ada")
    async with town.living("bob") as bob, contextlib.AsyncExitStack() as others:
        for agent in ("cy", "dan"):
            await others.enter_async_context(town.living(agent))
        proposed = await ada.propose(
            "t",
            artifact_sha256=ARTIFACT,
            electorate=["bob", "cy", "dan"],
            offline_voters="release",
            quorum="2/3",
            voting_period_ms=600_000,
        )
        assert (await bob.vote(proposed.proposal_id, "for")).status == "active"
        await others.aclose()
        proposal = await shown(ada, proposed.proposal_id, lambda each: len(each.released) == 2)
        assert proposal.tally is not None
        assert (proposal.tally.released_votes, proposal.tally.quorum_votes) == (2, 1)
        assert proposal.tally.quorum_reached
        assert proposal.status == "active", "they may come back, so nothing is certain yet"
        async with town.living("cy"):
            proposal = await shown(ada, proposed.proposal_id, lambda each: each.released == ("dan",))
            assert proposal.tally is not None
            assert proposal.tally.quorum_votes == 2


async def test_a_released_elector_makes_the_decision_possible_at_the_deadline(town: Town) -> None:
    ada = await town.client("ada")
    async with town.living("bob") as bob:
        await town.move_in("cy")
        proposed = await ada.propose(
            "t",
            artifact_sha256=ARTIFACT,
            electorate=["bob", "cy"],
            offline_voters="release",
            quorum="100%",
            voting_period_ms=1_500,
        )
        await bob.vote(proposed.proposal_id, "for")
        decision = await ada.decision(proposed.proposal_id, timeout_s=WAIT_S)
        assert (decision.status, decision.reason, decision.early) == ("succeeded", "majority", False)
        assert decision.tally is not None
        assert (decision.tally.released_votes, decision.tally.quorum_votes) == (1, 1)
        events = [each.event for each in (await ada.trail(proposed.proposal_id)).entries]
        assert events.count("ElectorReleased") == 1


async def test_an_elector_that_votes_without_being_registered_counts(town: Town) -> None:
    ada, bob = await town.client("ada"), await town.client("bob")
    async with town.living("cy"):
        proposed = await ada.propose(
            "t",
            artifact_sha256=ARTIFACT,
            electorate=["bob", "cy"],
            offline_voters="release",
            minimum_electorate=1,
        )
        await shown(ada, proposed.proposal_id, lambda each: each.released == ("bob",))
        await bob.vote(proposed.proposal_id, "for")
        assert (await ada.get(proposed.proposal_id)).released == ()


async def test_while_the_registry_is_away_the_proposal_says_what_it_waits_for(closed_town: Town) -> None:
    town = closed_town
    ada = await town.client("ada")
    async with town.registry():
        await town.move_in("bob", "python")
    proposed = await ada.propose(
        "t", artifact_sha256=ARTIFACT, electorate={"requirement": "python"}, signatures="optional"
    )
    proposal = await ada.get(proposed.proposal_id)
    assert (proposal.status, proposal.waiting_for, proposal.deadline_ms) == ("pending", "registry", None)
    bus = (await town.caller("bob")).bus
    hasty = ConsensusClient(Caller(bus, agent="bob", subjects=town.subjects, patience_s=0.1))
    with pytest.raises(RejectedError, match="not_active: voting opens as soon as it is known who votes"):
        await hasty.vote(proposed.proposal_id, "for")
    async with town.registry():
        proposal = await shown(ada, proposed.proposal_id, is_open)
        assert (proposal.weights, proposal.waiting_for) == ({"bob": 1}, "")


async def test_a_proposal_that_waits_can_still_be_taken_back(closed_town: Town) -> None:
    ada = await closed_town.client("ada")
    proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate={"role": "reviewer"})
    assert (await ada.cancel(proposed.proposal_id)).status == "canceled"
    async with closed_town.registry():
        assert (await ada.get(proposed.proposal_id)).waiting_for == ""


class TrustRequest(Body):
    """As the knowledge service takes it."""

    topic: str
    agents: tuple[str, ...]


class TrustReply(Body):
    weights: dict[str, int]


@contextlib.asynccontextmanager
async def knowing(town: Town, weights: dict[str, int]) -> AsyncIterator[None]:
    """A knowledge service that knows whom to trust."""

    async def trust(call: Call, request: TrustRequest) -> TrustReply:
        assert (call.caller, request.topic) == ("consensus", "nixos")
        return TrustReply(weights={agent: weights.get(agent, 500) for agent in request.agents})

    shell = Shell.of((await town.caller("knowledge")).bus, service="knowledge", subjects=town.subjects)
    endpoint = Action(verb="trust", description="Whom.", request=TrustRequest, reply=TrustReply, act=trust)
    definition = ServiceDefinition(name="knowledge", version="0.1.0", description="K.", endpoints=(endpoint,))
    async with running(Runner(definition, shell=shell)):
        yield


async def test_trust_weighs_named_agents_and_those_that_are_looked_up(town: Town) -> None:
    ada = await town.client("ada")
    async with town.living("bob", "python"), town.living("cy", "python"):
        named = await ada.propose(
            "t",
            artifact_sha256=ARTIFACT,
            electorate=["bob", "zed"],
            weights={"trust": "nixos"},
            offline_voters="release",
        )
        found = await ada.propose(
            "t",
            artifact_sha256=OTHER_ARTIFACT,
            electorate={"requirement": "python"},
            weights={"trust": "nixos"},
        )
        waiting = await shown(ada, found.proposal_id, lambda each: each.waiting_for == "knowledge")
        assert waiting.status == "pending"
        async with knowing(town, {"bob": 900}):
            proposal = await shown(ada, named.proposal_id, is_open)
            assert (proposal.weights, proposal.released) == ({"bob": 900, "zed": 500}, ("zed",))
            assert (await shown(ada, found.proposal_id, is_open)).weights == {"bob": 900, "cy": 500}
