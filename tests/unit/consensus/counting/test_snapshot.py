"""Documents of Snapshot: real ones, and rules of theirs that differ from the textbook's."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from consensus.counting import BallotFileError, Count, Method, QuadraticScore, Ranking, Rules, Weighted, count
from consensus.counting.election import Election
from consensus.counting.exported import agrees
from consensus.counting.formats import read_election
from consensus.counting.snapshot import ballots, published


def read(votes: list[Any], **more: Any) -> Election:
    document = {"proposal": {"choices": ["a", "b", "c"]}, "strategies": [{}], "votes": votes, **more}
    return read_election(json.dumps(document).encode())


def counted(election: Election, method: Method) -> Count:
    return count(method, election.options, ballots(election, method), rules=Rules.SNAPSHOT)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "method"), [("approval", Method.APPROVAL), ("singleChoice", Method.PLURALITY)]
)
def test_real_votes_reproduce_the_published_scores(name: str, method: Method, shared: Path) -> None:
    content = (shared / "data" / "voting" / f"snapshot-{name}.json").read_bytes()
    document = json.loads(content)
    election = read_election(content)
    result = counted(election, method)
    ours = published(election, result)
    assert list(ours.scores) == document["scores"]
    assert [list(row) for row in ours.scores_by_strategy] == document["scoresByStrategy"]
    assert ours.scores_total == document["scoresTotal"]
    assert result.winners == (0,)


def test_the_first_listed_of_the_last_goes_out_and_two_end_the_runoff() -> None:
    votes = [{"choice": choice, "balance": 1} for choice in ([1, 2, 3], [2, 1, 3], [3, 2, 1], [3, 1, 2])]
    result = counted(read(votes), Method.RANKED_CHOICE)
    assert [each.eliminated for each in result.rounds] == [(0,), ()]
    assert result.scores == (0, 2, 2)
    assert result.winners == ()


def test_the_first_listed_goes_out_also_where_all_are_level() -> None:
    votes = [{"choice": choice, "balance": 1} for choice in ([1, 2, 3], [2, 3, 1], [3, 1, 2])]
    result = counted(read(votes), Method.RANKED_CHOICE)
    assert [each.eliminated for each in result.rounds] == [(0,), ()]
    assert (result.scores, result.winners) == ((0, 2, 1), (1,))


def test_incomplete_rankings_are_invalid() -> None:
    votes = [{"choice": choice, "balance": 1} for choice in ([1, 2], [1, 2, 2], [1, 2, 4], [1, 2, 3])]
    for method in (Method.RANKED_CHOICE, Method.COPELAND):
        assert counted(read(votes), method).papers.invalid_count == 3


def test_average_support_orders_those_with_equal_victories() -> None:
    """a and b draw and both beat c, a by more."""
    given = [((0, 1, 2), 3), ((0, 2, 1), 2), ((1, 0, 2), 3), ((1, 2, 0), 1), ((2, 1, 0), 1)]
    votes = [Weighted(Ranking.of(*order), weight=weight) for order, weight in given]
    plain = count(Method.COPELAND, ("a", "b", "c"), votes)
    assert plain.scores == (Fraction(3, 2), Fraction(3, 2), 0)
    snapshot = count(Method.COPELAND, ("a", "b", "c"), votes, rules=Rules.SNAPSHOT)
    assert snapshot.winners == (0,)
    assert sum(each for each in snapshot.scores if not isinstance(each, QuadraticScore)) == 10


def test_quadratic_scores_add_up_to_the_voting_power() -> None:
    election = read([{"choice": {"1": 1, "2": 1}, "balance": 2}, {"choice": {"1": 1}, "balance": 1}])
    result = counted(election, Method.QUADRATIC)
    scores = [each.exact() for each in result.scores if isinstance(each, QuadraticScore)]
    assert scores == [Fraction(12, 5), Fraction(3, 5), 0]


def test_what_the_votes_can_be_is_said() -> None:
    assert read([{"choice": 1}]).method is Method.PLURALITY
    assert read([{"choice": [1]}]).methods == (Method.RANKED_CHOICE, Method.APPROVAL, Method.COPELAND)
    assert read([{"choice": {"1": 1}}]).methods == (Method.WEIGHTED_SPLIT, Method.QUADRATIC)
    assert read([{"choice": [1]}], type="approval").method is Method.APPROVAL


def test_scores_that_differ_from_the_published_are_noticed() -> None:
    votes = [{"choice": 1, "balance": 2, "scores": [2]}]
    for more, expected in (
        ({"scores": [2, 0, 0]}, True),
        ({"scores": [2.0000000001, 0, 0]}, True),
        ({"scores": [2.00001, 0, 0]}, False),
        ({"scores": [2, 0]}, False),
        ({"scoresTotal": 3}, False),
        ({"scoresByStrategy": [[2], [0], [0]]}, True),
        ({"scoresByStrategy": [[2], [0]]}, False),
        ({}, None),
    ):
        election = read(votes, **more)
        assert agrees(published(election, counted(election, Method.PLURALITY)), election) is expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"votes": []}, "proposal.choices: a list"),
        ({"votes": [], "proposal": 1}, "proposal: an object"),
        ({"votes": [1], "choices": ["a"]}, "votes[0]: a vote is an object"),
        ({"votes": [{"choice": 1, "balance": "x"}], "choices": ["a"]}, "votes[0].balance: 'x' is no number"),
        (
            {"votes": [{"choice": 1, "balance": -1}], "choices": ["a"]},
            "votes[0].balance: a number of at least 0",
        ),
        ({"votes": [{"choice": 1, "scores": 1}], "choices": ["a"]}, "votes[0].scores: a list"),
        ({"votes": [], "choices": ["a"], "type": "dice"}, "proposal.type: there is no method 'dice'"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(document: object, said: str) -> None:
    with pytest.raises(BallotFileError) as caught:
        read_election(json.dumps(document).encode())
    assert said in str(caught.value)
