"""Consensus as agents meet it: through its client, over the in-memory bus and journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from fractions import Fraction

import pytest

from consensus import service as consensus
from consensus import wire
from consensus.canonical import canonical
from consensus.client import ConsensusClient
from consensus.signing import attested_bytes, verify
from consensus.trail import chained, first_hash
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.runner import Shell
from coordination.runtime.service import ServiceDefinition
from tests.support.clock import ManualClock
from tests.support.serving import Agents, serving
from tests.support.voting import ARTIFACT, OTHER_ARTIFACT, signer_of, signing

VOTERS = ("bob", "cy", "dan")
WAIT_S = 5.0


@contextlib.asynccontextmanager
async def running(
    journal: MemoryStream | None = None, *, clock: ManualClock | None = None
) -> AsyncIterator[Agents]:
    """Consensus, alone."""
    stream = journal or MemoryStream()
    async with serving(consensus.define, consensus.NAME, journal=stream, clock=clock) as agents:
        yield agents


async def test_agents_decide_and_a_restart_forgets_nothing() -> None:
    journal = MemoryStream()
    async with running(journal) as agents:
        ada = signing(agents.caller("ada"))
        voters = {agent: signing(agents.caller(agent)) for agent in VOTERS}
        decided: asyncio.Queue[wire.Decision] = asyncio.Queue()
        await ada.on_decision(decided.put)

        for agent, client in voters.items():

            async def vote(
                proposal: wire.ProposalAnnounced, client: ConsensusClient = client, agent: str = agent
            ) -> None:
                choice = "against" if agent == "bob" else "for"
                reason = f"{agent} says so"
                await client.vote(proposal.proposal_id, choice, rationale=reason, proposal=proposal)

            await client.on_proposal(vote)
        proposed = await ada.propose(
            "three hosts", artifact_sha256=ARTIFACT, electorate=VOTERS, kind="infrastructure_change"
        )
        decision = await ada.decision(proposed.proposal_id, timeout_s=WAIT_S)
        assert (decision.status, decision.artifact_sha256) == ("succeeded", ARTIFACT)
        async with asyncio.timeout(WAIT_S):
            assert await decided.get() == decision
    async with running(journal) as agents:
        eve = signing(agents.caller("eve"))
        proposal = await eve.get(proposed.proposal_id)
        assert (proposal.decision, proposal.status) == (decision, "succeeded")
        assert proposal.approval is not None
        assert proposal.approval.artifact_sha256 == ARTIFACT
        votes = await eve.votes(proposed.proposal_id)
        assert votes.is_complete
        choices = {vote.voter: vote.choice for vote in votes.votes}
        assert choices.items() <= {"bob": "against", "cy": "for", "dan": "for"}.items()
        assert {vote.public_key for vote in votes.votes} == {signer_of(each).public_key for each in choices}
        with pytest.raises(RejectedError, match="voting_closed"):
            await signing(agents.caller("bob")).vote(proposed.proposal_id, "for")


async def test_time_opens_and_ends_the_vote() -> None:
    clock = ManualClock(now_ms=1_000)
    async with running(clock=clock) as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        announced: asyncio.Queue[wire.ProposalAnnounced] = asyncio.Queue()
        await bob.on_proposal(announced.put)
        proposed = await ada.propose(
            "t",
            artifact_sha256=ARTIFACT,
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


async def test_a_vote_is_signed_for_what_its_voter_has_read_and_for_nothing_else() -> None:
    clock = ManualClock(now_ms=1_000)
    async with running(clock=clock) as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS, voting_delay_ms=10)
        amended = await ada.amend(proposed.proposal_id, OTHER_ARTIFACT, reason="better")
        assert amended.trail_hash != proposed.trail_hash
        clock.advance(11)
        await settled_as(ada, proposed.proposal_id, "active")
        with pytest.raises(RejectedError, match="stale_artifact") as refused:
            await bob.vote(proposed.proposal_id, "for", proposal=proposed)
        assert refused.value.details == {"artifact_sha256": OTHER_ARTIFACT}
        assert (await bob.votes(proposed.proposal_id)).votes == ()
        reply = await bob.vote(proposed.proposal_id, "for", proposal=amended)
        assert (reply.sequence, reply.weight, reply.status) == (1, 1, "active")


async def test_a_client_that_asked_once_signs_no_amendment_behind_its_back() -> None:
    clock = ManualClock(now_ms=1_000)
    async with running(clock=clock) as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS, voting_delay_ms=10)
        with pytest.raises(RejectedError, match="not_active"):
            await bob.vote(proposed.proposal_id, "for")
        await ada.amend(proposed.proposal_id, OTHER_ARTIFACT)
        clock.advance(11)
        await settled_as(ada, proposed.proposal_id, "active")
        with pytest.raises(RejectedError, match="stale_artifact"):
            await bob.vote(proposed.proposal_id, "for")
        assert (await bob.vote(proposed.proposal_id, "for")).sequence == 1, "said again, it is meant"


async def test_a_choice_that_there_is_not_is_refused_before_it_is_signed() -> None:
    async with running() as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS)
        with pytest.raises(RejectedError, match="invalid_choice: a choice is one of for, against, abstain"):
            await bob.vote(proposed.proposal_id, "maybe")


async def test_without_a_key_votes_count_only_where_signatures_are_optional() -> None:
    async with running() as agents:
        ada, bob = (ConsensusClient(agents.caller(agent)) for agent in ("ada", "bob"))
        strict = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=["bob"])
        with pytest.raises(RejectedError, match="signature_required"):
            await bob.vote(strict.proposal_id, "for")
        free = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=["bob"], signatures="optional")
        assert (await bob.vote(free.proposal_id, "for")).status == "succeeded"


async def test_a_proposer_takes_a_proposal_back() -> None:
    async with running() as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose(
            "t", artifact_sha256=ARTIFACT, electorate=VOTERS, voting_delay_ms=60_000, quorum=2
        )
        with pytest.raises(RejectedError, match="not_proposer"):
            await bob.cancel(proposed.proposal_id)
        canceled = await ada.cancel(proposed.proposal_id, reason="no need")
        assert (canceled.status, canceled.reason, canceled.agent) == ("canceled", "no need", "ada")
        assert canceled == await bob.decision(proposed.proposal_id, timeout_s=WAIT_S)
        proposal = await ada.get(proposed.proposal_id)
        assert proposal.rules.quorum.count == 2
        assert proposal.decision == canceled


async def test_a_veto_ends_the_wait_for_a_decision() -> None:
    async with running() as agents:
        ada, eve = (signing(agents.caller(agent)) for agent in ("ada", "eve"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS, veto_holders=["eve"])
        waiting = asyncio.ensure_future(ada.decision(proposed.proposal_id, timeout_s=WAIT_S))
        with pytest.raises(RejectedError, match="reason_required"):
            await eve.veto(proposed.proposal_id, " ")
        vetoed = await eve.veto(proposed.proposal_id, "too dear")
        assert await waiting == vetoed
        assert (vetoed.status, vetoed.reason, vetoed.agent) == ("vetoed", "too dear", "eve")


async def test_an_approval_is_executed_once_and_reported_on() -> None:
    async with running() as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=["bob"])
        await bob.vote(proposed.proposal_id, "for", conditions=["a backup first"])
        approval = (await ada.get(proposed.proposal_id)).approval
        assert approval is not None
        assert approval.conditions == ("a backup first",)
        token = approval.model_dump(mode="json")
        with pytest.raises(RejectedError, match="conditions_unmet"):
            await ada.execute(proposed.proposal_id, artifact_sha256=ARTIFACT, token=token)
        with pytest.raises(RejectedError, match="wrong_artifact"):
            await ada.execute(proposed.proposal_id, artifact_sha256=OTHER_ARTIFACT, token=token)
        with pytest.raises(RejectedError, match="token_mismatch"):
            await ada.execute(
                proposed.proposal_id, artifact_sha256=ARTIFACT, token=token | {"trail_hash": "0" * 64}
            )
        for _ in range(2):
            done = await ada.execute(
                proposed.proposal_id,
                artifact_sha256=ARTIFACT,
                conditions_met=approval.conditions,
                token=token,
                execution_id="run-1",
            )
            assert (done.executor, done.execution_id) == ("ada", "run-1")
        with pytest.raises(RejectedError, match="already_executed"):
            await ada.execute(proposed.proposal_id, artifact_sha256=ARTIFACT)
        receipt = await ada.report(proposed.proposal_id, success=True, note="it runs")
        proposal = await bob.get(proposed.proposal_id)
        assert (proposal.status, proposal.receipt, proposal.execution) == ("executed", receipt, done)
        assert proposal.approval == approval, "who was killed before the effect goes on with it"
        assert (await bob.decision(proposed.proposal_id, timeout_s=WAIT_S)).status == "succeeded"


async def test_options_are_ranked_and_the_tally_shows_who_leads() -> None:
    async with running() as agents:
        ada = signing(agents.caller("ada"))
        proposed = await ada.propose(
            "which?",
            artifact_sha256=ARTIFACT,
            electorate=[f"v{index}" for index in range(5)],
            protocol="approval",
            options=["x", {"option": "y", "artifact_sha256": OTHER_ARTIFACT}],
            early_decision=False,
        )
        before = await ada.tally(proposed.proposal_id)
        assert (before.leading, before.voter_count, before.elector_count) == ("", 0, 5)
        for index, choice in enumerate((["x", "y"], "y", "abstain")):
            await signing(agents.caller(f"v{index}")).vote(proposed.proposal_id, choice)
        tally = await ada.tally(proposed.proposal_id)
        assert tally.tally is not None
        assert (tally.leading, tally.voter_count) == ("y", 3)
        assert tally.tally.scores == {"x": "1", "y": "2"}
        assert tally.quorum_reached is (tally.tally.counted_votes >= tally.tally.quorum_votes)


async def test_delegations_are_told_from_both_sides() -> None:
    async with running() as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        assert (await bob.delegate("ada")).delegate == "ada"
        await bob.delegate("cy", kind="infrastructure_change")
        with pytest.raises(RejectedError, match="delegation_cycle"):
            await ada.delegate("bob")
        given = await bob.delegations()
        assert [(each.kind, each.delegate) for each in given.given] == [
            ("", "ada"),
            ("infrastructure_change", "cy"),
        ]
        received = await bob.delegations("ada")
        assert [each.agent for each in received.received] == ["bob"]
        assert (received.received_count, received.given) == (1, ())
        assert (await bob.delegate(None)).delegate is None
        assert (await bob.delegations("ada")).received == ()


async def test_proposals_are_listed_by_what_they_are_and_what_they_want() -> None:
    async with running() as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        ids = [
            (
                await (ada if index % 2 else bob).propose(
                    f"p{index}", artifact_sha256=ARTIFACT, electorate=who
                )
            ).proposal_id
            for index, who in enumerate((["bob"], ["bob", "cy"], ["cy"], ["bob"]))
        ]
        await bob.vote(ids[0], "for")
        shown = {each.proposal_id for each in await bob.list(to_vote=True)}
        assert shown == {ids[1], ids[3]}
        assert [each.proposal_id for each in await ada.list(status="succeeded")] == [ids[0]]
        assert [each.number for each in await ada.list(status=["active", "succeeded"])] == [1, 2, 3, 4]
        assert [each.proposal_id for each in await ada.list(proposer="ada")] == [ids[1], ids[3]]
        assert await ada.list(kind="task_assignment") == ()
        first = await ada.page(newest_first=True, limit=3)
        assert ([each.number for each in first.proposals], first.next) == ([4, 3, 2], 2)
        rest = await ada.page(newest_first=True, after_number=first.next)
        assert ([each.number for each in rest.proposals], rest.next) == ([1], 0)


async def test_who_delegated_for_good_has_nothing_to_vote_on() -> None:
    async with running() as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        await bob.delegate("ada")
        await ada.propose("t", artifact_sha256=ARTIFACT, electorate=["ada", "bob"], fractional=True)
        assert await bob.list(to_vote=True) == ()
        assert len(await ada.list(to_vote=True)) == 1


async def test_waiting_for_a_decision_ends() -> None:
    async with running() as agents:
        ada = signing(agents.caller("ada"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS)
        with pytest.raises(UnavailableError, match="not settled"):
            await ada.decision(proposed.proposal_id, timeout_s=0.05)
        with pytest.raises(RejectedError, match="unknown_proposal"):
            await ada.decision("nothing", timeout_s=WAIT_S)


async def test_a_watcher_sees_every_state_and_the_end() -> None:
    async with running() as agents:
        ada = signing(agents.caller("ada"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS, early_decision=True)
        seen: list[tuple[str, int]] = []
        async with asyncio.timeout(WAIT_S), contextlib.aclosing(ada.watch(proposed.proposal_id)) as tallies:
            async for tally in tallies:
                seen.append((tally.status, tally.voter_count))
                if tally.status == "active":
                    voter = signing(agents.caller(VOTERS[tally.voter_count]))
                    await voter.vote(proposed.proposal_id, "for")
        assert seen == [("active", 0), ("active", 1), ("succeeded", 2)]


async def test_votes_and_comments_come_in_pages() -> None:
    async with running() as agents:
        ada = signing(agents.caller("ada"))
        electorate = tuple(f"v{index}" for index in range(5))
        proposed = await ada.propose(
            "t", artifact_sha256=ARTIFACT, electorate=electorate, early_decision=False
        )
        for agent in electorate[:4]:
            await signing(agents.caller(agent)).vote(proposed.proposal_id, "for")
        first = await ada.votes(proposed.proposal_id, limit=3)
        assert (len(first.votes), first.is_complete) == (3, False)
        rest = await ada.votes(proposed.proposal_id, after_sequence=first.votes[-1].sequence)
        assert ([vote.voter for vote in rest.votes], rest.is_complete) == (["v3"], True)
        assert await ada.comments(proposed.proposal_id) == wire.CommentsReply(comments=(), is_complete=True)


def with_key(shell: Shell) -> ServiceDefinition:
    """Consensus with credentials of its own."""
    own = Shell(
        bus=shell.bus,
        subjects=shell.subjects,
        caller=shell.caller,
        clock=shell.clock,
        entropy=shell.entropy,
        signer=signer_of("consensus"),
    )
    return consensus.define(own)


async def test_the_trail_comes_in_pages_and_the_service_vouches_for_its_head() -> None:
    async with serving(with_key, consensus.NAME, journal=MemoryStream()) as agents:
        ada, bob = (signing(agents.caller(agent)) for agent in ("ada", "bob"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=["bob"])
        voted = await bob.vote(proposed.proposal_id, "for")
        first = await ada.trail(proposed.proposal_id, limit=2)
        assert [each.event for each in first.entries] == ["ProposalCreated", "VotingOpened"]
        assert (first.is_complete, first.head_sequence) == (False, 4)
        rest = await ada.trail(proposed.proposal_id, after_sequence=2)
        assert rest.is_complete
        assert rest.entries[0].hash == voted.trail_hash, "the voter's receipt is in the trail"
        head = first_hash(proposed.proposal_id)
        for entry in (*first.entries, *rest.entries):
            canonical(entry.body)
            head = chained(head, entry.sequence, entry.event, entry.body)
            assert head == entry.hash
        assert head == rest.head == (await ada.tally(proposed.proposal_id)).trail_hash
        word = rest.attestation
        assert word is not None
        assert (word.sequence, word.hash, word.public_key) == (4, head, signer_of("consensus").public_key)
        vouched = attested_bytes(proposal_id=proposed.proposal_id, sequence=4, head=head)
        assert verify(word.public_key, word.signature, vouched)


async def test_a_service_without_a_key_vouches_for_nothing() -> None:
    async with running() as agents:
        ada = signing(agents.caller("ada"))
        proposed = await ada.propose("t", artifact_sha256=ARTIFACT, electorate=VOTERS)
        assert (await ada.trail(proposed.proposal_id)).attestation is None


async def settled_as(client: ConsensusClient, proposal_id: str, status: str) -> None:
    """Return when the proposal has this status."""
    async with asyncio.timeout(WAIT_S), contextlib.aclosing(client.watch(proposal_id)) as tallies:
        async for tally in tallies:
            if tally.status == status:
                return
    raise AssertionError(f"it never was {status}")
