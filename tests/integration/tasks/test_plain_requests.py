"""Tasks by plain JSON on the real nats-server: any client in any language can submit, work and operate."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import UsageError
from coordination.runtime.names import Subjects
from tests.integration.tasks.conftest import WAIT_S, Plain, Speak
from tests.support.fixtures import Connect


async def a_worker(speak: Speak, agent: str = "bob", **registered: Any) -> Plain:
    """An agent that can do ``python``."""
    worker = await speak(agent)
    await worker.listen("task", "cancel", "cfp", "reject")
    body = {"capabilities": [{"name": "python"}], "max_tasks": 4, **registered}
    await worker.do("register", body, service="registry")
    return worker


async def test_a_task_is_submitted_offered_done_and_told_of(speak: Speak) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    await ada.listen("result")
    reply = await ada.do("submit", {"capability": "python", "payload": {"n": 2}})
    assert reply["state"] == "queued"
    offer = await bob.pushed("task")
    assert (offer["task_id"], offer["payload"], offer["attempt"]) == (reply["task_id"], {"n": 2}, 1)
    token = {"task_id": offer["task_id"], "fencing_token": offer["fencing_token"]}
    assert (await bob.do("accept", token))["state"] == "running"
    await bob.do("progress", {**token, "share": 0.5, "note": "half"})
    assert (await bob.do("complete", {**token, "result": {"n": 4}}))["state"] == "completed"
    result = await ada.pushed("result")
    assert (result["state"], result["result"]) == ("completed", {"n": 4})
    code, body = await bob.ask("complete", {**token, "result": {"n": 5}})
    assert (code, body["details"]["state"]) == ("stale_token", "completed")


async def test_an_eager_worker_reports_without_accepting(speak: Speak) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    tasks = [{"capability": "python", "payload": {"n": n}} for n in range(4)]
    replies = (await ada.do("submit_many", {"tasks": tasks}))["tasks"]
    offers = [await bob.pushed("task") for _ in replies]
    items = [
        {"do": "complete", "task_id": offer["task_id"], "fencing_token": offer["fencing_token"], "result": 1}
        for offer in offers
    ]
    results = (await bob.do("report", {"items": items}))["results"]
    assert [each["state"] for each in results] == ["completed"] * 4
    record = await ada.do("get", {"task_id": replies[0]["task_id"]})
    assert [each["agent"] for each in record["attempts"]] == ["bob"]


async def test_a_running_task_is_canceled_when_its_worker_has_said_so(speak: Speak) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    await ada.listen("result")
    await ada.do("submit", {"capability": "python", "task_id": "t"})
    token = {"task_id": "t", "fencing_token": (await bob.pushed("task"))["fencing_token"]}
    await bob.do("accept", token)
    assert (await ada.do("cancel", {"task_id": "t", "reason": "enough"}))["state"] == "canceling"
    assert await bob.pushed("cancel") == {**token, "state": "canceling", "reason": "enough"}
    assert (await bob.ask("complete", token))[0] == "being_canceled"
    assert (await bob.do("confirm", token))["state"] == "canceled"
    assert (await ada.pushed("result"))["state"] == "canceled"
    record = await ada.do("get", {"task_id": "t"})
    assert (record["is_confirmed"], record["canceled_by"]) == (True, "ada")


async def until_known(speak: Speak, count: int) -> None:
    """Wait until the task service knows of so many agents; its word on a task that nobody is offered."""
    operator = await speak("operator")
    await operator.do("pause_queue", {"queue": "lobby"})
    await operator.do("submit", {"capability": "python", "task_id": "lobby", "queue": "lobby"})
    async with asyncio.timeout(WAIT_S):
        while sum((await operator.do("explain", {"task_id": "lobby"}))["counts"].values()) < count:
            pass
    await operator.do("cancel", {"task_id": "lobby"})


async def test_a_contract_is_called_out_bid_for_awarded_and_refused_to_the_others(speak: Speak) -> None:
    ada, bob, cid = await speak("ada"), await a_worker(speak), await a_worker(speak, "cid")
    await until_known(speak, 2)
    task = {"capability": "python", "task_id": "t", "strategy": "contract_net", "bidding": {"bid_ms": 20_000}}
    await ada.do("submit", task)
    call = (await bob.pushed("cfp"))["call"]
    assert (await cid.pushed("cfp"))["call"] == call
    await cid.do("propose", {"task_id": "t", "call": call, "cost": 9.0})
    assert (await cid.ask("propose", {"task_id": "t", "call": call}))[0] == "already_bid"
    await bob.do("propose", {"task_id": "t", "call": call, "cost": 2.5, "eta_ms": 100})
    offer = await bob.pushed("task")
    assert offer["award"] == {"call": call, "cost": 2.5, "eta_ms": 100}
    rejected = await cid.pushed("reject")
    assert (rejected["task_id"], rejected["call"]) == ("t", call)
    assert "2.5" in rejected["reason"]
    assert (await cid.ask("propose", {"task_id": "t", "call": call}))[0] == "already_bid"


async def test_why_a_task_waits_is_explained(speak: Speak) -> None:
    ada = await speak("ada")
    await a_worker(speak)
    await until_known(speak, 1)
    await ada.do("submit", {"requirement": "python>=9", "task_id": "t"})
    explained = await ada.do("explain", {"task_id": "t"})
    assert explained["state"] == "queued"
    assert explained["waiting_for"][0]["code"] == "no_match"
    (agent,) = [each for each in explained["agents"] if each["agent"] == "bob"]
    assert agent["verdict"] == "lacks"
    assert any("python" in each for each in (agent["text"], *agent["reasons"]))


async def test_only_the_operator_pauses_a_queue(speak: Speak) -> None:
    ada, operator, bob = await speak("ada"), await speak("operator"), await a_worker(speak)
    assert (await ada.ask("pause_queue", {"queue": "default"}))[0] == "not_operator"
    await operator.do("pause_queue", {"queue": "default", "reason": "maintenance"})
    await ada.do("submit", {"capability": "python", "task_id": "t"})
    (queue,) = (await ada.do("queues"))["queues"]
    assert (queue["waiting"], queue["settings"]["pause_reason"]) == (1, "maintenance")
    await operator.do("resume_queue", {"queue": "default"})
    assert (await bob.pushed("task"))["task_id"] == "t"


@pytest.mark.parametrize(
    ("verb", "body", "code", "named"),
    [
        ("submit", {"capability": "python", "deadline_ms": -5}, "invalid_request", "deadline_ms"),
        ("submit", {"capability": "python", "deadline_ms": 5}, "deadline_passed", "now"),
        ("submit", {"capability": "python", "strategy": "fastest"}, "invalid_request", "round_robin"),
        ("submit", {"requirement": "python=>3"}, "invalid_request", "no operator"),
        ("submit", {"capability": "python", "payload": {"x": "y" * 140_000}}, "too_large", "object store"),
        ("submit", {"capability": "python", "after": ["nothing"]}, "unknown_dependency", "nothing"),
        ("submit", {"capability": "python", "task_id": "t", "after": ["t"]}, "dependency_cycle", "t"),
        (
            "submit",
            {"capability": "python", "parent": {"task_id": "nothing", "fencing_token": 1}},
            "unknown_task",
            "nothing",
        ),
        (
            "submit_dag",
            {
                "tasks": [
                    {"name": "a", "capability": "python", "after": ["b"]},
                    {"name": "b", "capability": "python", "after": ["a"]},
                ]
            },
            "invalid_dag",
            "a -> b -> a",
        ),
        ("set_schedule", {"schedule_id": "s", "task": {"capability": "x"}}, "invalid_request", "recurrence"),
        ("complete", {"task_id": "nothing", "fencing_token": 1}, "unknown_task", "nothing"),
        ("dance", {}, "unknown_verb", "submit_dag"),
    ],
)
async def test_bad_input_is_refused_with_a_code_and_what_is_wrong(
    speak: Speak, verb: str, body: dict[str, Any], code: str, named: str
) -> None:
    ada = await speak("ada")
    refused, answer = await ada.ask(verb, body)
    assert (refused, answer["code"]) == (code, code)
    assert named in answer["message"], answer["message"]
    assert not answer["retryable"]
    assert (await ada.do("list"))["tasks"] == []


async def test_ten_megabytes_are_refused_wherever_they_come_from(
    speak: Speak, connect: Connect, subjects: Subjects
) -> None:
    ada = await speak("ada")
    refused, answer = await ada.ask("submit", {"capability": "python", "payload": {"x": "y" * 300_000}})
    assert (refused, "262144 bytes" in answer["message"]) == ("too_large", True)
    bus: NatsBus = await connect("eve")
    body = json.dumps({"capability": "python", "payload": {"x": "y" * 10_000_000}}).encode()
    with pytest.raises(UsageError):
        await bus.request(subjects.call("tasks", "submit", "eve"), body, timeout_s=5)
    assert (await ada.do("list"))["tasks"] == []


async def test_what_agents_say_of_their_load_decides_between_equals(
    speak: Speak, connect: Connect, subjects: Subjects
) -> None:
    ada = await speak("ada")
    workers = {name: await a_worker(speak, name) for name in ("busy", "idle")}
    await until_known(speak, 2)
    for name, load in (("busy", 0.9), ("idle", 0.1)):
        bus = await connect(name)
        await bus.publish(subjects.presence(name), json.dumps({"incarnation": 1, "load": load}).encode())
        await bus.flush()
    offered = asyncio.ensure_future(workers["idle"].pushed("task"))
    for number in range(20):
        reply = await ada.do("submit", {"capability": "python", "task_id": f"t{number}"})
        assert reply["state"] == "queued"
        await ada.do("cancel", {"task_id": f"t{number}"})
        if offered.done():
            break
    assert (await offered)["task_id"].startswith("t")
