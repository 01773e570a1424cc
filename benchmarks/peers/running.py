"""Starts the servers, workers and submitter of one system, and stops them by their process ids.

Linux only: CPU time is read from /proc. Everything listens on loopback, on free ports, over a directory of
its own that is gone afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.machine import tree_cpu_s, tree_of
from benchmarks.peers.side import CREDENTIALS, NATS_URL, REDIS_URL, SETTINGS
from benchmarks.peers.systems import Environment, Variant
from conclave.embedded import embedded_server

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
PEERS: Final = PROJECT / ".venv-peers"
"""Virtual environments of the peers, made by ``make bench-tasks``."""
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 15.0
_ANSWER_TIMEOUT_S: Final = 620.0
_POLL_S: Final = 0.02
_FREEZE_POLL_S: Final = 0.001
_AT_REST: Final = frozenset("TtZX")
"""States of a thread in /proc: stopped, traced, or ended."""
_LINE_BYTES: Final = 2**24
_LOG_CHARACTERS: Final = 2000
_REDIS: Final = {
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "auto-aof-rewrite-percentage": "0",
}
"""Durable as our journal is: a write is on disk before it is answered. Rewriting the file is switched off,
which can only help those who use it."""


class SystemFailedError(Exception):
    """A system under measurement did not start, or gave up half way; with the end of its logs."""


def python_of(environment: Environment) -> str:
    """The interpreter of a virtual environment."""
    return sys.executable if environment == "own" else str(PEERS / environment / "bin" / "python")


class Running:
    """One system at work, or frozen."""

    def __init__(
        self, submitter: asyncio.subprocess.Process, pids: Mapping[str, Sequence[int]], folder: Path
    ) -> None:
        self._submitter = submitter
        self._pids = pids
        self._folder = folder

    async def order(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Have the submitter do something (see `benchmarks.peers.side`), and return what it measured.

        Raises:
            SystemFailedError: It did not answer, or ended; with the end of the system's logs.
        """
        try:
            return await self._answer(what, arguments)
        except SystemFailedError as error:
            raise SystemFailedError(f"{error}\n{_logs(self._folder)}") from error

    async def _answer(self, what: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert self._submitter.stdin is not None
        assert self._submitter.stdout is not None
        self._submitter.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                line = await self._submitter.stdout.readline()
        except TimeoutError:
            raise SystemFailedError(f"no answer to {what} in {_ANSWER_TIMEOUT_S:g} s") from None
        if not line:
            raise SystemFailedError(f"its submitter ended during {what}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far of servers, workers and submitter, with all the processes they started."""
        return {role: tree_cpu_s(pids) for role, pids in self._pids.items()}

    async def freeze(self) -> None:
        """Stop every process of the system where it stands; returns when none of them runs any more."""
        # Children are looked for after their parent, so none is missed once all are said to be at rest.
        while moving := [pid for pid in self._processes() if not is_at_rest(pid)]:
            _signal_all(moving, signal.SIGSTOP)
            await asyncio.sleep(_FREEZE_POLL_S)

    def thaw(self) -> None:
        """Let every process of the system run on, the servers first; nothing happens to those that run."""
        _signal_all(self._processes(), signal.SIGCONT)

    def _processes(self) -> Iterator[int]:
        """Everything that belongs to the system."""
        return (pid for pids in self._pids.values() for root in pids for pid in tree_of(root))


def is_at_rest(pid: int) -> bool:
    """Whether every thread of a process is stopped, or the process has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state = (thread / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                if state not in _AT_REST:
                    return False
    return True


def _signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.asynccontextmanager
async def running(variant: Variant, *, workers: int, folder: Path) -> AsyncIterator[Running]:
    """Servers, workers and submitter of `variant` for the length of the block, over the empty `folder`.

    It may be frozen when the block ends.

    Raises:
        SystemFailedError: It did not come up; with the end of its logs.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            system = await stack.enter_async_context(_started(variant, workers=workers, folder=folder))
        except SystemFailedError as error:
            raise SystemFailedError(f"{error}\n{_logs(folder)}") from error
        # What is frozen does not hear that it is to end.
        stack.callback(system.thaw)
        yield system


@contextlib.asynccontextmanager
async def _started(variant: Variant, *, workers: int, folder: Path) -> AsyncIterator[Running]:
    python = python_of(variant.environment)
    pids: dict[str, list[int]] = {"servers": [], "workers": [], "submitter": []}
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        SETTINGS: json.dumps(dict(variant.settings)),
        **variant.variables,
    }
    async with contextlib.AsyncExitStack() as stack:
        for server in variant.servers:
            start = {"redis": _redis, "nats": _nats, "conclave": _conclave}[server]
            added, pid = await stack.enter_async_context(start(folder, workers))
            environment.update(added)
            pids["servers"].append(pid)
        for copy in range(workers if variant.is_per_worker else 1):
            command = [python, *variant.command(workers=workers, copy=copy)]
            log = stack.enter_context((folder / f"worker{copy}.log").open("wb"))
            worker = await stack.enter_async_context(child_process(command, environment, log))
            pids["workers"].append(worker.pid)
        log = stack.enter_context((folder / "submitter.log").open("wb"))
        command = [python, "-m", f"benchmarks.peers.{variant.module}"]
        submitter = await stack.enter_async_context(child_process(command, environment, log, is_asked=True))
        pids["submitter"].append(submitter.pid)
        yield Running(submitter, pids, folder)


@contextlib.asynccontextmanager
async def child_process(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes], *, is_asked: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program, with pipes to its standard input and output if it `is_asked`.

    It is stopped at the end; killed with all its descendants if that takes too long.
    """
    started = await asyncio.create_subprocess_exec(
        *command,
        cwd=PROJECT,
        env=environment,
        stdin=asyncio.subprocess.PIPE if is_asked else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if is_asked else log,
        stderr=log,
        limit=_LINE_BYTES,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
            try:
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await started.wait()
            except TimeoutError:
                # With its descendants: Taskiq's workers sometimes hang, and would outlive their parent.
                _signal_all([*tree_of(started.pid)], signal.SIGKILL)
                await started.wait()


@contextlib.asynccontextmanager
async def _redis(folder: Path, _: int) -> AsyncIterator[tuple[dict[str, str], int]]:
    async with redis_server(folder) as (port, pid):
        yield {REDIS_URL: f"redis://127.0.0.1:{port}/0"}, pid


@contextlib.asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """A redis-server over `folder`, its port and its process id."""
    program = shutil.which("redis-server")
    assert program is not None, "benchmarks.tasks has looked for it"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    store = folder / "redis"
    store.mkdir()
    options = {"bind": "127.0.0.1", "port": str(port), "dir": str(store), "daemonize": "no", **_REDIS}
    command = [program, *(word for name, value in options.items() for word in (f"--{name}", value))]
    with (folder / "redis.log").open("wb") as log:
        async with child_process(command, os.environ, log) as server:
            await _until_listening(server, port)
            yield port, server.pid


async def _until_listening(server: asyncio.subprocess.Process, port: int) -> None:
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while True:
                if server.returncode is not None:
                    raise SystemFailedError("redis-server ended")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise SystemFailedError(f"redis-server does not listen after {_START_TIMEOUT_S:g} s") from None


@contextlib.asynccontextmanager
async def _nats(folder: Path, _: int) -> AsyncIterator[tuple[dict[str, str], int]]:
    """The server that Conclave runs on, with its settings, but open to all."""
    async with embedded_server(folder / "nats") as server:
        yield {NATS_URL: server.url}, server.pid


@contextlib.asynccontextmanager
async def _conclave(folder: Path, workers: int) -> AsyncIterator[tuple[dict[str, str], int]]:
    """``conclave up`` as a user starts it: every service, authentication on."""
    store = folder / "conclave"
    agents = ("submitter", *(f"worker{copy}" for copy in range(workers)))
    conclave = [sys.executable, "-m", "conclave"]
    with (folder / "conclave.log").open("wb") as log:
        async with child_process([*conclave, "up", "--json", "--store", str(store)], os.environ, log) as up:
            url = await _until_up(up, folder / "conclave.log")
            add = [*conclave, "agent", "add", "--store", str(store), *agents]
            async with child_process(add, os.environ, log) as adding:
                if await adding.wait() != 0:
                    raise SystemFailedError("conclave agent add failed")
            yield {NATS_URL: url, CREDENTIALS: str(store / "credentials")}, up.pid


async def _until_up(up: asyncio.subprocess.Process, log: Path) -> str:
    """The URL that ``conclave up --json`` tells when every service answers."""
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while True:
                for told in _told(log):
                    if "services" in told:  # else a line of its log
                        return str(told["url"])
                if up.returncode is not None:
                    raise SystemFailedError("conclave up ended")
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise SystemFailedError(f"conclave up is not ready after {_START_TIMEOUT_S:g} s") from None


def _told(log: Path) -> list[dict[str, Any]]:
    """The complete lines of a file that are JSON objects."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(each) for each in lines if each.startswith("{") and each.endswith("}\n")]


def _logs(folder: Path) -> str:
    """The end of every log."""
    found = []
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        if text:
            found.append(f"--- {path.name}\n{text[-_LOG_CHARACTERS:]}")
    return "\n".join(found)
