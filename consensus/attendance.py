"""Follows which electors are there, for proposals that leave out those who are offline.

The registry's notices say whom to look up; what counts is its answer. Notices can get lost, so all electors
concerned are looked up once in a while without one. While no vote leaves anybody out, nothing is looked up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import TypeAdapter

from consensus.census import REGISTRY, Census
from consensus.commands import NotePresence
from consensus.model import ConsensusModel
from consensus.releasing import PresenceNoted
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import ConclaveError
from coordination.runtime.host import Host
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Outcome, Rejected
from coordination.runtime.runner import Shell

KINDS: Final = ("registered", "deregistered", "online", "offline")
"""Notices after which an elector may have come or gone."""
SWEEP_MS: Final = 5_000
"""Time between rounds of lookups without a notice."""
OUTAGE_PAUSE_MS: Final = 1_000
"""Pause when the registry is away."""
MAX_NOTED: Final = 500
"""Electors that are noted in one command."""
_MIN_PAUSE_MS: Final = 20
"""Before an opening that is due is looked for again."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """Votes that leave out who is offline, at one moment."""

    proposals: tuple[str, ...]
    present: tuple[str, ...]
    """Electors that would be left out if they were offline."""
    released: tuple[str, ...]
    """Electors that are left out."""
    next_ms: int | None
    """Time until something happens to a proposal by itself: another such vote may open then."""


_ATTENDED: Final = TypeAdapter(Attended)
_NOTED: Final = TypeAdapter(PresenceNoted)


class Attendance:
    """Has the model know which electors are offline.

    Args:
        shell: Where the registry is.
        census: Asks it.
    """

    def __init__(self, shell: Shell, census: Census) -> None:
        self._shell = shell
        self._census = census
        self._noticed: set[str] = set()
        self._changed = asyncio.Event()
        self._followed: frozenset[str] = frozenset()
        """The votes that were followed in the last round."""

    def look(self) -> None:
        """There may be another vote to be followed."""
        self._changed.set()

    async def follow(self, host: Host[ConsensusModel]) -> None:
        """Note, until cancelled, which electors come and go."""
        clock, never = self._shell.clock, asyncio.Event()
        self._followed = frozenset()
        self._noticed.clear()
        async with contextlib.AsyncExitStack() as stack:
            for kind in KINDS:
                subject = self._shell.subjects.event(REGISTRY, kind, "*")
                subscription = await self._shell.bus.subscribe(subject, self._notice)
                stack.push_async_callback(subscription.unsubscribe)
            sweep_at_s = clock.monotonic_s()
            while True:
                self._changed.clear()
                noticed = frozenset(self._noticed)
                self._noticed.clear()
                is_sweep = clock.monotonic_s() >= sweep_at_s
                try:
                    pause_ms = await self._round(host, None if is_sweep else noticed)
                except ConclaveError as error:
                    _log.warning("electors not looked up, will try again", reason=str(error))
                    await clock.wait(never, OUTAGE_PAUSE_MS)
                    sweep_at_s = clock.monotonic_s()
                    continue
                if is_sweep:
                    sweep_at_s = clock.monotonic_s() + SWEEP_MS / 1000
                await clock.wait(self._changed, pause_ms)

    async def _notice(self, delivery: Delivery) -> None:
        if self._followed:
            self._noticed.add(delivery.subject.rpartition(".")[2])
            self._changed.set()

    async def _round(self, host: Host[ConsensusModel], noticed: frozenset[str] | None) -> int | None:
        """Look up electors once.

        Args:
            host: Of the proposals.
            noticed: Agents that came or went; None to look up all electors.

        Returns:
            How long to wait for a notice at most, in ms; None for as long as none comes.

        Raises:
            ConclaveError: The registry is away, or this host no longer leads.
        """
        attended = _ATTENDED.validate_json(await host.query(_attended, reply_type=_ATTENDED))
        followed = frozenset(attended.proposals)
        asked = {*attended.present, *attended.released}
        if noticed is not None and followed <= self._followed:
            asked &= noticed
        self._followed = followed
        if asked:
            absent = await self._census.absent(asked)
            gone = [agent for agent in attended.present if agent in absent]
            back = [agent for agent in attended.released if agent in asked and agent not in absent]
            await self._note(host, gone, back)
        pauses_ms = [SWEEP_MS] if followed else []
        if attended.next_ms is not None:
            pauses_ms.append(max(attended.next_ms, _MIN_PAUSE_MS))
        return min(pauses_ms, default=None)

    async def _note(self, host: Host[ConsensusModel], gone: Sequence[str], back: Sequence[str]) -> None:
        for first in range(0, max(len(gone), len(back)), MAX_NOTED):
            part = slice(first, first + MAX_NOTED)
            command = NotePresence(offline=tuple(gone[part]), online=tuple(back[part]))
            decide = partial(_decide, command)
            is_complete = False
            while not is_complete:
                noted = _NOTED.validate_json(await host.command(decide, reply_type=_NOTED))
                is_complete = noted.is_complete


def _decide(command: NotePresence, model: ConsensusModel, now_ms: int) -> Outcome | Rejected:
    return model.decide(command, now_ms)


def _attended(model: ConsensusModel, now_ms: int) -> Attended:
    """Who is looked up, as of now."""
    proposals = dict.fromkeys(each for those in model.watched.values() for each in those)
    present: dict[str, None] = {}
    released: dict[str, None] = {}
    for proposal_id in proposals:
        record = model.proposals[proposal_id]
        poll = record.poll
        assert poll is not None, "an active proposal has a poll"
        released.update(dict.fromkeys(record.released))
        present.update(dict.fromkeys(each for each in record.weights if poll.is_releasable(each)))
    next_ms = model.next_deadline_ms()
    return Attended(
        proposals=tuple(proposals),
        present=tuple(present),
        released=tuple(released),
        next_ms=None if next_ms is None else next_ms - now_ms,
    )
