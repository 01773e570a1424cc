"""A mesh on a server of its own: secured, minting credentials, and able to restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from conclave import Agent, UsageError, connect
from conclave.testing import NotFulfilledError, ServerMesh, TaskFailedError
from coordination.runtime.errors import AuthorizationError
from tests.support.cast import greeter


async def test_a_task_is_done_and_on_record(server_mesh: ServerMesh) -> None:
    async with server_mesh.join(greeter()):
        result = await server_mesh.run_task("greeting", {"name": "Ada"})
    assert result == {"greeting": "Hello, Ada!", "by": "greeter"}
    pushed = await server_mesh.until(lambda: server_mesh.record.bodies("conclave.inbox.tester.result"))
    assert pushed[0]["result"] == result


async def test_everything_goes_on_after_a_restart_of_the_server(server_mesh: ServerMesh) -> None:
    url = server_mesh.url
    async with server_mesh.join(greeter()), server_mesh.connect("guide") as guide:
        task_id = (await guide.tasks.submit("flying", {"to": "Rome"})).task_id
        await server_mesh.restart_server()
        assert server_mesh.url == url
        assert (await guide.tasks.get(task_id)).payload == {"to": "Rome"}
        assert (await server_mesh.run_task("greeting", {"name": "Ada"}))["greeting"] == "Hello, Ada!"


async def test_nobody_gets_in_without_the_credential_that_was_minted(server_mesh: ServerMesh) -> None:
    async with server_mesh.connect("guide"):
        pass
    credentials = server_mesh.credentials / "guide.nk"
    async with connect(server_mesh.url, agent="guide", credentials=credentials) as guide:
        assert await guide.tasks.list() == ()
    with pytest.raises(AuthorizationError):
        async with connect(server_mesh.url, agent="other", credentials=credentials) as other:
            await other.bus.request("conclave.call.tasks.list.other", b"{}", timeout_s=1)
    with pytest.raises(UsageError, match="reserved"):
        async with server_mesh.connect("registry"):
            pass


async def test_a_crashed_agent_says_no_goodbye(server_mesh: ServerMesh) -> None:
    agent = greeter()
    async with server_mesh.join(agent):
        await server_mesh.crash(agent)
        with pytest.raises(UsageError, match="not connected"):
            await server_mesh.crash(agent)
    async with server_mesh.join(agent):
        await server_mesh.run_task("greeting", {"name": "Ada"})
    assert len(server_mesh.record.on("conclave.call.registry.deregister.greeter")) <= 1


async def test_a_crash_ends_what_a_handler_does(server_mesh: ServerMesh) -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    agent = Agent("worker")

    @agent.task("work")
    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with server_mesh.join(agent), server_mesh.connect("guide") as guide:
        await guide.tasks.submit("work")
        await started.wait()
        await server_mesh.crash(agent)
        assert ended.is_set()
    assert server_mesh.take_failures() == ()


async def test_what_handlers_raise_comes_with_the_failed_task(server_mesh: ServerMesh) -> None:
    async with server_mesh.join(greeter()):
        with pytest.raises(TaskFailedError, match="LookupError") as raised:
            await server_mesh.run_task("greeting", {"name": ""}, max_attempts=1)
    assert isinstance(raised.value.__cause__, LookupError)


async def test_other_exceptions_in_handlers_are_kept(server_mesh: ServerMesh) -> None:
    listener = Agent("listener")

    @listener.on("hint")
    async def hear(body: dict[str, str]) -> None:
        raise LookupError("nobody taught me that")

    async with server_mesh.join(listener) as session:
        await session.bus.publish(session.subjects.inbox("listener", "hint"), b"{}")
        # An agent may not push to itself: the server refuses, and nothing arrives.
        with pytest.raises(NotFulfilledError):
            await server_mesh.until(lambda: server_mesh.record.on("conclave.inbox.listener.>"), timeout_s=0.3)
    assert server_mesh.take_failures() == ()


async def test_a_mesh_needs_no_pytest(tmp_path: Path) -> None:
    store = tmp_path / "store"
    async with ServerMesh(store=store) as mesh, mesh.join(greeter()):
        assert await mesh.run_task("greeting", {"name": "Ada"})
    assert (store / "nats-server.log").is_file()


async def test_a_temporary_store_is_removed() -> None:
    async with ServerMesh() as mesh, mesh.connect("guide"):
        kept = mesh.credentials
        assert kept.is_dir()
    assert not kept.exists()
