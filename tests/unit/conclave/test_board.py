"""The board follows what a watch tells."""

from __future__ import annotations

import pytest

from conclave.commands.board import REMEMBERED_CHANGES, Board
from tests.support.agents import NOW_MS, change, record


def board(*agents: str) -> Board:
    """A board with these agents, all online."""
    made = Board()
    for agent in agents:
        made.present(record(agent, load=0.5))
    return made


def test_a_status_changes_and_the_rest_stays() -> None:
    made = board("ada")
    for revision, status in enumerate(["suspect", "offline", "online"], start=1):
        made.change(change(revision, status, "ada"))
        assert made.agents["ada"].status == status
        assert made.agents["ada"].status_since_ms == NOW_MS + revision * 1000
        assert made.agents["ada"].load == 0.5
    assert made.agents["ada"].last_heard_ms == NOW_MS + 3000, "who is online again was heard"


@pytest.mark.parametrize("kind", ["deregistered", "expired"])
def test_who_leaves_is_gone_and_returned_once_more(kind: str) -> None:
    made = board("ada", "bob")
    left = made.change(change(1, kind, "ada"))
    assert left is not None
    assert left.agent == "ada"
    assert set(made.agents) == {"bob"}


def test_a_registration_is_a_sign_of_life_and_an_update_keeps_the_load() -> None:
    made = board("ada")
    again = record("ada", incarnation=2, last_heard_ms=0)
    made.change(change(1, "registered", "ada", incarnation=2, record=again))
    assert made.agents["ada"].incarnation == 2
    assert made.agents["ada"].last_heard_ms == NOW_MS + 1000
    assert made.agents["ada"].load == 0.0
    made.hear(record("ada", incarnation=2, load=0.75, last_heard_ms=NOW_MS + 1500))
    updated = record("ada", incarnation=2, labels={"region": "eu"}, last_heard_ms=0)
    made.change(change(2, "updated", "ada", incarnation=2, record=updated))
    assert made.agents["ada"].labels == {"region": "eu"}
    assert (made.agents["ada"].load, made.agents["ada"].last_heard_ms) == (0.75, NOW_MS + 1500)


def test_an_older_incarnation_neither_changes_nor_is_heard() -> None:
    made = board("ada")
    made.agents["ada"] = record("ada", incarnation=3)
    made.change(change(1, "offline", "ada", incarnation=2))
    made.hear(record("ada", incarnation=2, load=1.0))
    assert made.agents["ada"] == record("ada", incarnation=3)


def test_a_change_of_somebody_unknown_makes_nobody_appear() -> None:
    made = board()
    assert made.change(change(1, "offline", "ada")) is None
    assert made.change(change(2, "deregistered", "ada")) is None
    assert made.agents == {}


def test_who_was_offline_before_is_stale_until_something_happens() -> None:
    made = board("ada")
    made.present(record("bob", status="offline"))
    assert made.is_stale("bob")
    made.change(change(1, "offline", "ada"))
    assert not made.is_stale("ada"), "this we have seen"
    made.change(change(2, "online", "bob"))
    made.change(change(3, "offline", "bob"))
    assert not made.is_stale("bob")
    made.reset()
    assert made.agents == {}


def test_those_that_need_attention_come_first() -> None:
    made = board("ada", "zoe")
    made.present(record("bob", status="offline"))
    made.present(record("carol", status="suspect"))
    assert [each.agent for each in made.in_order()] == ["carol", "bob", "ada", "zoe"]


def test_only_the_last_changes_are_remembered() -> None:
    made = board("ada")
    for revision in range(1, 3 * REMEMBERED_CHANGES):
        made.note(change(revision, "suspect", "ada"))
    assert len(made.recent) == REMEMBERED_CHANGES
    assert made.recent[-1].revision == 3 * REMEMBERED_CHANGES - 1
