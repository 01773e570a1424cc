"""The loop of a test: plain functions run inline, real I/O is refused, and a test that hangs is explained."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from conclave import UsageError, connect
from conclave.testing import MemoryMesh, StalledError, run_in_memory
from conclave.testing.running import VirtualRunner
from tests.support.cast import greeter


@pytest.mark.usefixtures("memory_mesh")
async def test_a_plain_function_runs_on_the_thread_of_the_loop() -> None:
    assert await asyncio.to_thread(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 / 0)


@pytest.mark.usefixtures("memory_mesh")
async def test_real_input_and_output_are_refused() -> None:
    with pytest.raises(UsageError, match=r"create_connection: there is no network.*server_mesh"):
        await asyncio.open_connection("127.0.0.1", 4222)
    with pytest.raises(UsageError, match="subprocess_exec"):
        await asyncio.create_subprocess_exec("true")


@pytest.mark.usefixtures("memory_mesh")
async def test_an_agent_that_connects_past_the_mesh_is_told_where_it_is() -> None:
    with pytest.raises(UsageError, match=r"virtual time, as this test runs; .* mesh\.connect"):
        async with connect("nats://127.0.0.1:4222", agent="x"):
            raise AssertionError("there is nothing to connect to")


async def never(mesh: MemoryMesh) -> None:
    async def idle() -> None:
        await asyncio.Event().wait()

    async with mesh.join(greeter()), asyncio.TaskGroup() as group:
        group.create_task(idle(), name="the idle one")
        await asyncio.Event().wait()  # for ever


def test_a_test_that_waits_for_ever_is_told_where() -> None:
    with pytest.raises(StalledError) as raised:
        run_in_memory(never, limit_s=30)
    text = str(raised.value)
    assert "too much virtual time has passed" in text
    assert "in never: await asyncio.Event().wait()  # for ever" in text
    assert "test, the idle one: " in text
    assert "in idle: await asyncio.Event().wait()" in text
    assert "services" not in text, "what always waits explains nothing"


def test_a_loop_on_which_nothing_can_happen_says_so() -> None:
    runner = VirtualRunner()
    with pytest.raises(StalledError, match="nothing can happen any more"):
        runner.run(asyncio.Event().wait())
    runner.close()


def test_a_stalled_test_cleans_up() -> None:
    ended: list[str] = []

    async def wait(mesh: MemoryMesh) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await mesh.advance(1)
            ended.append("cleaned up")

    with pytest.raises(StalledError):
        run_in_memory(wait, limit_s=5)
    assert ended == ["cleaned up"]


def test_the_collector_works_again_after_a_run() -> None:
    async def collects(_: MemoryMesh) -> bool:
        return gc.isenabled()

    assert run_in_memory(collects) is False
    assert gc.isenabled()
