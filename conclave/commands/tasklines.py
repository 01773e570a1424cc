"""Who is told what becomes of the tasks that are watched: a terminal, a pipe, a program, or nobody."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console, ConsoleRenderable
from rich.live import Live

from conclave.commands.listing import now_ms
from conclave.commands.output import print_json_line
from conclave.commands.taskboard import Board, Frame
from conclave.commands.taskview import change_row
from coordination.tasks.wire import TaskSummary

_REPAINT_S: Final = 1.0
"""How often ages are painted anew when nothing happens."""
_PAINT_S: Final = 0.1
"""How long changes gather before they are painted."""


class Shown(contextlib.AbstractAsyncContextManager["Shown", None]):
    """Is told what happens; this one keeps it to itself."""

    def __init__(self) -> None:
        self.board: Board = Board()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The end."""

    def changed(self, task: TaskSummary) -> None:
        """A task stands otherwise than before, or is seen for the first time."""

    def synced(self) -> None:
        """What is there from the beginning has been told."""

    def troubled(self, why: str) -> None:
        """Nobody answers; empty: somebody does again."""


class JsonLines(Shown):
    """Each task as one object in one line, and again whenever it stands otherwise."""

    def changed(self, task: TaskSummary) -> None:
        """See `Shown`."""
        print_json_line(TaskSummary.model_validate(task.model_dump()).model_dump(mode="json"))


class PlainLines(Shown):
    """Each change as one line of words: time, task, state, agent, progress, what there is to say.

    Args:
        on_error: Standard error, where the output is for the result.
    """

    def __init__(self, *, on_error: bool = False) -> None:
        super().__init__()
        self._on_error = on_error

    def changed(self, task: TaskSummary) -> None:
        """See `Shown`."""
        click.echo("  ".join(change_row(task, at_ms=now_ms())), err=self._on_error)

    def troubled(self, why: str) -> None:
        """See `Shown`."""
        if why:
            click.echo(f"conclave: {why}", err=True)


class Screen(Shown):
    """A live view: below the prompt, where what it showed last stays, or on the terminal's other screen."""

    def __init__(self, console: Console, *, where: str, is_whole: bool = False) -> None:
        super().__init__()
        self._console = console
        self._frame = Frame(self.board, where)
        self._live = Live(console=console, screen=is_whole, auto_refresh=False, get_renderable=self._paint)
        self._dirty = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Show it, and paint ages anew once in a while."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._live)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            painting = group.create_task(self._repaint())
            stack.callback(painting.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the last picture as it is."""
        await self._stack.__aexit__(kind, error, traceback)

    async def _repaint(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REPAINT_S):
                    await self._dirty.wait()
            self._dirty.clear()
            self._live.refresh()
            await asyncio.sleep(_PAINT_S)

    def _paint(self) -> ConsoleRenderable:
        size = self._console.size
        return self._frame.render(width=size.width, height=size.height, now_ms=now_ms())

    def changed(self, task: TaskSummary) -> None:  # noqa: ARG002 - the board has it
        """See `Shown`."""
        self._dirty.set()

    def synced(self) -> None:
        """See `Shown`."""
        self._frame.is_synced = True
        self._dirty.set()

    def troubled(self, why: str) -> None:
        """See `Shown`."""
        self._frame.trouble = why
        self._dirty.set()
