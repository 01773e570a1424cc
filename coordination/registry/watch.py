"""Follows the registry: its present state, then every change, each exactly once and in order.

Notices may be lost, repeated or late; every one carries the revision of its change, so whoever listens sees
what is missing and asks for it (``changes``). What was missed at the end of an outage is asked for as soon
as the connection is back, or after a while in which nothing came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from coordination.registry.wire import (
    AgentRecord,
    Change,
    ChangesReply,
    ChangesRequest,
    WatchReply,
    WatchRequest,
)
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.logs import get_logger

SILENCE_S: Final = 5.0
"""After so long without a change the registry is asked whether there was one."""
MAX_WAITING: Final = 1024
"""Notices kept while an earlier one is missing; what is beyond is asked for."""
_PAUSE_S: Final = 0.5
"""Between attempts while the registry is away."""
_MAX_READS: Final = 5
"""Attempts to read the whole state while it changes faster than it can be read."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Present:
    """An agent that was there when the watch began."""

    record: AgentRecord


@dataclass(frozen=True, slots=True)
class Synced:
    """All agents that were there have been named; from here on come changes."""

    revision: int
    """Of the state that has been named."""


@dataclass(frozen=True, slots=True)
class Resynced:
    """More was missed than the registry remembers: this is the whole state now, instead of all before."""

    records: tuple[AgentRecord, ...]
    """Ordered by id."""
    revision: int


WatchEvent = Present | Synced | Resynced | Change


def apply_change(records: MutableMapping[str, AgentRecord], change: Change) -> None:
    """Bring `records` (by agent) from the revision before `change` to its revision.

    A record that already contains the change is left alone, so records read one after another while the
    registry went on become one state when all changes since the first are applied.
    """
    known = records.get(change.agent)
    if known is not None and known.revision >= change.revision:
        return
    match change.kind:
        case "registered" | "updated":
            if change.record is not None:
                records[change.agent] = change.record
        case "deregistered" | "expired":
            records.pop(change.agent, None)
        case status:
            if known is not None:
                news = {"status": status, "status_since_ms": change.at_ms, "revision": change.revision}
                records[change.agent] = known.model_copy(update=news)


async def watch(caller: Caller, *, silence_s: float = SILENCE_S) -> AsyncGenerator[WatchEvent]:
    """First `Present` for each agent, ordered by id, then `Synced`, then each `Change` in order of revision.

    Goes on across failovers of the registry and outages of the server, for as long as they last. Only if
    so much was missed that the registry no longer remembers it comes a `Resynced`. End it with ``aclose``
    (`contextlib.aclosing`), so that it stops to listen.

    Args:
        caller: Who watches.
        silence_s: After so many seconds without a change the registry is asked whether there was one.

    Raises:
        UnavailableError: The registry does not answer when the watch begins.
        PermissionDeniedError: The server does not let the caller hear the registry's events.
        ClosedError: The caller's bus was closed.
    """
    async with _listening(caller) as notices:
        records, revision = await _read_state(caller)
        for agent in sorted(records):
            yield Present(records[agent])
        yield Synced(revision)
        while True:
            change = await notices.next_after(revision, timeout_s=silence_s)
            if change is not None:
                revision = change.revision
                yield change
                continue
            async for event in _catch_up(caller, revision):
                revision = event.revision
                yield event


class _Notices:
    """What was heard of changes and not yet taken: by revision, because it may come in any order."""

    def __init__(self) -> None:
        self._waiting: dict[int, Change] = {}
        self._heard = asyncio.Event()
        self._must_ask = False

    async def hear(self, delivery: Delivery) -> None:
        """Take in a notice."""
        try:
            change = Change.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("notice ignored", subject=delivery.subject, reason="not a change")
            return
        if len(self._waiting) < MAX_WAITING:
            self._waiting[change.revision] = change
        self._heard.set()

    def lose(self) -> None:
        """Notices may have been lost."""
        self._must_ask = True
        self._heard.set()

    async def next_after(self, revision: int, *, timeout_s: float) -> Change | None:
        """The change that follows on `revision`; None if the registry must be asked for it.

        It must be asked if a later change was heard, if notices may have been lost, or if nothing new came
        within `timeout_s`.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    for old in [each for each in self._waiting if each <= revision]:
                        del self._waiting[old]
                    if (change := self._waiting.pop(revision + 1, None)) is not None:
                        return change
                    if self._waiting or self._must_ask:
                        break
                    self._heard.clear()
                    await self._heard.wait()
        self._must_ask = False
        return None


@contextlib.asynccontextmanager
async def _listening(caller: Caller) -> AsyncIterator[_Notices]:
    """Hear the registry's notices for the length of the block."""
    notices = _Notices()
    subject = caller.subjects.event("registry", "*", "*")
    subscription = await caller.bus.subscribe(subject, notices.hear)
    forget = caller.bus.on_reconnect(notices.lose)
    try:
        with contextlib.suppress(UnavailableError):  # the calls that follow wait until the server is back
            await caller.bus.flush()
        yield notices
    finally:
        forget()
        await subscription.unsubscribe()


async def _catch_up(caller: Caller, revision: int) -> AsyncIterator[Change | Resynced]:
    """All changes after `revision` that there are; the whole state if they are not known any more."""
    while True:
        try:
            reply = await _changes_after(caller, revision)
        except (RejectedError, UnavailableError) as error:
            if isinstance(error, RejectedError) and error.code == "revision_compacted":
                yield await _state_anew(caller)
                return
            await _wait_after(error)
            continue
        for change in reply.changes:
            revision = change.revision
            yield change
        if revision >= reply.revision:
            return


async def _state_anew(caller: Caller) -> Resynced:
    """The whole state, however long the registry is away."""
    while True:
        try:
            records, revision = await _read_state(caller)
        except (RejectedError, UnavailableError) as error:
            await _wait_after(error)
        else:
            return Resynced(tuple(records[agent] for agent in sorted(records)), revision)


async def _wait_after(error: RejectedError | UnavailableError) -> None:
    """Let a while pass after `error`; raises it if that will not mend it."""
    if isinstance(error, RejectedError) and not error.retryable:
        raise error
    _log.warning("the registry is away, watching on", reason=str(error))
    await asyncio.sleep(_PAUSE_S)


async def _read_state(caller: Caller) -> tuple[dict[str, AgentRecord], int]:
    """All records, as they are at one revision, and that revision.

    Raises:
        UnavailableError: The registry does not answer, or changes faster than it can be read.
    """
    for _ in range(_MAX_READS):
        try:
            return await _read_pages(caller)
        except RejectedError as error:
            if error.code != "revision_compacted":
                raise
    raise UnavailableError("the registry changes faster than its state can be read")


async def _read_pages(caller: Caller) -> tuple[dict[str, AgentRecord], int]:
    first: int | None = None
    records: dict[str, AgentRecord] = {}
    after = ""
    while True:
        page = await caller.query("registry", "watch", WatchRequest(after=after), WatchReply)
        first = page.revision if first is None else first
        records |= {record.agent: record for record in page.agents}
        after = page.next
        if not after:
            break
    # The pages are of different revisions. From the first on, all changes lead to one that has them all.
    revision = first
    while revision < page.revision:
        for change in (await _changes_after(caller, revision)).changes:
            apply_change(records, change)
            revision = change.revision
    return records, revision


async def _changes_after(caller: Caller, revision: int) -> ChangesReply:
    """See `ChangesReply`.

    Raises:
        RejectedError: ``revision_compacted``.
    """
    request = ChangesRequest(after_revision=revision)
    return await caller.query("registry", "changes", request, ChangesReply)
