"""Whatever JSON comes, it is a request that the model judges or a problem with its place: never a crash."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consensus import wire
from consensus.model import ConsensusModel
from consensus.service import _propose, _vote
from coordination.runtime.model import Outcome, Rejected
from coordination.runtime.problems import problems_of
from coordination.runtime.service import Call
from tests.support.voting import ARTIFACT

WORDS = st.sampled_from(
    ["2/3", ">1/2 of eligible", "50%", "-1/2", "1/0", "equal", "trust", "ada", "a", "b", "for", "abstain", ""]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    "threshold",
    "quorum",
    "super_quorum",
    "electorate",
    "weights",
    "options",
    "protocol",
    "credits",
    "minimum_electorate",
    "timelock_ms",
    "veto_holders",
    "executors",
    "artifact_sha256",
)
CALL = Call(caller="ada", draw_id=lambda: "p1")


def told(error: ValidationError) -> None:
    """The problem can be told."""
    assert all(str(problem) for problem in problems_of(error, most=3))


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4))
def test_any_json_for_a_proposal_is_judged_or_told(fields: dict[str, Any]) -> None:
    body = {"title": "t", "artifact_sha256": ARTIFACT, "electorate": ["ada"]} | fields
    try:
        request = wire.ProposeRequest.model_validate_json(json.dumps(body))
    except ValidationError as error:
        told(error)
        return
    assert isinstance(ConsensusModel().decide(_propose(CALL, request), 1_000), (Outcome, Rejected))


RULES: tuple[dict[str, Any], ...] = (
    {"protocol": "simple_majority"},
    {"protocol": "simple_majority", "fractional": True},
    {"protocol": "approval", "options": ["a", "b"]},
    {"protocol": "borda", "options": ["a", "b"]},
    {"protocol": "quadratic", "options": ["a", "b"]},
)


@given(VALUES, st.sampled_from(RULES))
def test_any_json_for_a_choice_is_judged_or_told(choice: Any, rules: dict[str, Any]) -> None:
    terms = {"title": "t", "artifact_sha256": ARTIFACT, "electorate": ["ada"], "signatures": "optional"}
    proposal = terms | rules
    model = ConsensusModel()
    made = model.decide(_propose(CALL, wire.ProposeRequest.model_validate(proposal)), 1_000)
    assert isinstance(made, Outcome)
    for event in made.events:
        model.apply(event)
    try:
        request = wire.VoteRequest.model_validate_json(json.dumps({"proposal_id": "p1", "choice": choice}))
    except ValidationError as error:
        told(error)
        return
    assert isinstance(model.decide(_vote(CALL, request), 1_000), (Outcome, Rejected))


@given(
    st.integers(-50, 50),
    st.integers(0, 50),
    st.sampled_from([">", ">="]),
    st.sampled_from(["cast", "eligible"]),
)
def test_a_share_is_the_same_however_it_is_written(
    numerator: int, denominator: int, sign: str, of: str
) -> None:
    text = wire.ProposeRequest.model_validate(
        {
            "title": "t",
            "artifact_sha256": ARTIFACT,
            "electorate": [],
            "threshold": f"{sign}{numerator}/{denominator} of {of}",
            "quorum": f"{numerator}/{denominator}",
        }
    )
    assert text.threshold == wire.Threshold(
        numerator=numerator, denominator=denominator, inclusive=sign == ">=", of=of
    )
    assert text.quorum == wire.Level(numerator=numerator, denominator=denominator)


@given(st.decimals(min_value=-100, max_value=100, allow_nan=False, places=3))
def test_a_decimal_means_exactly_what_is_written(number: Any) -> None:
    body = f'{{"title": "t", "artifact_sha256": "{ARTIFACT}", "electorate": [], "threshold": {number:f}}}'
    threshold = wire.ProposeRequest.model_validate_json(body).threshold
    assert threshold is not None
    assert Fraction(threshold.numerator, threshold.denominator) == Fraction(str(number))
