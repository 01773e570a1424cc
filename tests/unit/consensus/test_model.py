"""The life of a proposal: what each step leads to, who hears of it, and that time is kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from consensus import model, replies
from consensus.commands import (
    Amend,
    CancelProposal,
    Discuss,
    ExecuteProposal,
    OpenVoting,
    ReportExecution,
    VetoProposal,
)
from consensus.events import ProposalDecided, ProposalExpired, VotingOpened
from consensus.lifecycle import LIFECYCLE, SETTLED, Input, Status
from consensus.model import ConsensusModel
from consensus.rules import ElectorateSpec, Option, Tally
from consensus.views import full_view
from tests.support.proposals import (
    ARTIFACT,
    CREATED_MS,
    ENDS_MS,
    OPENS_MS,
    OTHER_ARTIFACT,
    House,
    proposal,
    proposed,
    signed,
    vote,
    voting,
)

AMEND = Amend(proposal_id="p", agent="ada", artifact_sha256=OTHER_ARTIFACT, reason="a fourth host")
CANCEL = CancelProposal(proposal_id="p", agent="gus", reason="out of hand")
VETO = VetoProposal(proposal_id="p", agent="vi", reason="untested")
EXECUTE = ExecuteProposal(proposal_id="p", executor="dan", execution_id="1", artifact_sha256=ARTIFACT)
REPORT = ReportExecution(proposal_id="p", executor="dan", is_success=True, note="fine")
COMMENT = Discuss(proposal_id="p", agent="bob", text="why not four?")
WINDOW_MS = 50
POWERS = {"guardian": "gus", "veto_holders": ("vi",), "execution_window_ms": WINDOW_MS}


def test_a_proposal_is_announced_when_discussion_begins_when_amended_and_when_voting_opens() -> None:
    house = proposed()
    house.accept(AMEND)
    house.advance(OPENS_MS)
    pushes = house.pushes("proposal")
    assert [push.agent for push in pushes] == ["bob", "cy", "dan"] * 3
    told = [replies.ProposalAnnounced.model_validate(push.body) for push in pushes]
    assert [each.status for each in told] == ["pending"] * 6 + ["active"] * 3
    assert [each.artifact_sha256 for each in told] == [ARTIFACT] * 3 + [OTHER_ARTIFACT] * 6
    assert house.notices == ["created", "amended", "opened"]


def test_without_a_discussion_period_voting_opens_at_once() -> None:
    house = voting()
    assert house.status == "active"
    assert [push.body["status"] for push in house.pushes("proposal")] == ["active"] * 3
    assert house.model.next_deadline_ms() == CREATED_MS + 100 + 1


def test_weights_are_on_record_when_voting_opens() -> None:
    house = proposed(weights={"bob": 3, "cy": 0})
    assert (dict(house.record().weights), house.record().tally) == ({}, None)
    assert house.record().electors == ("bob", "cy")
    house.advance(OPENS_MS)
    assert house.record().weights == {"bob": 3, "cy": 0}
    assert house.record().tally == Tally(eligible_votes=3, quorum_votes=2)


def test_a_certain_result_is_decided_at_once_and_told_once_to_all_concerned() -> None:
    house = voting(timelock_ms=5)
    house.accept(vote("bob"))
    reply = house.accept(vote("cy"))
    head = house.record().head
    tally = Tally(eligible_votes=3, quorum_votes=2, counted_votes=2, for_votes=2)
    assert house.events[-2] == ProposalDecided(
        proposal_id="p",
        status="succeeded",
        reason="majority",
        winner=None,
        artifact_sha256=ARTIFACT,
        tally=tally,
        is_early=True,
        decided_at_ms=CREATED_MS,
    )
    assert (reply["status"], reply["sequence"]) == ("queued", 2)
    assert reply["trail_hash"] == house.record().trail[-3].hash
    assert [push.agent for push in house.pushes("decision")] == ["bob", "cy", "dan", "ada"]
    told = replies.Decision.model_validate(house.pushes("decision")[0].body)
    assert (told.eta_ms, told.early) == (CREATED_MS + 5, True)
    view = replies.Proposal.model_validate(full_view(house.record()))
    assert (view.decision, view.trail_hash) == (told, head)
    assert house.notices == ["created", "opened", "voted", "voted", "decided", "queued"]


def test_a_hopeless_vote_is_lost_at_once() -> None:
    house = voting()
    house.accept(vote("bob", "against"))
    assert house.accept(vote("cy", "against"))["status"] == "defeated"


def test_a_decision_in_the_last_instant_is_still_early() -> None:
    house = voting(agents=["bob"])
    house.advance(CREATED_MS + 100)
    house.accept(vote("bob"))
    decision = house.record().decision
    assert decision is not None
    assert (decision.is_early, decision.decided_at_ms) == (True, house.record().deadline_ms)


def test_without_early_decision_the_deadline_decides() -> None:
    house = voting(is_early_decision=False)
    for voter in ("bob", "cy", "dan"):
        assert house.accept(vote(voter))["status"] == "active"
    house.advance(CREATED_MS + 101)
    assert house.status == "succeeded"


def test_where_votes_may_change_nothing_is_decided_early_and_the_last_one_counts() -> None:
    house = voting(may_change_vote=True)
    for voter in ("bob", "cy", "dan", "bob"):
        assert house.accept(vote(voter))["status"] == "active"
    house.accept(vote("cy", "against"))
    assert house.accept(vote("bob", "against"))["sequence"] == 6
    assert house.votes == (2, 1, 0)


PATHS: dict[Status, tuple[Any, ...]] = {
    "pending": (),
    "active": (OPENS_MS,),
    "succeeded": (OPENS_MS, vote("bob"), vote("cy")),
    "defeated": (OPENS_MS, vote("bob", "against"), vote("cy", "against")),
    "queued": (OPENS_MS, vote("bob"), vote("cy")),
    "executed": (OPENS_MS, vote("bob"), vote("cy"), EXECUTE),
    "expired": (OPENS_MS, vote("bob"), vote("cy"), ENDS_MS + WINDOW_MS),
    "canceled": (CANCEL,),
    "vetoed": (OPENS_MS, VETO),
}
"""How a proposal gets into each status: times to wait for and commands."""
GIVEN: dict[Input, Any] = {
    "discuss": COMMENT,
    "amend": AMEND,
    "vote": vote("dan", "abstain"),
    "execute": EXECUTE,
    "report": REPORT,
    "cancel": CANCEL,
    "veto": VETO,
}
"""The commands among the inputs; the others follow from votes, presence and time."""


def at(status: Status) -> House:
    house = proposed(**POWERS, timelock_ms=0 if status == "queued" else None)
    for step in PATHS[status]:
        if isinstance(step, int):
            house.advance(step)
        else:
            house.accept(step)
    assert house.status == status
    return house


@pytest.mark.parametrize(("status", "given"), list(product(get_args(Status), GIVEN)))
def test_every_command_in_every_status_does_what_the_table_says(status: Status, given: Input) -> None:
    house = at(status)
    after = LIFECYCLE.get((status, given))
    command = GIVEN[given]
    if (status, given) == ("executed", "execute"):
        before = len(house.events)
        assert house.accept(command)["executed_at_ms"] == house.now_ms
        assert len(house.events) == before
    elif after is None:
        house.refuse(command)
    else:
        house.accept(command)
    assert house.status == (after or status)
    house.check_replay()
    house.check_snapshot()


@pytest.mark.parametrize("status", get_args(Status))
def test_in_the_end_time_settles_everything(status: Status) -> None:
    house = at(status)
    assert (house.record().due_ms is None) == (status in SETTLED)
    house.advance(ENDS_MS + 10 * WINDOW_MS)
    left_alone = {"pending": "defeated", "active": "defeated", "succeeded": "expired", "queued": "expired"}
    assert house.status == left_alone.get(status, status)
    assert house.record().settled_at_ms is not None
    assert house.model.next_deadline_ms() is None


def test_the_whole_life_of_a_proposal_may_pass_in_one_tick() -> None:
    house = proposed()
    house.tick(ENDS_MS + 5_000)
    decision = house.record().decision
    assert decision is not None
    assert (decision.status, decision.is_early, decision.tally.quorum_votes) == ("defeated", False, 2)
    assert house.notices == ["created", "opened", "decided"]


def test_a_vote_counts_by_its_time_even_if_the_tick_that_opens_is_late() -> None:
    house = proposed()
    house.now_ms = OPENS_MS
    assert house.refuse(replace(CANCEL, agent="ada")) == "not_pending"
    house.accept(vote("bob"))
    assert house.status == "active"
    assert house.notices == ["created", "opened", "voted"]


def test_no_vote_counts_after_the_deadline_even_if_the_tick_that_ends_is_late() -> None:
    house = voting()
    house.accept(vote("bob"))
    house.now_ms = CREATED_MS + 101
    for command, code in (
        (vote("cy"), "voting_closed"),
        (COMMENT, "discussion_closed"),
        (EXECUTE, "not_succeeded"),
    ):
        assert house.refuse(command) == code
    assert house.status == "active"


def test_a_command_that_finds_the_vote_over_brings_its_result_along() -> None:
    house = voting(guardian="gus", is_early_decision=False)
    for voter in ("bob", "cy"):
        house.accept(vote(voter))
    house.now_ms = CREATED_MS + 101
    house.accept(CANCEL)
    assert house.status == "canceled"
    assert house.notices[-2:] == ["decided", "canceled"]
    assert {push.body["status"] for push in house.pushes("decision")} == {"canceled"}


def test_a_tick_takes_up_no_more_than_fits_into_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_TICK_LOAD", 6)
    house = House()
    for index in range(5):
        house.accept(proposal(proposal_id=f"p{index}"))
    opened = []
    while (due_ms := house.model.next_deadline_ms()) is not None and due_ms <= OPENS_MS:
        house.tick(OPENS_MS)
        opened.append(sum(each.status == "active" for each in house.model.proposals.values()))
    assert opened == [2, 4, 5]


def test_an_amendment_begins_the_discussion_anew_and_votes_are_about_it() -> None:
    house = proposed()
    house.now_ms = CREATED_MS + 8
    reply = house.accept(AMEND)
    assert (reply["artifact_sha256"], reply["snapshot_ms"]) == (OTHER_ARTIFACT, CREATED_MS + 18)
    assert reply["trail_hash"] == house.record().head
    assert house.record().description == "more room"
    house.advance(CREATED_MS + 18)
    assert house.status == "pending"
    house.advance(CREATED_MS + 19)
    assert house.record().deadline_ms == CREATED_MS + 118
    assert house.refuse(vote("bob", artifact_sha256=ARTIFACT)) == "stale_artifact"
    house.accept(vote("bob", artifact_sha256=OTHER_ARTIFACT))


def test_a_signature_over_the_former_artifact_is_worth_nothing() -> None:
    house = proposed(are_signatures_required=True)
    early = signed(vote("bob"), house.record())
    house.accept(AMEND)
    house.advance(OPENS_MS)
    assert house.refuse(early) == "bad_signature"
    house.accept(signed(vote("bob"), house.record()))


def test_the_winning_option_brings_its_own_artifact() -> None:
    options = (Option(option="x", artifact_sha256="c" * 64), Option(option="y"))
    house = proposed(protocol="approval", options=options)
    house.accept(replace(AMEND, options=(replace(options[0], artifact_sha256="d" * 64), options[1])))
    house.advance(OPENS_MS)
    for voter in ("bob", "cy"):
        house.accept(vote(voter, ["x"]))
    decision = house.record().decision
    assert decision is not None
    assert (decision.winner, decision.artifact_sha256) == ("x", "d" * 64)
    assert house.refuse(EXECUTE) == "wrong_artifact"


def test_whoever_has_a_say_discusses_and_nobody_else() -> None:
    house = proposed(**POWERS)
    for sequence, agent in enumerate(("ada", "bob", "gus", "vi"), start=1):
        assert house.accept(replace(COMMENT, agent=agent))["sequence"] == sequence
    assert house.refuse(replace(COMMENT, agent="eve")) == "not_in_electorate"


def test_while_nobody_knows_who_will_vote_everybody_discusses() -> None:
    house = voting(electorate=ElectorateSpec(role="reviewer"))
    house.accept(replace(COMMENT, agent="eve"))
    house.accept(OpenVoting(proposal_id="p", weights={"bob": 1, "cy": 1}, snapshot_ms=CREATED_MS))
    assert house.refuse(replace(COMMENT, agent="eve")) == "not_in_electorate"


def test_an_electorate_to_be_asked_for_waits_for_its_snapshot() -> None:
    house = proposed(electorate=ElectorateSpec(requirement="review>=2"))
    assert house.model.next_deadline_ms() == 61_011, "when it is given up"
    assert house.model.next_snapshot_ms() == OPENS_MS
    assert house.model.awaiting_snapshot(OPENS_MS - 1) == []
    assert house.model.awaiting_snapshot(OPENS_MS) == [house.record()]
    assert house.pushes("proposal") == []
    house.now_ms = OPENS_MS + 7
    command = OpenVoting(proposal_id="p", weights={"bob": 2}, source_revision=9, snapshot_ms=OPENS_MS - 1)
    house.accept(command)
    opened = house.events[-1]
    assert isinstance(opened, VotingOpened)
    assert (opened.source_revision, opened.deadline_ms) == (9, OPENS_MS + 7 + 100)
    assert [push.agent for push in house.pushes("proposal")] == ["bob"]
    assert house.refuse(command) == "stale_snapshot"


def test_an_amendment_voids_a_snapshot_that_was_asked_for_before() -> None:
    house = proposed(electorate=ElectorateSpec(role="reviewer"))
    house.now_ms = OPENS_MS
    asked_for = house.record().snapshot_ms
    house.accept(AMEND)
    house.now_ms += 100
    command = OpenVoting(proposal_id="p", weights={"bob": 1}, snapshot_ms=asked_for)
    assert house.refuse(command) == "stale_snapshot"
    house.accept(replace(command, snapshot_ms=house.record().snapshot_ms))


@pytest.mark.parametrize(
    ("found", "reason"),
    [((), "empty_electorate"), (("bob",), "electorate_too_small"), ("abcd", "electorate_too_large")],
)
def test_an_electorate_of_the_wrong_size_defeats_the_proposal(
    found: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consensus.opening.MAX_ELECTORATE", 3)
    house = voting(electorate=ElectorateSpec(role="reviewer"), minimum_electorate=2)
    house.accept(OpenVoting(proposal_id="p", weights=dict.fromkeys(found, 1), snapshot_ms=CREATED_MS))
    decision = house.record().decision
    assert decision is not None
    assert (decision.status, decision.reason, house.notices[-1]) == ("defeated", reason, "decided")


def test_a_quorum_that_nobody_can_reach_is_told_at_the_opening() -> None:
    house = voting(
        electorate=ElectorateSpec(role="reviewer"),
        quorum=replace(proposal().rules.quorum, numerator=9, denominator=None),
    )
    house.accept(OpenVoting(proposal_id="p", weights={"bob": 1}, snapshot_ms=CREATED_MS))
    assert house.status == "defeated"


@pytest.mark.parametrize("period_ms", [100, 90_000])
def test_a_proposal_of_which_nobody_says_who_votes_is_defeated_in_the_end(period_ms: int) -> None:
    house = proposed(electorate=ElectorateSpec(role="reviewer"), voting_period_ms=period_ms)
    snapshot_ms = house.record().snapshot_ms
    last_ms = snapshot_ms + max(period_ms, 60_000)
    house.advance(last_ms)
    assert house.status == "pending"
    house.now_ms += 1
    assert (
        house.refuse(OpenVoting(proposal_id="p", weights={"bob": 1}, snapshot_ms=snapshot_ms))
        == "stale_snapshot"
    )
    house.advance(last_ms + 1)
    decision = house.record().decision
    assert decision is not None
    assert (house.status, decision.reason) == ("defeated", "no_snapshot")
    assert house.pushes("decision")[-1].agent == "ada"
    assert house.model.next_deadline_ms() is None
    house.check_replay()


def test_the_longest_settled_proposal_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_PROPOSALS", 2)
    house = proposed(**POWERS)
    house.accept(proposal(proposal_id="q", **POWERS))
    assert house.refuse(proposal(proposal_id="r")) == "too_many_proposals"
    house.accept(replace(CANCEL, proposal_id="q"))
    house.now_ms += 1
    house.accept(CANCEL)
    house.accept(proposal(proposal_id="r"))
    assert list(house.model.proposals) == ["p", "r"]
    house.restart()
    house.accept(proposal(proposal_id="s"))
    assert [each.created.number for each in house.model.page(0)] == [3, 4]
    assert house.refuse(REPORT) == "unknown_proposal"
    house.check_replay()


def test_trails_make_room_as_proposals_do_and_no_more_than_one_command_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    for proposal_id in ("p", "q", "r"):
        house.accept(proposal(proposal_id=proposal_id, **POWERS))
        house.accept(replace(CANCEL, proposal_id=proposal_id))
    monkeypatch.setattr(model, "MAX_TRAIL_ENTRIES", 6)
    house.accept(proposal(proposal_id="s"))
    assert list(house.model.proposals) == ["q", "r", "s"]
    monkeypatch.setattr(model, "MAX_TRAIL_ENTRIES", 2)
    monkeypatch.setattr(model, "MAX_ARCHIVED", 1)
    house.accept(proposal(proposal_id="t"))
    assert list(house.model.proposals) == ["r", "s", "t"]


@pytest.mark.parametrize(
    ("bound", "are_held"), [("MAX_PROPOSALS", ["q"]), ("MAX_PROPOSALS_PER_PROPOSER", ["p", "q"])]
)
def test_an_approval_that_nobody_executed_makes_room_for_its_proposer_alone(
    monkeypatch: pytest.MonkeyPatch, bound: str, are_held: list[str]
) -> None:
    house = at("succeeded")
    monkeypatch.setattr(model, bound, 1)
    if bound == "MAX_PROPOSALS":
        assert house.refuse(proposal(proposal_id="q", proposer="bob")) == "too_many_proposals"
    house.accept(proposal(proposal_id="q"))
    assert list(house.model.proposals) == are_held
    expired = next(each for each in house.events if isinstance(each, ProposalExpired))
    assert (expired.made_room_for, expired.expired_at_ms) == ("q", house.now_ms)
    assert house.notices.count("expired") == 1
    if "p" in are_held:
        refusal = house.refusal(EXECUTE)
        assert (refusal.code, refusal.details) == ("approval_expired", {"expires_at_ms": house.now_ms})
        assert f"expired at {house.now_ms} (Unix ms) to make room for q" in refusal.message
    house.check_replay()


def test_the_oldest_approval_makes_room_and_none_that_waits_for_its_timelock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    for proposal_id in ("p", "q", "r"):
        terms = {**POWERS, "timelock_ms": 20 if proposal_id == "p" else None, "voting_delay_ms": 0}
        house.accept(proposal(proposal_id=proposal_id, **terms))
        for voter in ("bob", "cy"):
            house.accept(replace(vote(voter), proposal_id=proposal_id))
        house.now_ms += 1
    monkeypatch.setattr(model, "MAX_PROPOSALS_PER_PROPOSER", 3)
    statuses = []
    for proposal_id in ("s", "t"):
        house.accept(proposal(proposal_id=proposal_id))
        statuses.append([house.record(each).status for each in ("p", "q", "r")])
    assert statuses == [["queued", "expired", "succeeded"], ["queued", "expired", "expired"]]
    assert house.refuse(proposal(proposal_id="u")) == "too_many_proposals"


def test_many_electors_are_told_of_fewer_amendments() -> None:
    agents = tuple(f"agent-{number}" for number in range(1_500))
    house = proposed(electorate=ElectorateSpec(agents=agents))
    for digit in "0123456789":
        house.accept(replace(AMEND, artifact_sha256=digit * 64))
    refusal = house.refusal(AMEND)
    assert refusal.code == "too_many_amendments"
    assert refusal.message == "it was amended 10 times; cancel it and propose anew"


def test_one_agent_does_not_take_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_PROPOSALS_PER_PROPOSER", 1)
    house = proposed(**POWERS)
    assert house.refuse(proposal(proposal_id="q")) == "too_many_proposals"
    house.restart()
    assert house.refusal(proposal(proposal_id="q")).message == (
        "1 proposals of ada are not settled, the most for one agent, and ada has no approval that could "
        "give way; cancel one, or let votes end"
    )
    house.accept(proposal(proposal_id="q", proposer="bob"))
    house.accept(CANCEL)
    house.accept(proposal(proposal_id="r"))


def test_proposals_are_paged_by_number_in_either_order() -> None:
    house = House()
    for proposal_id in "abcd":
        house.accept(proposal(proposal_id=proposal_id))

    def numbers(after: int, *, newest_first: bool = False) -> list[int]:
        return [each.created.number for each in house.model.page(after, newest_first=newest_first)]

    assert numbers(2) == [3, 4]
    assert numbers(0, newest_first=True) == [4, 3, 2, 1]
    assert numbers(3, newest_first=True) == [2, 1]


def test_a_foreign_command_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="not a consensus command: str"):
        ConsensusModel().decide("vote", 0)
