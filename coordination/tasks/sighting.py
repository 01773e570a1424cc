"""Tells the model who is there: keeps the roster, and takes back what incarnations held that are no more.

An offer or lease belongs to one incarnation of its agent. When that one has ended, which the registry
says, what it held waits for no lease. A notice can get lost; what it told of is found out when the
registry is asked, at the latest after `coordination.tasks.following.SILENCE_MS`, and whoever begins to
lead looks at every holder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from pydantic import TypeAdapter

from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell
from coordination.tasks.commands import Sighting, TakeBack, TakenBack
from coordination.tasks.following import Following
from coordination.tasks.limits import MAX_LOST_TASKS
from coordination.tasks.model import TasksModel
from coordination.tasks.roster import Roster

WAKE_PAUSE_MS: Final = 50
"""The model is told of changes of the roster at once, but then not again for so long."""
MAX_SIGHTINGS: Final = 512
"""Of one command."""
_TAKEN_BACK: Final = TypeAdapter(TakenBack)
_log = get_logger(__name__)


class RosterFeed:
    """The roster of one task service, from the registry.

    Args:
        shell: Where the registry is.
        roster: What the models of this process read.
    """

    def __init__(self, shell: Shell, roster: Roster) -> None:
        self._shell = shell
        self._roster = roster
        self._following = Following(shell, roster, self._note)
        self._changed = asyncio.Event()
        self._ended: set[str] = set()
        """Agents that may have ended as an incarnation, and were not looked at since."""
        self._must_look_at_all = False
        self._never = asyncio.Event()
        roster.is_current = False

    async def listen(self, _: tuple[Host[TasksModel], ...]) -> None:
        """Keep the roster, leading or not, until cancelled."""
        await self._following.run()

    async def lead(self, host: Host[TasksModel]) -> None:
        """Have the model offer work by what the registry says now, until cancelled.

        Nothing is offered before the registry was asked: what a standby has heard may lack what a lost
        notice told.
        """
        self._following.are_loads_wanted = True
        try:
            await self._confirm()
            self._roster.is_current = True
            self._must_look_at_all = True
            pause_ms = 0
            while True:
                self._changed.clear()
                host.wake()
                await self._look(host)
                await self._shell.clock.wait(self._never, pause_ms)
                await self._shell.clock.wait(self._changed, None)
                pause_ms = WAKE_PAUSE_MS
        finally:
            self._roster.is_current = False
            self._following.are_loads_wanted = False

    async def _confirm(self) -> None:
        is_said = False
        while True:
            try:
                await self._following.catch_up()
            except ConclaveError as error:
                if not is_said:
                    _log.info("nothing is offered before the registry answers", reason=str(error))
                is_said = True
                await self._shell.clock.wait(self._never, self._following.pause_ms)
            else:
                return

    def _note(self, ended: frozenset[str] | None) -> None:
        if ended is None:
            self._must_look_at_all = True
        else:
            self._ended |= ended
        self._changed.set()

    async def _look(self, host: Host[TasksModel]) -> None:
        """Take back what incarnations hold that have ended; tried again if that cannot be recorded."""
        if not self._ended and not self._must_look_at_all:
            return
        index = host.model.view.index
        held = index.holders()
        ended = set(held) if self._must_look_at_all else self._ended & held.keys()
        self._must_look_at_all, self._ended = False, set()
        sightings = [
            sighting
            for sighting in (self._sighting(agent, held[agent]) for agent in sorted(ended))
            if sighting.is_gone or index.held_before(sighting.agent, sighting.incarnation)
        ]
        try:
            for first in range(0, len(sightings), MAX_SIGHTINGS):
                await _take_back(host, sightings[first : first + MAX_SIGHTINGS])
        except (UnavailableError, RejectedError) as error:
            _log.info("not taken back yet", count=len(sightings), reason=str(error))
            self._ended |= ended
            self._changed.set()

    def _sighting(self, agent: str, newest: int) -> Sighting:
        """What is known of an agent that holds work as incarnation `newest`."""
        view = self._roster.get(agent)
        if view is None:
            return Sighting(agent=agent, incarnation=newest, is_gone=True)
        return Sighting(agent=agent, incarnation=view.incarnation)


async def _take_back(host: Host[TasksModel], sightings: Iterable[Sighting]) -> None:
    """Take back what the incarnations before `sightings` hold.

    Raises:
        UnavailableError: This host no longer leads.
    """
    command = TakeBack(sightings=tuple(sightings))
    if not command.sightings:
        return
    count = MAX_LOST_TASKS
    while count >= MAX_LOST_TASKS:
        taken = await host.command(
            lambda model, now_ms: model.decide(command, now_ms), reply_type=_TAKEN_BACK
        )
        count = _TAKEN_BACK.validate_json(taken).count
