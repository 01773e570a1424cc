"""Looks up who holds work, so that what a restarted or departed worker held waits for no lease.

The registry's notices say whom to look up; what counts is its answer. Notices can get lost, so some holders
are looked up without one, round by round.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from pydantic import TypeAdapter

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError
from coordination.runtime.host import Host
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell
from coordination.tasks import wire
from coordination.tasks.commands import Sighting, TakeBack, TakenBack
from coordination.tasks.limits import MAX_LOST_TASKS, MAX_NOTICED_AGENTS, MAX_SWEPT_AGENTS
from coordination.tasks.model import TasksModel

SWEEP_MS: Final = 5_000
"""Time between rounds of lookups without a notice."""
OUTAGE_PAUSE_MS: Final = 1_000
"""Pause when the registry is away."""
_REGISTRY: Final = "registry"
_KINDS: Final = ("registered", "deregistered")
"""Notices after which older incarnations of their agent are no more."""
_HOLDERS: Final = TypeAdapter(dict[str, int])
_TAKEN_BACK: Final = TypeAdapter(TakenBack)
_log = get_logger(__name__)


async def watch_holders(host: Host[TasksModel], shell: Shell, freed: asyncio.Event) -> None:
    """Take back, until cancelled, what incarnations hold that are no more.

    Args:
        host: Of the tasks.
        shell: Where the registry is.
        freed: Set when slots became free.
    """
    noticed: set[str] = set()
    changed, never = asyncio.Event(), asyncio.Event()

    async def note(delivery: Delivery) -> None:
        if len(noticed) < MAX_NOTICED_AGENTS:
            noticed.add(delivery.subject.rpartition(".")[2])
        changed.set()

    async with contextlib.AsyncExitStack() as stack:
        for kind in _KINDS:
            subject = shell.subjects.event(_REGISTRY, kind, "*")
            stack.push_async_callback((await shell.bus.subscribe(subject, note)).unsubscribe)
        sweep, sweep_at_s = _Sweep(), shell.clock.monotonic_s()
        while True:
            changed.clear()
            wanted = frozenset(noticed)
            noticed.clear()
            try:
                holders = _HOLDERS.validate_json(
                    await host.query(lambda model, _: model.index.holders(), reply_type=_HOLDERS)
                )
                asked = wanted & holders.keys()
                if shell.clock.monotonic_s() >= sweep_at_s:
                    asked |= sweep.next(holders)
                    sweep_at_s = shell.clock.monotonic_s() + SWEEP_MS / 1000
                if await _look_up(host, shell.caller, {each: holders[each] for each in sorted(asked)}):
                    freed.set()
            except ConclaveError as error:
                _log.warning("holders not looked up, will try again", reason=str(error))
                noticed |= wanted
                changed.set()
                await shell.clock.wait(never, OUTAGE_PAUSE_MS)
            await shell.clock.wait(changed, SWEEP_MS)


class _Sweep:
    """Goes round all holders, `MAX_SWEPT_AGENTS` at a time."""

    def __init__(self) -> None:
        self._last = ""

    def next(self, holders: dict[str, int]) -> set[str]:
        """The next ones by id; after the last comes the first."""
        part = [agent for agent in sorted(holders) if agent > self._last][:MAX_SWEPT_AGENTS]
        self._last = part[-1] if len(part) == MAX_SWEPT_AGENTS else ""
        return set(part)


async def _look_up(host: Host[TasksModel], caller: Caller, holders: dict[str, int]) -> bool:
    """Ask the registry for `holders` (agent and newest incarnation); True if tasks were taken back.

    Raises:
        ConclaveError: The registry is away, or this host no longer leads.
    """
    sightings = [await _sighting(caller, agent, newest) for agent, newest in holders.items()]
    if not sightings:
        return False
    command = TakeBack(sightings=tuple(sightings))
    total, count = 0, MAX_LOST_TASKS
    while count == MAX_LOST_TASKS:
        taken = await host.command(
            lambda model, now_ms: model.decide(command, now_ms), reply_type=_TAKEN_BACK
        )
        count = _TAKEN_BACK.validate_json(taken).count
        total += count
    return total > 0


async def _sighting(caller: Caller, agent: str, newest: int) -> Sighting:
    """What the registry says of `agent`, which holds work as incarnation `newest`."""
    try:
        found = await caller.query(_REGISTRY, "get", wire.GetAgent(agent=agent), wire.RegisteredAgent)
    except RejectedError as error:
        if error.code != "unknown_agent":
            raise
        return Sighting(agent=agent, incarnation=newest, is_gone=True)
    return Sighting(agent=agent, incarnation=found.incarnation)
