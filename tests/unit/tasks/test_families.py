"""The index of relations: what it says, and that it is always what the state says."""

from __future__ import annotations

from dataclasses import replace

from coordination.tasks.families import Families
from coordination.tasks.spec import OnParentEnd
from tests.support.families import Kin


def _families(kin: Kin) -> Families:
    return kin.model.view.families


def test_children_are_listed_oldest_first_whether_open_or_ended() -> None:
    kin = Kin()
    kin.submit("root")
    kin.run("root", "bob")
    for task_id in ("c", "a", "b"):
        kin.submit(task_id, parent="root")
    kin.cancel("a", "bob")
    assert _families(kin).children("root") == ("c", "a", "b")
    assert list(_families(kin).open_children("root")) == ["c", "b"]
    assert _families(kin).open_children_count("root") == 2
    assert _families(kin).children("nobody") == ()
    kin.check()


def test_dependents_are_those_that_still_wait() -> None:
    kin = Kin()
    kin.submit("a")
    kin.submit("x", after=["a"])
    kin.submit("y", after={"a": "run"})
    kin.cancel("x")
    assert list(_families(kin).dependents("a")) == ["y"]
    kin.cancel("a")
    kin.settle()
    assert list(_families(kin).dependents("a")) == []
    kin.check()


def test_only_tasks_that_concern_others_are_ever_unsettled() -> None:
    kin = Kin()
    for task_id in ("alone", "awaited", "parent", "other-parent"):
        kin.submit(task_id)
        kin.run(task_id)
    kin.submit("waits", after=["awaited"])
    kin.submit("child", parent="parent")
    kin.submit("kept", parent="other-parent", on_parent_end=OnParentEnd.KEEP)
    for task_id in ("alone", "awaited", "parent", "other-parent"):
        kin.complete(task_id)
    assert list(kin.model.state.unsettled) == ["awaited", "parent", "other-parent"]
    assert kin.model.next_deadline_ms() == 0
    kin.settle()
    assert not kin.model.state.unsettled
    kin.check()


def test_a_task_is_pinned_while_anything_rests_on_its_record() -> None:
    kin = Kin()
    kin.dag("d", {"m": {}, "n": {}})
    kin.submit("root")
    kin.run("root")
    kin.submit("child", parent="root", on_parent_end=OnParentEnd.KEEP)
    kin.submit("alone")
    found = {each: _families(kin).is_pinned(each) for each in ("m", "root", "child", "alone", "nobody")}
    assert found == {"m": True, "root": True, "child": False, "alone": False, "nobody": False}
    kin.complete("root")
    assert _families(kin).is_pinned("root")
    kin.settle()
    assert _families(kin).is_pinned("root")  # its child lives on
    kin.cancel("child")
    assert not _families(kin).is_pinned("root")
    kin.cancel("m")
    kin.settle()
    assert not _families(kin).is_pinned("m")


def test_two_indexes_differ_when_their_states_do() -> None:
    kin = Kin()
    kin.submit("a")
    before = replace(kin.model.state, open=dict(kin.model.state.open))
    kin.submit("b", after=["a"])
    assert Families(before) != _families(kin)
    assert Families(kin.model.state) == _families(kin)
    assert _families(kin) != "an index"
