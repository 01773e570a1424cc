"""Sagas: what a failed or canceled DAG has done is undone, the last first."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.model import Rejected
from coordination.tasks.commands import DagStanding
from coordination.tasks.dags import DagState
from coordination.tasks.events import TaskSubmitted
from coordination.tasks.lifecycle import State
from coordination.tasks.spec import Compensation, Reference
from tests.support.families import SUBMITTER, Kin

UNDO = Compensation(requirement="eraser>=2", payload={"how": "softly"})
STEPS: dict[str, dict[str, Any]] = {
    "a": {"compensation": UNDO, "queue": "q", "priority": 3, "fairness_key": "k", "max_attempts": 1},
    "b": {"after": ["a"], "compensation": UNDO},
    "c": {"after": ["a"]},
    "d": {"after": ["b", "c"], "compensation": UNDO},
    "e": {"after": ["d"], "compensation": UNDO},
}


def _done(kin: Kin, *task_ids: str) -> None:
    for task_id in task_ids:
        kin.run(task_id)
        kin.complete(task_id)
        kin.settle()


def _failed(kin: Kin, task_id: str) -> None:
    kin.run(task_id)
    kin.fail(task_id)
    kin.settle()


@pytest.fixture
def kin() -> Kin:
    """Everything but the last task of a DAG is done, and that has failed."""
    kin = Kin()
    kin.dag("saga", STEPS)
    _done(kin, "a", "b", "c", "d")
    _failed(kin, "e")
    return kin


def test_what_was_done_is_undone_one_at_a_time_the_last_first(kin: Kin) -> None:
    for undone, left in (("d", ("b-undo", "a-undo")), ("b", ("a-undo",)), ("a", ())):
        dag = kin.dag_of("saga")
        assert (dag.state, dag.compensating) == (DagState.COMPENSATING, f"{undone}-undo")
        assert all(kin.model.find(each) is None for each in left)
        _done(kin, f"{undone}-undo")
    dag = kin.dag_of("saga")
    assert (dag.state, dag.compensated, dag.not_compensated) == (DagState.COMPENSATED, ("d", "b", "a"), ())
    assert [each.body["state"] for each in kin.pushes("dag")] == ["compensated"]
    assert dag.reason == "task e (e) is dead_lettered: broken"
    assert "c-undo" not in {each.task_id for each in kin.events if isinstance(each, TaskSubmitted)}
    kin.check()


def test_the_undoing_task_is_of_its_own_and_knows_what_it_undoes(kin: Kin) -> None:
    _done(kin, "d-undo", "b-undo")
    undo = kin.task("a-undo")
    spec = undo.spec
    assert (spec.compensates, spec.dag, undo.submitter, undo.chain) == ("a", "saga", SUBMITTER, ())
    assert (spec.requirement, spec.capability) == ("eraser>=2", "eraser")
    assert (spec.queue, spec.priority, spec.fairness_key, spec.max_attempts) == ("q", 3, "k", 1)
    assert spec.payload == {
        "payload": {"do": "a"},
        "result": {"by": "a"},
        "compensation": {"how": "softly"},
    }
    assert spec.payload_bytes == len(
        '{"payload":{"do":"a"},"result":{"by":"a"},"compensation":{"how":"softly"}}'
    )


def test_what_is_in_the_object_store_is_referred_to() -> None:
    kin = Kin()
    reference = Reference(sha256="ab", size_bytes=5)
    kin.dag("saga", {"a": {"compensation": UNDO, "payload": {}, "payload_reference": reference}, "b": {}})
    _done(kin, "a")
    _failed(kin, "b")
    payload = kin.task("a-undo").spec.payload
    assert payload["payload_reference"] == {"sha256": "ab", "size_bytes": 5}
    assert "result_reference" not in payload


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_failure_to_undo_is_noted_and_the_others_go_on(kin: Kin, end: str) -> None:
    _done(kin, "d-undo")
    if end == "fail":
        _failed(kin, "b-undo")
    else:
        kin.cancel("b-undo")
        kin.settle()
    assert kin.dag_of("saga").compensating == "a-undo"
    _done(kin, "a-undo")
    dag = kin.dag_of("saga")
    assert (dag.state, dag.compensated, dag.not_compensated) == (
        DagState.COMPENSATION_FAILED,
        ("d", "a"),
        ("b",),
    )
    kin.check()


def test_undoing_is_retried_as_any_task_is(kin: Kin) -> None:
    kin.run("d-undo")
    kin.fail("d-undo", retryable=True)
    kin.settle()
    assert kin.dag_of("saga").compensating == "d-undo"
    retry_at_ms = kin.task("d-undo").retry_at_ms
    assert retry_at_ms is not None
    kin.tick(retry_at_ms)
    _done(kin, "d-undo")
    assert kin.dag_of("saga").compensated == ("d",)


def test_a_redrive_of_what_could_not_be_undone_mends_the_end(kin: Kin) -> None:
    _failed(kin, "d-undo")
    assert kin.dag_of("saga").not_compensated == ("d",)
    kin.redrive("d-undo")
    _done(kin, "d-undo")  # while another one is under way
    dag = kin.dag_of("saga")
    assert (dag.compensating, dag.compensated, dag.not_compensated) == ("b-undo", ("d",), ())
    _failed(kin, "b-undo")
    _done(kin, "a-undo")
    assert kin.dag_of("saga").state is DagState.COMPENSATION_FAILED
    kin.redrive("b-undo")
    _failed(kin, "b-undo")
    assert kin.dag_of("saga").state is DagState.COMPENSATION_FAILED
    kin.redrive("b-undo")
    _done(kin, "b-undo")
    dag = kin.dag_of("saga")
    assert (dag.state, dag.not_compensated) == (DagState.COMPENSATED, ())
    assert [each.body["state"] for each in kin.pushes("dag")] == ["compensation_failed", "compensated"]
    assert kin.model.state.dag_counts.open_dags == 0
    kin.check()


def test_a_new_leader_at_any_step_undoes_the_same_once() -> None:
    kin = Kin()
    kin.dag("saga", STEPS)
    kin.restart()
    for task_id in ("a", "c", "b", "d"):
        kin.run(task_id)
        kin.complete(task_id)
        while kin.model.state.unsettled:
            kin.restart()
            kin.tick(kin.now_ms)
    kin.cancel("e")
    done = []
    while kin.dag_of("saga").state in (DagState.RUNNING, DagState.COMPENSATING):
        while kin.model.state.unsettled:
            kin.restart()
            kin.tick(kin.now_ms)
        if undo := kin.dag_of("saga").compensating:
            kin.run(undo)
            kin.complete(undo)
            done.append(undo)
    assert done == ["d-undo", "b-undo", "a-undo"]
    kin.check()


def test_canceling_a_dag_cancels_what_is_open_and_undoes_what_is_done() -> None:
    kin = Kin()
    kin.dag("saga", STEPS)
    _done(kin, "a")
    kin.run("b")
    outcome = kin.cancel_dag("saga")
    assert not isinstance(outcome, Rejected)
    assert outcome.reply == DagStanding(dag_id="saga", state=DagState.COMPENSATING)
    kin.settle()
    assert kin.states("b", "c", "d", "e") == ["canceling", "canceled", "canceled", "canceled"]
    assert kin.model.find("a-undo") is None  # nothing is undone while somebody is at work
    again = kin.cancel_dag("saga", "operator")
    assert not isinstance(again, Rejected)
    assert not again.events
    kin.confirm("b")
    kin.settle()
    _done(kin, "a-undo")
    dag = kin.dag_of("saga")
    assert (dag.state, dag.canceled_by, dag.compensated) == (DagState.CANCELED, SUBMITTER, ("a",))
    assert kin.task("e").reason == "its DAG saga was canceled: canceled by ada"
    kin.check()


def test_canceling_between_the_last_end_and_its_consequences_still_undoes_everything() -> None:
    kin = Kin()
    kin.dag("saga", {"a": {"compensation": UNDO}})
    kin.run("a")
    kin.complete("a")
    kin.cancel_dag("saga")
    kin.settle()
    _done(kin, "a-undo")
    assert kin.dag_of("saga").state is DagState.CANCELED
    kin.check()


@pytest.mark.parametrize(
    ("dag_id", "caller", "code"),
    [
        ("nothing", SUBMITTER, "unknown_dag"),
        ("saga", "eve", "not_submitter"),
        ("over", SUBMITTER, "wrong_state"),
    ],
)
def test_a_dag_is_canceled_by_its_submitter_while_it_runs(dag_id: str, caller: str, code: str) -> None:
    kin = Kin()
    kin.dag("saga", STEPS)
    kin.dag("over", {"x": {}})
    _done(kin, "x")
    outcome = kin.cancel_dag(dag_id, caller)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


def test_undoing_finds_an_id_that_is_free_and_short_enough() -> None:
    kin = Kin()
    long = "x" * 63
    kin.submit("a-undo")
    kin.dag("saga", {"a": {"compensation": UNDO}, long: {"compensation": UNDO}, "b": {}})
    _done(kin, "a", long)
    _failed(kin, "b")
    first = kin.dag_of("saga").compensating
    assert len(first) == 63
    assert first.endswith("-undo")
    _done(kin, first)
    assert kin.dag_of("saga").compensating == "a-undo-2"
    _done(kin, "a-undo-2")
    assert kin.dag_of("saga").state is DagState.COMPENSATED
    assert kin.state("a-undo") is State.QUEUED
    kin.check()


def test_many_sagas_that_fail_together_are_undone_in_steps_that_fit_into_records() -> None:
    kin = Kin()
    large = "x" * 100_000
    for number in range(12):
        steps: dict[str, dict[str, Any]] = {
            f"a{number}": {"compensation": UNDO, "payload": {"do": large}, "payload_bytes": 100_009},
            f"b{number}": {"after": [f"a{number}"]},
        }
        kin.dag(f"d{number}", steps)
        _done(kin, f"a{number}")
    for number in range(12):
        kin.cancel(f"b{number}")
    before = len(kin.events)
    ticks = kin.settle()
    submitted = [each for each in kin.events[before:] if isinstance(each, TaskSubmitted)]
    assert len(submitted) == 12
    assert ticks > 4
    kin.check()
