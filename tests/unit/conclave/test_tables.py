"""How agents look on a terminal of some width, and in a pipe."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from conclave.commands import tables
from coordination.registry.wire import FoundAgent
from tests.support.agents import NOW_MS, able, record

ADA = record(
    "ada",
    capabilities=able("python@3.11.4", "gpu@1.0.0", "nix-review@2.13.8"),
    labels={"region": "eu", "team": "infra"},
    load=0.25,
    max_tasks=4,
    incarnation=17,
    last_heard_ms=NOW_MS - 3_000,
)
BOB = record("bob", status="suspect", load=0.75, last_heard_ms=NOW_MS - 8_000)
CAROL = record("carol", status="offline", load=1.0, last_heard_ms=NOW_MS - 7_300_000)
EVERYBODY = (ADA, BOB, CAROL)


def on_terminal(shown: RenderableType, *, width: int, colour: bool = False) -> list[str]:
    """The lines that a terminal of `width` columns shows, without trailing spaces."""
    file = io.StringIO()
    if colour:
        console = Console(file=file, width=width, force_terminal=True, color_system="standard")
    else:
        console = Console(file=file, width=width, color_system=None)
    console.print(shown)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_eighty_columns_are_enough_for_everybody() -> None:
    assert on_terminal(tables.table(EVERYBODY, now_ms=NOW_MS, width=80), width=80) == [
        "NAME   STATUS     LOAD  SLOTS  HEARD  CAPABILITIES",
        "ada    ● online    25%      4     3s  python 3.11.4, gpu 1.0.0 +1",
        "bob    ◐ suspect   75%      1     8s  -",
        "carol  ○ offline  100%      1     2h  -",
    ]


def test_a_wide_terminal_shows_incarnation_and_labels_too() -> None:
    lines = on_terminal(tables.table(EVERYBODY, now_ms=NOW_MS, width=140), width=140)
    assert lines[0].split() == ["NAME", "STATUS", "LOAD", "SLOTS", "INC", "HEARD", "CAPABILITIES", "LABELS"]
    assert re.split(" {2,}", lines[1]) == [
        *("ada", "● online", "25%", "4", "17", "3s"),
        "python 3.11.4, gpu 1.0.0, nix-review 2.13.8",
        "region=eu, team=infra",
    ]


def test_found_agents_show_their_score() -> None:
    found = [FoundAgent.model_validate({**ADA.model_dump(), "score": 0.6667})]
    lines = on_terminal(tables.table(found, now_ms=NOW_MS, width=80), width=80)
    assert lines[0].split() == ["NAME", "SCORE", "STATUS", "LOAD", "SLOTS", "HEARD", "CAPABILITIES"]
    assert lines[1].split()[:2] == ["ada", "0.67"]
    assert list(tables.plain_found(found, now_ms=NOW_MS))[1].split()[:3] == ["ada", "0.67", "online"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 96, 110, 200])
def test_no_line_is_wider_than_the_terminal_and_every_agent_has_one(width: int) -> None:
    many = [record(f"a{'-long' * 12}{i}", capabilities=able(*["python@3.11.4"] * 9)) for i in range(5)]
    lines = on_terminal(tables.table(many, now_ms=NOW_MS, width=width), width=width)
    assert len(lines) == 1 + len(many)
    assert all(len(line) <= width for line in lines)


def test_the_status_has_a_colour() -> None:
    lines = on_terminal(tables.table(EVERYBODY, now_ms=NOW_MS, width=80), width=80, colour=True)
    assert "\x1b[32m● online" in lines[1]
    assert "\x1b[33m◐ suspect" in lines[2]
    assert "31m○ offline" in lines[3]


def test_plain_lines_have_the_same_columns_always() -> None:
    ada = ADA.model_copy(
        update={"capabilities": ADA.capabilities[:2], "labels": {"region": "eu", "note": "a b"}}
    )
    assert list(tables.plain([ada, BOB, CAROL], now_ms=NOW_MS)) == [
        "NAME   STATUS   LOAD  SLOTS  INCARNATION  HEARD  CAPABILITIES             LABELS",
        "ada    online   25%   4      17           3s     python@3.11.4,gpu@1.0.0  note=a b,region=eu",
        "bob    suspect  75%   1      1            8s     -                        -",
        "carol  offline  100%  1      1            2h     -                        -",
    ]


@given(st.text(max_size=40))
def test_what_an_agent_writes_never_commands_the_terminal(text: str) -> None:
    agent = record("ada", labels={"note": text})
    lines = list(tables.plain([agent], now_ms=NOW_MS))
    assert len(lines) == 2
    assert all(char.isprintable() for line in lines for char in line)
    shown = "".join(on_terminal(tables.table([agent], now_ms=NOW_MS, width=200), width=200))
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("silent_ms", "shown"),
    [
        (0, "0s"),
        (999, "0s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (3_600_000, "1h"),
        (86_400_000, "1d"),
        (-5, "0s"),
    ],
)
def test_ages_are_in_the_largest_whole_unit(silent_ms: int, shown: str) -> None:
    assert tables.age(NOW_MS - silent_ms, NOW_MS) == shown


def test_who_was_never_heard_has_no_age() -> None:
    assert tables.age(0, NOW_MS) == "-"


def test_the_summary_counts_by_status() -> None:
    assert tables.summary(EVERYBODY).plain == "3 agents: 1 online, 1 suspect, 1 offline"
    assert tables.summary([ADA]).plain == "1 agent: 1 online"
    assert tables.summary([]).plain == "0 agents"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (50, "python 3.11.4, gpu 1.0.0, nix-review 2.13.8"),
        (30, "python 3.11.4, gpu 1.0.0 +1"),
        (23, "python, gpu, nix-review"),
        (14, "python, gpu +1"),
        (12, "python +2"),
        (5, "pyth…"),
    ],
)
def test_a_list_shows_what_fits_and_says_how_much_more_there_is(width: int, shown: str) -> None:
    entries = tables.Entries((("python", " 3.11.4"), ("gpu", " 1.0.0"), ("nix-review", " 2.13.8")))
    assert entries.fitted(width).plain == shown
