"""What people write for a proposal or a vote: every form that is taken, and what is said of the others."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from consensus import rules, wire
from consensus.asking import electorate_of, level_of, options_of, statuses_of, threshold_of
from consensus.model import ConsensusModel
from consensus.replies import RulesView
from consensus.service import _propose
from consensus.views import rules_view
from coordination.runtime.errors import UsageError
from coordination.runtime.model import Rejected
from coordination.runtime.problems import problems_of
from coordination.runtime.service import Call
from tests.support.voting import ARTIFACT

PROPOSAL = {"title": "t", "artifact_sha256": ARTIFACT, "electorate": ["bob"]}


def read(**fields: Any) -> wire.ProposeRequest:
    """A proposal as it comes over the wire."""
    return wire.ProposeRequest.model_validate_json(json.dumps(PROPOSAL | fields))


def problem(**fields: Any) -> str:
    """What is said of a malformed proposal."""
    with pytest.raises(ValidationError) as raised:
        read(**fields)
    return str(problems_of(raised.value, most=1)[0])


def code(**fields: Any) -> str:
    """The code with which the model refuses a well-formed proposal."""
    call = Call(caller="ada", draw_id=lambda: "p1")
    refused = ConsensusModel().decide(_propose(call, read(**fields)), 1_000)
    assert isinstance(refused, Rejected), refused
    return refused.code


def test_a_bare_proposal_has_the_rules_that_the_core_has_by_default() -> None:
    made = _propose(Call(caller="ada", draw_id=lambda: "p1"), read())
    assert made.rules == rules.Rules()
    assert made.electorate == rules.ElectorateSpec(agents=("bob",))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2/3", (2, 3, True, "cast")),
        (">2/3", (2, 3, False, "cast")),
        (" >= 2/3 ", (2, 3, True, "cast")),
        ("4/6", (4, 6, True, "cast")),
        (">1/2 of eligible", (1, 2, False, "eligible")),
        ("66.7%", (667, 1000, True, "cast")),
        ("0.5", (1, 2, True, "cast")),
        (0.1, (1, 10, True, "cast")),
        (1, (1, 1, True, "cast")),
        ({"numerator": 2, "denominator": 3, "inclusive": False}, (2, 3, False, "cast")),
        # What makes no sense passes, so that the model gives it a code of its own.
        (1.5, (3, 2, True, "cast")),
        ("-1/2", (-1, 2, True, "cast")),
        ("1/0", (1, 0, True, "cast")),
    ],
)
def test_a_threshold_is_written_in_many_ways(written: object, expected: tuple[object, ...]) -> None:
    threshold = read(threshold=written).threshold
    assert threshold is not None
    assert (threshold.numerator, threshold.denominator, threshold.inclusive, threshold.of) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (3, wire.Level(count=3)),
        (3.0, wire.Level(count=3)),
        ("3", wire.Level(count=3)),
        ({"count": 3}, wire.Level(count=3)),
        ("1/2", wire.Level(numerator=1, denominator=2)),
        ("10%", wire.Level(numerator=1, denominator=10)),
        (0.25, wire.Level(numerator=1, denominator=4)),
        ({"numerator": 1, "denominator": 3}, wire.Level(numerator=1, denominator=3)),
        (-1, wire.Level(count=-1)),
    ],
)
def test_a_quorum_is_a_count_or_a_share(written: object, expected: wire.Level) -> None:
    assert read(quorum=written).quorum == expected
    assert read(super_quorum=written).super_quorum == expected


def test_an_electorate_is_a_list_or_what_leads_to_one() -> None:
    assert read(electorate=["b", "a"]).electorate.agents == ("b", "a")
    assert read(electorate={"agents": ["a"]}).electorate.agents == ("a",)
    assert str(read(electorate={"requirement": " python >= 3.11"}).electorate.requirement) == "python>=3.11"
    assert read(electorate={"role": "reviewer"}).electorate.role == "reviewer"


def test_weights_are_equal_or_given_or_earned() -> None:
    assert read(weights="equal").weights == "equal"
    assert read(weights={"bob": 2}).weights == {"bob": 2}
    assert read(weights={"trust": "nixos"}).weights == {"trust": "nixos"}
    assert read(weights={"trust": 2}).weights == {"trust": 2}, "an agent may be called so"
    spec = _propose(Call(caller="ada", draw_id=lambda: "p1"), read(weights={"trust": "nixos"})).electorate
    assert (spec.weights, spec.trust_topic, spec.is_known) == ("trust", "nixos", False)
    spec = _propose(Call(caller="ada", draw_id=lambda: "p1"), read(weights={"trust": 2})).electorate
    assert (spec.weights, spec.given) == ("given", {"trust": 2})


def test_options_are_ids_or_objects() -> None:
    options = read(options=["a", {"option": "b", "title": "B"}]).options
    assert options == (wire.Option(option="a"), wire.Option(option="b", title="B"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": "two thirds"}, 'threshold: a threshold is written as "2/3"'),
        ({"threshold": {"numerator": 1.5, "denominator": 1}}, "threshold.numerator: must be a valid integer"),
        ({"threshold": [2, 3]}, "threshold: must be an object"),
        ({"threshold": True}, "threshold: must be an object"),
        ({"threshold": 1e400}, "threshold: this number is not finite"),
        ({"quorum": "most"}, 'quorum: a level is written as "1/2", or as a count'),
        ({"quorum": {}}, "quorum: give either count, or numerator and denominator"),
        ({"quorum": {"count": 1, "numerator": 1, "denominator": 2}}, "quorum: give either count"),
        ({"quorum": {"numerator": 1}}, "quorum: give either count"),
        ({"quorum": 1e300}, "quorum.count: must be less than"),
        ({"quorum": None}, "quorum: must be an object"),
        ({"electorate": "bob"}, "electorate: must be an object"),
        ({"electorate": {}}, "electorate: give agents, a requirement or a role"),
        ({"electorate": {"agents": ["a"], "role": "r"}}, "electorate: give agents, a requirement or a role"),
        ({"electorate": ["Not An Id"]}, "electorate.agents.0: use 1 to 63 of a-z"),
        ({"electorate": {"requirement": "python>>3"}}, "electorate.requirement: '>>' is no operator"),
        ({"weights": []}, 'weights: weights are "equal", {"AGENT": 2} or {"trust": "TOPIC"}'),
        ({"weights": {"a": 1.5}}, "weights: a weight is a whole number"),
        ({"weights": {"a": True}}, "weights: a weight is a whole number"),
        ({"weights": {"Not An Id": 1}}, "weights: weights go by agent id"),
        ({"weights": {"trust": "Not A Topic"}}, "weights: the topic"),
        ({"options": [1]}, "options.0: must be an object"),
        ({"protocol": "consent"}, "protocol: must be 'simple_majority'"),
        ({"kind": "anything"}, "kind: must be"),
        ({"signatures": True}, "signatures: must be 'required' or 'optional'"),
        ({"voting_period_ms": 0}, "voting_period_ms: must be greater"),
        ({"voting_delay_ms": -1}, "voting_delay_ms: must be greater"),
        ({"misspelt": 1}, "misspelt: there is no such field"),
    ],
)
def test_what_is_no_form_at_all_is_told_with_its_place(fields: dict[str, object], message: str) -> None:
    assert problem(**fields).startswith(message)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"protocol": "qualified_majority", "threshold": 1.5}, "invalid_threshold"),
        ({"protocol": "qualified_majority", "threshold": "3/2"}, "invalid_threshold"),
        ({"protocol": "qualified_majority", "threshold": "1/0"}, "invalid_threshold"),
        ({"protocol": "qualified_majority"}, "invalid_threshold"),
        ({"quorum": 2}, "invalid_quorum"),
        ({"quorum": "3/2"}, "invalid_quorum"),
        ({"quorum": -1}, "invalid_quorum"),
        ({"artifact_sha256": "A" * 64}, "invalid_artifact"),
        ({"artifact_sha256": "a" * 63}, "invalid_artifact"),
        ({"artifact_sha256": ""}, "invalid_artifact"),
        ({"electorate": []}, "empty_electorate"),
        ({"electorate": {"agents": []}}, "empty_electorate"),
        ({"electorate": ["bob", "bob"]}, "duplicate_voter"),
        ({"electorate": [f"v{index}" for index in range(1_600)]}, "electorate_too_large"),
        ({"protocol": "borda", "options": ["a"]}, "invalid_options"),
        ({"weights": {"bob": -1}}, "invalid_rules"),
        ({"timelock_ms": 2**52}, "invalid_rules"),
        ({"protocol": "borda", "options": ["a", "b"], "fractional": True}, "invalid_rules"),
    ],
)
def test_what_makes_no_sense_gets_a_code_of_its_own(fields: dict[str, object], expected: str) -> None:
    assert code(**fields) == expected


@pytest.mark.parametrize("choice", ["for", "", ["a", ["b", "c"]], {"a": 3}, [], {"for": 2, "abstain": 1}])
def test_a_choice_is_any_flat_json(choice: object) -> None:
    request = wire.VoteRequest.model_validate({"proposal_id": "p1", "choice": choice})
    assert request.choice == choice


@pytest.mark.parametrize("choice", [None, 1, True, [[["a"]]], {"a": {"b": [1]}}])
def test_what_nobody_could_choose_is_malformed(choice: object) -> None:
    with pytest.raises(ValidationError, match="a choice is"):
        wire.VoteRequest.model_validate({"proposal_id": "p1", "choice": choice})


def test_a_list_takes_one_status_or_several() -> None:
    assert wire.ListRequest.model_validate({"status": "active"}).status == ("active",)
    assert wire.ListRequest.model_validate({"status": ["active", "queued"]}).status == ("active", "queued")
    assert wire.ListRequest.model_validate({"status": None}).status == ()
    with pytest.raises(ValidationError):
        wire.ListRequest.model_validate({"status": "open"})


ELABORATE = rules.Rules(
    protocol="quadratic",
    options=(rules.Option(option="a", title="A", artifact_sha256=ARTIFACT), rules.Option(option="b")),
    threshold=rules.Threshold(numerator=2, denominator=3, is_inclusive=False, of="eligible"),
    quorum=rules.Level(numerator=3),
    quorum_counts="all",
    super_quorum=rules.Level(numerator=2, denominator=3),
    late_quorum_extension_ms=1,
    is_early_decision=False,
    may_change_vote=True,
    is_fractional=True,
    tie_rule="lot",
    credits=7,
    minimum_electorate=2,
    offline_voters="release",
    veto_holders=("eve",),
    guardian="zed",
    executors=("ops", "tasks"),
    timelock_ms=0,
    execution_window_ms=9,
    are_signatures_required=False,
)


@pytest.mark.parametrize("given", [rules.Rules(), ELABORATE])
def test_rules_come_back_from_the_wire_as_they_were(given: rules.Rules) -> None:
    told = RulesView.model_validate_json(RulesView.model_validate(rules_view(given)).model_dump_json())
    assert told.as_rules() == given


@pytest.mark.parametrize("request_type", [wire.ProposeRequest, wire.VoteRequest, wire.ListRequest])
def test_the_schema_shows_the_short_forms_as_well(request_type: type[wire.ProposeRequest]) -> None:
    properties = request_type.model_json_schema()["properties"]
    short = {"threshold", "quorum", "electorate", "options", "weights", "choice", "status"}
    for name in short & properties.keys():
        assert "anyOf" in json.dumps(properties[name]), name


def test_callers_may_write_python_values_for_shares() -> None:
    assert threshold_of(Fraction(2, 3)) == {"numerator": 2, "denominator": 3}
    given = rules.Threshold(numerator=1, denominator=2, is_inclusive=False, of="eligible")
    assert threshold_of(given) == {"numerator": 1, "denominator": 2, "inclusive": False, "of": "eligible"}
    assert level_of("quorum", rules.Level(numerator=2)) == {"count": 2}
    assert level_of("quorum", rules.HALF) == {"numerator": 1, "denominator": 2}
    assert options_of([rules.Option(option="a")]) == (wire.Option(option="a"),)
    assert statuses_of("active") == ("active",)
    assert electorate_of({"role": "r"}) == {"role": "r"}


def test_what_callers_write_by_mistake_is_told_at_once() -> None:
    for wrong in (True, float("nan"), [1]):
        with pytest.raises(UsageError, match="quorum is a number of votes or a Fraction"):
            level_of("quorum", wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="threshold is a Fraction or a text"):
            threshold_of(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="electorate is a list of agent ids, not one text"):
        electorate_of("bob")
