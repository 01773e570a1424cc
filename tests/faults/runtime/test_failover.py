"""kill -9 of leader, of standby and of nats-server while 5,000 commands flow.

Two real processes serve the registry on a real nats-server. The checker reads the journal's bytes:
everything acknowledged is in it as it was acknowledged, and nothing took effect twice. The figures are
printed (``pytest -s``, or in the report of a failing test) and end up in ``docs/performance.md``.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from coordination.runtime.names import Subjects
from tests.support.nats_server import RealServer
from tests.support.processes import conclave_process
from tests.support.traffic import Traffic, check_journal

COMMANDS = 5_000
MAX_FAILOVER_S = 3.0
"""What DESIGN section 5 promises, from the kill to the next acknowledgement."""


class Cluster:
    """Processes that serve the registry; the first one started leads."""

    def __init__(self, url: str, subjects: Subjects) -> None:
        self.processes: list[asyncio.subprocess.Process] = []
        self._arguments = ("serve", "registry", "--nats", url, "--prefix", subjects.prefix)
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> asyncio.subprocess.Process:
        process, _ = await self._stack.enter_async_context(conclave_process(*self._arguments))
        self.processes.append(process)
        return process

    async def stop(self) -> None:
        await self._stack.aclose()


@contextlib.asynccontextmanager
async def cluster_of_two(url: str, subjects: Subjects) -> AsyncIterator[Cluster]:
    cluster = Cluster(url, subjects)
    try:
        await cluster.start()
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def test_killing_leader_standby_and_server_loses_and_repeats_nothing(
    own_server: RealServer, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic = Traffic(own_server.url, subjects, commands=COMMANDS)
    async with cluster_of_two(own_server.url, subjects) as cluster:
        leader, standby = cluster.processes
        async with traffic.flowing():
            await traffic.acknowledged_at_least(COMMANDS // 8)
            await kill(standby)
            after_standby_s = await traffic.next_acknowledgement_s()
            standby = await cluster.start()
            await traffic.acknowledged_at_least(COMMANDS * 2 // 8)
            await kill(leader)
            after_leader_s = await traffic.next_acknowledgement_s()
            leader, standby = standby, await cluster.start()
            await traffic.acknowledged_at_least(COMMANDS * 4 // 8)
            own_server.kill()
            own_server.start()
            after_server_s = await traffic.next_acknowledgement_s()
            await traffic.acknowledged_at_least(COMMANDS * 6 // 8)
    lost, twice = await check_journal(own_server.url, subjects, traffic)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{traffic.count} commands, {traffic.per_second:.0f}/s; next answer after kill -9 of "
            f"the standby: {after_standby_s:.2f} s, the leader: {after_leader_s:.2f} s, "
            f"nats-server: {after_server_s:.2f} s; {lost} lost, {twice} twice\n"
        )
    assert (lost, twice) == (0, 0)
    assert traffic.count >= COMMANDS
    assert after_leader_s < MAX_FAILOVER_S


async def test_a_paused_leader_that_wakes_up_changes_nothing_and_answers_nothing_stale(
    own_server: RealServer, subjects: Subjects
) -> None:
    """SIGSTOP: the leader does not know that it was away, and that another one leads."""
    traffic = Traffic(own_server.url, subjects, commands=600)
    async with cluster_of_two(own_server.url, subjects) as cluster:
        paused = cluster.processes[0]
        async with traffic.flowing():
            await traffic.acknowledged_at_least(100)
            paused.send_signal(signal.SIGSTOP)
            await traffic.acknowledged_at_least(300)
            paused.send_signal(signal.SIGCONT)
            await traffic.acknowledged_at_least(500)
            assert traffic.stale_reads == [], "a read showed less than was acknowledged before it"
    assert await check_journal(own_server.url, subjects, traffic) == (0, 0)
    assert traffic.stale_reads == []


async def test_an_orderly_stop_hands_over_at_once(own_server: RealServer, subjects: Subjects) -> None:
    """SIGTERM finishes what was acknowledged and resigns: nobody waits for a lease."""
    traffic = Traffic(own_server.url, subjects, commands=600)
    async with cluster_of_two(own_server.url, subjects) as cluster, traffic.flowing():
        await traffic.acknowledged_at_least(200)
        cluster.processes[0].terminate()
        assert await cluster.processes[0].wait() == 0
        await traffic.acknowledged_at_least(400)
    assert await check_journal(own_server.url, subjects, traffic) == (0, 0)
