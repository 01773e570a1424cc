"""Several agents in one process, to be killed and paused.

    python -m benchmarks.storming.crew URL CREDENTIALS LOG WORK_MS AGENT...

What their handlers begin and what is refused to them is in LOG, line by line, whatever happens to the
process: ``start TASK TOKEN`` and ``refused WHAT CODE``. A third of the agents has a plain handler in a
thread, and a third an eager one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog

from conclave import Agent, TaskContext
from conclave.garbage import collecting_rarely

CAPABILITY: Final = "storm"
MAX_TASKS: Final = 4
READY: Final = b"ready\n"
_LONG_SHARE: Final = 0.005
"""Of the tasks, that live through what happens to others."""
_LONG_S: Final = 1.5
_REFUSALS: Final = frozenset({"result refused", "failure refused", "offer gone", "confirmation refused"})


class Log:
    """Lines that outlive ``kill -9``."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())

    def take(self, _: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor of structlog that keeps what is refused."""
        if entry["event"] in _REFUSALS:
            self.write(f"refused {entry['event'].replace(' ', '-')} {entry.get('code', '')}")
        raise structlog.DropEvent


def work_s(number: int, work_ms: float) -> float:
    """How long the task works: the same in every attempt."""
    drawn = random.Random(number)
    return _LONG_S if drawn.random() < _LONG_SHARE else drawn.uniform(0, 2 * work_ms) / 1000


def agent_of(name: str, place: int, log: Log, work_ms: float) -> Agent:
    """The agent at `place` of its crew."""
    agent = Agent(name, max_tasks=MAX_TASKS)

    def result(n: int, context: TaskContext) -> dict[str, Any]:
        return {"n": n, "by": name, "token": context.fencing_token}

    async def waiting(n: int, context: TaskContext) -> dict[str, Any]:
        log.write(f"start {context.task_id} {context.fencing_token}")
        await asyncio.sleep(work_s(n, work_ms))
        return result(n, context)

    def blocking(n: int, context: TaskContext) -> dict[str, Any]:
        log.write(f"start {context.task_id} {context.fencing_token}")
        time.sleep(work_s(n, work_ms))
        return result(n, context)

    if place % 3 == 1:
        agent.task(CAPABILITY)(blocking)
    else:
        agent.task(CAPABILITY, eager=place % 3 == 2)(waiting)
    return agent


async def main(url: str, credentials: str, log_path: str, work_ms: str, *names: str) -> None:
    log = Log(Path(log_path))
    structlog.configure(processors=[log.take])
    async with contextlib.AsyncExitStack() as stack:
        for place, name in enumerate(names):
            agent = agent_of(name, place, log, float(work_ms))
            await stack.enter_async_context(agent.running(url, credentials=Path(credentials)))
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with collecting_rarely():
        asyncio.run(main(*sys.argv[1:]))
