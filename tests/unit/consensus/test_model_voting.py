"""What votes lead to in the model: delegation, presence, more time, conditions, execution."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from consensus.approval import approval_of
from consensus.commands import (
    Amend,
    ExecuteProposal,
    NotePresence,
    OpenVoting,
    ReportExecution,
    SetDelegate,
    VetoProposal,
)
from consensus.events import DeadlineExtended, DelegationSet, ElectorReleased, ElectorRestored
from consensus.rules import ElectorateSpec, Option
from tests.support.proposals import (
    ARTIFACT,
    CREATED_MS,
    House,
    count,
    percent,
    proposal,
    proposed,
    signed,
    vote,
    voting,
)

EXECUTE = ExecuteProposal(proposal_id="p", executor="dan", execution_id="1", artifact_sha256=ARTIFACT)
OPTIONS = (Option(option="x"), Option(option="y"))


def delegate(agent: str, to: str | None, kind: str = "") -> SetDelegate:
    return SetDelegate(agent=agent, delegate=to, kind=kind)


def after(*commands: Any) -> House:
    house = House()
    for command in commands:
        house.accept(command)
    return house


# --- delegation


def test_a_delegation_for_the_kind_goes_before_the_one_for_all() -> None:
    house = after(delegate("bob", "cy"), delegate("bob", "dan", "infrastructure_change"))
    house.accept(proposal(voting_delay_ms=0))
    house.accept(proposal(proposal_id="q", kind="custom", voting_delay_ms=0))
    assert house.record("p").delegations == {"bob": "dan"}
    assert house.record("q").delegations == {"bob": "cy"}


def test_a_delegation_can_be_taken_back_and_leaves_the_one_for_all() -> None:
    house = after(delegate("bob", "cy"), delegate("bob", "dan", "custom"), delegate("bob", None, "custom"))
    assert house.accept(delegate("cy", None)) == {
        "agent": "cy",
        "kind": "",
        "delegate": None,
        "set_at_ms": CREATED_MS,
    }
    assert [each.delegate for each in house.model.delegations] == ["cy"]
    assert sum(isinstance(each, DelegationSet) for each in house.events) == 3
    house.accept(delegate("bob", "cy"))
    assert len(house.events) == 3
    house.check_snapshot()


def test_what_is_delegated_later_changes_no_open_vote() -> None:
    house = after(proposal(voting_delay_ms=0), delegate("bob", "cy"))
    assert house.record().delegations == {}
    assert house.accept(vote("cy"))["weight"] == 1


def test_delegations_to_and_from_others_than_electors_are_left_out() -> None:
    house = after(delegate("bob", "eve"), delegate("eve", "cy"), proposal(voting_delay_ms=0))
    assert house.record().delegations == {}


def test_a_cycle_through_two_kinds_is_cut_when_the_vote_opens() -> None:
    house = after(delegate("bob", "cy", "custom"), delegate("cy", "bob"), delegate("dan", "bob"))
    house.accept(proposal(kind="custom", voting_delay_ms=0))
    assert house.record().delegations == {"dan": "bob"}


# --- presence


def present(*, online: str = "", offline: str = "") -> NotePresence:
    return NotePresence(online=tuple(online.split()), offline=tuple(offline.split()))


def releasing(**changes: Any) -> House:
    return voting(offline_voters="release", quorum=percent(100), **changes)


def test_who_goes_offline_before_voting_is_left_out_of_the_quorum_until_it_is_back() -> None:
    house = releasing(is_early_decision=False)
    house.accept(present(offline="dan eve"))
    assert house.events[-1] == ElectorReleased(proposal_id="p", agent="dan", released_at_ms=CREATED_MS)
    tally = house.record().tally
    assert tally is not None
    assert (tally.eligible_votes, tally.released_votes, tally.quorum_votes) == (3, 1, 2)
    house.accept(present(online="dan bob"))
    assert house.events[-1] == ElectorRestored(proposal_id="p", agent="dan", restored_at_ms=CREATED_MS)
    assert house.record().released == ()
    assert house.notices[-2:] == ["released", "restored"]


def test_a_released_elector_is_back_by_its_vote() -> None:
    house = releasing(is_early_decision=False)
    house.accept(present(offline="dan"))
    house.accept(vote("dan"))
    assert house.record().released == ()
    house.accept(present(offline="dan"))
    assert house.record().released == ()


def test_fewer_electors_than_the_minimum_are_never_left() -> None:
    house = releasing(minimum_electorate=2)
    house.accept(present(offline="bob cy dan"))
    assert house.record().released == ("bob",)


def test_presence_matters_only_where_the_rules_say_so_and_only_while_the_vote_is_open() -> None:
    house = voting()
    assert house.model.watched == {}
    house.accept(present(offline="bob"))
    house = releasing()
    assert set(house.model.watched) == {"bob", "cy", "dan"}
    before = len(house.events)
    house.now_ms = CREATED_MS + 101
    house.accept(present(offline="bob"))
    assert len(house.events) == before
    house.advance(house.now_ms)
    assert house.model.watched == {}


def test_who_comes_and_goes_too_often_stays_in() -> None:
    house = releasing(is_early_decision=False)
    for _ in range(20):
        house.accept(present(offline="bob"))
        house.accept(present(online="bob"))
    assert house.record().release_counts == {"bob": 16}


def test_who_is_offline_at_the_opening_is_left_out_at_once() -> None:
    house = House()
    electorate = ElectorateSpec(role="reviewer")
    house.accept(proposal(electorate=electorate, offline_voters="release", voting_delay_ms=0))
    house.accept(
        OpenVoting(
            proposal_id="p",
            weights={"bob": 1, "cy": 1},
            offline=("eve", "cy"),
            snapshot_ms=CREATED_MS,
        )
    )
    opened = house.record().opened
    assert opened is not None
    assert opened.offline == ("cy",)
    assert house.record().released == ("cy",)


# --- time


def test_more_time_is_given_once_and_only_if_the_vote_goes_on() -> None:
    house = voting(quorum=count(1), late_quorum_extension_ms=50, weights={"bob": 1, "cy": 1, "dan": 3})
    house.now_ms = CREATED_MS + 90
    house.accept(vote("bob"))
    assert house.record().deadline_ms == CREATED_MS + 140
    house.now_ms = CREATED_MS + 130
    house.accept(vote("cy"))
    assert house.record().deadline_ms == CREATED_MS + 140
    house.accept(vote("dan"))
    assert house.status == "succeeded"
    assert sum(isinstance(each, DeadlineExtended) for each in house.events) == 1
    certain = voting(quorum=count(1), late_quorum_extension_ms=100, agents=["bob"])
    certain.now_ms = CREATED_MS + 90
    certain.accept(vote("bob"))
    assert "extended" not in certain.notices


def test_a_quorum_in_good_time_changes_no_deadline() -> None:
    house = voting(quorum=count(1), late_quorum_extension_ms=50, is_early_decision=False)
    house.now_ms = CREATED_MS + 30
    house.accept(vote("bob"))
    house.now_ms = CREATED_MS + 90
    house.accept(vote("cy"))
    assert house.record().deadline_ms == CREATED_MS + 100


def test_a_quorum_that_was_undone_and_is_completed_again_late_leaves_time_to_answer() -> None:
    house = voting(quorum=count(1), late_quorum_extension_ms=50, may_change_vote=True)
    for at_ms, choice in ((10, "for"), (20, "against"), (90, "for"), (100, "against"), (110, "for")):
        house.now_ms = CREATED_MS + at_ms
        house.accept(vote("bob", choice))
        assert house.record().deadline_ms == CREATED_MS + (100 if at_ms < 90 else 140)
    assert sum(isinstance(each, DeadlineExtended) for each in house.events) == 1, "once is all"


# --- conditions


def test_the_approval_lists_the_conditions_of_all_votes_in_favour_once() -> None:
    house = voting(is_early_decision=False)
    house.accept(vote("cy", conditions=("tested", "backed up")))
    house.accept(vote("bob", conditions=("announced", "tested")))
    house.accept(vote("dan", "against"))
    house.advance(CREATED_MS + 101)
    assert house.record().conditions == ("tested", "backed up", "announced")
    assert house.pushes("decision")[0].body["conditions"] == ("tested", "backed up", "announced")


def test_conditions_of_a_vote_that_was_changed_or_overridden_bind_nobody() -> None:
    changed = voting(may_change_vote=True)
    changed.accept(vote("bob", conditions=("tested",)))
    changed.accept(vote("bob"))
    changed.accept(vote("cy"))
    changed.advance(CREATED_MS + 101)
    assert (changed.status, changed.record().conditions) == ("succeeded", ())
    overridden = after(delegate("bob", "dan"))
    overridden.accept(proposal(weights={"bob": 1, "cy": 5, "dan": 1}, voting_delay_ms=0))
    overridden.accept(vote("dan", scope="delegated", conditions=("tested",)))
    overridden.accept(vote("bob", scope="own"))
    overridden.accept(vote("cy", conditions=("backed up",)))
    assert overridden.record().conditions == ("backed up",)


def test_a_vote_that_was_changed_in_part_keeps_its_conditions_for_the_rest() -> None:
    house = after(delegate("dan", "bob"), proposal(voting_delay_ms=0, may_change_vote=True))
    house.accept(vote("bob", conditions=("tested",)))
    house.accept(vote("bob", "against", scope="own"))
    house.accept(vote("cy"))
    house.advance(CREATED_MS + 101)
    assert (house.status, house.votes) == ("succeeded", (1, 2, 0))
    assert house.record().conditions == ("tested",)


def test_parts_of_a_split_vote_keep_their_conditions() -> None:
    house = voting(is_fractional=True, weights={"bob": 4, "cy": 1}, is_early_decision=False)
    house.accept(vote("bob", {"for": 2}, conditions=("tested",)))
    house.accept(vote("bob", {"against": 1}))
    house.accept(vote("cy", "for"))
    house.advance(CREATED_MS + 101)
    assert house.record().conditions == ("tested",)


def test_a_choice_among_options_may_have_conditions_and_an_abstention_not() -> None:
    house = voting(protocol="approval", options=OPTIONS)
    assert house.refuse(vote("bob", "abstain", conditions=("tested",))) == "invalid_conditions"
    house.accept(vote("bob", ["x"], conditions=("tested",)))
    assert house.record().conditions == ("tested",)


# --- signatures


def test_a_signed_vote_is_kept_with_all_that_proves_it() -> None:
    house = voting(are_signatures_required=True)
    command = signed(vote("bob", rationale="fine", conditions=("tested",)), house.record())
    house.accept(command)
    (cast,) = house.record().votes
    proof = (cast.nonce, cast.public_key, cast.signature)
    assert proof == (command.nonce, command.public_key, command.signature)
    assert house.record().nonces == {("bob", command.nonce)}


@pytest.mark.parametrize(
    "change",
    [
        {"voter": "cy"},
        {"choice": "against"},
        {"scope": "own"},
        {"rationale": "x"},
        {"conditions": ("x",)},
        {"nonce": "n2"},
    ],
)
def test_nothing_of_a_signed_vote_can_be_changed(change: dict[str, Any]) -> None:
    house = voting(are_signatures_required=True)
    command = signed(vote("bob"), house.record(), nonce="n1")
    assert house.refuse(replace(command, **change)) == "bad_signature"


def test_the_signature_is_over_the_normal_form_of_the_choice() -> None:
    house = voting(protocol="approval", options=OPTIONS, are_signatures_required=True)
    command = signed(vote("bob", ["y", "x"]), house.record())
    house.accept(replace(command, choice=["x", "y"]))


def test_where_signatures_are_optional_a_wrong_one_is_refused_all_the_same() -> None:
    house = voting()
    forged = replace(signed(vote("bob"), house.record()), rationale="x")
    assert house.refuse(forged) == "bad_signature"


# --- execution


def test_whoever_executed_gets_the_same_answer_again_and_reports_once() -> None:
    house = voting(timelock_ms=5)
    for voter in ("bob", "cy"):
        house.accept(vote(voter, conditions=("tested",)))
    approval = approval_of(house.record())
    assert approval is not None
    assert approval.trail_hash == house.record().trail[-1].hash
    house.advance(approval.not_before_ms)
    token = json.loads(json.dumps(asdict(approval)))
    command = replace(EXECUTE, token=token, conditions_met=("tested", "and more"))
    first = house.accept(command)
    assert first["conditions_met"] == ("tested",)
    house.now_ms += 10**10
    assert house.accept(command) == first
    reported = house.accept(ReportExecution(proposal_id="p", executor="dan", is_success=False, note="no"))
    assert (reported["success"], house.notices[-2:]) == (False, ["executed", "reported"])
    assert approval_of(house.record()) == approval


@pytest.mark.parametrize(
    ("offset_ms", "code"), [(4, "timelock_pending"), (5, None), (25, None), (26, "approval_expired")]
)
def test_an_approval_holds_from_its_first_to_its_last_instant(offset_ms: int, code: str | None) -> None:
    house = voting(timelock_ms=5, execution_window_ms=20)
    for voter in ("bob", "cy"):
        house.accept(vote(voter))
    house.now_ms = CREATED_MS + offset_ms
    if code is None:
        house.accept(EXECUTE)
    else:
        assert house.refuse(EXECUTE) == code


def test_a_veto_voids_an_approval() -> None:
    house = voting(veto_holders=("vi",))
    for voter in ("bob", "cy"):
        house.accept(vote(voter))
    house.accept(VetoProposal(proposal_id="p", agent="vi", reason="untested"))
    assert house.refuse(EXECUTE) == "not_succeeded"
    told = house.pushes("decision")[-1].body
    assert (told["status"], told["reason"], told["agent"]) == ("vetoed", "untested", "vi")


def test_what_was_not_approved_has_no_approval() -> None:
    house = voting()
    assert approval_of(house.record()) is None
    for voter in ("bob", "cy"):
        house.accept(vote(voter, "against"))
    assert approval_of(house.record()) is None
    assert house.record().expires_at_ms is None


def test_a_vote_signed_for_an_option_is_not_one_for_what_took_its_artifact() -> None:
    house = proposed(protocol="approval", options=OPTIONS, are_signatures_required=True)
    read = signed(vote("bob", ["x"]), house.record())
    other = (replace(OPTIONS[0], artifact_sha256="6" * 64), OPTIONS[1])
    house.accept(Amend(proposal_id="p", agent="ada", artifact_sha256=ARTIFACT, options=other))
    house.advance(house.record().snapshot_ms + 1)
    assert house.refuse(read) == "bad_signature"
    house.accept(signed(vote("bob", ["x"]), house.record()))
