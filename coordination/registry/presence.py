"""Who is alive: a pure failure detector over heartbeats.

Silence is counted in the time in which the registry itself could hear. It says something itself from
time to time, and hears that through the same subscription as everybody's heartbeats: its echo. Once the
echo has come, every heartbeat that was sent before it has been taken in too; until it comes nobody is
blamed. A stalled loop, a full queue, a stopped process, a lost connection hold up the echo as well.
After a gap between echoes heartbeats may have been lost, so everybody gets a fresh allowance.

What the detector knows is volatile. What follows from it is recorded by the registry's model, which is
where it begins from after a restart (docs/adr/0007-presence.md).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple, Protocol

from coordination.registry.record import STATUSES, Status

HEARTBEAT_INTERVAL_MS: Final = 5_000
SUSPECT_AFTER_INTERVALS: Final = 1.5
"""One missed heartbeat, and half an interval for the way."""
OFFLINE_AFTER_INTERVALS: Final = 2.9
"""Two missed heartbeats, and nine tenths of an interval: a loop that blocks for 1.5 intervals just before its
next heartbeat is silent for 2.5. What is left to 3 is for the echo and for the record on disk, so that
everybody knows within three."""
MAX_ECHO_GAP_INTERVALS: Final = 0.5
"""Between two echoes. A longer gap is a time in which heartbeats may have been lost; within a shorter one
at most one heartbeat of an agent can have been, and one alone makes nobody offline."""
MAX_TRACKED: Final = 20_000
"""Agents of which a heartbeat is remembered; further ones are taken in when they are judged."""

_ORDER: Final[dict[Status, int]] = {status: order for order, status in enumerate(STATUSES)}


class Recorded(Protocol):
    """What the detector needs of an agent's record."""

    @property
    def agent(self) -> str:
        """Its id."""

    @property
    def incarnation(self) -> int:
        """The registration that counts."""

    @property
    def status(self) -> Status:
        """What is known of it by everybody."""


class Verdict(NamedTuple):
    """A status that differs from the one on record."""

    agent: str
    incarnation: int
    status: Status


class _Sign:
    """The last sign of life of an agent; or, before any was heard, when we began to wait for one."""

    __slots__ = ("at_ms", "incarnation", "is_heard", "load")

    def __init__(self, incarnation: int, at_ms: int, load: float, *, is_heard: bool) -> None:
        self.incarnation = incarnation
        self.at_ms = at_ms
        self.load = load
        self.is_heard = is_heard


class FailureDetector:
    """Decides from heartbeats and echoes who is online, suspect or offline.

    The times that it is given are those of one clock, in ms, that should not jump; between them time stands
    still here. A time before the one given last shows that the clock was set back, which is a gap like any
    other; so is a leap by more than `MAX_ECHO_GAP_INTERVALS`. What a clock loses between two times that still
    run forward cannot be seen: it makes silence look shorter, and so blames nobody.

    Args:
        interval_ms: How often agents promise to be heard.
        suspect_after: Intervals of silence after which an agent is suspect.
        offline_after: Intervals of silence after which it is offline.
        max_tracked: Agents of which a heartbeat is remembered before they are judged.

    Invariants: nobody is suspect or offline before the first echo; an agent gets worse only by silence
    between echoes, and better only by a heartbeat of its own.
    """

    def __init__(
        self,
        interval_ms: int = HEARTBEAT_INTERVAL_MS,
        *,
        suspect_after: float = SUSPECT_AFTER_INTERVALS,
        offline_after: float = OFFLINE_AFTER_INTERVALS,
        max_tracked: int = MAX_TRACKED,
    ) -> None:
        assert interval_ms > 0, "an interval takes time"
        assert 1 < suspect_after < offline_after, "suspicion comes first, after a missed beat"
        self.interval_ms = interval_ms
        self.max_gap_ms = math.ceil(MAX_ECHO_GAP_INTERVALS * interval_ms)
        """Longest time between two echoes that counts as having listened all the while."""
        self._suspect_ms = math.ceil(suspect_after * interval_ms)
        self._offline_ms = math.ceil(offline_after * interval_ms)
        self._max_tracked = max_tracked
        self._signs: dict[str, _Sign] = {}
        self._changed_loads: set[str] = set()
        """Of those that are remembered."""
        self._now_ms = 0
        self._shift_ms = 0
        """What is added to the times we are given, so that ours never run backwards."""
        self._wall_offset_ms = 0
        """What is added to our times to get those that people read."""
        self._heard_until_ms: int | None = None
        """Everything that was said before has been taken in; None before the first echo."""
        self._echoed_ms = 0
        self._fresh_ms = 0
        """When the present time of listening without a gap began: nobody is blamed for silence before."""
        self._is_interrupted = True

    @property
    def tracked(self) -> int:
        """Agents that it remembers."""
        return len(self._signs)

    def hear(self, agent: str, incarnation: int, load: float, now_ms: int) -> bool:
        """Take a heartbeat; False if it does not count, being of an older incarnation or one too many."""
        self._advance(now_ms)
        sign = self._signs.get(agent)
        if sign is None:
            if len(self._signs) >= self._max_tracked:
                return False
            self._signs[agent] = _Sign(incarnation, self._now_ms, load, is_heard=True)
            self._changed_loads.add(agent)
            return True
        if incarnation < sign.incarnation:
            return False
        # Of another incarnation it is a change in any case: the one before may have been dropped elsewhere.
        if load != sign.load or incarnation != sign.incarnation:
            self._changed_loads.add(agent)
        sign.incarnation, sign.at_ms, sign.load, sign.is_heard = incarnation, self._now_ms, load, True
        return True

    def echo(self, now_ms: int, *, sent_ms: int, wall_ms: int) -> bool:
        """Take in that what we said ourselves at `sent_ms` was heard at `now_ms`.

        Words are heard in the order in which they were said.

        Args:
            now_ms: When it was heard.
            sent_ms: When it was said: everything that others said before has been heard, too.
            wall_ms: What the wall clock shows now, for `last_heard_ms`.

        Returns:
            Whether we have listened without a gap since the echo before; if not, everybody has a fresh
            allowance.
        """
        self._advance(now_ms)
        self._wall_offset_ms = wall_ms - self._now_ms
        gap_ms = self._now_ms - self._echoed_ms
        is_whole = not self._is_interrupted and gap_ms <= self.max_gap_ms
        if not is_whole:
            self._fresh_ms = self._now_ms
        self._is_interrupted = False
        self._echoed_ms = self._now_ms
        said_ms = min(sent_ms + self._shift_ms, self._now_ms)
        self._heard_until_ms = max(said_ms, self._heard_until_ms or 0)
        return is_whole

    def interrupt(self) -> None:
        """Heartbeats may have been lost: the next echo gives everybody a fresh allowance."""
        self._is_interrupted = True

    def load(self, agent: str) -> float:
        """What `agent` last reported; 0 if nothing was heard of it."""
        sign = self._signs.get(agent)
        return sign.load if sign is not None else 0.0

    def take_changed_loads(self) -> set[str]:
        """Agents whose load may have changed since the last call."""
        changed, self._changed_loads = self._changed_loads, set()
        return changed

    def last_heard_ms(self, agent: str) -> int:
        """When `agent` was last heard, by the wall clock; 0 if it has not been heard here."""
        sign = self._signs.get(agent)
        if sign is None or not sign.is_heard or self._heard_until_ms is None:
            return 0
        return sign.at_ms + self._wall_offset_ms

    def verdicts(self, agents: Collection[Recorded]) -> list[Verdict]:
        """What differs from the record, for all `agents` there are; anybody else is forgotten."""
        found = self.judge(agents)
        self.forget_others({record.agent for record in agents})
        return found

    def judge(self, agents: Iterable[Recorded]) -> list[Verdict]:
        """What differs from the record, for `agents`, which may be some of many.

        An agent that is judged for the first time counts as having given a sign of life now: it has just
        registered, or we have just begun.
        """
        signs = self._signs
        online_after_ms = self._now_ms - self._suspect_ms
        found: list[Verdict] = []
        for record in agents:
            sign = signs.get(record.agent)
            if sign is None or sign.incarnation != record.incarnation:
                signs[record.agent] = _Sign(record.incarnation, self._now_ms, 0.0, is_heard=False)
                self._changed_loads.add(record.agent)
            elif sign.at_ms > online_after_ms and sign.is_heard:
                if record.status != "online":
                    found.append(Verdict(record.agent, record.incarnation, "online"))
            else:
                status = self._after_silence(sign)
                if _ORDER[status] > _ORDER[record.status]:
                    found.append(Verdict(record.agent, record.incarnation, status))
        return found

    def quiet_until_ms(self, agents: Iterable[Recorded]) -> float:
        """Until when silence makes none of `agents` worse, for `is_quiet`; they have just been judged.

        It holds while their records stay the same: heartbeats and interruptions only put it off.
        """
        quiet_ms = math.inf
        for record in agents:
            sign = self._signs.get(record.agent)
            if sign is None:
                return -math.inf
            if record.status != "offline":
                patience_ms = self._suspect_ms if record.status == "online" else self._offline_ms
                quiet_ms = min(quiet_ms, max(sign.at_ms, self._fresh_ms) + patience_ms)
        return quiet_ms

    def is_quiet(self, until_ms: float) -> bool:
        """Whether what was heard so far does not reach `until_ms`, as `quiet_until_ms` told it."""
        return self._heard_until_ms is None or self._heard_until_ms < until_ms

    def forget_others(self, agents: Collection[str]) -> None:
        """Drop what was heard of anybody who is not among `agents`, which are all there are."""
        if len(self._signs) > len(agents):
            self._signs = {agent: sign for agent, sign in self._signs.items() if agent in agents}
            self._changed_loads.intersection_update(agents)

    def _after_silence(self, sign: _Sign) -> Status:
        if self._heard_until_ms is None:
            return "online"
        silent_ms = self._heard_until_ms - max(sign.at_ms, self._fresh_ms)
        if silent_ms >= self._offline_ms:
            return "offline"
        return "suspect" if silent_ms >= self._suspect_ms else "online"

    def _advance(self, now_ms: int) -> None:
        if now_ms + self._shift_ms < self._now_ms:
            self._shift_ms = self._now_ms - now_ms
            self._is_interrupted = True
        self._now_ms = now_ms + self._shift_ms
