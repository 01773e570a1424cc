"""Keeps the roster as the registry tells: its present state, then every change, each once and in order.

Notices may be lost, repeated or late; each carries the revision of its change, so whoever listens sees what
is missing and asks for it. What was missed at the end of an outage is asked for when the connection is back,
or after a while in which nothing came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from pydantic import TypeAdapter, ValidationError

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell
from coordination.tasks.registrywire import (
    Change,
    ChangesReply,
    ChangesRequest,
    Heard,
    RegisteredAgent,
    WatchReply,
    WatchRequest,
)
from coordination.tasks.roster import Roster

SILENCE_MS: Final = 5_000
"""After so long without a change the registry is asked whether there was one."""
FIRST_PAUSE_MS: Final = 50
"""Between attempts while the registry has never answered: at a start it is there in a moment."""
OUTAGE_PAUSE_MS: Final = 500
"""Between attempts while the registry is away."""
MAX_WAITING_NOTICES: Final = 4096
"""Notices kept while an earlier one is missing; what is beyond is asked for."""
MAX_HEARTBEAT_BYTES: Final = 4096
_PATIENCE_S: Final = 2.0
_FIRST_KNOCK_S: Final = 0.1
"""Patience of the first attempt to reach the registry; it doubles, because a busy one needs longer."""
_LAST_KNOCK_S: Final = 0.4
"""A longer patience would mean longer pauses between the questions that nobody hears yet."""
_PATIENT_KNOCKS: Final = 8
"""One of so many attempts has all the patience."""
_TURN_AGENTS: Final = 128
"""Agents taken over before others have their turn."""
_MAX_READS: Final = 5
"""Attempts to read the whole state while it changes faster than it can be read."""
_REGISTRY: Final = "registry"
_GONE: Final = frozenset({"deregistered", "expired"})
_HEARD: Final = TypeAdapter(Heard)
_CHANGE: Final = TypeAdapter(Change)
_log = get_logger(__name__)


class Following:
    """Brings one roster up to date and keeps it so, whether or not this process leads.

    Args:
        shell: Where the registry is.
        roster: What is kept; nobody else may change it.
        on_change: Called after each change with the agents whose incarnations may have ended by it, or with
            None if that may be any.
    """

    def __init__(
        self, shell: Shell, roster: Roster, on_change: Callable[[frozenset[str] | None], None]
    ) -> None:
        self._shell = shell
        self._roster = roster
        self._on_change = on_change
        self._caller = _caller(shell, _PATIENCE_S)
        self._knocks = 0
        self._is_away = False
        self._revision: int | None = None
        """What the roster contains; None: nothing was read yet."""
        self._revisions: dict[str, int] = {}
        """Last change of each agent of the roster."""
        self._waiting: dict[int, Change] = {}
        self._must_ask = True
        self._heard = asyncio.Event()
        self._asking = asyncio.Lock()
        self.are_loads_wanted = False
        """Whether heartbeats are read; a standby has no use for them."""

    @property
    def pause_ms(self) -> int:
        """Between attempts to reach the registry."""
        return FIRST_PAUSE_MS if self._revision is None else OUTAGE_PAUSE_MS

    async def run(self) -> None:
        """Listen and keep the roster, until cancelled."""
        subjects = self._shell.subjects
        async with contextlib.AsyncExitStack() as stack:
            for subject, hear in (
                (subjects.event(_REGISTRY, "*", "*"), self._hear_change),
                (subjects.presence("*"), self._hear_heartbeat),
            ):
                subscription = await self._shell.bus.subscribe(subject, hear)
                stack.push_async_callback(subscription.unsubscribe)
            stack.callback(self._shell.bus.on_reconnect(self._lose))
            while True:
                await self._keep()

    async def catch_up(self) -> None:
        """Bring the roster to the registry's present state, whatever was heard.

        Raises:
            ConclaveError: The registry is away.
        """
        async with self._asking:
            self._must_ask = True
            if self._revision is None:
                await self._knock()
                await self._read_anew()
            elif not await self._take_over_changes():
                await self._read_anew()
            self._must_ask = self._is_away = False

    # --- listening

    async def _hear_change(self, delivery: Delivery) -> None:
        try:
            change = _CHANGE.validate_json(delivery.payload)
        except ValidationError:
            _log.warning("notice ignored", subject=delivery.subject[:200], reason="not a change")
            return
        if len(self._waiting) < MAX_WAITING_NOTICES:
            self._waiting[change.revision] = change
        else:
            self._must_ask = True
        self._heard.set()

    async def _hear_heartbeat(self, delivery: Delivery) -> None:
        if not self.are_loads_wanted or len(delivery.payload) > MAX_HEARTBEAT_BYTES:
            return
        view = self._roster.get(delivery.subject.rpartition(".")[2])
        if view is None:
            return
        try:
            heard = _HEARD.validate_json(delivery.payload)
        except ValidationError:
            return  # the registry says so, once for both
        if heard.incarnation == view.incarnation:
            self._roster.set_load(view.agent, heard.load)

    def _lose(self) -> None:
        self._must_ask = True
        self._heard.set()

    async def _keep(self) -> None:
        """Take over what was heard, or ask for what was not."""
        try:
            if self._must_ask or not await self._shell.clock.wait(self._heard, SILENCE_MS):
                await self.catch_up()
            self._heard.clear()
            async with self._asking:
                self._take_over_notices()
            if self._waiting:  # with a gap before them
                await self.catch_up()
        except ConclaveError as error:
            if self._revision is not None and not self._is_away:
                _log.warning("the registry is away, its agents are as they were", reason=str(error))
                self._is_away = True
            self._heard.clear()
            # A notice says that the registry is back.
            await self._shell.clock.wait(self._heard, self.pause_ms)

    # --- taking over

    def _take_over_notices(self) -> None:
        """Apply what follows on the roster's revision without a gap."""
        if self._revision is None:
            return
        ended: set[str] = set()
        for old in [revision for revision in self._waiting if revision <= self._revision]:
            del self._waiting[old]
        before = self._revision
        while (change := self._waiting.pop(self._revision + 1, None)) is not None:
            self._apply(change, ended)
        if self._revision != before:
            self._on_change(frozenset(ended))

    def _apply(self, change: Change, ended: set[str]) -> None:
        self._revision = change.revision
        agent = change.agent
        if self._revisions.get(agent, 0) >= change.revision:
            return  # its record was read later than this
        if change.kind in _GONE:
            self._roster.remove(agent)
            self._revisions.pop(agent, None)
            ended.add(agent)
        elif change.record is not None:
            self._put(change.record, change.revision)
            ended.add(agent)
        else:
            self._roster.set_status(agent, change.kind)

    def _put(self, record: RegisteredAgent, revision: int) -> None:
        view = record.as_view()
        known = self._roster.get(record.agent)
        if known is not None and known.incarnation == view.incarnation and not record.load:
            # A change tells of no load; the last one heard of the same process still counts.
            view = record.model_copy(update={"load": known.load}).as_view()
        self._roster.put(view)
        self._revisions[record.agent] = revision

    async def _take_over_changes(self) -> bool:
        """Apply the changes that the registry remembers; False if it has forgotten the first of them."""
        assert self._revision is not None
        while True:
            request = ChangesRequest(after_revision=self._revision)
            try:
                reply = await self._caller.query(_REGISTRY, "changes", request, ChangesReply)
            except RejectedError as error:
                if error.code != "revision_compacted":
                    raise
                return False
            ended: set[str] = set()
            for change in reply.changes:
                self._apply(change, ended)
            if reply.changes:
                self._on_change(frozenset(ended))
            if not reply.changes or self._revision >= reply.revision:
                return True

    async def _knock(self) -> None:
        """Find out whether the registry is there, without long pauses: work waits for it at every start.

        Raises:
            UnavailableError: It is not.
        """
        self._knocks += 1
        knock_s = min(_FIRST_KNOCK_S * 2 ** min(self._knocks - 1, 8), _LAST_KNOCK_S)
        caller = _caller(self._shell, knock_s) if self._knocks % _PATIENT_KNOCKS else self._caller
        await caller.query(_REGISTRY, "watch", WatchRequest(limit=1), WatchReply)

    async def _read_anew(self) -> None:
        """Read the whole state, and make the roster that.

        Raises:
            UnavailableError: It changes faster than it can be read.
        """
        for _ in range(_MAX_READS):
            records, first = await self._read_pages()
            for gone in self._roster.agents.keys() - records.keys():
                self._roster.remove(gone)
                self._revisions.pop(gone, None)
            for count, record in enumerate(records.values(), 1):
                self._roster.put(record.as_view())
                self._revisions[record.agent] = record.revision
                if count % _TURN_AGENTS == 0:
                    await asyncio.sleep(0)
            # The pages are of different revisions: all changes since the first lead to one that has them all.
            self._revision = first
            if await self._take_over_changes():
                self._on_change(None)
                return
        raise UnavailableError("the registry changes faster than its state can be read")

    async def _read_pages(self) -> tuple[dict[str, RegisteredAgent], int]:
        records: dict[str, RegisteredAgent] = {}
        first, after = -1, ""
        while True:
            page = await self._caller.query(_REGISTRY, "watch", WatchRequest(after=after), WatchReply)
            first = page.revision if first < 0 else first
            records |= {record.agent: record for record in page.agents}
            after = page.next
            if not after:
                return records, first


def _caller(shell: Shell, patience_s: float) -> Caller:
    return Caller(
        shell.bus,
        agent=shell.caller.agent,
        subjects=shell.subjects,
        patience_s=patience_s,
        entropy=shell.entropy,
    )
