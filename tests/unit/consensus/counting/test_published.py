"""Documents of Snapshot: what is said of published scores that are not ours, and of invalid votes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.count import main
from consensus.counting import Method, Quadratic, Rules, count
from consensus.counting.formats import read_election
from consensus.counting.marks import Reading
from consensus.counting.snapshot import ballots
from consensus.counting.unread import invalid_votes

VOTES = [{"choice": 1, "vp": 4, "vp_by_strategy": [4]}, {"choice": 2, "vp": 3, "vp_by_strategy": [3]}]


def document(votes: list[Any], *, choices: tuple[str, ...] = ("a", "b"), **more: Any) -> dict[str, Any]:
    return {"proposal": {"choices": list(choices)}, "strategies": [{}], "votes": votes, **more}


def run(
    capsys: pytest.CaptureFixture[str], directory: Path, data: dict[str, Any], *more: str
) -> tuple[int, str, str]:
    path = directory / "snapshot.json"
    path.write_text(json.dumps(data))
    status = main(["--method", "plurality", *more, str(path)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ({"scores": [5, 3]}, ["a: published 5, counted 4"]),
        ({"scores": [4.5, 3.25]}, ["a: published 4.5, counted 4", "b: published 3.25, counted 3"]),
        ({"scores": [4]}, ["scores of the options: 1 published, 2 counted"]),
        ({"scores_by_strategy": [[4], [2]]}, ["b, strategy 1: published 2, counted 3"]),
        ({"scoresByStrategy": [[4]]}, ["scores by strategy: published for 1 options, counted for 2"]),
        ({"scores": [4, 3], "scoresTotal": 8}, ["total: published 8, counted 7"]),
    ],
)
def test_a_difference_names_the_option_and_both_numbers_and_has_exit_status_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, published: dict[str, Any], said: list[str]
) -> None:
    status, out, _ = run(capsys, tmp_path, document(VOTES, **published))
    assert status == 3
    lines = out.splitlines()
    at = lines.index("the published scores DO NOT agree with this count:")
    assert [line.strip() for line in lines[at + 1 :]] == said
    status, out, _ = run(capsys, tmp_path, document(VOTES, **published), "--json")
    assert status == 3
    data = json.loads(out)["snapshot"]
    assert (data["agrees_with_published"], data["disagreements"]) == (False, said)


def test_only_the_first_differences_are_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = tuple(f"o{number}" for number in range(12))
    _, out, _ = run(capsys, tmp_path, document(VOTES, choices=names, scores=[9] * 12))
    assert out.splitlines()[-2:] == ["  o9: published 9, counted 0", "  and 2 more"]


@pytest.mark.parametrize(
    "published",
    [
        {},
        {"scores": []},
        {"scores": [], "scores_by_strategy": [], "scores_total": 0},
        {"scoresByStrategy": []},
    ],
)
def test_empty_scores_are_no_publication(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, published: dict[str, Any]
) -> None:
    status, out, err = run(capsys, tmp_path, document(VOTES, **published))
    assert (status, out.splitlines()[-1], err) == (0, "winner: a", "")
    _, out, _ = run(capsys, tmp_path, document(VOTES, **published), "--json")
    assert json.loads(out)["snapshot"]["agrees_with_published"] is None


@pytest.mark.parametrize(
    ("vote", "key"),
    [
        ({"vp": "x"}, "votes[0].vp"),
        ({"vp": -1}, "votes[0].vp"),
        ({"balance": "x"}, "votes[0].balance"),
        ({"vp_by_strategy": ["x"]}, "votes[0].vp_by_strategy[0]"),
        ({"scores": 3}, "votes[0].scores"),
        ({"scores": [-1]}, "votes[0].scores"),
    ],
)
def test_bad_power_is_reported_under_its_own_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, vote: dict[str, Any], key: str
) -> None:
    status, out, err = run(capsys, tmp_path, document([{"choice": 1, **vote}]))
    assert (status, out) == (2, "")
    assert f"snapshot.json: {key}: " in err


def test_invalid_votes_are_named_with_the_reason(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = [{"choice": each, "vp": 1} for each in (7, "a\x1b", [1], None, 0, 3, 4)]
    status, _, err = run(capsys, tmp_path, document([*VOTES, *wrong]))
    assert (status, err.splitlines()) == (
        0,
        [
            "note: invalid: votes[2].choice: 7 is no option of 2",
            r"note: invalid: votes[3].choice: 'a\x1b' is no option of 2",
            "note: invalid: votes[4].choice: [1] is no option of 2",
            "note: invalid: votes[5].choice: None is no option of 2",
            "note: invalid: votes[6].choice: 0 is no option of 2",
            "note: invalid: 2 votes more",
        ],
    )


def reading_of(method: Method, rules: Rules = Rules.SNAPSHOT) -> Reading:
    quadratic = Quadratic.SHARED if rules is Rules.SNAPSHOT else Quadratic.BOUGHT
    return Reading(method=method, options_count=3, rules=rules, quadratic=quadratic, credits=100)


@pytest.mark.parametrize(
    ("method", "rules", "choice", "said"),
    [
        (Method.RANKED_CHOICE, Rules.SNAPSHOT, [1, 2], "2 of 3 options are ranked; Snapshot counts"),
        (Method.COPELAND, Rules.SNAPSHOT, [1, 2, 2], "option 2 is there twice"),
        (Method.APPROVAL, Rules.SNAPSHOT, [1, 9], "9 is no option of 3"),
        (Method.APPROVAL, Rules.SNAPSHOT, 1, "1 is no list of options"),
        (Method.BORDA, Rules.SNAPSHOT, {"1": 2}, "{'1': 2} is no list of options"),
        (Method.WEIGHTED_SPLIT, Rules.SNAPSHOT, [1], "[1] is no object from option to points"),
        (Method.WEIGHTED_SPLIT, Rules.SNAPSHOT, {}, "no option has points"),
        (Method.WEIGHTED_SPLIT, Rules.SNAPSHOT, {"1": 0}, "option 1 has 0 points; they are above 0"),
        (Method.WEIGHTED_SPLIT, Rules.STANDARD, {"1": -2}, "option 1 has -2 points; they are at least 0"),
        (Method.WEIGHTED_SPLIT, Rules.STANDARD, {"x": 1}, "'x' is no option of 3"),
        (Method.WEIGHTED_SPLIT, Rules.STANDARD, {"1": None}, "None, for option 1, is no number of points"),
        (Method.WEIGHTED_SPLIT, Rules.STANDARD, {"1": 1, "01": 1}, "an option is there twice"),
        (Method.QUADRATIC, Rules.STANDARD, {"1": 11}, "its votes cost more than 100 credits"),
    ],
)
def test_each_reason_fits_the_method(method: Method, rules: Rules, choice: object, said: str) -> None:
    data = document([{"choice": choice, "vp": 1}], choices=("a", "b", "c"))
    (line,) = invalid_votes(read_election(json.dumps(data).encode()), reading_of(method, rules))
    assert line.startswith(f"votes[0].choice: {said}")


NUMBERS = st.integers(-1, 4)
CHOICES = (
    NUMBERS | st.lists(NUMBERS, max_size=4) | st.dictionaries(st.sampled_from("0123x"), NUMBERS) | st.none()
)


@given(
    choices=st.lists(CHOICES, max_size=6), method=st.sampled_from(Method), rules=st.sampled_from(list(Rules))
)
def test_as_many_votes_are_named_as_are_invalid(choices: list[Any], method: Method, rules: Rules) -> None:
    data = document([{"choice": choice, "vp": 1} for choice in choices], choices=("a", "b", "c"))
    election = read_election(json.dumps(data).encode())
    counted = count(method, election.options, ballots(election, method), rules=rules)
    named = list(invalid_votes(election, reading_of(method, rules)))
    assert len(named) == counted.papers.invalid_count
