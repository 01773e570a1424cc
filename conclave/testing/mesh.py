"""What a mesh in memory and one on a real server have in common: agents, calls, waiting, and a record."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack, overload

from conclave.agent import Agent
from conclave.identity import SERVICE_NAMES
from conclave.session import Session
from conclave.testing.errors import Failure, HandlersFailedError, NotFulfilledError, TaskFailedError
from conclave.testing.participant import Link, Participant
from conclave.testing.record import Record
from conclave.work import TaskFields
from coordination.runtime import failures
from coordination.runtime.bus import Bus
from coordination.runtime.client import PATIENCE_S
from coordination.runtime.clock import Clock
from coordination.runtime.errors import UnavailableError, UsageError
from coordination.runtime.failures import LISTENER
from coordination.runtime.names import Subjects, inbox_prefix, require_id
from coordination.tasks.wire import TaskRecord

T = TypeVar("T")
TESTER: Final = "tester"
"""The agent as which `Mesh.run_task` submits."""
MAX_FAILURES: Final = 1000
"""Failures kept; more are counted as nothing new."""
POLL_S: Final = 0.01
"""How often `Mesh.until` looks at first."""
_POLL_SHARE: Final = 0.02
"""Of the time waited so far, the share that it lets pass before it looks again."""
_MAX_POLL_S: Final = 1.0
_LOOK_S: Final = 1.0
"""How often a test that waits for a result looks whether an agent has ended."""
_SHOWN_MESSAGES: Final = 20
_SERVICE_INBOXES: Final = tuple(f"{inbox_prefix(name)}." for name in SERVICE_NAMES)


class Mesh(abc.ABC):
    """A whole Conclave for one test: `MemoryMesh` or `ServerMesh`.

    Use it as an async context manager, or through the fixtures ``memory_mesh`` and ``server_mesh``.

    Args:
        clock: What time it is in the mesh.
    """

    def __init__(self, *, clock: Clock) -> None:
        self.clock = clock
        """What time it is in the mesh, for its services and for the sessions of its agents."""
        self.record: Record = Record()
        """Everything said on the bus since the mesh started."""
        self.subjects: Subjects = Subjects()
        """The subjects of the mesh."""
        self._links: list[Link] = []
        self._failures: list[Failure] = []
        self._listener_before: Callable[[failures.Failure], None] | None = None
        self._started_s = 0.0
        self._is_open = False

    # --- starting and ending

    async def __aenter__(self) -> Self:
        """Start all services; returns when they answer."""
        self._started_s = asyncio.get_running_loop().time()
        self._listener_before = LISTENER.get()
        LISTENER.set(self._hear)  # what the test subscribes to itself has handlers, too
        await self._start()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End whatever is still connected, then the services."""
        self._is_open = False
        LISTENER.set(self._listener_before)
        try:
            for link in tuple(self._links):
                await self._end(link)
        finally:
            await self._stop()

    @abc.abstractmethod
    async def _start(self) -> None: ...

    @abc.abstractmethod
    async def _stop(self) -> None: ...

    @abc.abstractmethod
    async def _open_bus(self, agent: str) -> Bus: ...

    @abc.abstractmethod
    def _session(self, bus: Bus, agent: str, patience_s: float) -> Session: ...

    @abc.abstractmethod
    def _wake(self, process: str) -> None:
        """Let `process` go on if it was paused: what stands still cannot even be ended."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What mesh it is and how it stands, for the report of a test that failed."""

    # --- agents

    @contextlib.asynccontextmanager
    async def connect(self, agent: str, *, patience_s: float = PATIENCE_S) -> AsyncIterator[Session]:
        """A session of `agent` for the length of the block. It is connected, not registered; see `join`.

        Args:
            agent: Agent id; a mesh that asks for credentials mints them.
            patience_s: How long a call is repeated while a service is away.

        Raises:
            UsageError: `agent` is no valid id or a reserved one, or the mesh is not running.
        """
        async with self._linked(agent, patience_s) as (_, session):
            yield session

    @contextlib.asynccontextmanager
    async def join(self, agent: Agent) -> AsyncIterator[Session]:
        """Have `agent` take part for the length of the block: registered, heard and serving.

        Its handlers run beside the block. What ends it inside the block is raised at the block's end.

        Returns:
            The agent's session.

        Raises:
            UsageError: The id of `agent` is a reserved one, or the mesh is not running.
            ConclaveError: It could not register.
        """
        async with self._linked(agent.id, PATIENCE_S) as (link, session):
            participant = Participant(agent, session, lambda failure: self._hear(failure, link))
            link.participant = participant
            try:
                await participant.join()
                yield session
            finally:
                self._wake(participant.process)
                if link.is_crashed:
                    await participant.end()
                else:
                    await participant.leave()

    @contextlib.asynccontextmanager
    async def _linked(self, agent: str, patience_s: float) -> AsyncIterator[tuple[Link, Session]]:
        if not self._is_open:
            raise UsageError(f"the mesh is not running: use `async with {type(self).__name__}() as mesh`")
        bus = await self._open_bus(require_id(agent))
        link = Link(agent, bus)
        self._links.append(link)
        try:
            yield link, self._session(bus, agent, patience_s)
        finally:
            await self._end(link)

    async def _end(self, link: Link) -> None:
        if link.participant is not None:
            self._wake(link.participant.process)
        if link in self._links:
            self._links.remove(link)
        if link.participant is not None and not self._is_open:
            await link.participant.end()
        await link.bus.close()

    async def crash(self, agent: Agent | str) -> None:
        """Let every connection of `agent` vanish, as if its process had been killed: it says no goodbye.

        Returns when nothing of it runs any more. Leaving its `join` block is no error then.

        Raises:
            UsageError: `agent` is not connected.
        """
        for link in self._links_of(agent):
            link.is_crashed = True
            self._links.remove(link)
            await link.bus.close()
            if link.participant is not None:
                self._wake(link.participant.process)
                await link.participant.end()

    def _processes_of(self, agent: Agent | str) -> list[str]:
        return [link.participant.process for link in self._links_of(agent) if link.participant is not None]

    def _links_of(self, agent: Agent | str) -> list[Link]:
        name = agent if isinstance(agent, str) else agent.id
        links = [link for link in self._links if link.agent == name]
        if not links:
            there = ", ".join(sorted({link.agent for link in self._links})) or "nobody"
            raise UsageError(f"agent {name!r} is not connected to the mesh; connected: {there}")
        return links

    # --- what tests ask

    @overload
    async def until(
        self, predicate: Callable[[], Awaitable[T]], *, timeout_s: float = ..., what: str = ...
    ) -> T: ...

    @overload
    async def until(self, predicate: Callable[[], T], *, timeout_s: float = ..., what: str = ...) -> T: ...

    async def until(self, predicate: Callable[[], Any], *, timeout_s: float = 30.0, what: str = "") -> Any:
        """Wait until `predicate` gives something true, and return that.

        Args:
            predicate: Plain or async; asked every 10 ms at first, later less often, at least every second.
                What it raises, this raises.
            timeout_s: After which to give up; virtual seconds in a `MemoryMesh`.
            what: What it waits for, for the error; by default the predicate's source line.

        Raises:
            NotFulfilledError: It did not come true in time.
            ConclaveError: An agent that had joined has ended.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        give_up_s = started_s + timeout_s
        while True:
            found = predicate()
            value = await found if inspect.isawaitable(found) else found
            if value:
                return value
            self._raise_if_ended()
            if loop.time() >= give_up_s:
                message = f"not within {timeout_s:g} s: {what or _source(predicate)}{self._troubles()}"
                raise NotFulfilledError(message) from self._first_error()
            waited_s = loop.time() - started_s
            await asyncio.sleep(min(max(POLL_S, waited_s * _POLL_SHARE), _MAX_POLL_S))

    async def run_task(
        self,
        requirement: str,
        payload: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = 30.0,
        **fields: Unpack[TaskFields],
    ) -> Any:
        """Submit a task as the agent ``tester`` and return its result.

        Args:
            requirement: What the worker must be able to do: the name of a capability, or whatever
                ``session.submit`` takes.
            payload: A JSON object.
            timeout_s: How long to wait for the end of the task.
            fields: As for ``session.submit``: ``max_attempts=1``, ``priority=5`` and so on.

        Raises:
            TaskFailedError: It failed, or has not ended in time; says why, and what the handlers raised.
            RejectedError: The task service does not take it.
        """
        __tracebackhide__ = True
        heard_count = len(self._failures)
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + timeout_s
        async with self.connect(TESTER) as session:
            handle = await session.submit(requirement, payload, **fields)
            while not handle.is_ended:
                self._raise_if_ended()
                remaining_s = give_up_s - loop.time()
                if remaining_s <= 0:
                    why = f"not ended within {timeout_s:g} s"
                    raise self._task_error(requirement, await handle.record(), heard_count, why)
                with contextlib.suppress(UnavailableError):
                    await handle.wait(timeout_s=min(_LOOK_S, remaining_s))
            record = await handle.record()
            if record.state != "completed":
                raise self._task_error(requirement, record, heard_count, record.reason)
            return await handle.result()

    def _task_error(
        self, requirement: str, record: TaskRecord, heard_count: int, why: str
    ) -> TaskFailedError:
        """What the workers raised goes with the error, and is not raised a second time."""
        workers = {attempt.agent for attempt in record.attempts}
        mine = [each for each in self._failures[heard_count:] if each.agent in workers]
        self._failures = [each for each in self._failures if not any(each is one for one in mine)]
        lines = [f"task {requirement!r} is {record.state}: {why or 'no reason given'}"]
        lines += [f"  attempt of {each.agent}: {each.error or 'not ended'}" for each in record.attempts]
        lines += [f"  {failure}" for failure in mine]
        if not record.attempts:
            lines.append("  nobody has worked on it; is an agent that can do it in the mesh?")
        error = TaskFailedError("\n".join(lines), record=record, why=why, failures=mine)
        error.__cause__ = mine[0].error if mine else None
        return error

    # --- what went wrong beside the test

    def take_failures(self) -> tuple[Failure, ...]:
        """The exceptions raised in handlers so far; they count as seen, and fail the test no more."""
        failures, self._failures = tuple(self._failures), []
        return failures

    def raise_failures(self) -> None:
        """Raise if handlers raised what nobody has looked at; the fixtures do so after the test.

        Raises:
            HandlersFailedError: Holding all of it.
            ConclaveError: An agent that had joined has ended.
        """
        self._raise_if_ended()
        failures = self.take_failures()
        if failures:
            raise HandlersFailedError(failures) from failures[0].error

    def report(self) -> str:
        """How the mesh stands, what went wrong beside the test, and what was said last."""
        lines = [self.describe(), *(f"  {failure}" for failure in self._failures)]
        lines.append("what was said last, but for heartbeats and what services say to one another:")
        telling = [str(said) for said in self.record if not self._is_routine(said.subject)]
        return "\n".join((*lines, *telling[-_SHOWN_MESSAGES:]))

    def _is_routine(self, subject: str) -> bool:
        if subject.startswith((self.subjects.presence(""), *_SERVICE_INBOXES)):
            return True
        _, _, last = subject.rpartition(".")
        return last in SERVICE_NAMES and subject.startswith(f"{self.subjects.prefix}.call.")

    def _hear(self, heard: failures.Failure, link: Link | None = None) -> None:
        if (link is not None and link.is_crashed) or not self._is_open:
            return
        if isinstance(heard.error, Exception) and len(self._failures) < MAX_FAILURES:
            agent = link.agent if link is not None else ""
            self._failures.append(
                Failure(agent=agent, event=heard.event, error=heard.error, context=heard.context)
            )

    def _raise_if_ended(self) -> None:
        for link in self._links:
            error = link.participant.error if link.participant is not None else None
            if error is not None:
                raise error

    def _troubles(self) -> str:
        return "".join(f"\n  {failure}" for failure in self._failures)

    def _first_error(self) -> BaseException | None:
        return self._failures[0].error if self._failures else None


def _source(predicate: Callable[..., Any]) -> str:
    """The first line of its source, else its name."""
    try:
        return inspect.getsource(predicate).strip().splitlines()[0]
    except (OSError, TypeError):
        return getattr(predicate, "__name__", repr(predicate))
