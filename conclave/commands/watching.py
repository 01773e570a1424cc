"""What ``conclave agents --watch`` does: a live table on a terminal, one line per event elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final

import click
from rich.console import Console, ConsoleRenderable
from rich.live import Live

from conclave.address import find_url
from conclave.commands.access import Access
from conclave.commands.board import Board
from conclave.commands.listing import Selection, now_ms, to_plain
from conclave.commands.liveview import View
from conclave.commands.output import print_json_line
from conclave.commands.reach import registry
from coordination.registry.client import RegistryClient
from coordination.registry.watch import Present, Resynced, Synced, WatchEvent
from coordination.registry.wire import AgentRecord, Change
from coordination.runtime.errors import RejectedError, UnavailableError

_PAINT_S: Final = 0.25
"""How long changes gather before they are painted."""
_REPAINT_S: Final = 1.0
"""How often ages are painted anew when nothing happens."""
_HEAR_S: Final = 2.0
"""How often load and last sign of life are asked for, of the agents that are on the screen."""


async def watch_agents(access: Access, selection: Selection, *, as_json: bool) -> None:
    """Show the agents of `selection` and their changes until cancelled.

    Errors as `conclave.commands.reach.registry`; once it has begun, a registry that is away is waited for.
    """
    console = Console(highlight=False)
    async with registry(access) as client, contextlib.aclosing(client.watch()) as events:
        if as_json:
            await follow(events, selection, JsonLines())
        elif console.is_terminal:
            await _Live(client, selection, console, url=find_url(access.url)).run(events)
        else:
            await follow(events, selection, PlainLines())


class JsonLines:
    """Each event as one object in one line; every line has a ``kind``."""

    def present(self, record: AgentRecord) -> None:
        """An agent that is there from the beginning."""
        self._print(
            kind="present", agent=record.agent, incarnation=record.incarnation, record=to_plain(record)
        )

    def mark(self, kind: str, revision: int) -> None:
        """The state is complete (``synced``), or told anew from here on (``resynced``)."""
        self._print(kind=kind, revision=revision)

    def change(self, change: Change) -> None:
        """Something happened."""
        self._print(kind=change.kind, **change.model_dump(mode="json", exclude={"kind"}))

    def _print(self, **fields: object) -> None:
        print_json_line(fields)


class PlainLines:
    """Each event as one line of words: time, name, what happened, incarnation."""

    def present(self, record: AgentRecord) -> None:
        """An agent that is there from the beginning."""
        since_ms = record.status_since_ms or record.registered_at_ms
        self._print(since_ms, record.agent, record.status, record.incarnation)

    def mark(self, kind: str, revision: int) -> None:
        """Not worth a line."""

    def change(self, change: Change) -> None:
        """Something happened."""
        self._print(change.at_ms, change.agent, change.kind, change.incarnation)

    def _print(self, at_ms: int, agent: str, what: str, incarnation: int) -> None:
        at = datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
        click.echo(f"{at.replace('+00:00', 'Z')}  {agent}  {what}  {incarnation}")


async def follow(
    events: AsyncIterator[WatchEvent], selection: Selection, lines: JsonLines | PlainLines
) -> None:
    """Print each of `events` that concerns `selection`, until they end."""
    board = Board()
    async for event in events:
        match event:
            case Present(record=record):
                board.present(record)
                if selection.fits(record):
                    lines.present(record)
            case Synced(revision=revision):
                lines.mark("synced", revision)
            case Resynced(records=records, revision=revision):
                board.reset()
                lines.mark("resynced", revision)
                for record in records:
                    board.present(record)
                    if selection.fits(record):
                        lines.present(record)
                lines.mark("synced", revision)
            case Change():
                if _concerns(event, board, selection):
                    lines.change(event)


def _concerns(change: Change, board: Board, selection: Selection) -> bool:
    """Take `change` in; whether the agent fits now, or did before."""
    before = board.agents.get(change.agent)
    after = board.change(change)
    return any(record is not None and selection.fits(record) for record in (before, after))


class _Live:
    """The live table: one task takes events in, one paints, one asks how the visible agents are."""

    def __init__(self, client: RegistryClient, selection: Selection, console: Console, *, url: str) -> None:
        self._client = client
        self._console = console
        self._board = Board()
        self._view = View(self._board, selection, url)
        self._dirty = asyncio.Event()

    async def run(self, events: AsyncIterator[WatchEvent]) -> None:
        """Show until cancelled, on the terminal's other screen, so that what was there comes back."""
        with Live(console=self._console, screen=True, auto_refresh=False, get_renderable=self._paint) as live:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take(events))
                group.create_task(self._refresh(live.refresh))
                group.create_task(self._hear())

    def _paint(self) -> ConsoleRenderable:
        size = self._console.size
        return self._view.render(width=size.width, height=size.height, now_ms=now_ms())

    async def _refresh(self, refresh: Callable[[], None]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REPAINT_S):
                    await self._dirty.wait()
            self._dirty.clear()
            refresh()
            await asyncio.sleep(_PAINT_S)

    async def _take(self, events: AsyncIterator[WatchEvent]) -> None:
        async for event in events:
            match event:
                case Present(record=record):
                    self._board.present(record)
                case Synced():
                    self._view.is_synced = True
                case Resynced(records=records):
                    self._board.reset()
                    for record in records:
                        self._board.present(record)
                case Change():
                    if _concerns(event, self._board, self._view.selection):
                        self._board.note(event)
            self._dirty.set()

    async def _hear(self) -> None:
        while True:
            await asyncio.sleep(_HEAR_S)
            try:
                for name in self._view.visible:
                    with contextlib.suppress(RejectedError):  # it has left just now
                        self._board.hear(await self._client.get(name))
            except UnavailableError:
                self._view.trouble = "the registry does not answer; trying again"
            else:
                self._view.trouble = ""
            self._dirty.set()
