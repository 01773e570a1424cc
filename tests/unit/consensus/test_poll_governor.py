"""OpenZeppelin Governor's vectors of counting (reference/peers.md, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from consensus.ballot import Ballot
from consensus.rules import Level, Rules, Verdict
from tests.support.polls import FRACTIONAL, GOVERNOR, TO_V2, WON, ballot, lost, percent, poll_of, sides


@dataclass(frozen=True, kw_only=True)
class Vector:
    name: str
    rules: Rules
    ballots: tuple[Ballot, ...] = ()
    weights: Mapping[str, int] = field(default_factory=lambda: GOVERNOR)
    delegations: Mapping[str, str] = field(default_factory=dict)
    after_each: tuple[tuple[int, int, int], ...]
    """[against, for, abstain] after each ballot."""
    outcome: Verdict
    early: Verdict | None = None
    """What ends it before the deadline, after the last ballot."""


SUPER = {"v1": 40, "v2": 30, "v3": 20, "v4": 15, "v5": 5}
NOMINAL = Rules(quorum=percent(10))
SUPER_RULES = Rules(quorum=Level(numerator=10), super_quorum=Level(numerator=40), is_early_decision=False)
VECTORS = (
    Vector(
        name="nominal, quorum 10 %",
        rules=NOMINAL,
        ballots=(ballot("v1", "for"), ballot("v2", "for"), ballot("v3", "against"), ballot("v4", "abstain")),
        after_each=((0, 10, 0), (0, 17, 0), (5, 17, 0), (5, 17, 2)),
        outcome=WON,
    ),
    Vector(name="no votes", rules=NOMINAL, after_each=(), outcome=lost("no_quorum")),
    Vector(
        name="quorum 8 %, for 10",
        rules=Rules(quorum=percent(8)),
        ballots=(ballot("v1", "for"),),
        after_each=((0, 10, 0),),
        outcome=WON,
    ),
    Vector(
        name="quorum 8 %, for 7",
        rules=Rules(quorum=percent(8)),
        ballots=(ballot("v2", "for"),),
        after_each=((0, 7, 0),),
        outcome=lost("no_quorum"),
    ),
    Vector(
        name="quorum 1, for 7 and then against 10",
        rules=Rules(quorum=Level(numerator=1)),
        ballots=(ballot("v2", "for"), ballot("v1", "against")),
        after_each=((0, 7, 0), (10, 7, 0)),
        outcome=lost("below_threshold"),
    ),
    Vector(
        name="super 40, for 30 and 20",
        rules=SUPER_RULES,
        weights=SUPER,
        ballots=(ballot("v2", "for"), ballot("v3", "for")),
        after_each=((0, 30, 0), (0, 50, 0)),
        outcome=WON,
        early=WON,
    ),
    Vector(
        name="super not reached",
        rules=SUPER_RULES,
        weights=SUPER,
        ballots=(ballot("v4", "for"), ballot("v5", "for")),
        after_each=((0, 15, 0), (0, 20, 0)),
        outcome=WON,
    ),
    Vector(
        name="super reached, losing",
        rules=SUPER_RULES,
        weights=SUPER,
        ballots=(ballot("v2", "against"), ballot("v3", "against"), ballot("v1", "for")),
        after_each=((30, 0, 0), (50, 0, 0), (50, 40, 0)),
        outcome=lost("below_threshold"),
    ),
    Vector(
        name="fractional twice",
        rules=FRACTIONAL,
        ballots=(
            ballot("v2", {"for": 2, "abstain": 1}),
            ballot("v2", {"against": 1, "abstain": 1}),
        ),
        after_each=((0, 2, 1), (1, 2, 2)),
        outcome=WON,
    ),
    Vector(
        name="fractional, then nominal",
        rules=FRACTIONAL,
        ballots=(ballot("v2", {"against": 1, "for": 2, "abstain": 1}), ballot("v2", "against")),
        after_each=((1, 2, 1), (4, 2, 1)),
        outcome=lost("below_threshold"),
    ),
    Vector(
        name="override after the delegate",
        rules=NOMINAL,
        delegations=TO_V2,
        ballots=(ballot("v2", "for"), ballot("v1", "against", "own")),
        after_each=((0, 19, 0), (10, 9, 0)),
        outcome=lost("no_quorum"),
    ),
    Vector(
        name="override before the delegate, and a second one",
        rules=NOMINAL,
        delegations=TO_V2,
        ballots=(ballot("v1", "against", "own"), ballot("v2", "for"), ballot("v4", "abstain", "own")),
        after_each=((10, 0, 0), (10, 9, 0), (10, 7, 2)),
        outcome=lost("no_quorum"),
    ),
    Vector(
        name="independent: for with what is delegated to it, against with its own",
        rules=NOMINAL,
        delegations={"v1": "v2", "v3": "v1"},
        ballots=(ballot("v1", "for", "delegated"), ballot("v1", "against", "own")),
        after_each=((0, 5, 0), (10, 5, 0)),
        outcome=lost("no_quorum"),
    ),
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_votes_are_counted_as_governor_does(vector: Vector) -> None:
    poll = poll_of(vector.rules, vector.weights, vector.delegations)
    for each, expected in zip(vector.ballots, vector.after_each, strict=True):
        assert poll.early_verdict() is None
        poll.cast(each)
        assert sides(poll) == expected
    assert poll.verdict() == vector.outcome
    assert poll.early_verdict() == vector.early
