"""Consensus as agents meet it: through its client, over the in-memory bus and journal."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from pydantic import ValidationError

import consensus
from consensus import ConsensusClient, wire
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.memory_store import MemoryStream
from tests.support.clock import ManualClock
from tests.support.serving import serving

SHA = "a" * 64
VOTERS = ("bob", "cy", "dan")
WAIT_S = 5.0


async def test_agents_decide_and_a_restart_forgets_nothing() -> None:
    journal = MemoryStream()
    async with serving(consensus.define, consensus.NAME, journal=journal) as agents:
        ada = ConsensusClient(agents.caller("ada"))
        voters = {agent: ConsensusClient(agents.caller(agent)) for agent in VOTERS}
        decided: asyncio.Queue[wire.Decision] = asyncio.Queue()
        await ada.on_decision(decided.put)

        for agent, client in voters.items():

            async def vote(
                proposal: wire.ProposalAnnounced, client: ConsensusClient = client, agent: str = agent
            ) -> None:
                choice: wire.Choice = "against" if agent == "bob" else "for"
                await client.vote(proposal.proposal_id, choice, rationale=f"{agent} says so")

            await client.on_proposal(vote)
        proposed = await ada.propose(
            "three hosts", artifact_sha256=SHA, electorate=VOTERS, kind="infrastructure_change"
        )
        decision = await ada.decision(proposed.proposal_id, timeout_s=WAIT_S)
        assert (decision.status, decision.artifact_sha256) == ("succeeded", SHA)
        async with asyncio.timeout(WAIT_S):
            assert await decided.get() == decision
    async with serving(consensus.define, consensus.NAME, journal=journal) as agents:
        eve = ConsensusClient(agents.caller("eve"))
        proposal = await eve.get(proposed.proposal_id)
        assert (proposal.decision, proposal.status) == (decision, "succeeded")
        votes = await eve.votes(proposed.proposal_id)
        assert votes.is_complete
        assert {vote.voter: vote.choice for vote in votes.votes} == {
            "bob": "against",
            "cy": "for",
            "dan": "for",
        }
        assert [each.proposal_id for each in await eve.list(status="succeeded")] == [proposed.proposal_id]
        with pytest.raises(RejectedError, match="voting_closed"):
            await ConsensusClient(agents.caller("bob")).vote(proposed.proposal_id, "for")


async def test_time_opens_and_ends_the_vote() -> None:
    clock = ManualClock(now_ms=1_000)
    journal = MemoryStream()
    async with serving(consensus.define, consensus.NAME, journal=journal, clock=clock) as agents:
        ada, bob = (ConsensusClient(agents.caller(agent)) for agent in ("ada", "bob"))
        announced: asyncio.Queue[wire.ProposalAnnounced] = asyncio.Queue()
        await bob.on_proposal(announced.put)
        proposed = await ada.propose(
            "t",
            artifact_sha256=SHA,
            electorate=VOTERS,
            voting_delay_ms=10,
            voting_period_ms=100,
            quorum=Fraction(1, 3),
        )
        proposal_id = proposed.proposal_id
        async with asyncio.timeout(WAIT_S):
            assert (await announced.get()).status == "pending"
            with pytest.raises(RejectedError, match="not_active"):
                await bob.vote(proposal_id, "for")
            assert (await bob.discuss(proposal_id, "why?")).sequence == 1
            clock.advance(11)
            assert (await announced.get()).status == "active"
        assert (await bob.vote(proposal_id, "for")).status == "active"
        with pytest.raises(RejectedError, match="already_voted"):
            await bob.vote(proposal_id, "for")
        waiting = asyncio.ensure_future(ada.decision(proposal_id, timeout_s=WAIT_S))
        clock.advance(100)
        decision = await waiting
        assert (decision.status, decision.early, decision.decided_at_ms) == ("succeeded", False, 1_111)
        comments = await ada.comments(proposal_id)
        assert [comment.text for comment in comments.comments] == ["why?"]


async def test_a_proposer_takes_a_proposal_back() -> None:
    async with serving(consensus.define, consensus.NAME, journal=MemoryStream()) as agents:
        ada, bob = (ConsensusClient(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose(
            "t", artifact_sha256=SHA, electorate=VOTERS, voting_delay_ms=60_000, quorum=2
        )
        with pytest.raises(RejectedError, match="not_proposer"):
            await bob.cancel(proposed.proposal_id)
        canceled = await ada.cancel(proposed.proposal_id)
        assert canceled == await bob.decision(proposed.proposal_id, timeout_s=WAIT_S)
        assert (await ada.get(proposed.proposal_id)).quorum == wire.Quorum(count=2)


async def test_waiting_for_a_decision_ends() -> None:
    async with serving(consensus.define, consensus.NAME, journal=MemoryStream()) as agents:
        ada = ConsensusClient(agents.caller("ada"))
        proposed = await ada.propose("t", artifact_sha256=SHA, electorate=VOTERS)
        with pytest.raises(UnavailableError, match="not settled"):
            await ada.decision(proposed.proposal_id, timeout_s=0.05)
        with pytest.raises(RejectedError, match="unknown_proposal"):
            await ada.decision("nothing", timeout_s=WAIT_S)


async def test_votes_and_comments_come_in_pages() -> None:
    async with serving(consensus.define, consensus.NAME, journal=MemoryStream()) as agents:
        ada = ConsensusClient(agents.caller("ada"))
        electorate = tuple(f"v{index}" for index in range(5))
        proposed = await ada.propose("t", artifact_sha256=SHA, electorate=electorate, early_decision=False)
        for agent in electorate[:4]:
            await ConsensusClient(agents.caller(agent)).vote(proposed.proposal_id, "for")
        first = await ada.votes(proposed.proposal_id, limit=3)
        assert (len(first.votes), first.is_complete) == (3, False)
        rest = await ada.votes(proposed.proposal_id, after_sequence=first.votes[-1].sequence)
        assert ([vote.voter for vote in rest.votes], rest.is_complete) == (["v3"], True)
        assert await ada.comments(proposed.proposal_id) == wire.CommentsReply(comments=(), is_complete=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"artifact_sha256": "A" * 64},
        {"artifact_sha256": "a" * 63},
        {"voting_period_ms": 0},
        {"voting_delay_ms": -1},
        {"kind": "anything"},
        {"electorate": ["Not An Id"]},
        {"quorum": {}},
        {"quorum": {"count": 1, "numerator": 1, "denominator": 2}},
        {"quorum": {"numerator": 1}},
        {"quorum": {"numerator": 1.5, "denominator": 1}},
        {"misspelt": 1},
    ],
)
def test_a_malformed_proposal_does_not_pass_the_wire(fields: dict[str, object]) -> None:
    body = {"title": "t", "artifact_sha256": SHA, "electorate": ["bob"]} | fields
    with pytest.raises(ValidationError):
        wire.ProposeRequest.model_validate(body)
