"""What goes wrong in a storm, when, and how long it takes until work goes on."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.storming.ledger import Ledger
from benchmarks.storming.place import Place

_POLL_S: Final = 0.01
_STALL_S: Final = 180.0
"""Without a single task that ends: something is stuck."""
FIRST_SHARE: Final = 0.03
LAST_SHARE: Final = 0.9
"""Of the tasks that have ended: faults fall in between."""


class StuckError(AssertionError):
    """Nothing went on for `_STALL_S`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong when so many tasks have ended."""

    after: int
    kind: str
    crew: int = 0


def plan(
    seed: int, *, tasks: int, crews: int, crew_kills: int, pauses: int, leader_kills: int, server_kills: int
) -> tuple[Fault, ...]:
    """The faults of a storm, in order; the same for the same arguments."""
    drawn = random.Random(seed)
    kinds = (
        *("crew killed",) * crew_kills,
        *("crew paused",) * pauses,
        *("leader killed",) * leader_kills,
        *("server killed",) * server_kills,
    )
    faults = [
        Fault(
            after=int(tasks * drawn.uniform(FIRST_SHARE, LAST_SHARE)), kind=kind, crew=drawn.randrange(crews)
        )
        for kind in kinds
    ]
    return tuple(sorted(faults, key=lambda fault: fault.after))


class Weather:
    """Lets faults happen.

    Args:
        place: What they happen to.
        ledger: Says how far the work is.
        crews: Names of the agents of each crew.
        say: Told of each fault.
        is_over: Whether all work is done.
        check: Raises if whatever else goes on has failed.
    """

    def __init__(
        self,
        place: Place,
        ledger: Ledger,
        crews: tuple[tuple[str, ...], ...],
        *,
        say: Callable[[str], None],
        check: Callable[[], None],
        is_over: Callable[[], bool],
    ) -> None:
        self.recovery_s: dict[str, list[float]] = {"leader killed": [], "server killed": []}
        """From the kill to the next result in the journal."""
        self.happened: dict[str, int] = {}
        self._place = place
        self._ledger = ledger
        self._crews = crews
        self._say = say
        self._check = check
        self._is_over = is_over

    async def rage(self, faults: tuple[Fault, ...]) -> None:
        """Let everything happen in its turn.

        Raises:
            StuckError: Nothing goes on.
        """
        for fault in faults:
            await self.until(lambda after=fault.after: self._ledger.ended >= after)  # type: ignore[misc]
            self._say(f"{self._ledger.ended:,} tasks have ended; {fault.kind}")
            self.happened[fault.kind] = self.happened.get(fault.kind, 0) + 1
            if fault.kind == "crew killed":
                await self._place.kill_crew(fault.crew)
            elif fault.kind == "crew paused":
                await self._pause(fault.crew)
            elif fault.kind == "leader killed":
                await self._place.standby_ready()
                await self._recover(fault.kind, self._place.kill_leader)
            else:
                await self._recover(fault.kind, self._place.kill_server)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when `condition` holds.

        Raises:
            StuckError: Nothing goes on.
        """
        seen, since_s = self._ledger.ended, time.monotonic()
        while not condition():
            self._check()
            await asyncio.sleep(_POLL_S)
            if self._ledger.ended != seen:
                seen, since_s = self._ledger.ended, time.monotonic()
            elif time.monotonic() - since_s > _STALL_S:
                waiting = self._ledger.open()
                raise StuckError(
                    f"no task has ended for {_STALL_S:g} s; {len(waiting)} are open, such as {waiting[:3]}"
                )

    async def _pause(self, crew: int) -> None:
        """Let a crew stand still until everything that it held then was taken from it."""
        program = self._place.crews[crew]
        program.send(signal.SIGSTOP)
        held = self._ledger.held_by(self._crews[crew])
        try:
            await self.until(lambda: not held & self._ledger.held_by(self._crews[crew]))
        finally:
            program.send(signal.SIGCONT)

    async def _recover(self, kind: str, kill: Callable[[], object]) -> None:
        started_s = time.monotonic()
        killing = kill()
        assert asyncio.iscoroutine(killing)
        await killing
        before = self._ledger.ended
        await self.until(lambda: self._ledger.ended > before or self._is_over())
        if not self._is_over():
            self.recovery_s[kind].append(time.monotonic() - started_s)
