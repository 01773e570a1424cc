"""OpenZeppelin Governor's vectors (v5.7.0; reference/peers.md, section 4), each through the model's commands.

Supply 100, of which v1 to v4 hold 10, 7, 5 and 2 and `rest` what remains; delay 4, period 16. Where a vector
changes more than that, it says so. Counts are [against, for, abstain], in Governor's order.
"""

from __future__ import annotations

from typing import Any

import pytest

from consensus.commands import CancelProposal, CastVote, ExecuteProposal, SetDelegate
from consensus.events import DeadlineExtended, ProposalQueued
from consensus.rules import Level
from tests.support.proposals import ARTIFACT, CREATED_MS, House, count, percent, proposal

WEIGHTS = {"v1": 10, "v2": 7, "v3": 5, "v4": 2, "rest": 76}
SUPER_WEIGHTS = {"v1": 40, "v2": 30, "v3": 20, "v4": 15, "v5": 5}
SNAPSHOT_MS = CREATED_MS + 4
DEADLINE_MS = SNAPSHOT_MS + 16
EXECUTE = ExecuteProposal(proposal_id="p", executor="tasks", execution_id="1", artifact_sha256=ARTIFACT)


def governor(*, is_open: bool = True, **changes: Any) -> House:
    """A proposal under Governor's parameters, quorum 10 % unless told otherwise."""
    house = House()
    terms = {
        "proposer": "ada",
        "weights": WEIGHTS,
        "quorum": percent(10),
        "is_early_decision": False,
        "voting_delay_ms": 4,
        "voting_period_ms": 16,
    }
    house.accept(proposal(**terms | changes))
    if is_open:
        house.advance(SNAPSHOT_MS + 1)
    return house


def cast(house: House, voter: str, choice: Any, scope: Any = "all") -> Any:
    return house.accept(CastVote(proposal_id="p", voter=voter, choice=choice, scope=scope))


def refused(house: House, voter: str, choice: Any, scope: Any = "all") -> str:
    return house.refuse(CastVote(proposal_id="p", voter=voter, choice=choice, scope=scope))


def test_nominal_quorum_10_percent() -> None:
    house = governor()
    cast(house, "v1", "for")
    cast(house, "v2", "for")
    cast(house, "v3", "against")
    cast(house, "v4", "abstain")
    assert house.votes == (5, 17, 2)
    house.advance(DEADLINE_MS + 1)
    assert house.status == "succeeded"
    house.accept(EXECUTE)
    assert house.status == "executed"
    house.check_replay()
    house.check_snapshot()


@pytest.mark.parametrize(("at_ms", "status"), [(SNAPSHOT_MS, "pending"), (SNAPSHOT_MS + 1, "active")])
def test_boundary_snapshot(at_ms: int, status: str) -> None:
    house = governor(is_open=False)
    house.advance(at_ms)
    assert house.status == status


@pytest.mark.parametrize(("at_ms", "status"), [(DEADLINE_MS, "active"), (DEADLINE_MS + 1, "defeated")])
def test_boundary_deadline_without_votes(at_ms: int, status: str) -> None:
    house = governor()
    house.advance(at_ms)
    assert house.status == status


@pytest.mark.parametrize(("at_ms", "status"), [(DEADLINE_MS, "active"), (DEADLINE_MS + 1, "succeeded")])
def test_boundary_deadline_for_10(at_ms: int, status: str) -> None:
    house = governor()
    cast(house, "v1", "for")
    house.advance(at_ms)
    assert house.status == status


@pytest.mark.parametrize(
    ("voter", "is_reached", "status"), [("v1", True, "succeeded"), ("v2", False, "defeated")]
)
def test_quorum_8_percent(voter: str, is_reached: bool, status: str) -> None:  # noqa: FBT001
    house = governor(quorum=percent(8))
    cast(house, voter, "for")
    tally = house.record().tally
    assert tally is not None
    assert (tally.quorum_votes, tally.is_quorum_reached) == (8, is_reached)
    house.advance(DEADLINE_MS + 1)
    assert house.status == status


def test_quorum_8_to_6_percent_holds_for_what_is_proposed_later() -> None:
    """The quorum belongs to a proposal, so a change of policy never reaches back (QuorumNumeratorUpdated)."""
    house = governor(quorum=percent(8))
    house.accept(proposal(proposal_id="q", weights=WEIGHTS, quorum=percent(6), voting_delay_ms=0))
    tallies = [house.record(each).tally for each in ("p", "q")]
    assert [each.quorum_votes for each in tallies if each is not None] == [8, 6]
    cast(house, "v2", "for")
    house.accept(CastVote(proposal_id="q", voter="v2", choice="for"))
    house.advance(CREATED_MS + 200)
    assert (house.record("p").status, house.record("q").status) == ("defeated", "succeeded")


def test_quorum_of_101_percent_is_rejected() -> None:
    assert House().refuse(proposal(weights=WEIGHTS, quorum=percent(101))) == "invalid_quorum"


def test_late_quorum() -> None:
    house = governor(quorum=count(1), late_quorum_extension_ms=8)
    vote_ms = DEADLINE_MS - 1
    house.advance(vote_ms)
    cast(house, "v2", "for")
    assert house.events[-1] == DeadlineExtended(
        proposal_id="p", deadline_ms=vote_ms + 8, extended_at_ms=vote_ms
    )
    assert house.notices[-1] == "extended"
    house.advance(vote_ms + 8)
    assert house.status == "active"
    cast(house, "v1", "against")
    assert house.record().deadline_ms == vote_ms + 8
    house.advance(vote_ms + 9)
    assert house.status == "defeated"


def test_super_40_quorum_10() -> None:
    house = governor(weights=SUPER_WEIGHTS, quorum=count(10), super_quorum=count(40))
    cast(house, "v2", "for")
    assert house.status == "active"
    assert cast(house, "v3", "for")["status"] == "succeeded"
    decision = house.record().decision
    assert decision is not None
    assert decision.is_early


def test_super_not_reached() -> None:
    house = governor(weights=SUPER_WEIGHTS, quorum=count(10), super_quorum=count(40))
    cast(house, "v4", "for")
    cast(house, "v5", "for")
    house.advance(DEADLINE_MS)
    assert house.status == "active"
    house.advance(DEADLINE_MS + 1)
    assert house.status == "succeeded"


def test_super_reached_losing() -> None:
    house = governor(weights=SUPER_WEIGHTS, quorum=count(10), super_quorum=count(40))
    cast(house, "v2", "against")
    cast(house, "v3", "against")
    assert cast(house, "v1", "for")["status"] == "active"
    house.advance(DEADLINE_MS + 1)
    assert (house.status, house.votes) == ("defeated", (50, 40, 0))


def test_super_and_queue() -> None:
    house = governor(weights=SUPER_WEIGHTS, quorum=count(10), super_quorum=count(40), timelock_ms=3_600)
    assert cast(house, "v1", "for")["status"] == "queued"
    at_ms = house.now_ms
    assert house.events[-1] == ProposalQueued(proposal_id="p", eta_ms=at_ms + 3_600, queued_at_ms=at_ms)


def fractional(**weights: int) -> House:
    return governor(weights={"rest": 100, **weights}, is_fractional=True)


def test_fractional_twice_with_weight_7() -> None:
    house = fractional(v2=7)
    cast(house, "v2", {"for": 2, "abstain": 1})
    assert house.votes == (0, 2, 1)
    cast(house, "v2", {"against": 1, "abstain": 1})
    assert house.votes == (1, 2, 2)
    poll = house.record().poll
    assert poll is not None
    assert poll.weight_of("v2") == 7 - 5


def test_fractional_then_nominal() -> None:
    house = fractional(v2=7)
    cast(house, "v2", {"against": 1, "for": 2, "abstain": 1})
    assert house.votes == (1, 2, 1)
    assert cast(house, "v2", "against")["weight"] == 3
    assert house.votes == (4, 2, 1)
    assert refused(house, "v2", "against") == "already_voted"


def test_fractional_overspend() -> None:
    house = fractional(v2=7)
    assert refused(house, "v2", {"against": 0, "for": 1_000, "abstain": 0}) == "overspent"


def delegated(**delegates: str) -> House:
    """v1, v2 and v4 of the standard supply; who delegated to whom before the vote opened."""
    house = House()
    for agent, delegate in delegates.items():
        house.accept(SetDelegate(agent=agent, delegate=delegate))
    house.accept(proposal(weights=WEIGHTS, is_early_decision=False, voting_delay_ms=4, voting_period_ms=16))
    house.advance(SNAPSHOT_MS + 1)
    return house


def test_override_after_delegate() -> None:
    house = delegated(v1="v2", v4="v2")
    assert cast(house, "v2", "for")["weight"] == 10 + 7 + 2
    assert house.votes == (0, 19, 0)
    assert cast(house, "v1", "against")["weight"] == 10
    assert house.votes == (10, 9, 0)


def test_override_before() -> None:
    house = delegated(v1="v2", v4="v2")
    cast(house, "v1", "against")
    assert house.votes == (10, 0, 0)
    cast(house, "v2", "for")
    assert house.votes == (10, 9, 0)


def test_second_override() -> None:
    house = delegated(v1="v2", v4="v2")
    cast(house, "v2", "for")
    cast(house, "v1", "against")
    cast(house, "v4", "abstain")
    assert house.votes == (10, 7, 2)


def test_independent_override() -> None:
    """v1 holds 5 of others and has delegated its own 10: the two are cast apart."""
    house = delegated(v3="v1", v1="v2")
    cast(house, "v1", "for", "delegated")
    assert house.votes == (0, 5, 0)
    cast(house, "v1", "against", "own")
    assert house.votes == (10, 5, 0)


def test_guard_non_existent() -> None:
    assert refused(House(), "v1", "for") == "unknown_proposal"


def test_guard_before_start() -> None:
    assert refused(governor(is_open=False), "v1", "for") == "not_active"


def test_guard_bad_support() -> None:
    assert refused(governor(), "v1", "255") == "invalid_choice"


def test_guard_double_vote() -> None:
    house = governor()
    cast(house, "v1", "for")
    assert refused(house, "v1", "for") == "already_voted"


def test_guard_after_end() -> None:
    house = governor()
    house.advance(DEADLINE_MS + 1)
    assert refused(house, "v1", "for") == "voting_closed"


def test_guard_execute_early() -> None:
    house = governor()
    cast(house, "rest", "for")
    house.advance(DEADLINE_MS)
    assert house.refuse(EXECUTE) == "not_succeeded"


@pytest.mark.parametrize("votes", [{"v4": "for"}, {"v1": "for", "v2": "against", "v3": "against"}])
def test_guard_execute_without_quorum_or_score(votes: dict[str, str]) -> None:
    house = governor()
    for voter, choice in votes.items():
        cast(house, voter, choice)
    house.advance(DEADLINE_MS + 1)
    assert house.status == "defeated"
    assert house.refuse(EXECUTE) == "not_succeeded"


def test_guard_re_execute() -> None:
    house = governor()
    cast(house, "rest", "for")
    house.advance(DEADLINE_MS + 1)
    house.accept(EXECUTE)
    again = ExecuteProposal(proposal_id="p", executor="knowledge", execution_id="1", artifact_sha256=ARTIFACT)
    assert house.refuse(again) == "already_executed"


def test_guard_cancel() -> None:
    house = governor(is_open=False)
    assert house.refuse(CancelProposal(proposal_id="p", agent="v1")) == "not_proposer"
    house.advance(SNAPSHOT_MS + 1)
    assert house.refuse(CancelProposal(proposal_id="p", agent="ada")) == "not_pending"


def test_a_tie_defeats_a_proposal() -> None:
    house = governor(weights={"v1": 10, "v2": 10})
    cast(house, "v1", "for")
    cast(house, "v2", "against")
    house.advance(DEADLINE_MS + 1)
    decision = house.record().decision
    assert decision is not None
    assert (decision.status, decision.reason) == ("defeated", "tie")


@pytest.mark.parametrize(
    ("votes", "status"),
    [({"v2": "for", "v4": "abstain"}, "succeeded"), ({"v2": "for", "v3": "against"}, "defeated")],
    ids=["abstaining counts", "against does not"],
)
def test_for_and_abstain_count_toward_the_quorum(votes: dict[str, str], status: str) -> None:
    house = governor(quorum=Level(numerator=9, denominator=100))
    for voter, choice in votes.items():
        cast(house, voter, choice)
    house.advance(DEADLINE_MS + 1)
    assert house.status == status
