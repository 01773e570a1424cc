"""``python -m consensus.count``: what it prints, and its exit status."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consensus.count import main

ELECTIONS = Path(__file__).resolve().parents[3] / "data" / "elections"

TENNESSEE = """\
Capital of Tennessee (BLT), ranked_choice: 100 valid ballots, 0 blank, 0 invalid
             round 1  round 2  round 3
Knoxville         17       32       58
Memphis           42       42       42
Nashville         26       26
Chattanooga       15
exhausted          0        0        0
after round 1, out: Chattanooga
after round 2, out: Nashville
winner: Knoxville
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    _, out, _ = run(capsys, "--json", *arguments)
    data: dict[str, Any] = json.loads(out)
    return data


def test_rounds_are_printed_in_an_aligned_table(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "--method", "irv", "--rounds", str(ELECTIONS / "tennessee.blt"))
    assert (status, err) == (0, "")
    assert out == TENNESSEE


def test_it_is_a_program() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "consensus.count", "--method", "irv", "--rounds", ELECTIONS / "tennessee.blt"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, TENNESSEE, "")


def test_a_tie_without_a_rule_has_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ELECTIONS / "cycle.json")
    status, out, _ = run(capsys, "--method", "copeland", path)
    assert status == 1
    assert "tie for the win between Rock, Paper, Scissors: not broken (rule fails)" in out
    assert "no winner: a tie" in out
    status, out, _ = run(capsys, "--method", "copeland", "--tie-rule", "first-listed", path)
    assert status == 0
    assert "Rock wins (rule first_listed)" in out


def test_json_has_exact_scores_and_decimals(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "votes.json"
    path.write_text('{"options": ["a", "b"], "ballots": [{"points": {"a": 1, "b": 2}, "count": 2}]}')
    data = as_json(capsys, "--method", "weighted", "--places", "3", str(path))
    assert data["scores"] == [
        {"option": "a", "exact": "2/3", "decimal": "0.667"},
        {"option": "b", "exact": "4/3", "decimal": "1.333"},
    ]
    assert (data["winner"], data["winners"], data["rules"]) == ("b", ["b"], "standard")
    assert data["ballots"]["valid"] == 2
    shared = as_json(capsys, "--method", "quadratic", "--quadratic", "shared", str(path))
    assert [each["exact"] for each in shared["scores"]] == ["4/3", "8/3"]


def test_json_has_rounds_ties_and_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    runoff = as_json(capsys, "--method", "irv", str(ELECTIONS / "alaska-2022.blt"))
    assert runoff["rounds"] == [
        {"scores": ["53810", "58973", "75799"], "exhausted": "0", "eliminated": ["Begich"]},
        {"scores": [None, "86026", "91266"], "exhausted": "11290", "eliminated": []},
    ]
    assert runoff["ranking"] == [["Peltola"], ["Palin"], ["Begich"]]
    cycle = as_json(capsys, "--method", "copeland", str(ELECTIONS / "cycle.blt"))
    assert cycle["pairwise"] == [["0", "1", "2"], ["2", "0", "1"], ["1", "2", "0"]]
    assert cycle["ties"] == [
        {
            "purpose": "win",
            "options": ["Rock", "Paper", "Scissors"],
            "rule": "fails",
            "chosen": [],
            "round": None,
        }
    ]


def test_a_document_of_snapshot_is_counted_by_its_rules(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    votes = [
        {"choice": [1, 2], "balance": 3, "scores": [1, 2]},
        {"choice": [2, 1], "balance": 2, "scores": [1, 1]},
    ]
    document = {"proposal": {"choices": ["a", "b"]}, "strategies": [{}, {}], "votes": votes, "scores": [3, 2]}
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(document))
    status, out, _ = run(capsys, "--method", "ranked-choice", str(path))
    assert (status, out.splitlines()[-1]) == (0, "the published scores agree")
    data = as_json(capsys, "--method", "ranked-choice", str(path))
    assert data["rules"] == "snapshot"
    assert data["snapshot"] == {
        "scores": ["3", "2"],
        "scores_by_strategy": [["1", "2"], ["1", "1"]],
        "scores_total": "5",
        "agrees_with_published": True,
        "disagreements": [],
    }
    assert "snapshot" not in as_json(capsys, "--method", "irv", "--rules", "standard", str(path))
    status, _, err = run(capsys, str(path))
    assert status == 2
    assert "give --method, one of ranked_choice, approval, copeland" in err


def test_more_seats_than_one_are_noted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "two.blt"
    path.write_text('2 2\n1 1 0\n0\n"a"\n"b"\n')
    status, out, err = run(capsys, "--method", "irv", str(path))
    assert (status, out.splitlines()[-1]) == (0, "winner: a")
    assert "for 2 seats; this count fills one" in err


def test_names_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "escape.blt"
    path.write_text('1 1\n1 1 0\n0\n"a\x1b[2Jb"\n')
    _, out, _ = run(capsys, "--method", "irv", str(path))
    assert "\x1b" not in out
    assert "a?[2Jb" in out


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_names_that_the_terminal_cannot_show_do_no_harm(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text('{"options": ["Zo\\u00eb", "\\ud800"], "ballots": ["Zo\\u00eb"]}')
    for more in (["--json"], ["--tie-rule", "lot", "--seed", "s"]):
        ran = subprocess.run(
            [sys.executable, "-m", "consensus.count", "--method", "irv", *more, path],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            check=False,
            timeout=60,
        )
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert b"Zo" in ran.stdout


def test_standard_input_is_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO((ELECTIONS / "tennessee.json").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    status, out, _ = run(capsys, "--method", "borda", "-")
    assert (status, out.splitlines()[-1]) == (0, "winner: Nashville")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "irv", "no-such-file.blt"], "cannot be read: No such file"),
        (["--method", "stv", str(ELECTIONS / "cycle.blt")], "there is no method 'stv'"),
        ([str(ELECTIONS / "cycle.blt")], "does not say how to count it; give --method"),
        (["--method", "quadratic", str(ELECTIONS / "cycle.blt")], "cannot count rankings"),
        (
            ["--method", "borda", "--credits", "x", str(ELECTIONS / "cycle.blt")],
            "--credits: 'x' is no number",
        ),
    ],
)
def test_bad_input_has_exit_status_2_and_a_reason(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tie-rule", "coin", "x"], "'coin' is none of fails, first_listed, last_listed, lot, backward"),
        (["--tie-rule", "all", "x"], "'all' is none of"),
        (["--tie-rule", "lot", "x"], "a lot needs --seed TEXT"),
        (["--tie-rule", "lot", "--seed", "", "x"], "a lot needs --seed TEXT"),
        (["--elimination-tie-rule", "lot", "x"], "a lot needs --seed TEXT"),
        (["--places", "x", "x"], "'x' is no number from 0 to"),
        ([], "required: file"),
    ],
)
def test_bad_arguments_have_exit_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_help_offers_only_the_tie_rules_that_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "of a tie for the win: fails, first_listed, last_listed, lot, backward, forward (default" in said
    assert "runoff: fails, first_listed, last_listed, lot, backward, forward, all (default backward)" in said


def test_all_numbers_have_the_same_places(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "weights.blt"
    path.write_text('2 1\n1.5 1 0\n5 2 0\n0\n"a"\n"b"\n')
    _, out, _ = run(capsys, "--method", "plurality", str(path))
    assert "weight 6.5000, " in out
    assert "1.5000" in out
