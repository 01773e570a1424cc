"""A cluster of three nats-servers, journals on all of them: the stream's leader is killed under load."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coordination.runtime.bus import NatsBus
from coordination.runtime.names import Subjects
from tests.support.nats_cluster import real_cluster
from tests.support.registry import registry_runner, running
from tests.support.traffic import Traffic, check_journal

COMMANDS = 5_000


@contextlib.asynccontextmanager
async def connected(url: str, agent: str) -> AsyncIterator[NatsBus]:
    bus = await NatsBus.connect(url, agent=agent)
    try:
        yield bus
    finally:
        await bus.close()


async def stream_leader(bus: NatsBus, subjects: Subjects) -> str:
    info = await bus.jetstream().stream_info(subjects.journal_stream("registry", 0))
    assert info.cluster is not None
    assert info.cluster.leader is not None
    return info.cluster.leader


async def test_killing_the_streams_leader_loses_and_repeats_nothing(
    tmp_path: Path, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    with real_cluster(tmp_path) as cluster:
        traffic = Traffic(cluster.url, subjects, commands=COMMANDS)
        async with (
            connected(cluster.url, "observer") as observer,
            connected(cluster.url, "registry") as first,
            connected(cluster.url, "registry") as second,
            running(registry_runner(first, subjects, replicas=3)),
            running(registry_runner(second, subjects, replicas=3)),
        ):
            gaps_s = []
            async with traffic.flowing():
                for part in (1, 2):
                    await traffic.acknowledged_at_least(COMMANDS * part // 3)
                    leader = cluster.named(await stream_leader(observer, subjects))
                    leader.kill()
                    gaps_s.append(await traffic.next_acknowledgement_s())
                    leader.start()
        lost, twice = await check_journal(cluster.url, subjects, traffic)
    with capsys.disabled():
        gaps = ", ".join(f"{gap_s:.2f} s" for gap_s in gaps_s)
        sys.stdout.write(
            f"\nR3: {traffic.count} commands, {traffic.per_second:.0f}/s; next answer after kill -9 of the "
            f"stream's leader: {gaps}; {lost} lost, {twice} twice\n"
        )
    assert (lost, twice) == (0, 0)
    assert traffic.count >= COMMANDS
