"""Charters: what the operator asks of every new proposal of a kind, and that nothing gets around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.charter import problem_of_charter
from consensus.commands import Propose, SetCharter
from consensus.events import CharterSet
from consensus.rules import Charter, ElectorateSpec, Level, Option, Threshold
from tests.support.proposals import CREATED_MS, House, count, proposal, voting

KIND = "infrastructure_change"
TWO_THIRDS = Level(numerator=2, denominator=3)
COUNCIL = ElectorateSpec(agents=("bob", "cy", "dan"))


def charter(**terms: Any) -> Charter:
    return Charter(**{"kind": KIND, "are_signatures_required": False, **terms})


def chartered(**terms: Any) -> House:
    house = House()
    house.accept(SetCharter(agent="operator", kind=KIND, charter=charter(**terms)))
    return house


def unmet(terms: Charter, command: Propose) -> str | None:
    """The field of a proposal that a charter finds fault with."""
    refusal = problem_of_charter(terms, command)
    return None if refusal is None else refusal.details["field"]


@pytest.mark.parametrize(
    ("electorate", "is_met"),
    [
        (COUNCIL, True),
        (ElectorateSpec(agents=("dan", "cy", "bob")), True),
        (replace(COUNCIL, weights="given", given={"bob": 1}), True),
        (ElectorateSpec(agents=("bob",)), False),
        (ElectorateSpec(agents=("bob", "cy", "dan", "eve")), False),
        (replace(COUNCIL, weights="given", given={"bob": 9}), False),
        (replace(COUNCIL, weights="given", given={"cy": 0}), False),
        (replace(COUNCIL, weights="trust", trust_topic="trust"), False),
        (ElectorateSpec(role="reviewer"), False),
        (ElectorateSpec(requirement="review"), False),
    ],
)
def test_the_electorate_is_this_very_one_in_any_order_and_with_the_same_weights(
    electorate: ElectorateSpec, *, is_met: bool
) -> None:
    assert unmet(charter(electorate=COUNCIL), proposal(electorate=electorate)) == (
        None if is_met else "electorate"
    )


@pytest.mark.parametrize(
    ("asked", "given", "is_met"),
    [
        (TWO_THIRDS, TWO_THIRDS, True),
        (TWO_THIRDS, Level(numerator=4, denominator=6), True),
        (TWO_THIRDS, Level(numerator=1, denominator=1), True),
        (TWO_THIRDS, Level(numerator=666_666_666, denominator=1_000_000_000), False),
        (TWO_THIRDS, count(3), False),
        (count(2), count(2), True),
        (count(2), count(1), False),
        (count(2), Level(numerator=1, denominator=1), False),
    ],
)
def test_quorums_are_compared_exactly_and_only_in_the_same_form(
    asked: Level, given: Level, *, is_met: bool
) -> None:
    assert unmet(charter(quorum=asked), proposal(quorum=given)) == (None if is_met else "quorum")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quorum_counts": "for"}, None),
        ({"quorum_counts": "all"}, "quorum_counts"),
        ({"offline_voters": "release"}, "offline_voters"),
    ],
)
def test_a_quorum_that_is_asked_for_cannot_be_emptied_by_other_rules(
    changes: dict[str, Any], field: str | None
) -> None:
    asked = charter(quorum=Level(numerator=1, denominator=2))
    assert unmet(asked, proposal(**changes)) == field
    assert unmet(charter(), proposal(**changes)) is None


@pytest.mark.parametrize(
    ("terms", "is_met"),
    [
        ((0, 1, True), False),
        ((1, 2, True), False),
        ((1, 2, False), True),
        ((2, 3, True), True),
        ((1, 3, False), False),
    ],
)
def test_no_qualified_majority_is_less_than_a_majority(terms: tuple[int, int, bool], *, is_met: bool) -> None:
    numerator, denominator, is_inclusive = terms
    threshold = Threshold(numerator=numerator, denominator=denominator, is_inclusive=is_inclusive)
    made = proposal(protocol="qualified_majority", threshold=threshold)
    assert unmet(charter(), made) == (None if is_met else "threshold")


@pytest.mark.parametrize(
    ("terms", "met", "missed", "field"),
    [
        (
            {"protocols": ("unanimous", "approval")},
            {"protocol": "unanimous"},
            {"protocol": "weighted"},
            "protocol",
        ),
        (
            {"veto_holders": ("vi",)},
            {"veto_holders": ("al", "vi")},
            {"veto_holders": ("al",)},
            "veto_holders",
        ),
        (
            {"minimum_electorate": 3},
            {"minimum_electorate": 3},
            {"minimum_electorate": 2},
            "minimum_electorate",
        ),
        (
            {"minimum_voting_period_ms": 9},
            {"voting_period_ms": 9},
            {"voting_period_ms": 8},
            "voting_period_ms",
        ),
        ({"minimum_timelock_ms": 9}, {"timelock_ms": 9}, {"timelock_ms": 8}, "timelock_ms"),
        ({"minimum_timelock_ms": 9}, {"timelock_ms": 10}, {"timelock_ms": None}, "timelock_ms"),
        (
            {"are_signatures_required": True},
            {"are_signatures_required": True},
            {"are_signatures_required": False},
            "signatures",
        ),
    ],
)
def test_each_term_is_met_at_its_bound_and_missed_below(
    terms: dict[str, Any], met: dict[str, Any], missed: dict[str, Any], field: str
) -> None:
    assert unmet(charter(**terms), proposal(**met)) is None
    assert unmet(charter(**terms), proposal(**missed)) == field


def test_who_proposes_to_itself_alone_gets_nowhere_while_the_council_does() -> None:
    house = chartered(electorate=COUNCIL, quorum=TWO_THIRDS)
    refusal = house.refusal(proposal(agents=("ada",), quorum=count(0)))
    assert (refusal.code, refusal.details) == ("charter_unmet", {"field": "electorate", "kind": KIND})
    house.accept(proposal(quorum=TWO_THIRDS))
    assert house.status == "pending"


def test_a_charter_is_for_its_kind_only() -> None:
    house = chartered(electorate=COUNCIL)
    house.accept(proposal(agents=("ada",), kind="custom"))
    assert house.record().created.kind == "custom"


def test_proposals_made_before_keep_their_rules() -> None:
    house = voting(agents=("ada",))
    house.accept(SetCharter(agent="operator", kind=KIND, charter=charter(electorate=COUNCIL)))
    assert house.record().electors == ("ada",)
    assert house.status == "active"


def test_charters_survive_a_snapshot_and_a_replay_and_still_refuse() -> None:
    house = chartered(electorate=replace(COUNCIL, weights="given", given={"bob": 2}), quorum=TWO_THIRDS)
    house.accept(SetCharter(agent="operator", kind="custom", charter=None))
    of_tasks = Charter(kind="task_assignment")
    house.accept(SetCharter(agent="operator", kind="task_assignment", charter=of_tasks))
    house.check_replay()
    house.check_snapshot()
    house.restart()
    assert [each.kind for each in house.model.charters.in_order()] == [KIND, "task_assignment"]
    assert house.refusal(proposal(quorum=TWO_THIRDS)).code == "charter_unmet"


def test_the_same_charter_again_changes_nothing_and_none_removes_it() -> None:
    house = chartered(electorate=COUNCIL)
    (event,) = house.events
    assert event == CharterSet(
        kind=KIND, charter=charter(electorate=COUNCIL), agent="operator", set_at_ms=CREATED_MS
    )
    reply = house.accept(SetCharter(agent="operator", kind=KIND, charter=charter(electorate=COUNCIL)))
    assert (len(house.events), reply["set_at_ms"]) == (1, CREATED_MS)
    removal = SetCharter(agent="operator", kind=KIND, charter=None)
    assert house.accept(removal)["charter"] is None
    house.accept(removal)
    assert len(house.events) == 2
    house.accept(proposal(agents=("ada",)))


def test_options_do_not_get_around_a_charter() -> None:
    house = chartered(electorate=COUNCIL)
    options = (Option(option="x"), Option(option="y"))
    refusal = house.refusal(proposal(agents=("ada",), protocol="approval", options=options))
    assert refusal.code == "charter_unmet"
