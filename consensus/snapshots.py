"""Takes the snapshots with which votes open, where the registry or knowledge has to be asked for them.

The companion of the leader. It looks when a proposal is made or amended, and when the discussion of one
ends that must be asked for; else it sleeps. Who is asked and does not answer is asked again, with a line in
the log and `waiting_for` in what ``get`` says of the proposal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from consensus.attendance import Attendance
from consensus.census import KNOWLEDGE, REGISTRY, Census, Roll, of_role
from consensus.commands import OpenVoting
from consensus.limits import MAX_ELECTORATE
from consensus.model import ConsensusModel
from consensus.rules import ElectorateSpec
from coordination.requirements import parse
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell

PATIENCE_S: Final = 1.0
"""How long one question to a neighbour that is away holds up the others."""
OUTAGE_PAUSE_MS: Final = 1_000
"""Pause when a neighbour is away, or the journal."""
REFUSED_PAUSE_MS: Final = 30_000
"""Pause when a snapshot cannot be: somebody has to change something first."""
_FAR_MS: Final = 2**53
_OVERTAKEN: Final = frozenset({"stale_snapshot", "not_pending", "unknown_proposal"})
"""Refusals of a snapshot that nobody needs any more: it was amended or stopped meanwhile."""
_log = get_logger(__name__)
A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A proposal whose vote opens with a snapshot."""

    proposal_id: str
    electorate: ElectorateSpec
    is_releasing: bool
    """Whether electors that are offline are left out."""
    snapshot_ms: int
    opens_from_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The proposals that await a snapshot, due or not, at one moment."""

    now_ms: int
    awaited: tuple[Awaited, ...]


_LOOKED: Final = TypeAdapter(Looked)
_ANYTHING: Final = TypeAdapter[Any](Any)


class _NoAnswerError(Exception):
    """A neighbour is away, or says nothing of use.

    Args:
        neighbour: Which one.
        reason: For the log.
        is_silent: Whether it would not answer anybody else either.
    """

    def __init__(self, neighbour: str, reason: str, *, is_silent: bool) -> None:
        super().__init__(f"{neighbour}: {reason}")
        self.neighbour = neighbour
        self.is_silent = is_silent


class Snapshots:
    """What the leader of consensus does beside its endpoints.

    Args:
        shell: Where the neighbours are.
    """

    def __init__(self, shell: Shell) -> None:
        caller = Caller(
            shell.bus,
            agent=shell.caller.agent,
            subjects=shell.subjects,
            patience_s=PATIENCE_S,
            entropy=shell.entropy,
        )
        self.waiting: dict[str, str] = {}
        """Proposal -> the neighbour that did not answer, or the code with which a snapshot was refused."""
        self.attendance = Attendance(shell, census := Census(caller))
        self._clock = shell.clock
        self._census = census
        self._wake = asyncio.Event()

    def look(self) -> None:
        """Something may have come to await a snapshot, or electors to be followed."""
        self._wake.set()
        self.attendance.look()

    async def open_votes(self, host: Host[ConsensusModel]) -> None:
        """Open every vote that is due for a snapshot, until cancelled."""
        self.waiting.clear()
        while True:
            self._wake.clear()
            pause_ms = await self._open_due(host)
            await self._clock.wait(self._wake, pause_ms)

    async def _open_due(self, host: Host[ConsensusModel]) -> int | None:
        """Open what is due; returns when to look again at the latest, in ms from now (None: when told to)."""
        try:
            looked = _LOOKED.validate_json(await host.query(_look, reply_type=_LOOKED))
        except ConclaveError as error:
            _log.warning("snapshots not looked for, will try again", reason=str(error))
            return OUTAGE_PAUSE_MS
        awaited = {each.proposal_id: each for each in looked.awaited}
        for proposal_id in self.waiting.keys() - awaited.keys():
            del self.waiting[proposal_id]
        nexts_ms: list[int] = []
        away: set[str] = set()
        for each in awaited.values():
            if each.opens_from_ms > looked.now_ms:
                nexts_ms.append(each.opens_from_ms)
            elif (pause_ms := await self._open(host, each, away)) is not None:
                nexts_ms.append(self._clock.now_ms() + pause_ms)
        return max(min(nexts_ms) - self._clock.now_ms(), 0) if nexts_ms else None

    async def _open(self, host: Host[ConsensusModel], awaited: Awaited, away: set[str]) -> int | None:
        """Open one vote; None if that is done, else when to try again.

        Args:
            host: Of the proposals.
            awaited: Which one.
            away: Neighbours that did not answer in this round; they are not asked again in it.
        """
        proposal_id = awaited.proposal_id
        try:
            command = await self._snapshot(awaited, away)
            await host.command(lambda model, now_ms: model.decide(command, now_ms), reply_type=_ANYTHING)
        except _NoAnswerError as error:
            if error.is_silent:
                away.add(error.neighbour)
            self._wait_for(proposal_id, error.neighbour, str(error))
            return OUTAGE_PAUSE_MS
        except RejectedError as error:
            if error.code in _OVERTAKEN:
                self._wake.set()
                return None
            self._wait_for(proposal_id, error.code, str(error))
            return OUTAGE_PAUSE_MS if error.retryable else REFUSED_PAUSE_MS
        except ConclaveError as error:
            _log.warning("voting not opened, will try again", proposal=proposal_id, reason=str(error))
            return OUTAGE_PAUSE_MS
        self.waiting.pop(proposal_id, None)
        self.attendance.look()
        return None

    def _wait_for(self, proposal_id: str, what: str, reason: str) -> None:
        is_news = self.waiting.get(proposal_id) != what
        self.waiting[proposal_id] = what
        log = _log.warning if is_news else _log.info
        log("voting not opened yet", proposal=proposal_id, waiting_for=what, reason=reason)

    async def _snapshot(self, awaited: Awaited, away: set[str]) -> OpenVoting:
        """Who votes with what weight, as the neighbours say now.

        Raises:
            _NoAnswerError: One of them has no answer.
        """
        electorate, census = awaited.electorate, self._census
        roll, offline = Roll(electorate.agents, 0), frozenset[str]()
        if not electorate.agents:
            needed = of_role(electorate.role) if electorate.role else parse(electorate.requirement)
            roll = await _ask(REGISTRY, away, lambda: census.meeting(needed))
        elif awaited.is_releasing:
            offline = frozenset(await _ask(REGISTRY, away, lambda: census.absent(roll.agents)))
        weights = {agent: electorate.given.get(agent, 1) for agent in roll.agents}
        if electorate.weights == "trust" and len(roll.agents) <= MAX_ELECTORATE:
            topic = electorate.trust_topic
            weights = await _ask(KNOWLEDGE, away, lambda: census.trust(topic, roll.agents))
        return OpenVoting(
            proposal_id=awaited.proposal_id,
            weights=weights,
            offline=tuple(agent for agent in roll.agents if agent in offline),
            source_revision=None if electorate.agents else roll.revision,
            snapshot_ms=awaited.snapshot_ms,
        )


async def _ask(neighbour: str, away: set[str], ask: Callable[[], Awaitable[A]]) -> A:
    """The answer of a neighbour, unless it is known to be away.

    Raises:
        _NoAnswerError: There is none.
    """
    if neighbour in away:
        raise _NoAnswerError(neighbour, "has not answered a moment ago", is_silent=True)
    try:
        return await ask()
    except ConclaveError as error:
        is_silent = isinstance(error, UnavailableError)
        raise _NoAnswerError(neighbour, str(error), is_silent=is_silent) from error


def _look(model: ConsensusModel, now_ms: int) -> Looked:
    """What awaits a snapshot, now or later."""
    return Looked(
        now_ms=now_ms,
        awaited=tuple(
            Awaited(
                proposal_id=record.proposal_id,
                electorate=record.created.electorate,
                is_releasing=record.rules.offline_voters == "release",
                snapshot_ms=record.snapshot_ms,
                opens_from_ms=record.opens_from_ms,
            )
            for record in model.awaiting_snapshot(_FAR_MS)
        ),
    )
