"""The history of changes: what it remembers, and what it gives out."""

from __future__ import annotations

import pytest

from coordination.registry import changes as histories
from coordination.registry.changes import Change, ChangeHistory, change_body
from coordination.registry.record import Record
from coordination.runtime.wire import to_json
from tests.support.registering import Registry, capability


def change(revision: int, *, record: Record | None = None) -> Change:
    return Change(
        revision=revision, at_ms=1, kind="registered", agent="ada", incarnation=revision, record=record
    )


def revisions(found: tuple[Change, ...] | None) -> list[int] | None:
    return None if found is None else [each.revision for each in found]


def history(count: int, *, first: int = 1) -> ChangeHistory:
    made = ChangeHistory()
    for revision in range(first, first + count):
        made.append(change(revision))
    return made


def test_an_empty_history_has_nothing_after_anything() -> None:
    assert ChangeHistory().after(0, limit=10, max_bytes=1_000) == ()


def test_changes_are_given_in_order_from_the_one_that_is_asked_for() -> None:
    made = history(5)
    assert revisions(made.after(0, limit=10, max_bytes=10**6)) == [1, 2, 3, 4, 5]
    assert revisions(made.after(3, limit=1, max_bytes=10**6)) == [4]
    assert revisions(made.after(5, limit=10, max_bytes=10**6)) == []


def test_what_is_forgotten_is_not_skipped() -> None:
    made = history(3, first=8)
    assert made.after(6, limit=10, max_bytes=10**6) is None
    assert revisions(made.after(7, limit=10, max_bytes=10**6)) == [8, 9, 10]


def test_one_answer_has_a_bound_in_bytes_but_holds_at_least_one_change() -> None:
    made = history(5)
    each_bytes = made.changes[0].size_bytes
    assert revisions(made.after(0, limit=10, max_bytes=2 * each_bytes)) == [1, 2]
    assert revisions(made.after(0, limit=10, max_bytes=1)) == [1]


def test_the_oldest_are_forgotten_beyond_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MAX_CHANGES", 3)
    made = history(5)
    assert [each.revision for each in made.changes] == [3, 4, 5]
    monkeypatch.setattr(histories, "MAX_CHANGES_BYTES", 2 * made.changes[0].size_bytes)
    made.append(change(6))
    assert [each.revision for each in made.changes] == [5, 6]
    assert made.size_bytes == sum(each.size_bytes for each in made.changes)
    monkeypatch.setattr(histories, "MAX_CHANGES_BYTES", 1)
    made.append(change(7))
    assert [each.revision for each in made.changes] == [7], "the newest stays, whatever its size"


def test_a_gap_is_our_own_bug() -> None:
    with pytest.raises(AssertionError):
        history(2).append(change(4))


def test_a_change_is_never_larger_than_its_estimate() -> None:
    registry = Registry()
    name = "a" * 63
    registry.register(
        name,
        capabilities=tuple(capability(f"{index:x<63}", memory_gb=index) for index in range(64)),
        labels={"region": "ä" * 256},
        description="\n" * 256,
        metadata={"a": ["x" * 1_000]},
        protocols=("agents",) * 16,
    )
    registry.become("suspect", name)
    for each in registry.model.state.history.changes:
        assert len(to_json(change_body(each))) <= each.size_bytes
