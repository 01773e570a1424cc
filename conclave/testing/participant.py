"""One connection to a mesh, and one agent that takes part over it until it leaves or crashes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final

from conclave.agent import Agent
from conclave.session import Session
from conclave.testing.owners import kill
from coordination.runtime.bus import Bus
from coordination.runtime.errors import UsageError
from coordination.runtime.failures import LISTENER, Failure
from coordination.simulation.loop import PROCESS

_STAYS: Final = itertools.count(1)


@dataclass(eq=False, slots=True)
class Link:
    """One open connection of an agent."""

    agent: str
    bus: Bus
    participant: Participant | None = None
    """The agent that takes part over it; none if a test speaks over it itself."""
    is_crashed: bool = False


class Participant:
    """An agent that is registered and serves; its work is done in a task, and a context, of its own.

    Args:
        agent: What takes part.
        session: Over which connection.
        hear: Is told of every failure in the agent's handlers.
    """

    def __init__(self, agent: Agent, session: Session, hear: Callable[[Failure], None]) -> None:
        self.agent = agent
        self.process: str = f"agent {agent.id}, stay {next(_STAYS)}"
        """Whose work its tasks are; no two stays share one."""
        self._session = session
        self._leaving = asyncio.Event()
        self._joined = asyncio.Event()
        context = copy_context()
        context.run(PROCESS.set, self.process)
        context.run(LISTENER.set, hear)
        self._task = asyncio.create_task(self._take_part(), name=self.process, context=context)

    async def _take_part(self) -> None:
        async with self.agent.joined(self._session):
            self._joined.set()
            await self._leaving.wait()

    @property
    def error(self) -> BaseException | None:
        """What ended the agent while it should have served."""
        task = self._task
        return task.exception() if task.done() and not task.cancelled() else None

    async def join(self) -> None:
        """Return when the agent is registered.

        Raises:
            ConclaveError: It could not register.
        """
        joined = asyncio.ensure_future(self._joined.wait())
        try:
            await asyncio.wait({joined, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            joined.cancel()
        if not self._joined.is_set():
            await self._task  # raises what went wrong
            raise UsageError(f"agent {self.agent.id} left before it had joined")

    async def leave(self) -> None:
        """Have the agent deregister, and wait until it is gone; raises what ended it before."""
        self._leaving.set()
        try:
            await self._task
        finally:
            await self.end()

    async def end(self) -> None:
        """End the agent, and whatever its handlers do, where they stand; idempotent."""
        await kill(self.process)
        # On a loop of somebody else's only this one task is known, and it lets the handlers finish.
        self._task.cancel()
        await asyncio.wait([self._task])
