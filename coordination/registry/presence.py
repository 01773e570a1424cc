"""Who is alive: a pure failure detector over heartbeats. Volatile; a restart begins anew.

Suspicion comes first: an agent whose event loop stalls for an interval is not declared dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["online", "suspect", "offline"]

HEARTBEAT_INTERVAL_MS: Final = 5_000
SUSPECT_AFTER_INTERVALS: Final = 1.5
"""One missed heartbeat, and half an interval for the way."""
OFFLINE_AFTER_INTERVALS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The last heartbeat taken from an agent."""

    incarnation: int
    at_ms: int
    load: float


class Presence:
    """The last heartbeat of each agent, and what follows from its age.

    Args:
        started_ms: When this registry began to listen. Nobody is blamed for silence before that, so
            a restarted registry does not declare everybody dead.
        interval_ms: How often agents promise to be heard.
    """

    def __init__(self, *, started_ms: int, interval_ms: int = HEARTBEAT_INTERVAL_MS) -> None:
        self.interval_ms = interval_ms
        self._started_ms = started_ms
        self._heard: dict[str, Heard] = {}

    def restart(self, now_ms: int) -> None:
        """Begin to listen anew, as a registry does that takes over from another."""
        self._started_ms = now_ms
        self._heard.clear()

    def hear(self, agent: str, *, incarnation: int, current: int, load: float, now_ms: int) -> bool:
        """Take a heartbeat of `incarnation`; False if it is not the `current` one's."""
        if incarnation != current:
            return False
        self._heard[agent] = Heard(incarnation=incarnation, at_ms=now_ms, load=load)
        return True

    def forget(self, agent: str) -> None:
        """Drop what is known of an agent that left."""
        self._heard.pop(agent, None)

    def last_heard_ms(self, agent: str, *, incarnation: int, registered_at_ms: int) -> int:
        """When this incarnation last gave a sign of life, its registration being the first."""
        heard = self._heard.get(agent)
        current = heard is not None and heard.incarnation == incarnation
        return max(registered_at_ms, heard.at_ms if heard is not None and current else 0)

    def load(self, agent: str, *, incarnation: int) -> float:
        """The load this incarnation last reported; 0 before its first heartbeat."""
        heard = self._heard.get(agent)
        return heard.load if heard is not None and heard.incarnation == incarnation else 0.0

    def status(self, last_heard_ms: int, now_ms: int) -> Status:
        """What silence since `last_heard_ms` means at `now_ms`."""
        silent_ms = now_ms - max(last_heard_ms, self._started_ms)
        if silent_ms >= OFFLINE_AFTER_INTERVALS * self.interval_ms:
            return "offline"
        if silent_ms >= SUSPECT_AFTER_INTERVALS * self.interval_ms:
            return "suspect"
        return "online"
