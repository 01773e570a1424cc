"""`conclave up` and `conclave serve` as processes."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conclave import Agent, connect
from conclave.deployment import SERVICES
from conclave.embedded import embedded_server
from conclave.identity import Identities
from coordination.runtime.errors import AuthorizationError
from coordination.runtime.names import Subjects
from tests.support.processes import READY, conclave_process, free_port, is_alive


def children(pid: int) -> list[int]:
    """Process ids whose parent is `pid`."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(each) for each in text.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_up_serves_everything_and_a_signal_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    port = free_port()
    await Identities(tmp_path).add("ops")
    async with conclave_process("up", "--store", str(tmp_path), "--port", str(port)) as (process, greeting):
        assert f"nats://127.0.0.1:{port}" in greeting
        assert "NO AUTHENTICATION" not in greeting
        assert "micro ls" in greeting
        for name in SERVICES:
            assert name in greeting
        offspring = children(process.pid)
        assert len(offspring) == 1, "nats-server and nothing else"
        url, keys = f"nats://127.0.0.1:{port}", tmp_path / "credentials"
        async with connect(url, agent="ops", credentials=keys) as session:
            assert await session.registry.list() == ()
        with pytest.raises(AuthorizationError):
            async with connect(url, agent="ops"):
                pytest.fail("it was let in without a credential")
        process.send_signal(number)
        assert await process.wait() == 0
        assert not any(is_alive(pid) for pid in offspring)


async def test_up_uses_an_existing_server_and_leaves_it_running(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port()) as server:
        async with conclave_process("up", "--nats", server.url) as (process, _):
            assert children(process.pid) == []
            async with connect(server.url, agent="ops") as session:
                assert await session.registry.list() == ()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        assert is_alive(server.pid)


async def test_services_in_processes_of_their_own_work_together(tmp_path: Path) -> None:
    agent = Agent("worker")
    await Identities(tmp_path).add("worker", "boss")
    keys = ("--credentials", str(tmp_path / "credentials"))

    @agent.task("greeting")
    async def greet(name: str) -> dict[str, str]:
        return {"text": f"hello {name}"}

    async with (
        embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server,
        conclave_process("serve", "registry", *keys, "--nats", server.url) as (_, greeting),
        conclave_process("serve", "tasks", *keys, "--nats", server.url),
        agent.running(server.url, credentials=server.identities.directory),
        connect(server.url, agent="boss", credentials=server.identities.directory) as boss,
    ):
        assert "serving registry on" in greeting
        done = asyncio.Event()

        async def notice(_: object) -> None:
            done.set()

        await boss.bus.subscribe(boss.subjects.inbox("boss", "result"), notice)
        await boss.bus.flush()
        submitted = await boss.tasks.submit("greeting", {"name": "world"})
        async with asyncio.timeout(20):
            await done.wait()
        task = await boss.tasks.get(submitted.task_id)
        assert task.result == {"text": "hello world"}


async def test_a_process_that_loses_one_service_goes_on_with_the_others(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, port=free_port()) as server,
        conclave_process("serve", "registry", "dialog", "--nats", server.url) as (older, _),
        conclave_process("serve", "registry", "--nats", server.url),
        connect(server.url, agent="ops") as session,
    ):
        for _ in range(3):  # the older one learns of its loss when it next writes
            await session.registry.register(["python"])
        talk = await session.dialog.open("Still here?")
        assert talk.owner == "ops"
        assert older.returncode is None


async def test_store_remembers_agents_and_where_they_look_for_it(tmp_path: Path) -> None:
    arguments = ("up", "--store", str(tmp_path))
    await Identities(tmp_path).add("first", "second")
    keys = tmp_path / "credentials"
    async with conclave_process(*arguments, "--port", str(free_port())) as (first, greeting):
        url = re.findall(r"nats://[\d.:]+", greeting)[0]
        async with connect(url, agent="first", credentials=keys) as session:
            await session.registry.register(["python"])
        first.kill()
        await first.wait()
    async with (
        conclave_process(*arguments),  # and its port
        connect(url, agent="second", credentials=keys) as session,
    ):
        assert [agent.agent for agent in await session.registry.list()] == ["first"]


async def test_an_insecure_conclave_says_so_loudly_and_lets_anybody_in(tmp_path: Path) -> None:
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "conclave", "up", "--insecure", "--store", str(tmp_path), "--port", port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            greeting = (await process.stdout.readuntil(READY)).decode()
        assert "NO AUTHENTICATION (--insecure): every program on this machine may" in greeting
        async with connect(f"nats://127.0.0.1:{port}", agent="anybody") as session:
            assert await session.registry.list() == ()
    finally:
        process.terminate()
        _, err = await process.communicate()
    assert "NO AUTHENTICATION (--insecure)" in err.decode()
    assert "warning" in err.decode()


def test_wrong_arguments_get_one_line_and_exit_2(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "conclave", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    unknown = run("serve", "registrar")
    assert unknown.returncode == 2
    known = "registry, tasks, dialog, consensus, knowledge, artifacts, gateway"
    assert unknown.stderr.splitlines() == [f"conclave: no service 'registrar'; there are: {known}"]
    nowhere = run("up", "--nats", f"nats://127.0.0.1:{free_port()}")
    assert nowhere.returncode == 1
    assert len(nowhere.stderr.splitlines()) == 1
    assert "no NATS server at" in nowhere.stderr
    contradiction = run("up", "--insecure", "--nats", "nats://127.0.0.1:1")
    assert contradiction.returncode == 2
    assert "--insecure and --nats cannot be given together" in contradiction.stderr
    keyless = run("serve", "tasks", "--credentials", str(tmp_path), "--nats", "nats://127.0.0.1:1")
    assert keyless.returncode == 2
    assert f"no credential for 'tasks': there is no {tmp_path / 'tasks.nk'}" in keyless.stderr
    prefix = run("up", "--prefix", "Not.One.Token")
    assert prefix.returncode == 2
    assert "Traceback" not in prefix.stderr
