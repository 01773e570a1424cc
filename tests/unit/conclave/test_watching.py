"""What `agents --watch` prints in a pipe for each kind of event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from conclave.commands.listing import Selection
from conclave.commands.watching import JsonLines, PlainLines, follow
from coordination.registry.watch import Present, Resynced, Synced, WatchEvent
from tests.support.agents import change, record

EVERYBODY = Selection(statuses="live", labels=(), requirement=None)
IN_EUROPE = Selection(statuses="live", labels=(("region", "eu"),), requirement=None)


async def told(*events: WatchEvent) -> AsyncIterator[WatchEvent]:
    for event in events:
        yield event


async def as_json(
    capsys: pytest.CaptureFixture[str], *events: WatchEvent, selection: Selection = EVERYBODY
) -> list[dict[str, Any]]:
    """The objects printed for these events."""
    await follow(told(*events), selection, JsonLines())
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_state_told_anew_is_announced_named_and_closed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await as_json(
        capsys,
        Present(record("ada")),
        Synced(7),
        Resynced((record("bob"), record("carol", status="offline")), 9000),
        change(9001, "online", "carol"),
    )
    assert [(line["kind"], line.get("agent"), line.get("revision")) for line in lines] == [
        ("present", "ada", None),
        ("synced", None, 7),
        ("resynced", None, 9000),
        ("present", "bob", None),
        ("present", "carol", None),
        ("synced", None, 9000),
        ("online", "carol", 9001),
    ]
    assert all(next(iter(line)) == "kind" for line in lines), "it stands first, for people who read along"


async def test_an_agent_is_followed_out_of_the_selection_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    here, away = record("ada", labels={"region": "eu"}), record("ada", labels={"region": "us"})
    lines = await as_json(
        capsys,
        Present(away),
        Synced(1),
        change(2, "suspect", "ada"),
        change(3, "updated", "ada", record=here),
        change(4, "online", "ada"),
        change(5, "updated", "ada", record=away),
        change(6, "suspect", "ada"),
        selection=IN_EUROPE,
    )
    assert [(line["kind"], line["revision"]) for line in lines] == [
        ("synced", 1),
        ("updated", 3),
        ("online", 4),
        ("updated", 5),
    ]


async def test_plain_lines_are_time_name_kind_and_incarnation(capsys: pytest.CaptureFixture[str]) -> None:
    events = told(
        Present(record("ada", incarnation=3, status_since_ms=0)),
        Synced(1),
        change(2, "suspect", "ada", incarnation=3),
        Resynced((), 9),
    )
    await follow(events, EVERYBODY, PlainLines())
    assert capsys.readouterr().out.splitlines() == [
        "2027-01-15T07:59:00.000Z  ada  online  3",
        "2027-01-15T08:00:02.000Z  ada  suspect  3",
    ]
