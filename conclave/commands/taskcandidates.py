"""What the shell offers of tasks, queues and schedules.

Whatever goes wrong, it offers nothing and says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import click
from click.shell_completion import CompletionItem

from conclave.commands.access import OPERATOR
from conclave.commands.candidates import MAX_CANDIDATES, PATIENCE_S, access_of, be_silent
from conclave.commands.taskview import WORDS, said, what
from coordination.runtime.errors import ConclaveError
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import MAX_PAGE
from coordination.tasks.wire import TaskSummary


def tasks(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Ids of tasks, the newest first, with state and what they are about."""

    async def ids(client: TasksClient) -> list[CompletionItem]:
        return _items(await client.list(newest_first=True, limit=MAX_PAGE), incomplete)

    return _asked(ctx, ids)


def dead_letters(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Ids of dead letters, the oldest first, with the reason."""

    async def ids(client: TasksClient) -> list[CompletionItem]:
        return _items((await client.deadletters(limit=MAX_PAGE)).tasks, incomplete)

    return _asked(ctx, ids)


def queues(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of queues that were set up or have tasks."""

    async def names(client: TasksClient) -> list[CompletionItem]:
        return [
            CompletionItem(each.queue, help=f"{each.waiting} waiting, {each.held} held")
            for each in await client.queues()
            if each.queue.startswith(incomplete)
        ]

    return _asked(ctx, names)


def schedules(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of schedules."""

    async def names(client: TasksClient) -> list[CompletionItem]:
        return [
            CompletionItem(each.schedule_id, help=each.requirement)
            for each in await client.schedules()
            if each.schedule_id.startswith(incomplete)
        ]

    return _asked(ctx, names)


def _items(found: Iterable[TaskSummary], incomplete: str) -> list[CompletionItem]:
    items = [
        CompletionItem(
            each.task_id, help=f"{WORDS.get(each.state, each.state)}  {what(each)}  {said(each, now_ms=0)}"
        )
        for each in found
        if each.task_id.startswith(incomplete)
    ]
    return items[:MAX_CANDIDATES]


def _asked(
    ctx: click.Context, ask: Callable[[TasksClient], Awaitable[list[CompletionItem]]]
) -> list[CompletionItem]:
    from conclave.commands.taskdesk import tasks as desk  # noqa: PLC0415 - static words need no network

    be_silent()
    access = access_of(ctx, ctx.params.get("agent") or OPERATOR)

    async def work() -> list[CompletionItem]:
        async with asyncio.timeout(PATIENCE_S), desk(access) as (client, _):
            return await ask(client)

    try:
        return asyncio.run(work())
    except (ConclaveError, TimeoutError, OSError):
        return []
