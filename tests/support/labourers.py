"""Workers in processes of their own, to be killed and paused; what their handlers do is in a file.

As a program: ``python -m tests.support.labourers URL PREFIX AGENT FOLDER``. It says ``ready``. It has two
places, and two handlers, one of them in a thread (`KINDS`); they work for as long as their task says, and
then until there is a file ``FOLDER/done``, so that a test decides when they end and not a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from conclave import Agent, TaskContext
from coordination.runtime.names import Subjects

KINDS = ("patient", "blocking")
"""Capabilities: an async handler, and one that blocks its thread."""
_START_TIMEOUT_S = 60.0
_POLL_S = 0.02


class Diary:
    """What the handlers of all workers on one folder have written down."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "diary.txt"
        self._done = folder / "done"

    @property
    def lines(self) -> list[str]:
        """``start AGENT TOKEN`` and ``end AGENT TOKEN``, in order."""
        return self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []

    def write(self, line: str) -> None:
        """Append a line, whoever else does so at the same moment."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)

    @property
    def may_end(self) -> bool:
        """Whether handlers may return."""
        return self._done.exists()

    def let_end(self) -> None:
        """Have handlers return, once their time is over."""
        self._done.touch()


@contextlib.asynccontextmanager
async def labourer(
    url: str, subjects: Subjects, agent: str, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker that has said it is ready; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.labourers", url, subjects.prefix, agent, str(folder)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            assert (await process.stdout.readline()).strip() == b"ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _agent(name: str, diary: Diary) -> Agent:
    agent = Agent(name, max_tasks=2, labels={"name": name})

    async def patient(seconds: float, context: TaskContext) -> dict[str, str]:
        diary.write(f"start {name} {context.fencing_token}")
        await asyncio.sleep(seconds)
        while not diary.may_end:  # noqa: ASYNC110 - the test is another process
            await asyncio.sleep(_POLL_S)
        diary.write(f"end {name} {context.fencing_token}")
        return {"by": name}

    def blocking(seconds: float, context: TaskContext) -> dict[str, str]:
        diary.write(f"start {name} {context.fencing_token}")
        time.sleep(seconds)
        while not diary.may_end:
            time.sleep(_POLL_S)
        diary.write(f"end {name} {context.fencing_token}")
        return {"by": name}

    agent.task("patient")(patient)
    agent.task("blocking")(blocking)
    return agent


async def _main(url: str, prefix: str, name: str, folder: str) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    async with _agent(name, Diary(Path(folder))).running(url, prefix=prefix):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
