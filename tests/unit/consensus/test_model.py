"""The rules of proposals, one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from consensus import limits, model, wire
from consensus.model import ConsensusModel, ConsensusState
from consensus.proposal import (
    LIFECYCLE,
    CancelProposal,
    CastVote,
    Discuss,
    Input,
    Proposal,
    ProposalDecided,
    Propose,
    Status,
    VotingOpened,
)
from consensus.tally import Choice, Quorum, Tally
from consensus.views import full_view
from coordination.runtime.model import Notice, Rejected
from tests.support.driving import Driver

PROPOSE = Propose(
    proposal_id="p",
    proposer="ada",
    title="Move to three hosts",
    kind="infrastructure_change",
    description="more room",
    artifact_sha256="a" * 64,
    electorate=("bob", "cy", "dan"),
    voting_delay_ms=10,
    voting_period_ms=100,
    quorum=Quorum(numerator=1, denominator=2),
    conversation_id="review",
)
CANCEL = CancelProposal(proposal_id="p", agent="ada")
OPENS_MS = 1_011
ENDS_MS = 1_111


def vote(voter: str = "bob", choice: Choice = "for") -> CastVote:
    return CastVote(proposal_id="p", voter=voter, choice=choice, rationale="because")


def comment(agent: str = "bob") -> Discuss:
    return Discuss(proposal_id="p", agent=agent, text="why not four?")


def proposed(**changes: Any) -> Driver[ConsensusModel]:
    driver = Driver(ConsensusModel, ConsensusState, now_ms=1_000)
    driver.accept(replace(PROPOSE, **changes))
    return driver


def record(driver: Driver[ConsensusModel]) -> Proposal:
    return driver.model.state.proposals["p"]


def notices(driver: Driver[ConsensusModel]) -> list[str]:
    return [each.event for each in driver.messages if isinstance(each, Notice)]


def test_a_proposal_is_announced_when_discussion_begins_and_when_voting_opens() -> None:
    driver = proposed()
    announced = [wire.ProposalAnnounced.model_validate(push.body) for push in driver.pushes("proposal")]
    assert [push.agent for push in driver.pushes("proposal")] == ["bob", "cy", "dan"]
    assert {each.status for each in announced} == {"pending"}
    driver.advance(OPENS_MS)
    statuses = [push.body["status"] for push in driver.pushes("proposal")]
    assert statuses == ["pending"] * 3 + ["active"] * 3
    assert notices(driver) == ["created", "opened"]


def test_without_a_discussion_period_voting_opens_at_once() -> None:
    driver = proposed(voting_delay_ms=0)
    assert record(driver).status == "active"
    assert [push.body["status"] for push in driver.pushes("proposal")] == ["active"] * 3
    assert driver.accept(vote()).status == "active"
    assert driver.model.next_deadline_ms() == 1_101


def test_weights_are_on_record_when_voting_opens() -> None:
    driver = proposed()
    assert (record(driver).weights, record(driver).tally) == ({}, None)
    driver.advance(OPENS_MS)
    (opened,) = [event for event in driver.events if isinstance(event, VotingOpened)]
    assert opened.weights == {"bob": 1, "cy": 1, "dan": 1}
    assert record(driver).tally == Tally(eligible_votes=3, quorum_votes=2)


def test_a_certain_outcome_is_decided_at_once_and_told_to_all_concerned() -> None:
    driver = proposed(voting_delay_ms=0)
    driver.accept(vote("bob"))
    assert driver.accept(vote("cy")).status == "succeeded"
    tally = Tally(eligible_votes=3, quorum_votes=2, for_votes=2)
    assert driver.events[-1] == ProposalDecided(
        proposal_id="p",
        status="succeeded",
        artifact_sha256="a" * 64,
        tally=tally,
        is_early=True,
        decided_at_ms=1_000,
    )
    assert [push.agent for push in driver.pushes("decision")] == ["bob", "cy", "dan", "ada"]
    decision = wire.Decision.model_validate(driver.pushes("decision")[0].body)
    assert (decision.artifact_sha256, decision.early) == ("a" * 64, True)
    assert wire.Proposal.model_validate(full_view(record(driver))).decision == decision
    assert notices(driver)[-1] == "decided"
    assert driver.refuse(vote("dan")) == "voting_closed"
    assert driver.model.next_deadline_ms() is None


def test_a_hopeless_vote_is_lost_at_once() -> None:
    driver = proposed(voting_delay_ms=0)
    driver.accept(vote("bob", "against"))
    assert driver.accept(vote("cy", "against")).status == "defeated"


def test_a_proposer_in_the_electorate_hears_of_the_decision_once() -> None:
    driver = proposed(voting_delay_ms=0, electorate=("ada",))
    driver.accept(vote("ada"))
    assert [push.agent for push in driver.pushes("decision")] == ["ada"]


def test_without_early_decision_all_have_their_say() -> None:
    driver = proposed(voting_delay_ms=0, is_early_decision=False)
    assert driver.accept(vote("bob")).status == "active"
    assert driver.accept(vote("cy")).status == "active"
    assert driver.accept(vote("dan", "against")).status == "succeeded"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"electorate": ()}, "empty_electorate"),
        ({"electorate": ("bob", "cy", "bob")}, "duplicate_voter"),
        (
            {"electorate": tuple(f"v{index}" for index in range(limits.MAX_ELECTORATE + 1))},
            "electorate_too_large",
        ),
        ({"quorum": Quorum(numerator=4)}, "invalid_quorum"),
        ({"quorum": Quorum(numerator=-1)}, "invalid_quorum"),
        ({"quorum": Quorum(numerator=3, denominator=2)}, "invalid_quorum"),
        ({"quorum": Quorum(numerator=0, denominator=0)}, "invalid_quorum"),
        ({"quorum": Quorum(numerator=-1, denominator=2)}, "invalid_quorum"),
    ],
)
def test_what_cannot_be_proposed_is_refused_by_name(changes: dict[str, Any], code: str) -> None:
    driver = Driver(ConsensusModel, ConsensusState)
    assert driver.refuse(replace(PROPOSE, **changes)) == code


@pytest.mark.parametrize(
    "changes",
    [
        {"quorum": Quorum(numerator=3)},
        {"quorum": Quorum(numerator=0)},
        {"quorum": Quorum(numerator=1, denominator=1)},
        {"electorate": tuple(f"v{index}" for index in range(limits.MAX_ELECTORATE))},
    ],
)
def test_what_is_just_within_the_bounds_can_be_proposed(changes: dict[str, Any]) -> None:
    proposed(**changes)


def test_an_id_is_given_once() -> None:
    assert proposed().refuse(PROPOSE) == "proposal_exists"


PATHS: dict[Status, tuple[Any, ...]] = {
    "pending": (),
    "active": (OPENS_MS,),
    "succeeded": (OPENS_MS, vote("bob"), vote("cy")),
    "defeated": (OPENS_MS, vote("bob", "against"), vote("cy", "against")),
    "canceled": (CANCEL,),
}
"""How a proposal gets into each status: times to wait for and commands."""
REFUSED = {
    ("discuss", "over"): "discussion_closed",
    ("vote", "pending"): "not_active",
    ("vote", "over"): "voting_closed",
    ("cancel", "active"): "not_pending",
    ("cancel", "over"): "not_pending",
}


def at(status: Status) -> Driver[ConsensusModel]:
    driver = proposed()
    for step in PATHS[status]:
        if isinstance(step, int):
            driver.advance(step)
        else:
            driver.accept(step)
    assert record(driver).status == status
    return driver


@pytest.mark.parametrize(("status", "given"), list(product(get_args(Status), get_args(Input))))
def test_every_input_in_every_status_does_what_the_table_says(status: Status, given: Input) -> None:
    driver = at(status)
    expected = LIFECYCLE.get((status, given))
    phase = status if status in ("pending", "active") else "over"
    match given:
        case "discuss" | "vote" | "cancel":
            command = {"discuss": comment(), "vote": vote("dan", "abstain"), "cancel": CANCEL}[given]
            if expected is None:
                assert driver.refuse(command) == REFUSED[given, phase]
            else:
                driver.accept(command)
        case "open":
            driver.advance(OPENS_MS)
            expected = expected or (status if status != "pending" else "active")
        case "win" | "lose":
            if status == "active":
                for voter in ("bob", "cy"):
                    driver.accept(vote(voter, "for" if given == "win" else "against"))
            elif status != "pending":
                before = record(driver).decision
                driver.advance(ENDS_MS * 2)
                assert record(driver).decision == before
    assert record(driver).status == (expected or status)
    driver.check_replay()
    driver.check_snapshot()


def test_the_whole_life_of_a_proposal_may_pass_in_one_tick() -> None:
    driver = proposed()
    driver.tick(ENDS_MS + 5_000)
    assert record(driver).status == "defeated"
    decision = record(driver).decision
    assert decision is not None
    assert (decision.is_early, decision.tally.quorum_votes) == (False, 2)
    assert notices(driver) == ["created", "opened", "decided"]


def test_time_counts_even_if_the_tick_is_late() -> None:
    driver = proposed()
    driver.now_ms = OPENS_MS
    late = driver.send(vote())
    assert isinstance(late, Rejected)
    assert (late.code, late.retryable) == ("not_active", True)
    assert driver.refuse(CANCEL) == "not_pending"
    driver.advance(OPENS_MS)
    driver.now_ms = ENDS_MS
    assert driver.refuse(vote()) == "voting_closed"
    assert driver.refuse(comment()) == "discussion_closed"


def test_a_tick_takes_up_no_more_than_fits_into_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_TICK_VOTERS", 6)
    driver = Driver(ConsensusModel, ConsensusState, now_ms=1_000)
    for index in range(5):
        driver.accept(replace(PROPOSE, proposal_id=f"p{index}"))
    opened = []
    while (due_ms := driver.model.next_deadline_ms()) is not None and due_ms <= OPENS_MS:
        driver.tick(OPENS_MS)
        opened.append(sum(each.status == "active" for each in driver.model.state.proposals.values()))
    assert opened == [2, 4, 5]


def test_proposer_and_electorate_discuss_and_nobody_else() -> None:
    driver = proposed()
    assert driver.accept(comment("ada")).sequence == 1
    assert driver.accept(comment("bob")).sequence == 2
    assert driver.refuse(comment("eve")) == "not_in_electorate"
    driver.advance(OPENS_MS)
    assert driver.accept(vote("cy")).sequence == 3
    assert driver.accept(comment("cy")).sequence == 4
    assert driver.refuse(Discuss(proposal_id="q", agent="ada", text="?")) == "unknown_proposal"


def test_comments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_COMMENTS", 1)
    driver = proposed()
    driver.accept(comment())
    assert driver.refuse(comment()) == "too_many_comments"


def test_a_cancellation_is_told_to_all_concerned() -> None:
    driver = at("canceled")
    decision = wire.Decision.model_validate(driver.pushes("decision")[0].body)
    assert (decision.status, decision.tally, decision.decided_at_ms) == ("canceled", None, 1_000)
    assert wire.Proposal.model_validate(full_view(record(driver))).decision == decision
    assert driver.model.next_deadline_ms() is None
    assert driver.refuse(CancelProposal(proposal_id="q", agent="ada")) == "unknown_proposal"


def test_the_longest_settled_proposal_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_PROPOSALS", 2)
    driver = proposed()
    driver.accept(replace(PROPOSE, proposal_id="q"))
    assert driver.refuse(replace(PROPOSE, proposal_id="r")) == "too_many_proposals"
    driver.accept(replace(CANCEL, proposal_id="q"))
    driver.accept(CANCEL)
    driver.accept(replace(PROPOSE, proposal_id="r"))
    assert [each.created.number for each in driver.model.page(0, None)] == [1, 3]
    driver.check_replay()


def test_proposals_are_paged_by_number_and_status() -> None:
    driver = proposed()
    for proposal_id in ("q", "r"):
        driver.accept(replace(PROPOSE, proposal_id=proposal_id))
    driver.accept(replace(CANCEL, proposal_id="q"))
    ids = [each.created.proposal_id for each in driver.model.page(1, None)]
    assert ids == ["q", "r"]
    assert [each.created.proposal_id for each in driver.model.page(0, "canceled")] == ["q"]


def test_a_foreign_command_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="not a consensus command: str"):
        ConsensusModel().decide("vote", 0)
