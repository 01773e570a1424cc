"""Ballots as JSON, and what is said of documents that cannot be read."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from consensus.counting import Approval, BallotFileError, Method, Points, Ranking, Weighted
from consensus.counting.election import Election
from consensus.counting.formats import read_election


def read(document: Any) -> Election:
    return read_election(json.dumps(document).encode())


def ballots(*given: Any) -> list[Weighted]:
    return list(read({"options": ["a", "b", "c"], "ballots": list(given)}).ballots)


def test_every_kind_of_ballot_is_read() -> None:
    assert ballots(
        {"ranking": [["a"], ["b", "c"]], "weight": "3/2", "count": 10},
        {"ranking": ["c", None, [], 1]},
        {"approve": ["a", "c"]},
        {"points": {"a": 3, "b": "1/2"}, "weight": 2},
        {"choice": "b"},
        {"choice": None},
        ["a", "b"],
        "c",
        2,
    ) == [
        Weighted(Ranking((frozenset((0,)), frozenset((1, 2)))), weight=Fraction(3, 2), count=10),
        Weighted(Ranking((frozenset((2,)), frozenset(), frozenset(), frozenset((0,))))),
        Weighted(Approval.of(0, 2)),
        Weighted(Points({0: 3, 1: Fraction(1, 2)}), weight=2),
        Weighted(Approval.of(1)),
        Weighted(Approval.of()),
        Weighted(Ranking.of(0, 1)),
        Weighted(Approval.of(2)),
        Weighted(Approval.of(1)),
    ]


def test_the_rest_of_the_document_is_read() -> None:
    election = read(
        {
            "title": "T",
            "options": ["a", "b"],
            "ballots": [],
            "method": "IRV",
            "seats": 2,
            "withdrawn": ["b"],
            "anything": "else",
        }
    )
    assert (election.title, election.method, election.seats_count) == ("T", Method.RANKED_CHOICE, 2)
    assert election.withdrawn == {1}


def test_decimals_are_exact() -> None:
    election = read_election(b'{"options": ["a"], "ballots": [{"choice": "a", "weight": 0.1}]}')
    assert election.ballots[0].weight == Fraction(1, 10)


def test_names_come_before_numbers() -> None:
    election = read({"options": ["2", "x"], "ballots": [{"choice": "2"}, {"choice": 2}]})
    assert [each.ballot for each in election.ballots] == [Approval.of(0), Approval.of(1)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1: no JSON"),
        ('{\n"a": }', "line 2: no JSON"),
        ("[1]", "an object with 'options'"),
        ("{}", "options: a list of 1 to 1000 names"),
        ('{"options": [1]}', "options[0]: a name"),
        ('{"options": ["a", "a"], "ballots": []}', "two have the same name"),
        ('{"options": ["a"]}', "ballots: a list"),
        ('{"options": ["a"], "options": ["b"]}', "'options' stands twice"),
        ('{"options": ["a"], "ballots": [null]}', "ballots[0]: a ballot is an object"),
        ('{"options": ["a"], "ballots": [{}]}', "ballots[0]: exactly one of"),
        ('{"options": ["a"], "ballots": [{"choice": "a", "approve": []}]}', "exactly one of"),
        ('{"options": ["a"], "ballots": [{"choice": "a", "wieght": 1}]}', "unknown key 'wieght'"),
        ('{"options": ["a"], "ballots": [{"choice": "z"}]}', "ballots[0].choice: there is no option 'z'"),
        ('{"options": ["a"], "ballots": [{"choice": 0}]}', "no option 0; they are numbered 1 to 1"),
        ('{"options": ["a"], "ballots": [{"ranking": "a"}]}', "ballots[0].ranking: a list"),
        ('{"options": ["a"], "ballots": [{"points": []}]}', "ballots[0].points: an object"),
        ('{"options": ["a"], "ballots": [{"points": {"a": "x"}}]}', "ballots[0].points.a: 'x' is no number"),
        ('{"options": ["a"], "ballots": [{"points": {"a": 1, "1": 2}}]}', "are the same option"),
        ('{"options": ["a"], "ballots": [{"choice": "a", "weight": -1}]}', "weight: a number of at least 0"),
        ('{"options": ["a"], "ballots": [{"choice": "a", "weight": 1e999}]}', "too large or too small"),
        ('{"options": ["a"], "ballots": [{"choice": "a", "weight": NaN}]}', "NaN is no number"),
        ('{"options": ["a"], "ballots": [{"choice": "a", "count": 1.5}]}', "count: a whole number"),
        ('{"options": ["a"], "ballots": [], "method": "x"}', "method: there is no method 'x'"),
        ('{"options": ["a"], "ballots": [], "seats": 0}', "seats: a whole number"),
        ('{"options": ["a"], "ballots": [], "withdrawn": "a"}', "withdrawn: a list"),
        ('{"a": ' + "[" * 100_000, "brackets within brackets"),
        ('{"a": ' + "1" * 5_000 + "}", "more than 80 characters"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(content: str, said: str) -> None:
    with pytest.raises(BallotFileError) as caught:
        read_election(content.encode())
    assert said in str(caught.value)
