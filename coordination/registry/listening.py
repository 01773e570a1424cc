"""Listens to heartbeats, and to itself; has the leader record what follows from them.

It works in every process of the registry, so that a standby that takes over knows who is alive. For each
heartbeat there is no task and no log line: thousands come in a second.
"""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from coordination.registry.commands import (
    MAX_STATUS_CHANGES,
    RecordStatuses,
    StatusChange,
    StatusesRecorded,
)
from coordination.registry.model import RegistryModel
from coordination.registry.presence import FailureDetector
from coordination.registry.wire import Heartbeat
from coordination.runtime.bus import Subscription
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Outcome, Push, Rejected
from coordination.runtime.runner import Shell

NAME: Final = "registry"
"""Under which the registry speaks, and hears itself."""
ECHOES_PER_INTERVAL: Final = 40
"""How finely silence is measured, and how late a silence is noticed at most: a fortieth of an interval."""
MIN_ECHO_MS: Final = 10
MAX_HEARTBEAT_BYTES: Final = 1024
"""A heartbeat has 40; a larger one is not read."""
MAX_NOTED: Final = 10_000
"""Agents that are told, or logged, in one interval."""
_MAX_ECHOES_AWAY: Final = 16
"""Of ours that were sent and not heard yet; older ones count as lost."""
_MAX_ECHOES_UNHEARD: Final = _MAX_ECHOES_AWAY // 2
"""More of them away show that nothing is heard at present."""
_ROUND_MS: Final = 50
"""Between two looks at everybody, at least, so that a thousand agents that come back do not cause as many."""
_JUDGED_AT_ONCE: Final = 500
"""Agents, in a few tenths of a millisecond; requests that have come meanwhile go first."""

_HEARTBEAT: Final = Heartbeat.__pydantic_validator__
_RECORDED: Final = TypeAdapter(StatusesRecorded)
_log = get_logger(__name__)
_Background = Callable[[tuple[Host[RegistryModel], ...]], Coroutine[Any, Any, None]]


def background(shell: Shell, detector: FailureDetector) -> _Background:
    """What a registry process does beside its endpoints: see `Listening`."""

    async def listen(hosts: tuple[Host[RegistryModel], ...]) -> None:
        (host,) = hosts  # the registry is not sharded
        await Listening(shell, detector, host).run()

    return listen


class OncePerInterval:
    """Which agents have had their line in the log, or their push, lately; bounded.

    Args:
        interval_ms: An agent has its turn again after one to two of these.
        max_agents: More have no turn at all until some time has passed.
    """

    def __init__(self, interval_ms: int, *, max_agents: int = MAX_NOTED) -> None:
        self._interval_ms = interval_ms
        self._max_agents = max_agents
        self._began_ms = 0
        self._before: set[str] = set()
        self._now: set[str] = set()

    def is_due(self, agent: str, now_ms: int) -> bool:
        """Whether `agent` has its turn now; at the next question it has had it."""
        passed_ms = now_ms - self._began_ms
        if not 0 <= passed_ms < self._interval_ms:
            is_next = 0 <= passed_ms < 2 * self._interval_ms
            self._before, self._now = (self._now if is_next else set()), set()
            self._began_ms = now_ms
        if agent in self._now or agent in self._before or len(self._now) >= self._max_agents:
            return False
        self._now.add(agent)
        return True


class Listening:
    """The ears of one registry process.

    Args:
        shell: Its outside world.
        detector: Takes in what is heard.
        host: Whose model knows the agents, and records what becomes of them while it leads.
    """

    def __init__(self, shell: Shell, detector: FailureDetector, host: Host[RegistryModel]) -> None:
        self._shell = shell
        self._detector = detector
        self._host = host
        self._echo_ms = max(detector.interval_ms // ECHOES_PER_INTERVAL, MIN_ECHO_MS)
        self._away: dict[bytes, int] = {}
        """What we have said and not heard yet -> when we said it."""
        self._speak_up = asyncio.Event()
        """Set when the connection is back."""
        self._look = asyncio.Event()
        """Set when somebody may have to be judged."""
        self._subscription: Subscription | None = None
        self._dropped = 0
        """Deliveries of the subscription that we know to be lost."""
        self._model: weakref.ref[RegistryModel] | None = None
        """The one that we have seen; the host makes another one when it loses the leadership."""
        self._revision = 0
        """Of the model, when it was last complete."""
        self._is_behind = True
        """While the model is being made anew, from the journal."""
        self._looked: tuple[weakref.ref[RegistryModel] | None, int] | None = None
        """Model and revision at the last look at everybody; None if another one is due in any case."""
        self._quiet_until_ms = -math.inf
        """As of that look, until when nobody gets worse by silence alone."""
        self._returned: set[str] = set()
        """Agents heard since the last look although they are on record as silent."""
        self._pushed = OncePerInterval(detector.interval_ms)
        self._logged = OncePerInterval(detector.interval_ms)
        self._said = OncePerInterval(detector.interval_ms)
        """As `_logged`, of what we say of ourselves."""

    async def run(self) -> None:
        """Listen until cancelled."""
        bus = self._shell.bus
        self._subscription = await bus.subscribe(self._shell.subjects.presence("*"), self._hear)
        forget = bus.on_reconnect(self._begin_anew)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._speak())
                group.create_task(self._judge())
        finally:
            forget()
            await self._subscription.unsubscribe()

    def _now_ms(self) -> int:
        return int(self._shell.clock.monotonic_s() * 1000)

    # --- ourselves

    async def _speak(self) -> None:
        """Say something from time to time, to hear whether we hear."""
        subject = self._shell.subjects.presence(NAME)
        while True:
            self._speak_up.clear()
            word = b'{"echo":"%016x"}' % self._shell.entropy.getrandbits(64)
            if len(self._away) >= _MAX_ECHOES_AWAY:
                del self._away[next(iter(self._away))]
            self._away[word] = self._now_ms()
            try:
                await self._shell.bus.publish(subject, word)
            except UnavailableError as error:
                if self._said.is_due("not sent", self._now_ms()):
                    _log.info("echo not sent", reason=str(error))
            # While nothing is heard, what is said only fills the buffer of a connection that is down.
            is_heard = len(self._away) <= _MAX_ECHOES_UNHEARD
            if not is_heard and self._said.is_due("not heard", self._now_ms()):
                _log.warning("does not hear itself, nobody is found silent meanwhile", words=len(self._away))
            pause_ms = self._echo_ms if is_heard else self._detector.max_gap_ms
            await self._shell.clock.wait(self._speak_up, pause_ms)

    def _hear_ourselves(self, word: bytes) -> None:
        sent_ms = self._away.get(word)
        if sent_ms is None:
            return  # another process of the registry, or too late
        if len(self._away) > _MAX_ECHOES_UNHEARD:
            self._speak_up.set()  # a slow way is no reason to leave gaps
        for earlier in tuple(self._away):
            del self._away[earlier]
            if earlier == word:
                break
        self._notice_drops()
        self._notice_new_model()
        now_ms = self._now_ms()
        is_whole = self._detector.echo(now_ms, sent_ms=sent_ms, wall_ms=self._shell.clock.now_ms())
        if not is_whole and self._said.is_due("anew", now_ms):
            _log.info("listening begins anew, nobody is blamed for silence before")
        self._look.set()

    def _begin_anew(self) -> None:
        """The connection was lost, and with it what was said meanwhile."""
        self._away.clear()
        self._detector.interrupt()
        self._speak_up.set()

    def _notice_drops(self) -> None:
        """What the queue had no room for may have been heartbeats, though the echo got in."""
        assert self._subscription is not None
        dropped = self._subscription.dropped
        if dropped != self._dropped:
            self._dropped = dropped
            self._detector.interrupt()

    def _notice_new_model(self) -> None:
        """Heartbeats that come while the model is made anew are of agents that it does not know yet."""
        model, revision = self._host.model, self._host.model.state.revision
        if self._model is None or self._model() is not model:
            self._model = weakref.ref(model)
            self._is_behind = True
        if self._is_behind:
            self._detector.interrupt()
            self._is_behind = not self._host.leading.is_set() and revision < self._revision
        if not self._is_behind:
            self._revision = revision

    # --- others

    async def _hear(self, delivery: Delivery) -> None:
        agent = delivery.subject.rpartition(".")[2]
        if agent == NAME:
            self._hear_ourselves(delivery.payload)
            return
        heartbeat = _read(delivery.payload)
        if heartbeat is None:
            if self._logged.is_due(agent, self._now_ms()):
                size_bytes = len(delivery.payload)
                _log.warning("ignored: not a heartbeat", agent=agent, size_bytes=size_bytes)
            return
        record = self._host.model.state.agents.get(agent)
        if record is None or heartbeat.incarnation != record.incarnation:
            await self._correct(agent, heartbeat.incarnation, record.incarnation if record else 0)
            return
        self._detector.hear(agent, heartbeat.incarnation, heartbeat.load, self._now_ms())
        if record.status != "online":
            self._returned.add(agent)
            self._look.set()

    async def _correct(self, agent: str, incarnation: int, current: int) -> None:
        """Tell the process that believes to be `incarnation` of `agent` that it is not, as the leader."""
        if not self._host.leading.is_set() or not self._pushed.is_due(agent, self._now_ms()):
            return
        code = "superseded" if incarnation < current else "unknown_agent"
        push = Push(agent=agent, kind="registration", body={"code": code, "incarnation": current})
        try:
            await self._shell.deliver(NAME, push)
        except UnavailableError as error:
            _log.info("push not sent", agent=agent, reason=str(error))

    # --- what follows

    async def _judge(self) -> None:
        never = asyncio.Event()
        while True:
            await self._shell.clock.wait(self._look, None)
            self._look.clear()
            # A standby looks too: it takes in who has come and forgets who has gone.
            agents = await self._misjudged()
            for first in range(0, len(agents), MAX_STATUS_CHANGES):
                if not await self._record(agents[first : first + MAX_STATUS_CHANGES]):
                    self._looked = None  # they must be found again
                    break
            await self._shell.clock.wait(never, min(self._echo_ms, _ROUND_MS))

    async def _misjudged(self) -> list[str]:
        """Whose records differ from what was heard.

        Everybody is looked at only if a record has changed or somebody may have been silent for long: ten
        thousand agents take milliseconds, and most of the time nothing has happened to any of them.
        """
        returned, self._returned = self._returned, set()
        self._notice_new_model()
        state = (self._model, self._host.model.state.revision)
        if state == self._looked and self._detector.is_quiet(self._quiet_until_ms):
            found, _ = await self._look_at(returned)
            return found
        found, self._quiet_until_ms = await self._look_at(self._host.model.state.agents)
        self._looked = state
        self._notice_new_model()
        if not self._is_behind:
            self._detector.forget_others(self._host.model.state.agents.keys())
        return found

    async def _look_at(self, agents: Iterable[str]) -> tuple[list[str], float]:
        """Who of `agents` is misjudged, and until when nobody else gets worse.

        Looks at some, then at others, so that nobody waits.
        """
        found: list[str] = []
        quiet_until_ms = math.inf
        everybody = iter(tuple(agents))
        while some := tuple(islice(everybody, _JUDGED_AT_ONCE)):
            known = self._host.model.state.agents  # as it is now: it may have changed, or been made anew
            records = [known[agent] for agent in some if agent in known]
            found += [each.agent for each in self._detector.judge(records)]
            quiet_until_ms = min(quiet_until_ms, self._detector.quiet_until_ms(records))
            await asyncio.sleep(0)
        return found, quiet_until_ms

    async def _record(self, agents: Sequence[str]) -> bool:
        """Whether the leader is here and has recorded how `agents` are; if not, they are found again."""
        if not self._host.leading.is_set():
            return False
        try:
            await self._host.command(partial(self._decide, agents), reply_type=_RECORDED)
        except (UnavailableError, RejectedError) as error:
            if self._said.is_due("not recorded", self._now_ms()):
                _log.info("statuses not recorded", count=len(agents), reason=str(error))
            return False
        return True

    def _decide(self, agents: Sequence[str], model: RegistryModel, now_ms: int) -> Outcome | Rejected:
        """Record how `agents` are now: while this waited for the journal they may have been heard."""
        known = model.state.agents
        judged = self._detector.judge(known[agent] for agent in agents if agent in known)
        changes = tuple(
            StatusChange(agent=each.agent, incarnation=each.incarnation, status=each.status)
            for each in judged
        )
        return model.decide(RecordStatuses(changes=changes), now_ms)


def _read(payload: bytes) -> Heartbeat | None:
    if len(payload) > MAX_HEARTBEAT_BYTES:
        return None
    try:
        heartbeat: Heartbeat = _HEARTBEAT.validate_json(payload)
    except ValidationError:
        return None
    return heartbeat
