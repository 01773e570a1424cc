"""`Agent.serve` as a program: signals, errors and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from conclave import Agent, AuthorizationError, RejectedError, connect
from conclave.address import URL_VARIABLE
from conclave.identity import ENVIRONMENT_VARIABLE
from conclave.testing import ServerMesh
from coordination.runtime.bus import NatsBus
from tests.support.nats_server import RealServer
from tests.support.processes import free_port

WAIT_S = 30.0
PROGRAM = """
import sys, threading, time
from pathlib import Path
from conclave import Agent, TaskContext

agent = Agent("program", drain_s=float(sys.argv[1]))

@agent.task("wait")
def wait(path: str) -> str:
    while not Path(path).exists():
        time.sleep(0.01)
    return "done"

agent.serve()
"""


@contextlib.asynccontextmanager
async def program(mesh: ServerMesh, drain_s: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program, running beside the mesh."""
    async with mesh.connect("program"):
        pass  # so that it has a credential
    environment = {**os.environ, URL_VARIABLE: mesh.url, ENVIRONMENT_VARIABLE: str(mesh.credentials)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(drain_s)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def running_task(mesh: ServerMesh, path: Path) -> str:
    """The id of a task that the program works on until there is something at `path`."""
    async with mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("wait", {"path": str(path)})).task_id

        async def is_running() -> bool:
            return (await boss.tasks.get(task_id)).state == "running"

        await mesh.until(is_running, timeout_s=WAIT_S)
        return task_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_lets_the_program_finish_and_leave(
    server_mesh: ServerMesh, tmp_path: Path, number: signal.Signals
) -> None:
    async with program(server_mesh, drain_s=WAIT_S) as process:
        task_id = await running_task(server_mesh, tmp_path / "go")
        process.send_signal(number)
        (tmp_path / "go").touch()
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
    async with server_mesh.connect("boss") as boss:
        assert (await boss.tasks.get(task_id)).result == {"result": "done"}
        with pytest.raises(RejectedError, match="unknown_agent"):
            await boss.registry.get("program")


STUBBORN = """
import asyncio
from conclave.agent.serving import serve

async def take_part():
    print("here", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("told", flush=True)

serve(take_part, agent="stubborn")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_a_program_that_will_not_end(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STUBBORN), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        for said in (b"here\n", b"told\n"):
            async with asyncio.timeout(WAIT_S):
                assert await process.stdout.readline() == said
            process.send_signal(number)
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == -number
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_the_program_waits_for_the_registry_ends_it(
    own_server: RealServer, number: signal.Signals
) -> None:
    environment = {**os.environ, URL_VARIABLE: own_server.url, ENVIRONMENT_VARIABLE: ""}
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-c", PROGRAM, "1"), env=environment)
    bus = await NatsBus.connect(own_server.url, agent="registry")
    asked = asyncio.Event()

    async def notice(_: object) -> None:
        asked.set()

    await bus.subscribe("conclave.call.registry.register.program", notice)
    await bus.flush()
    async with asyncio.timeout(WAIT_S):
        await asked.wait()  # there is no registry, so this goes on
        process.send_signal(number)
        assert await process.wait() == 0
    await bus.close()


async def test_a_thread_that_never_ends_does_not_keep_the_program_alive(
    server_mesh: ServerMesh, tmp_path: Path
) -> None:
    async with program(server_mesh, drain_s=0.1) as process:
        task_id = await running_task(server_mesh, tmp_path / "never")
        process.terminate()
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
    async with server_mesh.connect("boss") as boss:
        record = await boss.tasks.get(task_id)
    assert record.attempts[0].error == "the agent stopped before it was done"


async def test_a_program_that_is_superseded_ends_and_says_why(
    server_mesh: ServerMesh, tmp_path: Path
) -> None:
    async with program(server_mesh, drain_s=0.1) as process:
        await running_task(server_mesh, tmp_path / "never")
        async with server_mesh.join(Agent("program")), asyncio.timeout(WAIT_S):
            _, err = await process.communicate()
    assert process.returncode == 1
    assert "program: another process registered as program (incarnation 2)" in err.decode()
    assert "Traceback" not in err.decode()


async def served(program: str, **environment: str) -> tuple[int | None, str]:
    """Exit status and last line of errors of a program that cannot serve."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_S):
        _, err = await process.communicate()
    assert "Traceback" not in err.decode()
    return process.returncode, err.decode().splitlines()[-1]


async def test_a_program_that_cannot_take_part_says_why_in_one_line() -> None:
    hello = 'from conclave import Agent; Agent("hello").serve()'
    url = f"nats://127.0.0.1:{free_port()}"
    status, line = await served(hello, **{URL_VARIABLE: url, ENVIRONMENT_VARIABLE: ""})
    assert (status, line.startswith(f"hello: no NATS server at {url}")) == (1, True)
    status, line = await served(hello, **{URL_VARIABLE: url, ENVIRONMENT_VARIABLE: "/nowhere.nk"})
    assert (status, line) == (
        1,
        "hello: cannot read the credential file /nowhere.nk: No such file or directory",
    )


Use = Callable[[str, Path], contextlib.AbstractAsyncContextManager[object]]


@pytest.mark.parametrize(
    "use",
    [
        lambda url, seed: connect(url, agent="ada", credentials=seed),
        lambda url, seed: Agent("ada").running(url, credentials=seed),
    ],
    ids=["connect", "Agent"],
)
async def test_the_credential_of_another_agent_is_refused_at_once_and_said_to_be_one(
    server_mesh: ServerMesh, use: Use
) -> None:
    async with server_mesh.connect("ada"), server_mesh.connect("bob"):
        with pytest.raises(AuthorizationError, match=r"the credential is not that of ada: .* agent add ada"):
            async with use(server_mesh.url, server_mesh.credentials / "bob.nk"):
                pytest.fail("bob was let in as ada")
