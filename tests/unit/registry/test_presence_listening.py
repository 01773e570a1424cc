"""What a registry hears: echoes, heartbeats, and whatever else is sent where heartbeats belong."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from coordination.registry import listening as listening_module
from coordination.registry import wire
from coordination.registry.client import RegistryClient
from coordination.registry.listening import OncePerInterval
from coordination.registry.presence import FailureDetector
from coordination.registry.service import define
from coordination.runtime.client import Caller
from coordination.runtime.delivery import Delivery
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition
from coordination.runtime.wire import to_json
from tests.support.registry import running
from tests.support.waiting import wait_until

INTERVAL_MS = 60
SUBJECTS = Subjects()


class CountingDetector(FailureDetector):
    """A detector that counts its echoes, and may take no notice of them."""

    is_deaf_to_itself = False

    def __init__(self, interval_ms: int) -> None:
        super().__init__(interval_ms)
        self.were_whole: list[bool] = []
        """What each echo led to."""

    @property
    def echoes(self) -> int:
        return len(self.were_whole)

    def echo(self, now_ms: int, *, sent_ms: int, wall_ms: int) -> bool:
        is_whole = self.is_deaf_to_itself or super().echo(now_ms, sent_ms=sent_ms, wall_ms=wall_ms)
        self.were_whole.append(is_whole)
        return is_whole


class Place:
    """An exchange with registries and agents on it."""

    def __init__(self) -> None:
        self.exchange = MemoryExchange()
        self.journal = MemoryStream()
        self.detectors: list[CountingDetector] = []
        self.buses: list[MemoryBus] = []
        self.pushes: list[tuple[str, dict[str, Any]]] = []
        self.events: list[wire.Change] = []
        self.ear = MemoryBus(self.exchange, agent="ear")

    async def begin(self) -> Place:
        await self.ear.subscribe(SUBJECTS.inbox("*", "registration"), self._hear_push)
        await self.ear.subscribe(SUBJECTS.event("registry", "*", "*"), self._hear_event)
        return self

    async def _hear_push(self, delivery: Delivery) -> None:
        push = wire.RegistrationPush.model_validate_json(delivery.payload)
        self.pushes.append((delivery.subject.split(".")[2], push.model_dump()))

    async def _hear_event(self, delivery: Delivery) -> None:
        self.events.append(wire.Change.model_validate_json(delivery.payload))

    def registry(self, *, interval_ms: int = INTERVAL_MS) -> Runner:
        """One process of the registry, not yet running."""
        bus = MemoryBus(self.exchange, agent="registry")
        self.buses.append(bus)
        shell = Shell.of(bus, service="registry", subjects=SUBJECTS)
        journal = Journal(MemoryStore(self.journal))
        return Runner(self._define(shell, interval_ms), shell=shell, journals=[journal])

    def _define(self, shell: Shell, interval_ms: int) -> ServiceDefinition:
        with pytest.MonkeyPatch.context() as patch:
            made = CountingDetector(interval_ms)
            patch.setattr("coordination.registry.service.FailureDetector", lambda _: made)
            self.detectors.append(made)
            return define(shell, heartbeat_interval_ms=interval_ms)

    def client(self, agent: str) -> RegistryClient:
        return RegistryClient(Caller(MemoryBus(self.exchange, agent=agent), agent=agent, patience_s=2.0))

    async def beat(self, agent: str, payload: bytes | int, *, load: float = 0.0) -> None:
        """Send a heartbeat of an incarnation, or anything at all."""
        if isinstance(payload, int):
            payload = to_json(wire.Heartbeat(incarnation=payload, load=load))
        await self.ear.publish(SUBJECTS.presence(agent), payload)

    def kinds(self, agent: str) -> list[str]:
        return [each.kind for each in self.events if each.agent == agent]


@contextlib.asynccontextmanager
async def place(*, interval_ms: int = INTERVAL_MS) -> AsyncIterator[Place]:
    """A place with a registry that leads."""
    found = await Place().begin()
    async with running(found.registry(interval_ms=interval_ms)):
        yield found


async def test_an_agent_that_falls_silent_and_comes_back_is_recorded_so() -> None:
    async with place() as here:
        client = here.client("ada")
        await client.register()
        await wait_until(lambda: here.kinds("ada") == ["registered", "suspect", "offline"])
        await here.beat("ada", 1, load=0.5)
        await wait_until(lambda: "online" in here.kinds("ada"))
        ada = await client.get("ada")
        assert (ada.load, ada.last_heard_ms >= ada.registered_at_ms) == (0.5, True)


async def test_an_agent_that_is_heard_comes_back_before_the_next_echo() -> None:
    async with place() as here:
        await here.client("ada").register()
        await wait_until(lambda: here.kinds("ada") == ["registered", "suspect", "offline"])
        here.detectors[0].is_deaf_to_itself = True
        await here.beat("ada", 1)
        await wait_until(lambda: here.kinds("ada")[-1] == "online")


async def test_while_it_does_not_hear_itself_a_registry_blames_nobody() -> None:
    async with place() as here:
        await here.client("ada").register()
        await wait_until(lambda: here.detectors[0].tracked == 1)
        here.buses[0].lose_connection()
        # As long as the connection is down no echo comes, however long that is.
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await wait_until(lambda: loop.time() > began_s + 6 * INTERVAL_MS / 1000)
        elapsed_ms = (loop.time() - began_s) * 1000
        said = len(here.buses[0]._unsent)
        assert said <= 10 + elapsed_ms / here.detectors[0].max_gap_ms, "it does not fill the buffer"
        here.buses[0].restore_connection()
        await here.beat("ada", 1)
        assert "offline" not in here.kinds("ada")
        await wait_until(lambda: "offline" in here.kinds("ada"))


async def test_after_a_lost_connection_it_begins_anew_at_once_however_short_the_loss() -> None:
    async with place(interval_ms=60_000) as here:
        await wait_until(lambda: here.detectors[0].echoes == 1)
        here.buses[0].lose_connection()
        here.buses[0].restore_connection()
        await wait_until(lambda: here.detectors[0].were_whole == [False, False])


async def test_a_standby_hears_too_and_knows_who_lives_when_it_takes_over() -> None:
    here = await Place().begin()
    async with contextlib.AsyncExitStack() as leading:
        await leading.enter_async_context(running(here.registry(interval_ms=60_000)))
        client = here.client("ada")
        await client.register()
        async with running(standby := here.registry(interval_ms=60_000)):
            await wait_until(lambda: here.detectors[1].tracked == 1)
            await here.beat("ada", 1, load=0.75)
            await wait_until(lambda: [each.load("ada") for each in here.detectors] == [0.75, 0.75])
            await leading.aclose()
            await standby.hosts[0].leading.wait()
            ada = await client.get("ada")
            assert (ada.status, ada.load, ada.last_heard_ms > ada.registered_at_ms) == ("online", 0.75, True)


async def test_a_standby_forgets_who_has_left() -> None:
    here = await Place().begin()
    async with running(here.registry()), running(here.registry()):
        client = here.client("ada")
        await client.register()
        await wait_until(lambda: [each.tracked for each in here.detectors] == [1, 1])
        await client.deregister()
        await wait_until(lambda: [each.tracked for each in here.detectors] == [0, 0])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"[]",
        b'{"incarnation":0}',
        b'{"incarnation":1,"load":7}',
        b'{"incarnation":1,"load":NaN}',
        b'{"incarnation":1,"more":true}',
        b'{"incarnation":' + b"9" * 5_000 + b"}",
        b"[" * 500_000,
        b'{"incarnation":1}' + b" " * 900_000,
        b"\xff\xfe",
    ],
    ids=lambda payload: repr(payload[:24]),
)
async def test_what_is_no_heartbeat_is_logged_once_in_a_while_and_changes_nothing(payload: bytes) -> None:
    async with place(interval_ms=60_000) as here:
        client = here.client("ada")
        await client.register()
        await here.beat("ada", 1, load=0.5)
        with capture_logs() as logs:
            for _ in range(20):
                await here.beat("ada", payload)
            await here.beat("ada", 1, load=0.75)
            await wait_until(lambda: here.detectors[0].load("ada") == 0.75)
        ignored = [each for each in logs if each["event"] == "ignored: not a heartbeat"]
        assert [(each["agent"], each["size_bytes"]) for each in ignored] == [("ada", len(payload))]
        assert here.kinds("ada") == ["registered"]
        assert here.pushes == []


async def test_strangers_by_the_thousand_are_told_once_and_fill_no_memory() -> None:
    async with place(interval_ms=60_000) as here:
        await here.client("ada").register()
        with capture_logs() as logs:
            for _ in range(3):
                for number in range(2_000):
                    await here.beat(f"stranger-{number}", 1)
                    await here.beat(f"mumbler-{number}", b"?")
            await here.beat("ada", 1, load=0.5)
            await wait_until(lambda: here.detectors[0].load("ada") == 0.5)
        await wait_until(lambda: len(here.pushes) == 2_000)
        assert {agent for agent, _ in here.pushes} == {f"stranger-{number}" for number in range(2_000)}
        assert here.pushes[0][1] == {"code": "unknown_agent", "incarnation": 0}
        assert len([each for each in logs if each["event"] == "ignored: not a heartbeat"]) == 2_000
        assert here.detectors[0].tracked == 1


async def test_an_older_incarnation_is_told_that_it_was_superseded_and_a_newer_one_that_it_is_not_known() -> (
    None
):
    async with place(interval_ms=60_000) as here:
        client = here.client("ada")
        await client.register()
        await client.deregister()
        await client.register()
        await here.beat("ada", 1, load=0.5)
        await wait_until(lambda: len(here.pushes) == 1)
        assert here.pushes.pop() == ("ada", {"code": "superseded", "incarnation": 2})
        await here.client("bob").register()
        await here.beat("bob", 9)
        await wait_until(lambda: len(here.pushes) == 1)
        assert here.pushes == [("bob", {"code": "unknown_agent", "incarnation": 3})]
        assert here.detectors[0].load("ada") == 0.0


async def test_a_registry_takes_no_other_voice_for_its_own() -> None:
    async with place(interval_ms=60_000) as here:
        await wait_until(lambda: here.detectors[0].echoes)
        before = here.detectors[0].echoes
        for payload in (b"", b'{"echo":"0000000000000000"}', to_json(wire.Heartbeat(incarnation=1))):
            await here.beat("registry", payload)
        await here.client("ada").register()
        await here.beat("ada", 1, load=0.5)
        await wait_until(lambda: here.detectors[0].load("ada") == 0.5)
        assert here.detectors[0].echoes == before


async def test_a_thousand_that_come_back_together_are_recorded_in_few_commands() -> None:
    async with place(interval_ms=300) as here:
        names = [f"agent-{number}" for number in range(1_000)]
        for name in names:
            await here.client(name).register()
        await wait_until(lambda: sum(each.kind == "offline" for each in here.events) == 1_000)
        records = len(here.journal.payloads)
        for number, name in enumerate(names):
            await here.beat(name, number + 1)
        await wait_until(lambda: sum(each.kind == "online" for each in here.events) == 1_000)
        assert len(here.journal.payloads) - records < 40


def test_each_agent_has_its_turn_once_in_an_interval() -> None:
    turns = OncePerInterval(100, max_agents=3)
    assert [turns.is_due(agent, 1_000) for agent in ("a", "a", "b", "c", "d")] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert [turns.is_due(agent, 1_101) for agent in ("a", "d", "e")] == [False, True, True]
    assert [turns.is_due(agent, 1_202) for agent in ("a", "d")] == [True, False]
    assert [turns.is_due(agent, 9_000) for agent in ("a", "d", "d")] == [True, True, False]


def test_turns_are_bounded_whoever_asks() -> None:
    turns = OncePerInterval(100, max_agents=50)
    entropy = random.Random(1)
    granted = [0] * 20
    for now_ms in range(2_000):
        granted[now_ms // 100] += turns.is_due(f"agent-{entropy.randrange(10_000)}", now_ms)
    assert max(granted) <= 100
    assert len(turns._now) + len(turns._before) <= 100


def test_echoes_are_finer_than_what_is_left_of_three_intervals() -> None:
    detector = FailureDetector(5_000)
    echo_ms = detector.interval_ms // listening_module.ECHOES_PER_INTERVAL
    assert 2.9 * detector.interval_ms + echo_ms < 3 * detector.interval_ms
    assert 4 * echo_ms <= detector.max_gap_ms, "a lost echo is no gap"
