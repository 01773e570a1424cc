"""Whatever agents do, a decision follows from the votes on record, and the journal tells it again."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consensus import model
from consensus.model import ConsensusModel, ConsensusState
from consensus.proposal import LIFECYCLE, CancelProposal, CastVote, Discuss, Propose
from consensus.tally import Choice, Quorum, count
from coordination.runtime.model import Outcome, Rejected
from tests.support.driving import Driver

AGENTS = ("ada", "bob", "cy", "dan")
IDS = ("p1", "p2", "p3", "p4")
MAX_PROPOSALS = 3
SETTLED = ("succeeded", "defeated", "canceled")
REACHABLE = {("pending", after) for after in ("pending", "active", *SETTLED)}
REACHABLE |= {("active", after) for after in ("active", "succeeded", "defeated")}
REACHABLE |= {(settled, settled) for settled in SETTLED}
agents = st.sampled_from(AGENTS)
ids = st.sampled_from(IDS)
choices: st.SearchStrategy[Choice] = st.sampled_from(("for", "against", "abstain"))
quorums = st.sampled_from(
    (
        Quorum(numerator=0),
        Quorum(numerator=1),
        Quorum(numerator=1, denominator=2),
        Quorum(numerator=2, denominator=3),
    )
)


class ConsensusMachine(RuleBasedStateMachine):
    """Random proposals, comments and votes, beside a naive record of the accepted votes."""

    @initialize()
    def begin(self) -> None:
        self.driver = Driver(ConsensusModel, ConsensusState)
        self.accepted: dict[str, dict[str, Choice]] = {}
        self.statuses: dict[str, str] = {}
        self.limits = mock.patch.multiple(
            model, MAX_PROPOSALS=MAX_PROPOSALS, MAX_TICK_PROPOSALS=2, MAX_TICK_VOTERS=4
        )
        self.limits.start()

    def teardown(self) -> None:
        if hasattr(self, "driver"):
            self.limits.stop()
            self.driver.check_replay()
            self.driver.check_snapshot()

    @rule(
        proposal_id=ids,
        proposer=agents,
        electorate=st.lists(agents, max_size=4, unique=True).map(tuple),
        voting_delay_ms=st.integers(0, 3),
        voting_period_ms=st.integers(1, 8),
        quorum=quorums,
        is_early=st.booleans(),
    )
    def propose(
        self,
        proposal_id: str,
        proposer: str,
        electorate: tuple[str, ...],
        voting_delay_ms: int,
        voting_period_ms: int,
        quorum: Quorum,
        is_early: bool,  # noqa: FBT001
    ) -> None:
        outcome = self.driver.send(
            Propose(
                proposal_id=proposal_id,
                proposer=proposer,
                title="t",
                kind="custom",
                description="",
                artifact_sha256=f"{len(self.driver.events):064x}",
                electorate=electorate,
                voting_delay_ms=voting_delay_ms,
                voting_period_ms=voting_period_ms,
                quorum=quorum,
                is_early_decision=is_early,
            )
        )
        if isinstance(outcome, Outcome):
            self.accepted[proposal_id] = {}
            self.statuses.pop(proposal_id, None)

    @rule(proposal_id=ids, voter=agents, choice=choices)
    def vote(self, proposal_id: str, voter: str, choice: Choice) -> None:
        proposal = self.driver.model.state.proposals.get(proposal_id)
        was_active = proposal is not None and proposal.status == "active"
        outcome = self.driver.send(CastVote(proposal_id=proposal_id, voter=voter, choice=choice))
        has_voted = voter in self.accepted.get(proposal_id, {})
        is_elector = proposal is not None and voter in proposal.created.electorate
        assert isinstance(outcome, Outcome) == (was_active and is_elector and not has_voted)
        if isinstance(outcome, Outcome):
            self.accepted[proposal_id][voter] = choice

    @rule(proposal_id=ids, agent=agents)
    def discuss(self, proposal_id: str, agent: str) -> None:
        self.driver.send(Discuss(proposal_id=proposal_id, agent=agent, text="hm"))

    @rule(proposal_id=ids, agent=agents)
    def cancel(self, proposal_id: str, agent: str) -> None:
        proposal = self.driver.model.state.proposals.get(proposal_id)
        may = proposal is not None and (proposal.status, proposal.created.proposer) == ("pending", agent)
        outcome = self.driver.send(CancelProposal(proposal_id=proposal_id, agent=agent))
        assert isinstance(outcome, Rejected) != may

    @rule(by_ms=st.integers(1, 5))
    def time_passes(self, by_ms: int) -> None:
        self.driver.advance(self.driver.now_ms + by_ms)

    @rule(by_ms=st.integers(1, 20))
    def the_service_sleeps(self, by_ms: int) -> None:
        now_ms = self.driver.now_ms + by_ms
        while (due_ms := self.driver.model.next_deadline_ms()) is not None and due_ms <= now_ms:
            self.driver.tick(now_ms)
        self.driver.now_ms = now_ms

    @rule()
    def restart(self) -> None:
        self.driver.restart()

    @invariant()
    def acknowledged_votes_are_counted_once(self) -> None:
        for proposal_id, proposal in self._proposals().items():
            recorded = {voter: vote.choice for voter, vote in proposal.votes.items()}
            assert recorded == self.accepted[proposal_id]
            if proposal.tally is not None:
                assert proposal.tally == count(proposal.weights, recorded, proposal.created.quorum)
            sequences = sorted(each.sequence for each in (*proposal.votes.values(), *proposal.comments))
            assert sequences == list(range(1, len(sequences) + 1))

    @invariant()
    def a_decision_is_about_the_proposed_artifact_and_the_recorded_votes(self) -> None:
        for proposal in self._proposals().values():
            decision = proposal.decision
            assert (decision is not None) == (proposal.status in ("succeeded", "defeated"))
            if decision is not None:
                assert (decision.artifact_sha256, decision.tally, decision.status) == (
                    proposal.created.artifact_sha256,
                    proposal.tally,
                    proposal.status,
                )
                assert decision.is_early == (decision.decided_at_ms <= proposal.created.deadline_ms)

    @invariant()
    def statuses_only_move_forward_and_time_is_kept(self) -> None:
        for proposal_id, proposal in self._proposals().items():
            before = self.statuses.get(proposal_id, "pending")
            assert (before, proposal.status) in REACHABLE
            self.statuses[proposal_id] = proposal.status
            assert proposal.due_ms is None or proposal.due_ms > self.driver.now_ms
            is_settled = proposal_id in self.driver.model.state.settled
            assert is_settled == (proposal.due_ms is None)

    @invariant()
    def the_next_deadline_is_what_a_search_finds(self) -> None:
        if hasattr(self, "driver"):
            due = [each.due_ms for each in self._proposals().values() if each.due_ms is not None]
            assert self.driver.model.next_deadline_ms() == min(due, default=None)
            assert len(self._proposals()) <= MAX_PROPOSALS

    def _proposals(self) -> dict[str, Any]:
        return self.driver.model.state.proposals if hasattr(self, "driver") else {}


TestConsensus = ConsensusMachine.TestCase
TestConsensus.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_every_transition_of_the_table_is_one_the_machine_may_take() -> None:
    assert {(before, after) for (before, _), after in LIFECYCLE.items()} <= REACHABLE
