"""docs/ballots.md: what it shows is what happens."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from consensus.count import main
from consensus.counting import Borda, Duplicates, Equal, Method, Quadratic, Rules, Skipped, TieRule
from consensus.counting.choices import METHOD_ALIASES
from consensus.counting.formats import read_election

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "ballots.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^```console\n\$ python -m consensus\.count (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(("arguments", "printed"), COMMANDS)
def test_commands_print_what_is_shown(
    arguments: str, printed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    main(shlex.split(arguments))
    assert capsys.readouterr().out == printed


def test_every_rule_and_method_is_described() -> None:
    named = set(re.findall(r"`([a-z_-]+)`", PAGE))
    for kind in (Method, TieRule, Borda, Duplicates, Equal, Quadratic, Rules, Skipped):
        assert {str(each) for each in kind} <= named, kind
    described = {name.replace("-", "_") for name in named}
    assert {"irv", "instant_runoff", "single_choice", "weighted"} <= described & set(METHOD_ALIASES)


def test_the_json_shown_is_read() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    election = read_election(shown.encode())
    assert (election.options, election.method) == (("soup", "salad", "pie"), Method.RANKED_CHOICE)
    assert len(election.ballots) == len(json.loads(shown)["ballots"])


def test_the_blt_shown_is_read() -> None:
    (shown,) = re.findall(r"^```text\n(# a comment.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    bare = "\n".join(re.split(r" {3,}", line)[0] for line in shown.splitlines())
    election = read_election(bare.encode())
    assert (election.title, set(election.withdrawn)) == ("Title of the election", {1})
    assert sum(each.weight * each.count for each in election.ballots) == 3 + 1 + 1.5 + 1
