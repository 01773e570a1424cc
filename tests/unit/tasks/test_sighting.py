"""Work goes to agents that are there, and comes back from those that are no more, heard or unheard."""

from __future__ import annotations

import asyncio

import pytest

from coordination.registry.client import RegistryClient
from coordination.runtime.errors import RejectedError
from coordination.runtime.memory_store import MemoryStream
from coordination.tasks import following, wire
from coordination.tasks import service as tasks
from coordination.tasks.client import TasksClient
from coordination.tasks.record import WORKER_LEFT, WORKER_RESTARTED
from coordination.tasks.sighting import WAKE_PAUSE_MS
from tests.support.taskroom import BACKOFF_MS, Room, Worker, a_room
from tests.support.waiting import settle, wait_until


async def running(room: Room, task_id: str = "t") -> tuple[Worker, wire.TaskOffer]:
    """A task that bob works on."""
    worker = await Worker(room.caller("bob")).start("python")
    await TasksClient(room.caller("ada")).submit("python", task_id=task_id)
    offer = await worker.next_offer()
    await worker.tasks.accept(task_id, offer.fencing_token)
    return worker, offer


async def test_what_a_restarted_worker_held_is_taken_back_as_soon_as_it_registers() -> None:
    async with a_room() as room:
        old, offer = await running(room)
        await RegistryClient(room.caller("bob")).register(["python"])
        client = TasksClient(room.caller("ada"))
        await _until_state(room, client, "failed")
        assert (await client.get("t")).attempts[-1].error == WORKER_RESTARTED
        with pytest.raises(RejectedError, match="stale_token"):
            await old.tasks.complete("t", offer.fencing_token, {})
        room.clock.advance(BACKOFF_MS)
        again = await old.next_offer()
        assert (again.task_id, again.attempt) == ("t", 2)


async def test_what_a_worker_held_that_left_is_taken_back() -> None:
    async with a_room() as room:
        worker, _ = await running(room)
        await worker.registry.deregister()
        client = TasksClient(room.caller("ada"))
        await _until_state(room, client, "failed")
        assert (await client.get("t")).attempts[-1].error == WORKER_LEFT


async def test_a_restart_that_no_notice_told_of_is_found_out_after_a_silence() -> None:
    async with a_room() as room:
        await running(room)
        await settle()
        room.deafen()
        await RegistryClient(room.caller("bob")).register(["python"])
        await settle()
        client = TasksClient(room.caller("ada"))
        assert (await client.get("t")).state == "running"
        for _ in range(following.SILENCE_MS // 250 + 2):  # in one leap the leadership would be over
            room.clock.advance(250)
            await settle()
        await _until_state(room, client, "failed")


async def test_whoever_takes_over_looks_at_every_holder() -> None:
    journal = MemoryStream()
    async with asyncio.TaskGroup() as group:
        room = Room(group)
        await room.serve_registry()
        first = await room.serve_tasks(journal)
        await running(room)
        first.stop()
        await wait_until(lambda: not first.is_leading)
        await RegistryClient(room.caller("bob")).register(["python"])
        await room.serve_tasks(journal)
        client = TasksClient(room.caller("ada"))
        await _until_state(room, client, "failed")
        assert (await client.get("t")).attempts[-1].error == WORKER_RESTARTED
        await room.stop()


async def test_whoever_takes_over_offers_nothing_to_those_who_left_unheard() -> None:
    journal = MemoryStream()
    async with asyncio.TaskGroup() as group:
        room = Room(group)
        await room.serve_registry()
        gone = await Worker(room.caller("a-gone")).start("python")
        await Worker(room.caller("b-there")).start("python", max_tasks=5)
        first = await room.serve_tasks(journal)
        standby = await room.stand_by(journal)
        await settle(60)
        room.deafen()
        await gone.registry.deregister()
        await settle()
        client = TasksClient(room.caller("ada"))
        first.stop()
        await room.pass_until(lambda: standby.is_leading)
        for number in range(3):
            await client.submit("python", task_id=f"t{number}")
        await settle()
        holders = [(await client.get(f"t{number}")).holder for number in range(3)]
        assert {each.agent for each in holders if each is not None} == {"b-there"}
        await room.stop()


async def test_tasks_wait_for_a_registry_that_has_not_answered_yet() -> None:
    async with asyncio.TaskGroup() as group:
        room = Room(group)
        runner = await room.serve_tasks()
        client = TasksClient(room.caller("ada"))
        await client.submit("python", task_id="t")
        await settle()
        assert (await client.get("t")).state == "queued"
        assert runner.is_leading
        await room.stop()


def test_the_service_has_one_listener_and_one_companion() -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            definition = tasks.define(Room(group).shell("tasks"))
            assert (len(definition.background), len(definition.companions)) == (1, 1)

    asyncio.run(run())


async def _until_state(room: Room, client: TasksClient, state: str) -> None:
    """Let time pass, but far less than the silence after which the registry is asked anyway."""
    for _ in range(100):
        if (await client.get("t")).state == state:
            return
        room.clock.advance(WAKE_PAUSE_MS // 5)
        await settle()
    raise AssertionError(f"not {state}: {await client.get('t')}")
