"""The checkers of journals and ledgers pass what is whole and name what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordination.simulation.checks.journal import broken_leadership, gaps, uncovered
from coordination.simulation.checks.ledger import LedgerOperation, broken_alarms, broken_promises


def record(epoch: int, *events: tuple[str, dict[str, Any]], at_ms: int = 0) -> bytes:
    framed = [{"type": kind, "data": data} for kind, data in events]
    return json.dumps({"v": 2, "epoch": epoch, "at_ms": at_ms, "events": framed}).encode()


def begin(epoch: int, leader: str = "x") -> bytes:
    return record(epoch, ("EpochBegan", {"leader": leader}))


def added(label: str, amount: int = 1) -> tuple[str, dict[str, Any]]:
    return ("Added", {"label": label, "amount": amount})


def test_positions_that_follow_one_another_have_no_gap() -> None:
    assert not list(gaps([1, 2, 3]))
    assert not list(gaps([7, 8], first=7))
    assert not list(gaps([]))


@pytest.mark.parametrize("sequences", [[2], [1, 3], [1, 1], [1, 2, 2, 3]])
def test_a_gap_or_a_repetition_is_named(sequences: list[int]) -> None:
    assert len(list(gaps(sequences))) == 1


def test_epochs_that_begin_one_after_another_are_right() -> None:
    assert not list(
        broken_leadership([begin(1), record(1), begin(2), record(2, at_ms=5), record(2, at_ms=5)])
    )


@pytest.mark.parametrize(
    ("payloads", "problem"),
    [
        ([record(1)], "of epoch 1, after epoch 0"),
        ([begin(1), begin(1)], "of epoch 1, after epoch 1"),
        ([begin(1), begin(3)], "of epoch 3, after epoch 1"),
        ([begin(1), begin(2), record(1)], "of epoch 1, after epoch 2"),
        ([begin(1), record(2)], "of epoch 2, after epoch 1"),
        ([record(1, ("EpochBegan", {"leader": "a"}), ("EpochBegan", {"leader": "b"}))], "2 times"),
        ([begin(1), record(1, at_ms=5), record(1, at_ms=4)], "before the record in front"),
    ],
)
def test_two_leaders_in_one_epoch_are_named(payloads: list[bytes], problem: str) -> None:
    assert any(problem in found for found in broken_leadership(payloads))


@pytest.mark.parametrize(
    ("stored", "snapshots"), [([1, 2], []), ([1, 2], [2]), ([3, 4], [2, 4]), ([4], [3]), ([5], [9, 5][1:])]
)
def test_what_a_snapshot_covers_may_be_gone(stored: list[int], snapshots: list[int]) -> None:
    assert not list(uncovered(stored, snapshots))


@pytest.mark.parametrize(
    ("stored", "snapshots"), [([2], []), ([3, 4], [1]), ([3, 4], [4, 1]), ([1, 3], [3]), ([1, 2], [3])]
)
def test_what_no_snapshot_covers_must_be_there(stored: list[int], snapshots: list[int]) -> None:
    assert list(uncovered(stored, snapshots))


def test_kept_promises_are_right() -> None:
    payloads = [begin(1), record(1, added("a", 2), added("b")), record(1, added("c"))]
    operations = [
        LedgerOperation(label="a", amount=2, total=2),
        LedgerOperation(label="b", amount=1),
        LedgerOperation(label="c", amount=1, total=4),
        LedgerOperation(label="d", amount=1),
        LedgerOperation(label="e", amount=-1, is_refused=True),
    ]
    assert not list(broken_promises(operations, payloads))


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (LedgerOperation(label="lost", amount=1, total=1), "not in the journal"),
        (LedgerOperation(label="a", amount=1, total=7), "the journal says 1"),
        (LedgerOperation(label="a", amount=1, is_refused=True), "was refused, and took effect"),
    ],
)
def test_a_broken_promise_is_named(operation: LedgerOperation, problem: str) -> None:
    found = list(broken_promises([operation], [record(1, added("a"))]))
    assert len(found) == 1
    assert problem in found[0]


def test_an_effect_that_came_twice_is_named() -> None:
    found = list(broken_promises([], [record(1, added("a")), record(1, added("b"), added("a"))]))
    assert found == ["a took effect twice"]


def alarm(label: str, at_ms: int) -> bytes:
    return record(1, ("AlarmSet", {"label": label, "at_ms": at_ms}))


def rang(*labels: str) -> bytes:
    return record(1, *(("AlarmRang", {"label": label}) for label in labels))


def test_an_alarm_that_rang_once_is_right_and_so_is_one_not_due() -> None:
    assert not list(broken_alarms([alarm("a", 5), alarm("b", 50), rang("a")], until_ms=49))


@pytest.mark.parametrize(
    ("payloads", "problem"),
    [
        ([alarm("a", 5)], "has not rung"),
        ([rang("a")], "was not set"),
        ([alarm("a", 5), rang("a"), rang("a")], "was not set"),
    ],
)
def test_an_alarm_that_is_forgotten_or_rings_twice_is_named(payloads: list[bytes], problem: str) -> None:
    found = list(broken_alarms(payloads, until_ms=5))
    assert len(found) == 1
    assert problem in found[0]
