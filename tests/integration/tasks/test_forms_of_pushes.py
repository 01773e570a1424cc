"""Several pushes in one message on the real nats-server: to whoever says so, and to nobody else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import conclave
from coordination.runtime.bundles import bodies_of
from coordination.runtime.bus import Delivery
from coordination.runtime.carrying import as_if_alone
from coordination.runtime.names import Subjects
from tests.integration.tasks.conftest import WAIT_S, Plain, Speak
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer

COUNT = 4
TAKES = {"Conclave-Takes": "1"}


async def a_worker(speak: Speak) -> Plain:
    worker = await speak("bob")
    await worker.listen("task")
    body = {"capabilities": [{"name": "python"}], "max_tasks": COUNT}
    await worker.do("register", body, service="registry")
    return worker


async def offered(worker: Plain) -> list[dict[str, Any]]:
    """As many offers as the worker has room for, however they come."""
    offers: list[dict[str, Any]] = []
    while len(offers) < COUNT:
        push = await worker.pushed("task")
        offers += push if isinstance(push, list) else [push]
    return offers


async def complete(worker: Plain, offers: list[dict[str, Any]]) -> None:
    """Report on all of them at once: their results are in one record."""
    items = [
        {
            "do": "complete",
            "task_id": each["task_id"],
            "fencing_token": each["fencing_token"],
            "result": each["payload"],
        }
        for each in offers
    ]
    answers = (await worker.do("report", {"items": items}))["results"]
    assert [each["state"] for each in answers] == ["completed"] * COUNT


async def submit(submitter: Plain) -> None:
    tasks = [{"capability": "python", "payload": {"n": n}} for n in range(COUNT)]
    await submitter.do("submit_many", {"tasks": tasks})


def numbers(results: list[dict[str, Any]]) -> list[int]:
    return [each["result"]["n"] for each in results]


async def test_a_plain_submitter_gets_each_result_alone_unless_its_last_request_says_otherwise(
    speak: Speak,
) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    await ada.listen("result")
    for headers in ({}, TAKES, {}):
        ada.headers = headers
        await submit(ada)
        await complete(bob, await offered(bob))
        pushes = [await ada.pushed("result") for _ in range(1 if headers else COUNT)]
        assert numbers(pushes[0] if headers else pushes) == list(range(COUNT)), headers


async def test_a_plain_worker_gets_each_offer_alone_unless_its_last_request_says_otherwise(
    speak: Speak,
) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    for headers in ({}, TAKES, {}):
        bob.headers = headers
        await bob.do("queues")
        await submit(ada)
        pushes = [await bob.pushed("task") for _ in range(1 if headers else COUNT)]
        offers = pushes[0] if headers else pushes
        assert [each["payload"]["n"] for each in offers] == list(range(COUNT)), headers
        await complete(bob, offers)


async def test_what_is_alone_is_carried_by_its_record_to_whoever_says_that_it_hears_that(
    speak: Speak, connect: Connect, subjects: Subjects
) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    heard: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def hear(delivery: Delivery) -> None:
        push = as_if_alone(delivery)
        heard.put_nowait((push.subject.rpartition(".")[2], json.loads(push.payload)))

    spy = await connect("spy")
    for agent in ("ada", "bob"):
        await spy.subscribe(subjects.carried(agent), hear)
    await spy.flush()
    await ada.listen("result")
    for headers in (TAKES, {}):
        ada.headers = bob.headers = headers
        await bob.do("queues")
        await ada.do("submit", {"capability": "python", "payload": {"n": 7}})
        kind, offer = await heard.get() if headers else ("task", await bob.pushed("task"))
        assert (kind, offer["payload"]) == ("task", {"n": 7})
        ids = {"task_id": offer["task_id"], "fencing_token": offer["fencing_token"]}
        assert (await bob.do("complete", {**ids, "result": {"n": 8}}))["state"] == "completed"
        kind, result = await heard.get() if headers else ("result", await ada.pushed("result"))
        assert (kind, result["task_id"], result["result"]) == ("result", offer["task_id"], {"n": 8})
    await spy.flush()
    assert heard.empty()


async def test_a_session_takes_results_together_while_plain_clients_get_each_alone(
    speak: Speak, nats_server: RealServer, subjects: Subjects, connect: Connect
) -> None:
    ada, bob = await speak("ada"), await a_worker(speak)
    await ada.listen("result")
    heard: list[bytes] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.payload)

    spy = await connect("spy")
    await spy.subscribe(subjects.inbox("eve", "result"), hear)
    await spy.flush()
    async with (
        conclave.connect(nats_server.url, agent="eve", prefix=subjects.prefix) as eve,
        asyncio.timeout(WAIT_S),
    ):
        fields = [{"requirement": "python", "payload": {"n": n}} for n in range(COUNT)]
        handles = await eve.submit_many(fields)
        await complete(bob, await offered(bob))
        assert [each["n"] for each in await conclave.gather(*handles)] == list(range(COUNT))
    await spy.flush()
    assert [len(bodies_of(each)) for each in heard] == [COUNT]
    assert numbers(json.loads(heard[0])) == list(range(COUNT))
    await submit(ada)
    await complete(bob, await offered(bob))
    assert numbers([await ada.pushed("result") for _ in range(COUNT)]) == list(range(COUNT))
