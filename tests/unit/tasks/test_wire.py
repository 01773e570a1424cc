"""The wire contract of tasks: strict and bounded requests, replies that are what their schemas say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from coordination.runtime.adapters import adapter_of
from coordination.runtime.envelope import parse_body
from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_COMMAND_EVENTS_BYTES, MAX_REQUEST_BYTES
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call
from coordination.tasks import forms, views, wire, written
from coordination.tasks import service as tasks
from coordination.tasks.commands import Refused, Reported, Standing, SubmitTask, Submitted, SubmittedTasks
from coordination.tasks.dags import Dag, DagState
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_BATCH, MAX_DAG_EDGES, MAX_DEPENDENCIES
from coordination.tasks.queues import QueueSettings, RateLimit
from coordination.tasks.record import Attempt, Holder, ReceivedBid, Refusal, Task, TasksState
from coordination.tasks.record import Call as CallMade
from coordination.tasks.schedules import Recurrence, Schedule
from coordination.tasks.spec import (
    Backoff,
    Bidding,
    Budget,
    Compensation,
    Criterion,
    Dependency,
    Nearness,
    OnFailure,
    OnParentEnd,
    Placement,
    Reference,
    Strategy,
    TaskSpec,
)

SHA = "0" * 64


def call(caller: str = "ada") -> Call:
    """A call whose fresh ids count up."""
    ids = iter(range(1, 10_000))
    return Call(caller=caller, draw_id=lambda: f"{next(ids):08x}00000000")


def problem(kind: type[BaseModel], body: Any) -> str:
    """What is said of a body that is refused."""
    with pytest.raises(RejectedError) as caught:
        parse_body(adapter_of(kind), json.dumps(body).encode())
    assert caught.value.code == "invalid_request"
    return caught.value.message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"priority": 10}, "field priority: must be less than or equal to 9"),
        ({"priority": "5"}, "field priority: must be a valid integer"),
        ({"priority": True}, "field priority: must be a valid integer"),
        ({"priority": 5.0}, "field priority: must be a valid integer"),
        ({"deadline_ms": -1}, "field deadline_ms: must be greater than or equal to 0"),
        ({"deadline_ms": 2**53}, "field deadline_ms: must be less than"),
        ({"lease_ms": 99}, "field lease_ms: must be greater than or equal to 100"),
        ({"timeout_ms": 0}, "field timeout_ms: must be greater than or equal to 1"),
        ({"strategy": "loudest"}, "field strategy: must be 'round_robin', 'least_loaded', 'best_match' or"),
        ({"max_attempts": 21}, "field max_attempts: must be less than or equal to 20"),
        ({"fairness_weight": 0}, "field fairness_weight: must be greater than or equal to 1"),
        ({"fairness_key": "k" * 129}, "field fairness_key: must have at most 128 characters"),
        ({"queue": "Bad Queue"}, "field queue: use 1 to 63 of a-z"),
        ({"cost": -1}, "field cost: must be greater than or equal to 0"),
        ({"may_return": 1}, "field may_return: must be a valid boolean"),
        ({"backoff": {"first_ms": 9, "last_ms": 8}}, "field backoff: last_ms is at least first_ms"),
        ({"backoff": {"factor": 0.5}}, "field backoff.factor: must be greater than or equal to 1"),
        ({"backoff": {"jitter": 1.5}}, "field backoff.jitter: must be less than or equal to 1"),
        ({"after": ["no.id"]}, "field after.0.task_id: use 1 to 63"),
        ({"after": [{"task_id": "a", "on_failure": "cry"}]}, "field after.0.on_failure: must be 'fail'"),
        ({"after": ["a"] * (MAX_DEPENDENCIES + 1)}, "field after: "),
        ({"parent": "a"}, "field parent: "),
        ({"parent": {"task_id": "a", "fencing_token": 0}}, "field parent.fencing_token: must be greater"),
        ({"placement": {"marks": [""]}}, "field placement.marks.0: must have at least 1 character"),
        (
            {"placement": {"near": [{"mark": "m", "far": True}]}},
            "field placement.near.0.far: there is no such",
        ),
        ({"bidding": {"max_bidders": 0}}, "field bidding.max_bidders: must be greater"),
        ({"budget": {"tasks": -1}}, "field budget.tasks: must be greater"),
        ({"payload_reference": {"sha256": "x", "size_bytes": 1}}, "field payload_reference.sha256: "),
        ({"payload": {"a": 1}, "payload_reference": {"sha256": SHA, "size_bytes": 1}}, "either a payload or"),
        ({"requirement": "python"}, "give either a requirement or a capability"),
        ({"conditions_met": ["x"]}, "conditions_met: of which approval?"),
        ({"compensation": {"requirement": "python"}}, "compensation: only tasks of a DAG are undone"),
        ({"strategie": "x"}, "field strategie: there is no such field; did you mean strategy? there are: "),
    ],
)
def test_a_submission_that_is_wrong_is_refused_with_the_place(fields: dict[str, Any], said: str) -> None:
    assert said in problem(wire.SubmitRequest, {"capability": "python", **fields})


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (wire.SubmitManyRequest, {"tasks": []}, "field tasks: must have at least 1"),
        (wire.SubmitManyRequest, {"tasks": [{"capability": "x"}] * (MAX_BATCH + 1)}, "field tasks: "),
        (
            wire.SubmitManyRequest,
            {"tasks": [{"capability": "x", "task_id": "t"}] * 2},
            "task t is named twice",
        ),
        (wire.ReportRequest, {"items": [{"do": "sing", "task_id": "t"}]}, "field items.0: "),
        (wire.ReportRequest, {"items": [{"task_id": "t", "fencing_token": 1}]}, "field items.0: "),
        (wire.SubmitDagRequest, {"tasks": [{"capability": "x"}]}, "field tasks.0.name: is missing"),
        (
            wire.SubmitDagRequest,
            {"tasks": [{"name": "a", "capability": "x", "after": [{"on_failure": "run"}]}]},
            "field tasks.0.after.0: give either the name",
        ),
        (wire.ProgressRequest, {"task_id": "t", "fencing_token": 1, "share": 1.5}, "field share: "),
        (wire.FailRequest, {"task_id": "t", "fencing_token": 1}, "field reason: is missing"),
        (
            wire.CompleteRequest,
            {
                "task_id": "t",
                "fencing_token": 1,
                "result": 1,
                "result_reference": {"sha256": SHA, "size_bytes": 1},
            },
            "give either a result or a result_reference",
        ),
        (wire.ProposeRequest, {"task_id": "t", "call": 1, "cost": -1}, "field cost: "),
        (wire.SetQueueRequest, {"queue": "q"}, "field settings: is missing"),
        (
            wire.SetQueueRequest,
            {"queue": "q", "settings": {"rate_limits": {"A B": {"count": 1}}}},
            "rate_limits",
        ),
        (
            wire.SetQueueRequest,
            {"queue": "q", "settings": {"weights": {"a": 0}}},
            "field settings.weights.a: ",
        ),
        (
            wire.SetScheduleRequest,
            {
                "schedule_id": "s",
                "task": {"capability": "x"},
                "recurrence": {"every_ms": 5, "cron": "* * * * *"},
            },
            "field recurrence: give either every_ms or cron",
        ),
        (
            wire.SetScheduleRequest,
            {
                "schedule_id": "s",
                "task": {"capability": "x", "deadline_ms": 5},
                "recurrence": {"every_ms": 5},
            },
            "field task.deadline_ms: there is no such field",
        ),
        (wire.DeadLettersRequest, {"after": "soon"}, "field after: "),
        (wire.ListRequest, {"limit": 1001}, "field limit: must be less than or equal to 1000"),
    ],
)
def test_other_requests_that_are_wrong_are_refused_with_the_place(
    kind: type[BaseModel], body: Any, said: str
) -> None:
    assert said in problem(kind, body)


async def test_every_endpoint_is_described_and_has_schemas_that_can_be_shown() -> None:
    bus = MemoryBus(MemoryExchange(), agent=tasks.NAME)
    definition = tasks.define(Shell.of(bus, service=tasks.NAME, subjects=Subjects()))
    assert definition.version == "0.2.0"
    for endpoint in definition.endpoints:
        assert endpoint.description.endswith("."), endpoint.verb
        assert len(endpoint.description) < 128, endpoint.verb
        for body in (endpoint.request, endpoint.reply):
            assert body.model_json_schema()["description"], (endpoint.verb, body)
            assert TypeAdapter(body).json_schema(mode="serialization")
    await bus.close()


def submitted(**fields: Any) -> SubmitTask:
    """The command that a request for python becomes."""
    return forms.submission(call(), wire.SubmitRequest.model_validate({"capability": "python", **fields}))


def test_a_request_becomes_the_spec_that_it_says() -> None:
    fields: dict[str, Any] = {
        "queue": "q",
        "priority": 9,
        "fairness_key": "k",
        "fairness_weight": 7,
        "cost": 5,
        "run_at_ms": 10,
        "start_by_ms": 20,
        "deadline_ms": 30,
        "timeout_ms": 40,
        "lease_ms": 500,
        "max_attempts": 2,
        "max_rounds": 3,
        "max_depth": 4,
        "may_return": True,
        "idempotency_key": "i",
    }
    assert submitted(**fields).spec == TaskSpec(requirement="python", capability="python", **fields)


def test_what_is_nested_in_a_request_is_nested_in_the_spec() -> None:
    spec = submitted(
        strategy="contract_net",
        backoff={"first_ms": 1, "factor": 3.0, "last_ms": 2, "jitter": 0.5},
        placement={
            "marks": ["m"],
            "near": [{"mark": "n", "is_apart": True, "is_required": False}],
            "sticky_key": "s",
            "waits_for_sticky": True,
        },
        bidding={"bid_ms": 4, "criterion": "eta", "max_bidders": 5},
        budget={"tasks": 1, "cost": None},
    ).spec
    assert spec.strategy is Strategy.CONTRACT_NET
    assert spec.backoff == Backoff(first_ms=1, factor=3.0, last_ms=2, jitter=0.5)
    assert spec.placement == Placement(
        marks=("m",),
        near=(Nearness(mark="n", is_apart=True, is_required=False),),
        sticky_key="s",
        waits_for_sticky=True,
    )
    assert spec.bidding == Bidding(bid_ms=4, criterion=Criterion.ETA, max_bidders=5)
    assert spec.budget == Budget(tasks=1)


def test_a_request_becomes_a_task_among_the_tasks_that_it_names() -> None:
    command = submitted(
        after=["a", {"task_id": "b", "on_failure": "skip"}],
        parent={"task_id": "p", "fencing_token": 6},
        on_parent_end="keep",
    )
    assert command.spec.after == (
        Dependency(task_id="a"),
        Dependency(task_id="b", on_failure=OnFailure.SKIP),
    )
    assert (command.spec.parent, command.spec.on_parent_end) == ("p", OnParentEnd.KEEP)
    assert (command.task_id, command.seed, command.parent_token) == ("0000000100000000", 1, 6)


def test_a_request_says_what_is_to_be_done_on_what() -> None:
    spec = submitted(capability=None, requirement="python>=3.11, prefer region=eu", payload={"n": "é"}).spec
    assert (spec.requirement, spec.capability) == ("python>=3.11, prefer region=eu", "python")
    assert (spec.payload, spec.payload_bytes) == ({"n": "é"}, 10)


def test_a_plain_request_becomes_a_spec_of_defaults() -> None:
    command = forms.submission(call(), wire.SubmitRequest.model_validate({"capability": "python"}))
    assert command.spec == TaskSpec(requirement="python", capability="python")


def test_every_field_of_a_spec_can_be_said_in_a_request() -> None:
    of_the_service = {
        *("payload_bytes", "dag", "name", "compensates", "schedule"),
        *("traceparent", "approved_by", "approval_expires_ms"),
    }
    assert set(TaskSpec.__dataclass_fields__) - of_the_service <= set(wire.SubmitRequest.model_fields)


def test_a_dag_has_the_same_ids_each_time_it_is_submitted() -> None:
    request = wire.SubmitDagRequest.model_validate(
        {
            "dag_id": "d",
            "tasks": [
                {"name": "b", "capability": "x", "after": ["a"]},
                {
                    "name": "a",
                    "capability": "x",
                    "compensation": {"requirement": "undo", "payload": {"n": 1}},
                },
            ],
        }
    )
    first, second = forms.dag(call(), request), forms.dag(call(), request)
    assert [each.task_id for each in first.tasks] == [each.task_id for each in second.tasks]
    assert [each.spec.name for each in first.tasks] == ["a", "b"]
    assert first.tasks[1].spec.after == (Dependency(task_id=first.tasks[0].task_id),)
    assert first.tasks[0].spec.compensation == Compensation(requirement="undo", payload={"n": 1})
    assert forms.dag(call("eve"), request).tasks[0].task_id != first.tasks[0].task_id


def test_a_dag_has_a_bounded_number_of_edges_and_small_compensations() -> None:
    names = [f"n{number}" for number in range(200)]
    full = [
        {"name": name, "capability": "x", "after": names[: min(place, 100)]}
        for place, name in enumerate(names)
    ]
    with pytest.raises(RejectedError, match=f"edges, at most {MAX_DAG_EDGES} are taken") as caught:
        forms.dag(call(), wire.SubmitDagRequest.model_validate({"tasks": full}))
    assert caught.value.code == "invalid_dag"
    large = {"requirement": "undo", "payload": {"x": "y" * 20_000}}
    one = {"tasks": [{"name": "a", "capability": "x", "compensation": large}]}
    with pytest.raises(RejectedError, match="task a: the payload of the compensation has") as caught:
        forms.dag(call(), wire.SubmitDagRequest.model_validate(one))
    assert caught.value.code == "too_large"


def test_one_request_never_holds_more_than_one_record_takes() -> None:
    assert MAX_REQUEST_BYTES < MAX_COMMAND_EVENTS_BYTES
    edge = len(json.dumps({"task_id": "0" * 16, "on_failure": "skip"})) + 20
    assert MAX_DAG_EDGES * edge < MAX_COMMAND_EVENTS_BYTES


FULL = Task(
    task_id="t",
    sequence=7,
    submitter="ada",
    spec=forms.submission(
        call(),
        wire.SubmitRequest.model_validate(
            {
                "requirement": "python",
                "payload_reference": {"sha256": SHA, "size_bytes": 5},
                "strategy": "best_match",
                "budget": {"cost": 4},
                "placement": {"near": [{"mark": "m"}]},
                "after": ["a"],
            }
        ),
    ).spec,
    seed=1,
    submitted_at_ms=2,
    state=State.RUNNING,
    waits_for=("a",),
    chain=("root",),
    fencing_token=3,
    holder=Holder(agent="bob", incarnation=2, expires_ms=9, why="best match"),
    call=CallMade(
        call=3,
        agents={"bob": 2},
        bids_until_ms=8,
        bids=(ReceivedBid(agent="bob", incarnation=2, at_ms=7, cost=1.5, eta_ms=6),),
    ),
    attempts=(Attempt(agent="bob", fencing_token=1, started_ms=3, ended_ms=4, error="x", spent=2),),
    refusals=(Refusal(agent="cid", reason="busy", at_ms=5),),
    result_reference=Reference(sha256=SHA, size_bytes=6),
)


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        (wire.TaskRecord, views.record_view(FULL)),
        (wire.TaskSummary, views.summary_view(FULL)),
        (
            wire.SettingsView,
            views.settings_view(
                QueueSettings(
                    rate_limits={"*": RateLimit(count=1)}, agent_rate_limit=RateLimit(count=2, burst=3)
                )
            ),
        ),
        (
            wire.ScheduleReply,
            views.schedule_view(
                Schedule(
                    schedule_id="s",
                    owner="ada",
                    spec=FULL.spec,
                    recurrence=Recurrence(every_ms=5),
                    created_ms=1,
                    next_ms=None,
                )
            ),
        ),
        (
            wire.DagReply,
            views.dag_view(
                TasksState(open={"t": FULL}),
                Dag(
                    dag_id="d",
                    submitter="ada",
                    tasks={"one": "t", "two": "gone"},
                    submitted_at_ms=1,
                    state=DagState.COMPENSATING,
                    open_count=1,
                    not_compensated=("gone",),
                ),
            ),
        ),
    ],
)
def test_views_say_every_field_of_their_replies_and_nothing_else(
    kind: type[BaseModel], view: dict[str, Any]
) -> None:
    read = TypeAdapter(kind).validate_json(TypeAdapter(Any).dump_json(view))
    assert read.model_dump(mode="json") == json.loads(TypeAdapter(Any).dump_json(view))
    assert set(view) == set(kind.model_fields)


@pytest.mark.parametrize("state", list(State))
def test_written_replies_are_what_their_schemas_say(state: State) -> None:
    submitted = Submitted(task_id="t", state=state, duplicate=True, name="n")
    standing = Standing(task_id="t", state=state, fencing_token=5, lease_expires_ms=7)
    refused = Refused(task_id="", code="too_large", message='"é"\n', details={"x": [1]})
    assert wire.SubmitReply.model_validate_json(written.submitted(submitted)) == wire.SubmitReply(
        task_id="t", state=state.value, duplicate=True, name="n"
    )
    assert wire.StandingReply.model_validate_json(written.standing(standing)) == wire.StandingReply(
        task_id="t", state=state.value, fencing_token=5, lease_expires_ms=7
    )
    many = wire.SubmitManyReply.model_validate_json(
        written.submitted_tasks(SubmittedTasks(tasks=(submitted, refused)))
    )
    assert [type(each) for each in many.tasks] == [wire.SubmitReply, wire.RefusedReply]
    told = wire.ReportReply.model_validate_json(written.reported(Reported(results=(refused, standing))))
    assert [type(each) for each in told.results] == [wire.RefusedReply, wire.StandingReply]
    assert isinstance(told.results[0], wire.RefusedReply)
    assert (told.results[0].message, told.results[0].details) == ('"é"\n', {"x": [1]})


def test_the_states_of_the_wire_are_those_of_the_lifecycle() -> None:
    states = TypeAdapter(wire.State).json_schema()["enum"]
    assert states == [each.value for each in State]
    assert TypeAdapter(wire.DagState).json_schema()["enum"] == [each.value for each in DagState]


def test_a_task_that_is_tried_again_says_why_its_last_attempt_failed() -> None:
    again = replace(FULL, state=State.FAILED, reason="", retry_at_ms=9)
    assert [views.summary_view(each)["reason"] for each in (again, FULL)] == ["x", FULL.reason]
