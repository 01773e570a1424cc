"""Elections whose results everybody can look up, from files in two formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from consensus.counting import Count, Method, TieRule, count
from consensus.counting.formats import read_election

ELECTIONS = Path(__file__).resolve().parents[3] / "data" / "elections"
BOTH = pytest.mark.parametrize("ending", ["blt", "json"])


def counted(
    name: str, ending: str, method: Method, tie_rule: TieRule = TieRule.FAILS, seed: str = ""
) -> Count:
    path = ELECTIONS / f"{name}.{ending}"
    election = read_election(path.read_bytes(), name=path.name)
    return count(method, election.options, election.ballots, tie_rule=tie_rule, seed=seed)


def winner(result: Count) -> str | None:
    return result.options[result.winners[0]] if result.winners else None


def rounds(result: Count) -> list[dict[str, object]]:
    return [
        {name: score for name, score in zip(result.options, each.scores, strict=True) if score is not None}
        for each in result.rounds
    ]


@BOTH
@pytest.mark.parametrize(
    ("method", "wins"),
    [
        (Method.PLURALITY, "Memphis"),
        (Method.RANKED_CHOICE, "Knoxville"),
        (Method.BORDA, "Nashville"),
        (Method.COPELAND, "Nashville"),
    ],
)
def test_tennessee_chooses_its_capital(ending: str, method: Method, wins: str) -> None:
    assert winner(counted("tennessee", ending, method)) == wins


@BOTH
def test_tennessee_has_the_scores_of_the_textbook(ending: str) -> None:
    assert counted("tennessee", ending, Method.BORDA).scores == (126, 194, 173, 107)
    assert counted("tennessee", ending, Method.COPELAND).scores == (0, 3, 2, 1)


@BOTH
def test_burlington_elects_kiss_though_montroll_beats_everybody(ending: str) -> None:
    runoff = counted("burlington-2009", ending, Method.RANKED_CHOICE)
    assert winner(runoff) == "Kiss"
    assert rounds(runoff) == [
        {"Montroll": 2554, "Kiss": 2982, "Wright": 3297},
        {"Kiss": 4314, "Wright": 4064},
    ]
    assert winner(counted("burlington-2009", ending, Method.PLURALITY)) == "Wright"
    pairs = counted("burlington-2009", ending, Method.COPELAND)
    assert winner(pairs) == "Montroll"
    assert pairs.pairwise == ((0, 4067, 4597), (3477, 0, 4314), (3668, 4064, 0))


@BOTH
def test_alaska_elects_peltola_with_the_certified_rounds(ending: str) -> None:
    runoff = counted("alaska-2022", ending, Method.RANKED_CHOICE)
    assert winner(runoff) == "Peltola"
    assert rounds(runoff) == [
        {"Begich": 53_810, "Palin": 58_973, "Peltola": 75_799},
        {"Palin": 86_026, "Peltola": 91_266},
    ]
    assert [each.exhausted for each in runoff.rounds] == [0, 11_290]
    assert winner(counted("alaska-2022", ending, Method.COPELAND)) == "Begich"


@BOTH
@pytest.mark.parametrize("method", [Method.PLURALITY, Method.RANKED_CHOICE, Method.BORDA, Method.COPELAND])
def test_a_cycle_has_no_winner_unless_a_rule_says_so(ending: str, method: Method) -> None:
    result = counted("cycle", ending, method)
    assert (winner(result), result.ties[-1].options) == (None, (0, 1, 2))
    assert winner(counted("cycle", ending, method, TieRule.FIRST_LISTED)) == "Rock"
    assert winner(counted("cycle", ending, method, TieRule.LAST_LISTED)) == "Scissors"
    lots = {winner(counted("cycle", ending, method, TieRule.LOT, seed)) for seed in "abcdefgh"}
    assert lots == {"Rock", "Paper", "Scissors"}
