"""Heartbeats that the registry itself has lost, and agents that were heard after all: nobody is blamed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from coordination.registry.commands import RegisterAgent
from coordination.registry.listening import Listening
from coordination.registry.model import RegistryModel
from coordination.runtime.delivery import Delivery
from coordination.runtime.host import Host
from coordination.runtime.memory import DirectTransmission, MemoryBus
from coordination.runtime.model import Outcome
from coordination.runtime.runner import Shell
from tests.support.registry import running
from tests.support.waiting import wait_until
from tests.unit.registry.test_presence_listening import SUBJECTS, CountingDetector, Place

CALM_MS = 60_000
"""An interval in which nothing is found out by the time that a test takes."""


@pytest.fixture
def many_echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An echo every 20 ms, though the interval is long."""
    monkeypatch.setattr("coordination.registry.listening.ECHOES_PER_INTERVAL", CALM_MS // 20)


async def test_whoever_was_heard_while_a_verdict_waited_for_the_journal_is_not_called_silent() -> None:
    here = await Place().begin()
    runner = here.registry(interval_ms=400)
    waits, goes_on = asyncio.Event(), asyncio.Event()
    replies: list[str] = []
    async with running(runner):
        command = runner.hosts[0].command

        async def slow_command(*of: Any, **how: Any) -> str:
            waits.set()
            await goes_on.wait()
            replies.append(await command(*of, **how))
            return replies[-1]

        await here.client("ada").register()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner.hosts[0], "command", slow_command)
            await waits.wait()  # ada has been silent for long enough
            await here.beat("ada", 1, load=0.5)
            await wait_until(lambda: here.detectors[0].load("ada") == 0.5)
            goes_on.set()
            await wait_until(lambda: len(replies) >= 1)
        assert replies[0] == '{"count":0}'


class HeldTransmission(DirectTransmission):
    """Holds back what the registry says to itself, for as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = True
        self.held: list[Callable[[], None]] = []

    def carry(self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]) -> None:
        if self.holds and delivery.subject == SUBJECTS.presence("registry"):
            self.held.append(lambda: arrive(delivery))
        else:
            super().carry(source, target, delivery, arrive)

    def release(self) -> None:
        self.holds = False
        for arrive in self.held:
            arrive()


@pytest.mark.usefixtures("many_echoes")
async def test_a_registry_that_does_not_hear_itself_says_so_and_goes_on_at_once_when_it_does() -> None:
    here, transmission = Place(), HeldTransmission()
    here.exchange.transmission = transmission
    with capture_logs() as logs:
        async with running(here.registry(interval_ms=CALM_MS)):
            await wait_until(lambda: any("does not hear itself" in each["event"] for each in logs))
            said = len(transmission.held)
            transmission.release()
            await wait_until(lambda: here.detectors[0].echoes > said + 3)  # not half an interval later
    assert all(here.detectors[0].were_whole[1:])


@pytest.mark.usefixtures("many_echoes")
async def test_when_the_queue_was_full_everybody_has_a_fresh_allowance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coordination.runtime.interest.MAX_WAITING_DELIVERIES", 8)
    here = await Place().begin()
    async with running(here.registry(interval_ms=CALM_MS)):
        await wait_until(lambda: here.detectors[0].echoes >= 3)
        assert all(here.detectors[0].were_whole[1:])
        for _ in range(20):
            await here.beat("ada", 1)
        await wait_until(lambda: False in here.detectors[0].were_whole[1:])
        await wait_until(lambda: here.detectors[0].were_whole[-1])
    assert here.detectors[0].were_whole[1:].count(False) == 1


class Standby:
    """As much of a host as listening needs; it follows another process."""

    def __init__(self) -> None:
        self.leading = asyncio.Event()
        self.model = RegistryModel(heartbeat_interval_ms=CALM_MS)

    def register(self, agent: str) -> None:
        outcome = self.model.decide(RegisterAgent(agent=agent), 0)
        assert isinstance(outcome, Outcome)
        for event in outcome.events:
            self.model.apply(event)


@contextlib.asynccontextmanager
async def listening(here: Place, host: Standby) -> AsyncIterator[CountingDetector]:
    detector = CountingDetector(CALM_MS)
    bus = MemoryBus(here.exchange, agent="registry")
    shell = Shell.of(bus, service="registry", subjects=SUBJECTS)
    ears = Listening(shell, detector, cast("Host[RegistryModel]", host))
    task = asyncio.create_task(ears.run())
    try:
        yield detector
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.usefixtures("many_echoes")
async def test_while_the_model_is_made_anew_nobody_is_forgotten_and_nobody_blamed() -> None:
    """Heartbeats that come meanwhile are of agents that it does not know yet: they are lost on it."""
    here, host = Place(), Standby()
    host.register("ada")
    async with listening(here, host) as detector:
        await wait_until(lambda: detector.tracked == 1)
        await here.beat("ada", 1, load=0.5)
        await wait_until(lambda: detector.load("ada") == 0.5 and detector.were_whole[-1])
        host.model, before = RegistryModel(heartbeat_interval_ms=CALM_MS), detector.echoes
        await wait_until(lambda: detector.were_whole[before + 1 :].count(False) >= 3)
        assert True not in detector.were_whole[before + 1 :]
        assert detector.load("ada") == 0.5
        host.register("ada")
        await wait_until(lambda: detector.were_whole[-1])
        assert detector.load("ada") == 0.5


@pytest.mark.usefixtures("many_echoes")
async def test_a_host_that_leads_has_a_whole_model_though_it_has_seen_later_revisions() -> None:
    """What was never stored is gone for good, and its revisions with it."""
    here, host = Place(), Standby()
    host.register("ada")
    async with listening(here, host) as detector:
        await wait_until(lambda: detector.tracked == 1)
        host.model = RegistryModel(heartbeat_interval_ms=CALM_MS)
        await wait_until(lambda: not detector.were_whole[-1])
        host.leading.set()
        await wait_until(lambda: detector.were_whole[-1] and detector.tracked == 0)
