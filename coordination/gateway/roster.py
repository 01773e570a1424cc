"""Who of the registered agents speaks the foreign protocol: a copy of that part of the registry, kept up.

The registry is another service; these are the parts of its wire contract that the gateway reads (verbs
``watch``, ``changes`` and ``get``, notices ``conclave.event.registry.<kind>.<agent>``). A notice only wakes:
what has changed is always fetched, in order of the registry's revision, so that a lost notice costs time and
nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

from pydantic import BaseModel, ConfigDict

from coordination.gateway.limits import MAX_ROSTER_AGENTS, Timing
from coordination.gateway.profile import Face, Profile, Status
from coordination.gateway.wire import PROTOCOL, TEXT_ONLY
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell

REGISTRY: Final = "registry"
_PAGE: Final = 1000
_MAX_PAGES: Final = 2 * MAX_ROSTER_AGENTS
"""A page may hold as little as one agent, if that one is large."""
_AWAY_MS: Final = 500
"""Between two attempts to reach the registry, each of which is itself patient."""
_STANDINGS: Final[dict[str, Status]] = {"online": "online", "suspect": "suspect", "offline": "offline"}
_log = get_logger(__name__)

Changed = Callable[[Iterable[str]], Awaitable[None]]
"""Told the ids of agents about which something is new."""


class _Read(BaseModel):
    """A part of somebody else's reply; what else it says is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Capability(_Read):
    name: str
    version: str


class Record(_Read):
    """An agent as the registry tells of it."""

    agent: str
    incarnation: int
    status: Status
    capabilities: tuple[_Capability, ...] = ()
    max_tasks: int = 0
    description: str = ""
    protocols: tuple[str, ...] = ()
    registered_at_ms: int = 0
    load: float = 0.0

    def profile(self) -> Profile | None:
        """What the gateway needs of it; None if the agent does not speak the foreign protocol."""
        if PROTOCOL not in self.protocols and TEXT_ONLY not in self.protocols:
            return None
        return Profile(
            agent=self.agent,
            incarnation=self.incarnation,
            status=self.status,
            description=self.description,
            capabilities=tuple(f"{each.name}@{each.version}" for each in self.capabilities),
            max_tasks=self.max_tasks,
            registered_at_ms=self.registered_at_ms,
            takes_attachments=PROTOCOL in self.protocols,
        )


class _WatchRequest(_Read):
    after: str = ""
    limit: int = _PAGE


class _WatchReply(_Read):
    agents: tuple[Record, ...]
    next: str = ""
    revision: int


class Change(_Read):
    """What happened to one agent."""

    revision: int
    kind: str
    agent: str
    incarnation: int
    record: Record | None = None


class _ChangesRequest(_Read):
    after_revision: int
    limit: int = _PAGE


class _ChangesReply(_Read):
    changes: tuple[Change, ...]
    revision: int


class GetRequest(_Read):
    """Ask for one agent."""

    agent: str


class Roster:
    """The agents that speak the foreign protocol, by id and by instance.

    Invariants: never more than `MAX_ROSTER_AGENTS`; the two indexes hold the same agents.

    Args:
        prefix: Of the deployment.
    """

    def __init__(self, prefix: str) -> None:
        self.revision = 0
        """Of the registry, up to which this copy is current."""
        self._prefix = prefix
        self._faces: dict[str, Face] = {}
        self._agents_by_instance: dict[str, str] = {}

    def __iter__(self) -> Iterator[Face]:
        return iter(tuple(self._faces.values()))

    def find(self, agent: str) -> Face | None:
        """The agent, if it can be prompted."""
        face = self._faces.get(agent)
        return face if face is not None and face.profile.is_reachable else None

    def find_instance(self, instance_id: str) -> Face | None:
        """The agent with this instance id, if it can be prompted."""
        return self.find(self._agents_by_instance.get(instance_id, ""))

    def replace(self, records: Iterable[Record], revision: int) -> set[str]:
        """Begin anew; the ids of all agents that are or were here."""
        concerned = set(self._faces)
        self._faces.clear()
        self._agents_by_instance.clear()
        self.revision = revision
        for record in records:
            self._put(record.profile())
        return concerned | set(self._faces)

    def apply(self, change: Change) -> None:
        """Take over the next change."""
        self.revision = change.revision
        if change.record is not None:
            self._remove(change.agent)
            self._put(change.record.profile())
        elif change.kind not in _STANDINGS:
            self._remove(change.agent)
        elif (face := self._faces.get(change.agent)) and face.profile.incarnation == change.incarnation:
            self._put(dataclasses.replace(face.profile, status=_STANDINGS[change.kind]))

    def _put(self, profile: Profile | None) -> None:
        if profile is None or (len(self._faces) >= MAX_ROSTER_AGENTS and profile.agent not in self._faces):
            return
        face = Face(profile, self._prefix)
        self._faces[profile.agent] = face
        self._agents_by_instance[face.instance_id] = profile.agent

    def _remove(self, agent: str) -> None:
        face = self._faces.pop(agent, None)
        if face is not None:
            del self._agents_by_instance[face.instance_id]


async def follow(
    roster: Roster, shell: Shell, timing: Timing, *, changed: Changed, loaded: asyncio.Event
) -> None:
    """Keep `roster` current until cancelled.

    Args:
        roster: What to keep.
        shell: Where the registry is.
        timing: How often it is asked without a notice.
        changed: Called after each step.
        loaded: Set when the roster is complete for the first time.
    """
    wake = asyncio.Event()

    async def wake_up(_: Delivery) -> None:
        wake.set()

    subscription = await shell.bus.subscribe(shell.subjects.event(REGISTRY, "*", "*"), wake_up)
    try:
        while True:
            wake.clear()
            try:
                is_known = loaded.is_set() and await _catch_up(roster, shell, changed)
                if not is_known:
                    await _load(roster, shell, changed)
                loaded.set()
                wait_ms = timing.roster_ms
            except (UnavailableError, RejectedError, PeerProtocolError) as error:
                _log.warning("the registry does not tell who is here", error=str(error)[:200])
                wait_ms = _AWAY_MS
            await shell.clock.wait(wake, wait_ms)
    finally:
        await subscription.unsubscribe()


async def _load(roster: Roster, shell: Shell, changed: Changed) -> None:
    records: dict[str, Record] = {}
    request, revision = _WatchRequest(), -1
    for _ in range(_MAX_PAGES):
        reply = await shell.caller.query(REGISTRY, "watch", request, _WatchReply)
        revision = reply.revision if revision < 0 else revision
        records.update((record.agent, record) for record in reply.agents)
        if not reply.next:
            break
        request = _WatchRequest(after=reply.next)
    concerned = roster.replace(records.values(), revision)
    # Later pages may be newer than the first: what is applied twice ends up the same.
    await _catch_up(roster, shell, changed)
    await changed(concerned)


async def _catch_up(roster: Roster, shell: Shell, changed: Changed) -> bool:
    """Apply what has happened; False if that is not known any more and all must be loaded anew."""
    while True:
        request = _ChangesRequest(after_revision=roster.revision)
        try:
            reply = await shell.caller.query(REGISTRY, "changes", request, _ChangesReply)
        except RejectedError as error:
            if error.retryable:
                raise
            return False
        if reply.revision < roster.revision:
            return False  # the registry was set up anew
        for change in reply.changes:
            roster.apply(change)
        await changed({change.agent for change in reply.changes})
        if roster.revision >= reply.revision or not reply.changes:
            return True
