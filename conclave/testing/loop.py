"""The loop of a test in virtual time: `VirtualLoop`, with plain functions run inline, and clear refusals."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Callable, Coroutine
from contextvars import Context
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar

from conclave.testing.errors import StalledError
from conclave.testing.owners import note_owner, owner_of
from coordination.runtime.errors import UsageError
from coordination.simulation.loop import DeadlockError, VirtualLoop

T = TypeVar("T")
SERVICES: Final = "services of the mesh"
"""`PROCESS` of what no test has asked for."""
_SHOWN_TASKS: Final = 12
_ROOT: Final = Path(__file__).parents[2]
_MACHINERY: Final = tuple(
    f"{path}/"
    for path in (
        Path(asyncio.__file__).parent,
        *(_ROOT / room for room in ("conclave", "coordination", "dialog", "knowledge", "consensus")),
    )
)
"""Where code lies that always waits for something; what it waits for says nothing about a test."""


class MeshLoop(VirtualLoop):
    """A `VirtualLoop` that ends a run which has taken too long, and says what it was waiting for."""

    def __init__(self) -> None:
        super().__init__()
        self.limit_s: float = float("inf")
        """Virtual time at which `StalledError` is raised."""

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """See `VirtualLoop.create_task`."""
        task = super().create_task(coro, name=name, context=context)
        note_owner(task, context)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call `func` at once, here: a thread would take real time, and its end would come by chance."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except StopIteration as error:
            future.set_exception(RuntimeError(f"the function raised {error!r}"))
        except Exception as error:  # noqa: BLE001 - whoever awaits the future gets it
            future.set_exception(error)
        return future

    def _advance(self, main: asyncio.Future[Any]) -> None:
        try:
            super()._advance(main)
        except DeadlockError:
            raise StalledError(f"nothing can happen any more.\n{self.waiting(main)}") from None
        if self.time() > self.limit_s:
            raise StalledError(f"too much virtual time has passed ({self.time():g} s).\n{self.waiting(main)}")

    def waiting(self, main: asyncio.Future[Any]) -> str:
        """What the test, and every task with code of its author's, waits for; one line or two for each."""
        lines = ["The test waits at", f"  {_place(main) or '(unknown)'}"]
        others = [
            f"  {owner_of(task) or 'test'}, {task.get_name()}: {place}"
            for task in sorted(self._live_tasks(), key=lambda task: task.number)
            if task is not main and owner_of(task) != SERVICES
            for place in [_place(task, of_authors=True)]
            if place
        ]
        if others:
            lines += ["and beside it", *others[:_SHOWN_TASKS]]
        if len(others) > _SHOWN_TASKS:
            lines.append(f"  and {len(others) - _SHOWN_TASKS} more")
        return "\n".join(lines)


def _place(task: asyncio.Future[Any], *, of_authors: bool = False) -> str:
    """``file:line in function: source`` where `task` waits, as deep as code of an author's goes."""
    frames = _frames(task)
    authored = [frame for frame in frames if not frame.f_code.co_filename.startswith(_MACHINERY)]
    if not authored and (of_authors or not frames):
        return ""
    frame = (authored or frames)[-1]
    path, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(path, line).strip()
    return f"{path}:{line} in {frame.f_code.co_name}: {source}"


def _frames(task: asyncio.Future[Any]) -> list[FrameType]:
    """The frames of the coroutines that await one another, outermost first."""
    frames: list[FrameType] = []
    awaited: Any = task.get_coro() if isinstance(task, asyncio.Task) else None
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None)
        if frame is not None:
            frames.append(frame)
        awaited = getattr(awaited, "cr_await", None)
    return frames


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise UsageError(
            f"{name}: there is no network, process or signal in virtual time, as this test runs; connect an "
            "agent with mesh.connect, replace what else needs it, or use a ServerMesh (fixture server_mesh)"
        )

    return refuse


for _name in (
    *("getaddrinfo", "getnameinfo", "create_connection", "create_server", "create_datagram_endpoint"),
    *("create_unix_connection", "create_unix_server", "subprocess_exec", "subprocess_shell"),
    *("connect_read_pipe", "connect_write_pipe", "add_reader", "add_writer", "add_signal_handler"),
    *("sock_recv", "sock_recv_into", "sock_sendall", "sock_connect", "sock_accept", "sendfile"),
):
    setattr(MeshLoop, _name, staticmethod(_refusing(_name)))
