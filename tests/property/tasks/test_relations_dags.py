"""Random DAGs with random failures against a naive evaluation of their edges; sagas are undone in reverse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.tasks.dags import ENDED_DAGS, DagState
from coordination.tasks.lifecycle import State
from coordination.tasks.spec import Compensation
from tests.support.families import Kin

UNDO = Compensation(requirement="eraser")
POLICIES = ("fail", "skip", "run")
Shape = dict[str, dict[str, Any]]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Tasks in topological order, each with its edges, and perhaps something that undoes it."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 7)))]
    shape: Shape = {}
    for number, name in enumerate(names):
        before = draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=3)) if number else []
        shape[name] = {
            "after": {each: draw(st.sampled_from(POLICIES)) for each in before},
            "compensation": UNDO if draw(st.booleans()) else None,
        }
    return shape


@dataclass
class Naive:
    """What should become of one DAG: every rule in the plainest words."""

    shape: Shape
    states: dict[str, str] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Ended, and nothing has followed yet."""
    has_failed: bool = False

    def __post_init__(self) -> None:
        self.states = {name: "blocked" if each["after"] else "queued" for name, each in self.shape.items()}
        self.waits = {name: set(each["after"]) for name, each in self.shape.items()}

    def end(self, name: str, state: str) -> None:
        self.states[name] = state
        self.ended.append(name)
        if state == "completed":
            self.completed.append(name)

    def settle(self) -> None:
        while self.ended:
            name = self.ended[0]
            if not self.has_failed and self._fails(name):
                self.has_failed = True
                self._cancel_all()
            self.ended.pop(0)
            if not self.has_failed:
                self._tell_those_that_wait_for(name)

    def _fails(self, name: str) -> bool:
        """All that has ended is judged when one of them has not completed, or nothing is open."""
        if self.states[name] in ("completed", "skipped") and self.open():
            return False
        return any(
            state in ("dead_lettered", "canceled") and not self._absorbs(each)
            for each, state in self.states.items()
        )

    def _absorbs(self, name: str) -> bool:
        policies = [each["after"][name] for each in self.shape.values() if name in each["after"]]
        return bool(policies) and "fail" not in policies

    def _cancel_all(self) -> None:
        for name, state in self.states.items():
            if state == "running":
                self.states[name] = "canceling"
            elif state in ("queued", "blocked"):
                self.states[name] = "canceled"

    def _tell_those_that_wait_for(self, name: str) -> None:
        for other, each in self.shape.items():
            if name not in self.waits[other] or self.states[other] != "blocked":
                continue
            self.waits[other].discard(name)
            policy = "run" if self.states[name] == "completed" else each["after"][name]
            if policy != "run":
                self.end(other, "skipped" if policy == "skip" else "dead_lettered")
            elif not self.waits[other]:
                self.states[other] = "queued"

    def open(self) -> list[str]:
        return [
            name
            for name, state in self.states.items()
            if state in ("queued", "blocked", "running", "canceling")
        ]


class Pair:
    """The model and its naive twin, side by side."""

    def __init__(self, shape: Shape) -> None:
        self.kin = Kin()
        self.kin.dag("dag", shape)
        self.naive = Naive(shape)

    def act(self, data: st.DataObject) -> None:
        """Something happens to one of the tasks, and what follows from it follows now or later."""
        able = [
            name for name, state in self.naive.states.items() if state in ("queued", "running", "canceling")
        ]
        if not able:
            assert self.naive.ended, "all that is open waits for what has ended"
            self.settle()
            return
        name = data.draw(st.sampled_from(able))
        if self.naive.states[name] == "canceling":
            self.kin.confirm(name)
            self.naive.end(name, "canceled")
        elif self.naive.states[name] == "queued" and data.draw(st.booleans()):
            self.kin.run(name)
            self.naive.states[name] = "running"
        else:
            self._end(name, data.draw(st.sampled_from(("complete", "complete", "fail", "cancel"))))
        self.kin.now_ms += data.draw(st.integers(0, 1))
        if data.draw(st.booleans()):
            self.settle(is_new_leader=data.draw(st.booleans()))

    def settle(self, *, is_new_leader: bool = False) -> None:
        if is_new_leader:
            self.kin.restart()
        self.kin.settle()
        self.naive.settle()
        assert {name: self.kin.state(name).value for name in self.naive.states} == self.naive.states

    def _end(self, name: str, how: str) -> None:
        is_running = self.naive.states[name] == "running"
        if how == "cancel":
            self.kin.cancel(name)
            if is_running:
                self.naive.states[name] = "canceling"
            else:
                self.naive.end(name, "canceled")
            return
        if not is_running:
            self.kin.run(name)
        getattr(self.kin, how)(name)
        self.naive.end(name, "completed" if how == "complete" else "dead_lettered")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_dag_ends_as_its_edges_say_and_is_undone_in_the_reverse_order(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    pair = Pair(shape)
    while pair.naive.open() or pair.naive.ended:
        pair.act(data)
    naive, kin = pair.naive, pair.kin
    expected = [
        each for each in reversed(naive.completed) if naive.has_failed and shape[each]["compensation"]
    ]
    undone: list[str] = []
    kept: list[str] = []
    for name in expected:
        undo = kin.dag_of("dag").compensating
        assert kin.task(undo).spec.compensates == name
        assert kin.model.find(f"{name}-undo") is not None
        kin.run(undo)
        is_undone = data.draw(st.booleans())
        (kin.complete if is_undone else kin.fail)(undo)
        kin.settle()
        (undone if is_undone else kept).append(name)
    dag = kin.dag_of("dag")
    assert dag.state in ENDED_DAGS
    assert dag.completed == tuple(naive.completed)
    assert (dag.compensated, dag.not_compensated) == (tuple(undone), tuple(kept))
    assert dag.state is _end_of(naive, undone, kept)
    assert len(kin.pushes("dag")) == 1
    assert not kin.model.state.open
    kin.check()


def _end_of(naive: Naive, undone: list[str], kept: list[str]) -> DagState:
    if not naive.has_failed:
        return DagState.COMPLETED
    if kept:
        return DagState.COMPENSATION_FAILED
    return DagState.COMPENSATED if undone else DagState.FAILED


@settings(max_examples=80, deadline=None)
@given(shapes(), st.data())
def test_tasks_that_wait_for_one_another_outside_of_a_dag_follow_their_edges_too(
    shape: Shape, data: st.DataObject
) -> None:
    kin = Kin()
    for name, fields in shape.items():
        kin.submit(name, after=fields["after"])
    while waiting := [task.task_id for task in kin.model.state.open.values() if task.state is State.QUEUED]:
        name = data.draw(st.sampled_from(waiting))
        if data.draw(st.booleans()):
            kin.run(name)
            (kin.complete if data.draw(st.booleans()) else kin.fail)(name)
        else:
            kin.cancel(name)
        kin.settle()
    assert not kin.model.state.open
    for name, fields in shape.items():
        # One at a time was settled, so the first that did not complete, and was not to be run after, decided.
        failed = [each for each in fields["after"] if kin.state(each) is not State.COMPLETED]
        blocking = {fields["after"][each] for each in failed} - {"run"}
        found = kin.state(name)
        if not blocking:
            assert found in (State.COMPLETED, State.DEAD_LETTERED, State.CANCELED)
        else:
            allowed = {"skip": State.SKIPPED, "fail": State.DEAD_LETTERED}
            assert found in {allowed[each] for each in blocking}
            assert "which it waits for" in kin.task(name).reason
    kin.check()
