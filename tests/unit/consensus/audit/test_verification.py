"""What cannot have happened is found even if the service itself makes it up: hashes and attestation fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consensus.commands import Discuss, NotePresence, SetDelegate
from consensus.poll import Poll
from consensus.rules import ElectorateSpec, Option, Tally
from tests.support.audits import checked, executed, exported, forged, rechain
from tests.support.proposals import House, count, proposal, proposed, signed, vote, voting

Lines = list[dict[str, Any]]
CREATED, OPENED, FIRST, SECOND, THIRD, DECIDED, QUEUED, EXECUTED, REPORTED = range(1, 10)
"""Where the events of `executed` stand, counted from the first line as 0."""
TRUE = exported(executed().record())


def setting(place: int, **values: Any) -> Callable[[Lines], None]:
    return lambda lines: lines[place]["body"].update(values)


def without(place: int) -> Callable[[Lines], None]:
    return lambda lines: lines.__delitem__(place)


def inserting(place: int, event: str, **body: Any) -> Callable[[Lines], None]:
    return lambda lines: lines.insert(place, {"event": event, "body": {"proposal_id": "p", **body}})


def again(place: int, **values: Any) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        lines.insert(place + 1, {"event": lines[place]["event"], "body": {**lines[place]["body"], **values}})

    return change


def of_rules(**values: Any) -> Callable[[Lines], None]:
    return lambda lines: lines[CREATED]["body"]["rules"].update(values)


def findings(audit: bytes) -> set[tuple[int, str]]:
    """(line counted from 0, code) of all that is found."""
    return {(problem.line - 1, problem.finding.code) for problem in checked(audit).problems}


def test_the_true_history_is_verified() -> None:
    assert findings(TRUE) == set()
    assert findings(forged(TRUE, rechain, by="consensus")) == set()


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        (setting(CREATED, snapshot_ms=1_009), CREATED, "wrong_value"),
        (setting(CREATED, number=0), CREATED, "wrong_value"),
        (setting(CREATED, artifact_sha256="A" * 64), CREATED, "invalid_artifact"),
        (of_rules(threshold={"numerator": 3, "denominator": 2, "is_inclusive": True, "of": "cast"}),
         CREATED, "invalid_threshold"),
        (of_rules(quorum={"numerator": 4, "denominator": None}), CREATED, "invalid_quorum"),
        (setting(OPENED, opened_at_ms=1_010), OPENED, "time"),
        (setting(OPENED, deadline_ms=1_200), OPENED, "wrong_value"),
        (setting(OPENED, source_revision=5), OPENED, "wrong_value"),
        (setting(OPENED, weights={"bob": 2, "cy": 1, "dan": 1}), OPENED, "wrong_value"),
        (setting(OPENED, weights={"bob": 1, "cy": 1}), OPENED, "wrong_value"),
        (setting(OPENED, weights={"bob": 1, "cy": 1, "dan": 1, "eve": 1}), OPENED, "wrong_value"),
        (setting(OPENED, weights={"bob": -1, "cy": 1, "dan": 1}), OPENED, "wrong_value"),
        (setting(OPENED, delegations={"bob": "cy", "cy": "bob"}), OPENED, "delegation_cycle"),
        (setting(OPENED, delegations={"bob": "bob"}), OPENED, "delegation_cycle"),
        (setting(OPENED, delegations={"bob": "eve"}), OPENED, "not_in_electorate"),
        (setting(OPENED, delegations={"eve": "bob"}), OPENED, "not_in_electorate"),
        (setting(OPENED, offline=["eve"]), OPENED, "not_in_electorate"),
        (again(CREATED), CREATED + 1, "impossible"),
        (without(OPENED), OPENED, "impossible"),
        (without(OPENED), OPENED, "missing"),
        (setting(FIRST, sequence=2), FIRST, "wrong_value"),
        (setting(FIRST, weight=2), FIRST, "wrong_value"),
        (setting(FIRST, choice="against"), FIRST, "bad_signature"),
        (setting(FIRST, choice="maybe"), FIRST, "invalid_choice"),
        (setting(FIRST, voter="eve"), FIRST, "not_in_electorate"),
        (setting(FIRST, scope="delegated"), FIRST, "nothing_to_cast"),
        (setting(FIRST, signature=""), FIRST, "bad_signature"),
        (setting(FIRST, public_key="", signature="", nonce=""), FIRST, "signature_required"),
        (setting(FIRST, nonce=""), FIRST, "signature_required"),
        (setting(SECOND, conditions=["x"]), SECOND, "invalid_conditions"),
        (setting(THIRD, cast_at_ms=1_111), THIRD, "voting_closed"),
        (setting(THIRD, cast_at_ms=1_029), THIRD, "time"),
        (again(FIRST, sequence=2), FIRST + 1, "already_voted"),
        (again(FIRST, sequence=2), FIRST + 1, "nonce_reused"),
        (inserting(THIRD, "ElectorReleased", agent="dan", released_at_ms=1_030), THIRD, "impossible"),
        (inserting(THIRD, "ElectorRestored", agent="dan", restored_at_ms=1_030), THIRD, "impossible"),
        (inserting(THIRD, "DeadlineExtended", deadline_ms=2_000, extended_at_ms=1_030), THIRD, "impossible"),
        (inserting(THIRD, "CommentAdded", agent="eve", text="", commented_at_ms=1_030),
         THIRD, "not_in_electorate"),
        (inserting(THIRD, "ProposalAmended", artifact_sha256="b" * 64, description="", options=[], reason="",
                   amended_at_ms=1_030, snapshot_ms=1_040), THIRD, "impossible"),
        (without(THIRD), DECIDED - 1, "not_certain"),
        (without(DECIDED), DECIDED, "missing"),
        (setting(DECIDED, status="defeated", reason="tie"), DECIDED, "wrong_value"),
        (setting(DECIDED, artifact_sha256="b" * 64), DECIDED, "wrong_value"),
        (setting(DECIDED, is_early=False), DECIDED, "wrong_value"),
        (setting(DECIDED, decided_at_ms=1_031), DECIDED, "wrong_value"),
        (setting(DECIDED, winner="x"), DECIDED, "wrong_value"),
        (without(QUEUED), QUEUED, "missing"),
        (setting(QUEUED, eta_ms=1_034), QUEUED, "wrong_value"),
        (setting(EXECUTED, executed_at_ms=1_034), EXECUTED, "time"),
        (setting(EXECUTED, executed_at_ms=2_000_000_000), EXECUTED, "time"),
        (setting(EXECUTED, executed_at_ms=2_000_000_000), EXECUTED, "missing"),
        (setting(EXECUTED, conditions_met=[]), EXECUTED, "conditions_unmet"),
        (setting(EXECUTED, executor="eve"), EXECUTED, "may_not_execute"),
        (again(EXECUTED), EXECUTED + 1, "impossible"),
        (setting(REPORTED, executor="eve"), REPORTED, "wrong_value"),
        (again(REPORTED), REPORTED + 1, "already_reported"),
        (inserting(EXECUTED, "ProposalVetoed", agent="eve", reason="no", vetoed_at_ms=1_036),
         EXECUTED, "not_veto_holder"),
        (inserting(EXECUTED, "ProposalCanceled", agent="ada", reason="no", canceled_at_ms=1_036),
         EXECUTED, "not_guardian"),
        (inserting(EXECUTED, "ProposalExpired", made_room_for="", expired_at_ms=1_036), EXECUTED, "time"),
        (inserting(EXECUTED, "ProposalExpired", made_room_for="q", expired_at_ms=1_034), EXECUTED, "time"),
        (setting(REPORTED, proposal_id="q"), REPORTED, "wrong_value"),
    ],
)  # fmt: skip
def test_what_cannot_have_happened_is_found_where_it_stands(
    change: Callable[[Lines], None], place: int, code: str
) -> None:
    assert (place, code) in findings(forged(TRUE, change, by="consensus"))


def test_a_count_that_is_wrong_names_what_it_should_be() -> None:
    def change(lines: Lines) -> None:
        lines[DECIDED]["body"]["tally"]["for_votes"] = 3

    problems = checked(forged(TRUE, change, by="consensus")).problems
    shown = [str(each) for each in problems if each.line == DECIDED + 1]
    assert len(shown) == 1
    assert "tally is" in shown[0]
    assert '"for_votes": 2' in shown[0].partition("expected:")[2]


def test_one_fault_does_not_hide_the_next() -> None:
    def change(lines: Lines) -> None:
        lines[FIRST]["body"]["weight"] = 7
        lines[QUEUED]["body"]["eta_ms"] = 1
        lines[REPORTED]["body"]["executor"] = "eve"

    found = findings(forged(TRUE, change, by="consensus"))
    assert {(FIRST, "wrong_value"), (QUEUED, "wrong_value"), (REPORTED, "wrong_value")} == found


def test_every_result_that_the_rules_do_not_lead_to_is_found_in_the_last_line() -> None:
    for name, value in (("status", "vetoed"), ("votes", 4), ("winner", "x"), ("conditions", [])):

        def change(lines: Lines, name: str = name, value: Any = value) -> None:
            lines[-1]["result"][name] = value

        assert findings(forged(TRUE, change, by="consensus")) == {(REPORTED + 1, "wrong_value")}


def late(house: House) -> House:
    """The quorum is reached late, so that there is more time."""
    house.advance(1_100)
    house.accept(vote("bob"))
    house.accept(vote("cy", "against"))
    return house


def test_an_extension_is_there_exactly_when_it_is_due() -> None:
    house = late(proposed(late_quorum_extension_ms=50, quorum=count(1), quorum_counts="for"))
    names = [type(link.event).__name__ for link in house.record().trail]
    assert names[2:4] == ["VoteCast", "DeadlineExtended"]
    audit = exported(house.record())
    assert findings(audit) == set()
    assert (4, "missing") in findings(forged(audit, without(4), by="consensus"))
    assert (4, "wrong_value") in findings(forged(audit, setting(4, deadline_ms=1_151), by="consensus"))


def test_a_vote_that_nothing_can_change_any_more_must_be_decided() -> None:
    house = proposed(voting_delay_ms=0)
    house.accept(vote("bob"))
    house.accept(vote("cy"))
    audit = exported(house.record())
    assert findings(audit) == set()

    def change(lines: Lines) -> None:
        del lines[-2]
        lines[-1]["result"].update(status="active", reason=None)

    assert (5, "missing") in findings(forged(audit, change, by="consensus"))


def test_weight_that_was_delegated_is_counted_for_the_delegate() -> None:
    house = House()
    house.accept(SetDelegate(agent="bob", delegate="cy"))
    house.accept(proposal(voting_delay_ms=0))
    house.accept(vote("cy", "against"))
    audit = exported(house.record())
    report = checked(audit)
    assert report.is_verified
    assert report.result is not None
    assert report.result["tally"]["against_votes"] == 2
    assert findings(forged(audit, setting(2, delegations={}), by="consensus"))


def test_who_may_comment_is_not_known_before_an_electorate_from_the_registry_is() -> None:
    house = proposed(electorate=ElectorateSpec(role="reviewer"))
    house.accept(Discuss(proposal_id="p", agent="zoe", text="hello"))
    assert findings(exported(house.record())) == set()


def test_released_electors_are_left_out_as_the_rules_say() -> None:
    house = proposed(voting_delay_ms=0, offline_voters="release", are_signatures_required=True)
    house.accept(NotePresence(offline=("dan",)))
    house.accept(signed(vote("bob"), house.record()))
    audit = exported(house.record())
    assert findings(audit) == set()
    assert (3, "impossible") in findings(forged(audit, setting(3, agent="eve"), by="consensus"))
    assert findings(forged(audit, without(3), by="consensus"))


@pytest.mark.parametrize("protocol", ["simple_majority", "approval"])
def test_a_fault_of_the_poll_itself_is_found_by_the_second_count(
    protocol: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miscounting(self: Poll) -> Tally:
        return replace(true_tally(self), for_votes=5)

    true_tally = Poll.tally
    options = () if protocol == "simple_majority" else (Option(option="x"), Option(option="y"))
    choice: Any = "for" if protocol == "simple_majority" else ["x"]
    monkeypatch.setattr(Poll, "tally", miscounting)
    house = voting(protocol=protocol, options=options)
    for voter in ("bob", "cy", "dan"):
        house.send(vote(voter, choice))
    decided = len(house.record().trail)
    problems = checked(exported(house.record())).problems
    assert {(each.line, each.finding.code) for each in problems} == {(decided + 1, "recount")}
    assert "for_votes is 5" in str(problems[0])
