"""Makes agents known in the foreign protocol: answers those who look for them, and beats for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from coordination.gateway import foreign
from coordination.gateway.limits import MAX_DISCOVERIES, MAX_REPORTS, Timing
from coordination.gateway.profile import VIEWS, Face
from coordination.gateway.relay import Relay, Spawn
from coordination.gateway.roster import REGISTRY, GetRequest, Record, Roster
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell
from coordination.runtime.wire import to_json

SLICES: Final = 30
"""Parts of the heartbeat interval; each agent has its heartbeat in one of them, so that they do not come all
at once."""
_TURN: Final = 64
"""Agents told of before others get a turn."""
_PATIENCE_S: Final = 1.0
"""How long a status request waits for the agent's load; its client gives up after 2 s."""
_log = get_logger(__name__)


class Announcer:
    """Discovery, status and heartbeats of the agents in the roster.

    Args:
        shell: The outside world.
        roster: Who is here.
        relay: Which has counted their prompts.
        timing: How often they beat.
    """

    def __init__(self, shell: Shell, roster: Roster, relay: Relay, timing: Timing) -> None:
        self._shell = shell
        self._roster = roster
        self._relay = relay
        self._timing = timing
        self._caller = Caller(
            shell.bus,
            agent=shell.caller.agent,
            subjects=shell.subjects,
            patience_s=_PATIENCE_S,
            entropy=shell.entropy,
        )
        self._beaten: dict[str, str] = {}
        """Agent -> instance for which the last heartbeat went out while it was online."""
        self._discovering = 0
        self._reporting = 0

    # --- discovery

    async def discover(self, delivery: Delivery, spawn: Spawn) -> None:
        """Answer ``$SRV.PING|INFO|STATS.agents``, for all agents, or for one instance (section 4)."""
        if not foreign.is_answerable(delivery.reply_to) or self._discovering >= MAX_DISCOVERIES:
            return
        self._discovering += 1
        spawn(self._answer(delivery))

    async def _answer(self, delivery: Delivery) -> None:
        try:
            _, verb, _, *instance = delivery.subject.split(".")
            view = VIEWS[verb]
            for place, face in enumerate(self._meant(instance[0] if instance else "")):
                if place % _TURN == _TURN - 1:
                    await asyncio.sleep(0)  # prompts must not wait until thousands of agents were told of
                body = to_json(view(face, self._relay.counters(face)))
                await self._shell.bus.publish(delivery.reply_to, body)
        except ConclaveError as error:
            _log.warning("discovery not answered", error=type(error).__name__)
        finally:
            self._discovering -= 1

    def _meant(self, instance: str) -> Iterable[Face]:
        if not instance:
            return (face for face in self._roster if face.profile.is_reachable)
        face = self._roster.find_instance(instance)
        return () if face is None else (face,)

    # --- status

    async def report(self, delivery: Delivery, spawn: Spawn) -> None:
        """Answer a status request with a heartbeat of now (section 8.7)."""
        if foreign.is_answerable(delivery.reply_to) and self._reporting < MAX_REPORTS:
            self._reporting += 1
            spawn(self._report(delivery))

    async def _report(self, delivery: Delivery) -> None:
        agent = delivery.subject.rsplit(".", 1)[-1]
        face = self._roster.find(agent)
        try:
            load = await self._load(face) if face is not None else None
            face = self._roster.find(agent)
            if face is None:
                error, _ = foreign.failure(404, f"no agent {agent[:63]!r} is here and speaks this protocol")
                await self._shell.bus.publish(delivery.reply_to, error.payload, headers=error.headers)
                return
            await self._shell.bus.publish(delivery.reply_to, self._heartbeat(face, load))
        except ConclaveError as error:
            _log.warning("status not answered", error=type(error).__name__)
        finally:
            self._reporting -= 1

    async def _load(self, face: Face) -> float | None:
        """The agent's load as the registry knows it; None if it does not tell in time."""
        request = GetRequest(agent=face.profile.agent)
        try:
            return (await self._caller.query(REGISTRY, "get", request, Record)).load
        except ConclaveError:
            return None

    # --- heartbeats

    async def beat_first(self, agents: Iterable[str]) -> None:
        """Beat at once for those among `agents` that have just come online (section 8.5)."""
        for agent in agents:
            face = self._roster.find(agent)
            if face is None or face.profile.status != "online":
                self._beaten.pop(agent, None)
            elif self._beaten.get(agent) != face.instance_id:
                self._beaten[agent] = face.instance_id
                await self._beat(face)

    async def beat(self) -> None:
        """Beat for every agent that is online, until cancelled."""
        never, turn = asyncio.Event(), 0
        while True:
            await self._shell.clock.wait(never, max(self._timing.heartbeat_ms // SLICES, 1))
            turn = (turn + 1) % SLICES
            for face in self._roster:
                if face.profile.status == "online" and int(face.instance_id[:8], 16) % SLICES == turn:
                    await self._beat(face)

    async def _beat(self, face: Face) -> None:
        subject = foreign.subject("hb", self._shell.subjects.prefix, face.profile.agent)
        try:
            await self._shell.bus.publish(subject, self._heartbeat(face, None))
        except ConclaveError:
            log_failure(_log, "heartbeat not sent", agent=face.profile.agent)

    def _heartbeat(self, face: Face, load: float | None) -> bytes:
        interval_ms = self._timing.heartbeat_ms
        return to_json(face.heartbeat(now_ms=self._shell.clock.now_ms(), interval_ms=interval_ms, load=load))
