"""PrefLib's files, today's and those of before 2022."""

from __future__ import annotations

import pytest

from consensus.counting import BallotFileError, Ranking, Weighted
from consensus.counting.formats import read_election

TODAY = b"""# FILE NAME: 00001-00000001.toi
# TITLE: A vote
# NUMBER ALTERNATIVES: 3
# ALTERNATIVE NAME 1: Ada
# ALTERNATIVE NAME 2: Bob
# ALTERNATIVE NAME 3: Cleo, the third
10: 1,{2,3}
3: 3
1: {1, 2} , 3
"""
OLD = b"3\n1,Ada\n2,Bob\n3,Cleo, the third\n14,14,3\n10,1,{2,3}\n3,3\n1,{1,2},3\n"


@pytest.mark.parametrize(("content", "name"), [(TODAY, "x"), (OLD, "x.TOI")])
def test_both_forms_are_read(content: bytes, name: str) -> None:
    election = read_election(content, name=name)
    assert election.options == ("Ada", "Bob", "Cleo, the third")
    assert list(election.ballots) == [
        Weighted(Ranking((frozenset((0,)), frozenset((1, 2)))), count=10),
        Weighted(Ranking.of(2), count=3),
        Weighted(Ranking((frozenset((0, 1)), frozenset((2,)))), count=1),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x\n", "line 1: a PrefLib file"),
        (b"3\n1,Ada\n", "line 1: 3 names"),
        (b"1\nAda\n1,1,1\n", "line 2: a name is written"),
        (b"1\n1,Ada\n1:1\n", "line 3: the sums"),
        (TODAY + b"x: 1\n", "line 10: a ballot is written"),
        (TODAY + b"0: 1\n", "line 10: a ballot is written"),
        (TODAY + b"1: 4\n", "line 10: there is no alternative '4'"),
        (TODAY + b"1: {1,2\n", "line 10: '{1,2' is no rank"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(BallotFileError) as caught:
        read_election(content, name="x.soc")
    assert said in str(caught.value)
