"""The live table uses the room it has, and no more."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from conclave.commands.board import Board
from conclave.commands.listing import Selection
from conclave.commands.liveview import View
from coordination.registry.wire import Change
from coordination.requirements import parse
from tests.support.agents import NOW_MS, able, change, record

URL = "nats://127.0.0.1:4222"


def view(count: int, **selection: Any) -> View:
    """A view of `count` agents, all online."""
    board = Board()
    for number in range(count):
        board.present(record(f"agent-{number:03d}"))
    chosen = Selection(**{"statuses": "live", "labels": (), "requirement": None, **selection})
    return View(board, chosen, URL, is_synced=True)


def happen(shown: View, news: Change) -> None:
    """Take a change in, as one that is worth showing."""
    shown.board.change(news)
    shown.board.note(news)


def screen(shown: View, *, width: int = 80, height: int = 24) -> list[str]:
    """The lines on a terminal of that size."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    console.print(shown.render(width=width, height=height, now_ms=NOW_MS))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("count", [0, 1, 3, 19, 20, 21, 300])
@pytest.mark.parametrize("height", [5, 10, 24, 60])
@pytest.mark.parametrize("changes", [0, 2, 50])
def test_the_screen_is_never_higher_than_the_terminal(count: int, height: int, changes: int) -> None:
    shown = view(count)
    for revision in range(changes):
        happen(shown, change(revision, "suspect", f"agent-{revision:03d}"))
    lines = screen(shown, height=height)
    assert len(lines) <= height
    assert all(len(line) <= 80 for line in lines)
    assert len(shown.visible) <= count


def test_what_does_not_fit_is_counted() -> None:
    shown = view(300)
    lines = screen(shown)
    assert lines[-1] == f"… and {300 - len(shown.visible)} more"
    assert lines[0] == "300 agents: 300 online" + URL.rjust(58)


def test_changes_stand_below_the_table_newest_last() -> None:
    shown = view(3)
    happen(shown, change(1, "suspect", "agent-001"))
    happen(shown, change(2, "registered", "zoe", incarnation=9, record=record("zoe", incarnation=9)))
    lines = screen(shown)
    assert [line.split()[1:] for line in lines[-2:]] == [
        ["agent-001", "suspect"],
        ["zoe", "registered", "incarnation", "9"],
    ]
    assert lines[3].startswith("agent-001  ◐ suspect"), "who needs attention stands first"


def test_who_was_offline_before_is_left_out_until_all_are_asked_for() -> None:
    for statuses, names in (("live", ["ada"]), ("all", ["old", "ada"]), ("offline", ["old"])):
        shown = view(0, statuses=statuses)
        shown.board.present(record("old", status="offline"))
        shown.board.present(record("ada"))
        screen(shown)
        assert list(shown.visible) == names
    live = view(1)
    live.board.present(record("old", status="offline"))
    assert screen(live)[0].startswith("1 agent: 1 online  +1 offline before")
    live.board.change(change(1, "offline", "agent-000"))
    screen(live)
    assert live.visible == ("agent-000",), "who goes offline while we watch stays on the screen"


def test_labels_and_requirements_choose() -> None:
    shown = view(2, labels=(("region", "eu"),), requirement=parse("python>=3.11"))
    for name, region, version in (("a", "eu", "3.12.0"), ("b", "eu", "3.10.0"), ("c", "us", "3.12.0")):
        shown.board.present(record(name, labels={"region": region}, capabilities=able(f"python@{version}")))
    screen(shown)
    assert shown.visible == ("a",)


def test_trouble_replaces_the_address() -> None:
    shown = view(1)
    shown.trouble = "the registry does not answer; trying again"
    assert screen(shown)[0].endswith("trying again")
    assert screen(shown, width=40)[0] == "the registry does not answer; trying ag…"


def test_nothing_is_said_of_nobody_before_everybody_is_known() -> None:
    shown = view(0)
    shown.is_synced = False
    assert screen(shown)[0].startswith("asking …")
    assert "nobody" not in "".join(screen(shown))
    shown.is_synced = True
    assert "nobody is here yet" in screen(shown)
