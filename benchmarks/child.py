"""Processes under measurement: each serves until it is told to stop, and its CPU time can be read."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.machine import cpu_s, resident_bytes
from benchmarks.sampling import sampled
from conclave.garbage import collecting_rarely

LOOPS: Final = ("asyncio", "uvloop")
_READY: Final = b"ready\n"
_START_TIMEOUT_S: Final = 30.0
Serve = Callable[[str, asyncio.Event, asyncio.Event], Awaitable[None]]
"""(server's URL, to be set when requests are answered, set when it must end)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process under measurement."""

    name: str
    pid: int

    @property
    def cpu_s(self) -> float:
        """CPU time it has used so far, in user and system mode."""
        return cpu_s(self.pid)

    @property
    def resident_bytes(self) -> int:
        """Memory it holds."""
        return resident_bytes(self.pid)


def available_loops() -> tuple[str, ...]:
    """The event loops that can be used here."""
    return LOOPS if importlib.util.find_spec("uvloop") else LOOPS[:1]


@contextlib.asynccontextmanager
async def child(
    module: str, url: str, *, loop: str = "asyncio", profile: Path | None = None
) -> AsyncIterator[Child]:
    """``python -m benchmarks.MODULE URL``, ready to serve; stopped in good order at the end."""
    arguments = [url, "--loop", loop, *(("--profile", str(profile)) if profile else ())]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{module}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = await process.stdout.readline()
        assert line == _READY, f"benchmarks.{module} did not start"
        yield Child(name=module, pid=process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def serve_as_child(serve: Serve) -> None:
    """The main function of a process under measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0])
    parser.add_argument("--profile", type=Path)
    chosen = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

    with contextlib.ExitStack() as stack:
        stack.enter_context(collecting_rarely())
        if chosen.profile is not None:
            stack.enter_context(sampled(chosen.profile))
        runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory(chosen.loop)))
        runner.run(_until_told(serve, chosen.url))


async def _until_told(serve: Serve, url: str) -> None:
    ready, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    parent = os.getppid()

    async def greet() -> None:
        await ready.wait()
        sys.stdout.buffer.write(_READY)
        sys.stdout.buffer.flush()

    async def stop_with_parent() -> None:
        while os.getppid() == parent:  # noqa: ASYNC110 - nobody can tell us
            await asyncio.sleep(1.0)
        stop.set()

    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(greet()), group.create_task(stop_with_parent())]
        await serve(url, ready, stop)
        for task in beside:
            task.cancel()


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    module: Any = importlib.import_module(name)
    factory: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    return factory
