"""Gets the commands of tasks to the task service, and finds the task that somebody means."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from conclave.commands.access import Access
from conclave.commands.reach import calling
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.names import is_id
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import MAX_PAGE
from coordination.tasks.wire import TaskRecord, TaskSummary

MIN_PREFIX_CHARS: Final = 4
"""Of an id; a shorter one would soon be that of several tasks."""
MAX_SEARCHED: Final = 5_000
"""Tasks, the newest, whose ids are looked through for a beginning."""
_MAX_NAMED: Final = 3


@contextlib.asynccontextmanager
async def tasks(access: Access) -> AsyncIterator[tuple[TasksClient, Caller]]:
    """A client of the task service, for the length of the block.

    Errors as `conclave.commands.reach.calling`.
    """
    async with calling(access, "tasks") as caller:
        yield TasksClient(caller), caller


async def all_tasks(client: TasksClient, **filters: Any) -> AsyncIterator[TaskSummary]:
    """Every task that fits `filters` of the wire's ``list``, in order of submission."""
    after = 0
    while True:
        page = await client.list(after=after, limit=MAX_PAGE, **filters)
        for each in page:
            yield each
        if not page:
            return
        after = page[-1].sequence


async def newest(client: TasksClient, limit: int, **filters: Any) -> list[TaskSummary]:
    """The newest `limit` tasks that fit, the newest last."""
    found: list[TaskSummary] = []
    while len(found) < limit:
        after = found[-1].sequence if found else 0
        page = await client.list(
            after=after, newest_first=True, limit=min(limit - len(found), MAX_PAGE), **filters
        )
        found += page
        if not page:
            break
    return found[::-1]


async def find(client: TasksClient, reference: str) -> TaskRecord:
    """The task that `reference` means: its id, or a beginning of its id.

    Raises:
        RejectedError: ``unknown_task``; names the ones that are called nearly so.
        UsageError: There are several, or nothing can be called so.
    """
    if not is_id(reference):
        raise UsageError(
            f"{reference[:80]!r} is no task id: use a-z, 0-9, '_' and '-'; see: conclave task list"
        )
    try:
        return await client.get(reference)
    except RejectedError as error:
        if error.code != "unknown_task":
            raise
    return await client.get(await _beginning(client, reference))


async def find_all(client: TasksClient, references: Iterable[str]) -> list[TaskRecord]:
    """The tasks that `references` mean, each once; errors as `find`."""
    found = [await find(client, each) for each in references]
    return list({each.task_id: each for each in found}.values())


async def _beginning(client: TasksClient, prefix: str) -> str:
    known = [each.task_id for each in await newest(client, MAX_SEARCHED)]
    found = [each for each in known if each.startswith(prefix)] if len(prefix) >= MIN_PREFIX_CHARS else []
    if not found:
        raise RejectedError("unknown_task", f"there is no task {prefix!r}; {_way_out(prefix, known)}")
    if len(found) > 1:
        named = ", ".join(found[:_MAX_NAMED])
        more = ", ..." if len(found) > _MAX_NAMED else ""
        raise UsageError(f"{prefix!r} begins the ids of {len(found)} tasks: {named}{more}")
    return found[0]


def _way_out(prefix: str, known: list[str]) -> str:
    near = nearest(prefix, known[-1000:])
    if near:
        return f"did you mean {near}? See: conclave task list"
    if len(prefix) < MIN_PREFIX_CHARS:
        return f"give its id, or {MIN_PREFIX_CHARS} or more characters of it; see: conclave task list"
    return "it never was, or ended long ago; see: conclave task list"


def nearest(given: str, known: Iterable[str]) -> str:
    """The one of `known` that was probably meant; empty if none is near."""
    found = difflib.get_close_matches(given, list(known), n=1, cutoff=0.7)
    return found[0] if found else ""
