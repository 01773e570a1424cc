"""``conclave task watch``: tasks live on a terminal, a line per change elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from rich.console import Console

from conclave.address import find_url
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.taskdesk import all_tasks, find_all, tasks
from conclave.commands.tasklines import JsonLines, PlainLines, Screen, Shown
from conclave.commands.tasklist import OPEN
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.tasks.client import TasksClient
from coordination.tasks.dags import ENDED_DAGS
from coordination.tasks.wire import TaskSummary

_LOOK_S: Final = 1.0
"""How often it looks without a notice: offers have none, and others may be lost."""
_GATHER_S: Final = 0.1
"""How long notices gather before it looks."""
_AT_ONCE: Final = 16
_MAX_NOTICED: Final = 256
"""Tasks that one look asks for because of notices; the others wait for the next one."""
_MAX_OPEN: Final = 200
"""Open tasks of each state that are followed where all are watched."""
_LIST_REST: Final = 20
"""Where all tasks are watched: how much longer than a listing of them took it rests before the next one."""
_MAX_STATES: Final = 1000
_AWAY: Final = "the task service does not answer; trying again"


def shown_for(*, as_json: bool, access: Access, is_whole: bool = False) -> Shown:
    """Where a watch shows what happens: by what was asked for, and where the output goes."""
    if as_json:
        return JsonLines()
    console = Console(highlight=False)
    if console.is_terminal:
        return Screen(console, where=find_url(access.url), is_whole=is_whole)
    return PlainLines()


async def watch_tasks(access: Access, references: Sequence[str], *, dag: str | None, as_json: bool) -> bool:
    """Show tasks, or those of a DAG, until all have ended; False unless all completed.

    Raises:
        RejectedError: ``unknown_task`` or ``unknown_dag``.

    Further errors as `conclave.commands.reach.calling`; later it waits for a service that is away.
    """
    async with tasks(access) as (client, caller):
        if dag is not None:
            return await follow_dag(client, caller, dag, shown_for(as_json=as_json, access=access))
        found = [each.task_id for each in await find_all(client, references)]
        return await follow(client, caller, found, shown_for(as_json=as_json, access=access))


async def follow(client: TasksClient, caller: Caller, task_ids: Sequence[str], shown: Shown) -> bool:
    """Show tasks until all have ended; False unless all completed."""
    watch = _Watch(client, caller, shown)
    async with shown, watch.noticing(task_ids):
        await watch.look(task_ids)
        shown.synced()
        while watch.open_ids():
            await watch.wait()
            await watch.patiently(watch.look_again)
    known = shown.board.tasks.values()
    return len(known) == len(set(task_ids)) and all(each.state == "completed" for each in known)


async def follow_dag(client: TasksClient, caller: Caller, dag_id: str, shown: Shown) -> bool:
    """Show the tasks of a DAG, and what undoes them, until the end; False unless it completed."""
    dag = await client.dag(dag_id)
    watch = _Watch(client, caller, shown)
    async with shown, watch.noticing(["*"]):
        await watch.look_at_dag(dag_id)
        shown.synced()

        async def look() -> None:
            nonlocal dag
            dag = await client.dag(dag_id)
            await watch.look_at_dag(dag_id)

        while dag.state not in ENDED_DAGS or watch.open_ids():
            await watch.wait()
            await watch.patiently(look)
    return dag.state == "completed"


async def watch_all(access: Access, *, queue: str | None, as_json: bool) -> None:
    """Show all open tasks, and what becomes of them, until cancelled; errors as `watch_tasks`."""
    async with tasks(access) as (client, caller):
        shown = shown_for(as_json=as_json, access=access, is_whole=True)
        shown.board.keeps_all = False
        watch = _Watch(client, caller, shown, queue=queue)
        async with shown, watch.noticing(["*"]):
            await watch.look_around()
            shown.synced()
            while True:
                await watch.wait()
                await watch.patiently(watch.look_around)


class _Watch:
    """Keeps the board of `shown` up to date."""

    def __init__(
        self, client: TasksClient, caller: Caller, shown: Shown, *, queue: str | None = None
    ) -> None:
        self._client = client
        self._caller = caller
        self._shown = shown
        self._queue = queue
        self._noticed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._is_away = False
        self._list_again_s = 0.0

    @contextlib.asynccontextmanager
    async def noticing(self, task_ids: Iterable[str]) -> AsyncIterator[None]:
        """Listen to the notices of tasks, ``*`` for any, for the length of the block."""

        async def notice(delivery: Delivery) -> None:
            if len(self._noticed) < 4 * _MAX_NOTICED:
                self._noticed[delivery.subject.rpartition(".")[2]] = None
            self._wake.set()

        async with contextlib.AsyncExitStack() as stack:
            for each in task_ids:
                subject = self._caller.subjects.event("tasks", "*", each)
                stack.push_async_callback((await self._caller.bus.subscribe(subject, notice)).unsubscribe)
            await self._caller.bus.flush()
            yield

    def open_ids(self) -> list[str]:
        """Tasks on the board that have not ended."""
        return self._shown.board.open_ids()

    async def wait(self) -> None:
        """Until something may have changed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._wake.wait()
                await asyncio.sleep(_GATHER_S)
        self._wake.clear()

    async def patiently(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look; when nobody answers, say so and go on."""
        try:
            await look()
        except UnavailableError:
            if not self._is_away:
                self._shown.troubled(_AWAY)
            self._is_away = True
        else:
            if self._is_away:
                self._shown.troubled("")
            self._is_away = False

    async def look(self, task_ids: Iterable[str]) -> None:
        """Ask how these tasks stand, all of each."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def ask(task_id: str) -> TaskSummary | None:
            async with places:
                with contextlib.suppress(RejectedError):  # it is forgotten, or was purged just now
                    return await self._client.get(task_id)
            return None

        for each in await asyncio.gather(*(ask(task_id) for task_id in task_ids)):
            if each is not None and (self._queue is None or each.queue == self._queue):
                self._take(each)

    async def look_again(self) -> None:
        """Ask for the tasks of which there were notices, and those that stand otherwise than on the board."""
        board = self._shown.board.tasks
        due = [each for each in self._take_noticed() if each in board]
        still = [each for each in self.open_ids() if each not in due]
        for start in range(0, len(still), _MAX_STATES):
            reply = await self._client.states(still[start : start + _MAX_STATES])
            due += [
                each.task_id
                for each in reply.tasks
                if (each.state, each.fencing_token)
                != (board[each.task_id].state, board[each.task_id].fencing_token)
            ]
            for task_id in reply.unknown:  # purged, or forgotten: nothing more will be heard of it
                board.pop(task_id, None)
        await self.look(due)

    async def look_at_dag(self, dag_id: str) -> None:
        """Ask how the tasks of a DAG stand, and those that undo them."""
        self._noticed.clear()
        async for each in all_tasks(self._client, dag=dag_id):
            self._take(each)

    async def look_around(self) -> None:
        """Ask what is open, and how those ended that are open no more.

        Listing tasks costs the service more, the more there are: so it is done the more rarely. In between
        it asks for the tasks that it knows, and for those of which there were notices.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._list_again_s:
            board = self._shown.board.tasks
            strangers = [each for each in self._noticed if each not in board]
            await self.look_again()
            await self.look(strangers[:_MAX_NOTICED])
            return
        began_s = loop.time()
        before = set(self.open_ids())
        noticed = self._take_noticed()
        seen: set[str] = set()
        for state in OPEN:
            filters: dict[str, Any] = {"state": state, "queue": self._queue}
            for each in await self._client.list(limit=_MAX_OPEN, **filters):
                seen.add(each.task_id)
                self._take(each)
        gone = [each for each in before if each not in seen]
        await self.look(dict.fromkeys([*gone, *(each for each in noticed if each not in seen)]))
        self._list_again_s = loop.time() + _LIST_REST * (loop.time() - began_s)

    def _take_noticed(self) -> list[str]:
        taken = list(self._noticed)[:_MAX_NOTICED]
        for each in taken:
            del self._noticed[each]
        if self._noticed:
            self._wake.set()
        return taken

    def _take(self, task: TaskSummary) -> None:
        if self._shown.board.take(task, at_ms=now_ms()):
            self._shown.changed(task)
