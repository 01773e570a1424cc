"""Scores are those that Snapshot publishes, for every type of vote, invalid votes among them."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consensus.counting import QuadraticScore, Rules, Score, count, method_named
from consensus.counting.exported import agrees
from consensus.counting.formats import read_election
from consensus.counting.snapshot import ballots, published
from tests.support import naive_snapshot as naive

SIZE = 4
KINDS = ("single-choice", "approval", "ranked-choice", "copeland", "weighted", "quadratic")
SPOILT: list[Any] = [
    0,
    5,
    -1,
    1.5,
    "1",
    None,
    [],
    [1, 1],
    [0],
    [5],
    {},
    {"0": 1},
    {"5": 1},
    {"1": 0},
    {"1": -1},
    {"x": 1},
]

powers = st.one_of(st.integers(0, 3), st.sampled_from((0.5, 0.25, 1.75, 1000000.75)))
"""Exact in binary, so that the floats of the twin decide ties as they should."""


def choices(kind: str) -> st.SearchStrategy[Any]:
    one = st.integers(1, SIZE)
    good: dict[str, st.SearchStrategy[Any]] = {
        "single-choice": one,
        "approval": st.lists(one, unique=True),
        "weighted": st.dictionaries(
            one.map(str), st.one_of(st.integers(1, 9), st.sampled_from((0.5, 0.2))), min_size=1
        ),
    }
    good["quadratic"] = good["weighted"]
    return st.one_of(good.get(kind, st.permutations(range(1, SIZE + 1))), st.sampled_from(SPOILT))


def near(ours: Score, theirs: float) -> bool:
    value = ours.nearest(20) if isinstance(ours, QuadraticScore) else ours
    return math.isclose(float(value), theirs, rel_tol=1e-9, abs_tol=1e-12)


@given(st.sampled_from(KINDS), st.integers(1, 3), st.booleans(), st.data())
def test_scores_are_what_snapshot_publishes(
    kind: str, strategies: int, is_answer: object, data: st.DataObject
) -> None:
    parts = st.lists(powers, min_size=strategies, max_size=strategies)
    votes = [
        {"choice": choice, "balance": sum(each), "scores": each}
        for choice, each in data.draw(st.lists(st.tuples(choices(kind), parts), max_size=8))
    ]
    names = [f"choice {each}" for each in range(1, SIZE + 1)]
    scores, rows, total = naive.published(kind, SIZE, [naive.Vote(**vote) for vote in votes], strategies)
    document: dict[str, Any] = {
        "proposal": {"choices": names, "type": kind},
        "strategies": [{}] * strategies,
        "votes": votes,
        "scores": scores,
        "scoresByStrategy": rows,
        "scoresTotal": total,
    }
    if is_answer:  # as Snapshot's API answers
        renamed = [{"choice": v["choice"], "vp": v["balance"], "vp_by_strategy": v["scores"]} for v in votes]
        proposal = {
            **document["proposal"],
            "scores": scores,
            "scores_by_strategy": rows,
            "scores_total": total,
        }
        document = {"data": {"proposal": {**proposal, "strategies": [{}] * strategies}, "votes": renamed}}
    election = read_election(json.dumps(document).encode())
    assert election.method == method_named(kind)
    counted = count(
        method_named(kind), election.options, ballots(election, method_named(kind)), rules=Rules.SNAPSHOT
    )
    ours = published(election, counted)
    assert all(near(*pair) for pair in zip(ours.scores, scores, strict=True))
    for row, expected in zip(ours.scores_by_strategy, rows, strict=True):
        assert all(near(*pair) for pair in zip(row, expected, strict=True))
    assert near(ours.scores_total, total)
    assert agrees(ours, election) is True
