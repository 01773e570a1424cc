"""DAGs: all or nothing, what of them goes on after a failure, and how they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import sagas
from coordination.tasks.commands import SubmitDag
from coordination.tasks.dags import DagState
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_DAG_TASKS, MAX_TICK_TASKS, Policy
from coordination.tasks.spec import Budget
from tests.support.families import SUBMITTER, Kin

DIAMOND: dict[str, dict[str, Any]] = {
    "a": {},
    "b": {"after": ["a"]},
    "c": {"after": ["a"]},
    "d": {"after": ["b", "c"]},
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


def _refused(outcome: Outcome | Rejected) -> Rejected:
    assert isinstance(outcome, Rejected)
    return outcome


@pytest.fixture
def kin() -> Kin:
    kin = Kin()
    outcome = kin.dag("d1", DIAMOND)
    assert isinstance(outcome, Outcome)
    return kin


def test_a_diamond_runs_in_order_and_completes_once(kin: Kin) -> None:
    assert kin.states("a", "b", "c", "d") == ["queued", "blocked", "blocked", "blocked"]
    _done(kin, "a")
    assert kin.states("b", "c", "d") == ["queued", "queued", "blocked"]
    _done(kin, "c", "b")
    _done(kin, "d")
    dag = kin.dag_of("d1")
    assert (dag.state, dag.completed, dag.open_count) == (DagState.COMPLETED, ("a", "c", "b", "d"), 0)
    told = [each.body for each in kin.pushes("dag")]
    assert told == [{"dag_id": "d1", "state": "completed", "reason": "", "finished_at_ms": kin.now_ms}]
    kin.check()


@pytest.mark.parametrize("end", ["fail", "cancel", "expire"])
def test_a_failure_that_nothing_absorbs_cancels_all_that_is_open(end: str) -> None:
    kin = Kin()
    kin.dag("d1", {**DIAMOND, "b": {"after": ["a"], "deadline_ms": 9_000 if end == "expire" else None}})
    _done(kin, "a")
    kin.run("c")
    if end == "fail":
        _failed(kin, "b")
    elif end == "cancel":
        kin.cancel("b")
    else:
        kin.tick(9_000)
    kin.settle()
    assert kin.states("c", "d") == ["canceling", "canceled"]
    assert kin.dag_of("d1").state is DagState.COMPENSATING  # somebody is still at work
    kin.confirm("c")
    kin.settle()
    dag = kin.dag_of("d1")
    assert dag.state is DagState.FAILED
    assert dag.reason.startswith(f"task b (b) is {kin.state('b')}: ")
    assert kin.task("d").canceled_by == "tasks"
    assert kin.task("d").reason.startswith("its DAG d1 has failed: task b (b) is")
    assert len(kin.pushes("dag")) == 1
    kin.check()


@pytest.mark.parametrize(
    ("policies", "states", "end"),
    [
        ({"b": "run", "c": "run"}, ["queued", "queued"], None),
        ({"b": "skip", "c": "run"}, ["skipped", "queued"], None),
        ({"b": "skip", "c": "skip"}, ["skipped", "skipped"], DagState.COMPLETED),
        ({"b": "fail", "c": "run"}, ["canceled", "canceled"], DagState.FAILED),
    ],
)
def test_a_failure_is_absorbed_if_all_that_wait_for_it_run_or_are_skipped(
    policies: dict[str, str], states: list[str], end: DagState | None
) -> None:
    kin = Kin()
    kin.dag("d1", {"a": {}, **{each: {"after": {"a": policy}} for each, policy in policies.items()}})
    _failed(kin, "a")
    assert kin.states("b", "c") == states
    assert kin.dag_of("d1").state is (end or DagState.RUNNING)
    _done(kin, *(each for each in ("b", "c") if kin.state(each) is State.QUEUED))
    assert kin.dag_of("d1").state is (end or DagState.COMPLETED)
    kin.check()


def test_what_waits_for_a_skipped_task_by_a_failing_edge_fails_the_dag() -> None:
    kin = Kin()
    kin.dag("d1", {"a": {}, "b": {"after": {"a": "skip"}}, "c": {"after": ["b"]}, "e": {}})
    _failed(kin, "a")
    assert kin.states("b", "c", "e") == ["skipped", "dead_lettered", "canceled"]
    dag = kin.dag_of("d1")
    assert dag.state is DagState.FAILED
    assert dag.reason.startswith("task c (c) is dead_lettered: task b, which it waits for, is skipped")
    kin.check()


def test_two_failures_at_once_fail_the_dag_once_and_the_first_is_named() -> None:
    kin = Kin()
    kin.dag("d1", {"a": {}, "b": {}, "c": {"after": ["a", "b"]}})
    for task_id in ("b", "a"):
        kin.run(task_id)
    kin.fail("b")
    kin.now_ms += 1
    kin.fail("a")
    kin.settle()
    dag = kin.dag_of("d1")
    assert (dag.state, len(kin.pushes("dag"))) == (DagState.FAILED, 1)
    assert dag.reason.startswith("task b (b)")
    assert kin.state("c") is State.CANCELED
    kin.check()


def test_the_last_task_completing_beside_a_failure_does_not_complete_the_dag() -> None:
    kin = Kin()
    kin.dag("d1", {"a": {}, "b": {}})
    for task_id in ("a", "b"):
        kin.run(task_id)
    kin.complete("a")
    kin.fail("b")
    kin.settle()
    assert kin.dag_of("d1").state is DagState.FAILED
    kin.check()


def test_tasks_outside_may_wait_for_a_member_and_members_for_tasks_outside() -> None:
    kin = Kin()
    kin.submit("outside")
    kin.dag("d1", {"a": {"after": ["outside"]}, "b": {"after": ["a"]}})
    kin.submit("watcher", after={"b": "run"})
    assert kin.states("a", "b", "watcher") == ["blocked"] * 3
    _failed(kin, "outside")
    assert kin.states("a", "b", "watcher") == ["dead_lettered", "canceled", "queued"]
    kin.check()


def test_a_member_may_end_at_its_submission_because_of_what_it_waits_for() -> None:
    kin = Kin()
    kin.submit("dead")
    _failed(kin, "dead")
    kin.dag(
        "d1", {"a": {"after": {"dead": "skip"}}, "b": {"after": {"a": "skip"}}, "c": {"after": {"b": "run"}}}
    )
    assert kin.states("a", "b", "c") == ["skipped", "skipped", "queued"]
    kin.settle()
    assert kin.dag_of("d1").state is DagState.RUNNING
    _done(kin, "c")
    assert kin.dag_of("d1").state is DagState.COMPLETED
    kin.check()


def test_a_dead_letter_that_the_others_do_without_can_be_redriven_while_the_dag_runs() -> None:
    kin = Kin()
    kin.dag("d1", {"a": {}, "b": {"after": {"a": "run"}}})
    _failed(kin, "a")
    kin.redrive("a")
    assert kin.dag_of("d1").open_count == 2
    _done(kin, "b")
    assert kin.dag_of("d1").state is DagState.RUNNING
    _done(kin, "a")
    assert kin.dag_of("d1").state is DagState.COMPLETED
    kin.check()


def test_a_member_of_a_dag_that_is_being_undone_is_not_redriven_and_one_that_has_ended_is() -> None:
    kin = Kin()
    kin.dag("d1", {"a": {}, "b": {}})
    for task_id in ("a", "b"):
        kin.run(task_id)
    kin.fail("a")
    kin.settle()
    assert _refused(kin.redrive("a")).code == "wrong_state"
    kin.confirm("b")
    kin.settle()
    assert kin.redrive("a").reply.task_ids == ("a",)
    _done(kin, "a")
    assert kin.dag_of("d1").state is DagState.FAILED
    kin.check()


@pytest.mark.parametrize(
    ("tasks", "code", "name"),
    [
        ({"a": {}, "b": {"after": ["nobody"]}}, "unknown_dependency", "b"),
        ({"a": {}, "b": {"after": ["b"]}}, "dependency_cycle", "b"),
        ({"a": {}, "b": {"deadline_ms": 1}}, "deadline_passed", "b"),
        ({"a": {}, "taken": {}}, "task_id_taken", "taken"),
        ({"a": {"parent": "nobody"}}, "unknown_task", "a"),
    ],
)
def test_a_dag_is_submitted_as_a_whole_or_not_at_all(
    tasks: dict[str, dict[str, Any]], code: str, name: str
) -> None:
    kin = Kin()
    kin.submit("taken")
    refused = _refused(kin.dag("d1", tasks))
    assert refused.code == code
    assert refused.details["name"] == name
    assert refused.message.startswith(f"tasks.{name}: ")
    assert kin.model.find("a") is None
    assert not kin.model.state.dags


def test_a_dag_needs_names_of_its_own_and_a_sane_size(kin: Kin) -> None:
    commands = [kin.command(each, dag="d2", name="same") for each in ("x", "y")]
    for tasks in (commands, [commands[0], replace(commands[1], task_id="x")], []):
        assert kin.refuse(SubmitDag(dag_id="d2", submitter=SUBMITTER, tasks=tuple(tasks))) == "invalid_dag"
    too_many = tuple(kin.command(f"t{each}", dag="d2", name=f"t{each}") for each in range(MAX_DAG_TASKS + 1))
    assert kin.refuse(SubmitDag(dag_id="d2", submitter=SUBMITTER, tasks=too_many)) == "invalid_dag"


def test_the_same_dag_again_gets_the_same_answer_whatever_ids_were_drawn_for_it(kin: Kin) -> None:
    def again(**changed: Any) -> Outcome | Rejected:
        tasks = []
        for name, fields in DIAMOND.items():
            given = fields | (changed if name == "d" else {})
            after = [f"new-{each}" for each in given.get("after", ())]
            command = kin.command(name, dag="d1", name=name, **{**given, "after": after})
            tasks.append(replace(command, task_id=f"new-{name}"))
        return kin.send(SubmitDag(dag_id="d1", submitter=SUBMITTER, tasks=tuple(tasks)))

    _done(kin, "a")
    outcome = again(traceparent="00-1-2-3")
    assert isinstance(outcome, Outcome)
    assert not outcome.events
    assert [(each.task_id, each.state, each.duplicate) for each in outcome.reply.tasks] == [
        ("a", State.COMPLETED, True),
        ("b", State.QUEUED, True),
        ("c", State.QUEUED, True),
        ("d", State.BLOCKED, True),
    ]
    assert _refused(again(priority=5)).code == "dag_id_taken"
    assert _refused(kin.dag("d1", {"other": {}})).code == "dag_id_taken"


def test_members_are_kept_until_their_dag_has_ended() -> None:
    kin = Kin(Policy(max_finished_tasks=1))
    kin.dag("d1", {"a": {}, "b": {"after": ["a"]}})
    _done(kin, "a")
    for number in range(5):
        kin.submit(f"x{number}")
        kin.run(f"x{number}")
        kin.complete(f"x{number}")
    assert kin.model.find("a") is not None
    _done(kin, "b")
    assert kin.dag_of("d1").state is DagState.COMPLETED
    for number in range(5, 9):
        kin.submit(f"x{number}")
        kin.run(f"x{number}")
        kin.complete(f"x{number}")
    assert kin.model.find("a") is None
    assert "forgotten" in _refused(kin.dag("d1", {"a": {}, "b": {"after": ["a"]}})).message
    kin.check()


def test_dags_that_ended_make_room_for_new_ones_and_open_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sagas, "MAX_DAGS", 2)
    kin = Kin()
    kin.dag("d1", {"a": {}})
    kin.dag("d2", {"b": {}})
    refused = _refused(kin.dag("d3", {"c": {}}))
    assert (refused.code, refused.retryable) == ("overloaded", True)
    _done(kin, "b")
    assert isinstance(kin.dag("d3", {"c": {}}), Outcome)
    assert list(kin.model.state.dags) == ["d1", "d3"]
    counts = kin.model.state.dag_counts
    assert (counts.tasks, counts.open_dags, counts.open_tasks) == (2, 2, 2)
    monkeypatch.setattr(sagas, "MAX_DAGS", 9)
    monkeypatch.setattr(sagas, "MAX_DAG_MEMBERS", 3)
    assert _refused(kin.dag("d4", {"e": {}, "f": {}})).code == "overloaded"
    _done(kin, "a")
    assert isinstance(kin.dag("d4", {"e": {}, "f": {}}), Outcome)
    assert list(kin.model.state.dags) == ["d3", "d4"]
    kin.check()


def test_a_dag_delegated_from_a_task_counts_against_its_budget_and_fails_with_it() -> None:
    kin = Kin()
    kin.submit("root", budget=Budget(tasks=2))
    kin.run("root", SUBMITTER)
    child: dict[str, Any] = {"parent": "root"}
    assert _refused(kin.dag("d1", dict.fromkeys("abc", child))).code == "budget_exceeded"
    kin.dag("d1", {"a": child, "b": {**child, "after": ["a"]}})
    kin.complete("root")
    kin.settle()
    assert kin.states("a", "b") == ["canceled", "canceled"]
    assert kin.dag_of("d1").state is DagState.FAILED
    kin.check()


def test_the_largest_dag_fails_in_bounded_steps_and_a_new_leader_goes_on() -> None:
    kin = Kin()
    kin.dag("d1", {f"t{each}": {"after": ["t0"] if each else []} for each in range(MAX_DAG_TASKS)})
    kin.run("t0")
    kin.fail("t0")
    while kin.model.state.unsettled:
        before = len(kin.events)
        kin.tick(kin.now_ms)
        assert 0 < len(kin.events) - before <= MAX_TICK_TASKS
        kin.restart()
    assert not kin.model.state.open
    assert kin.dag_of("d1").state is DagState.FAILED
    assert len(kin.pushes("dag")) == 1
    kin.check()
