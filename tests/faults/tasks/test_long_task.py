"""Tasks longer than their lease: one start, one end, one attempt, whatever happens to the services meanwhile.

The long form, tasks of 60 s with a lease of 2 s and a server that is away for 15 s::

    CONCLAVE_LONG_TASK_S=60 CONCLAVE_LONG_LEASE_MS=2000 CONCLAVE_LONG_AWAY_S=15 \\
        pytest -s tests/faults/tasks/test_long_task.py
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from conclave.work import TaskHandle
from coordination.runtime.names import Subjects
from coordination.tasks.wire import TaskRecord
from tests.support.labourers import KINDS, Diary, labourer
from tests.support.nats_server import RealServer
from tests.support.taskservice import client, record_when, task_service
from tests.support.waiting import wait_until

LASTS_S = float(os.environ.get("CONCLAVE_LONG_TASK_S", "0"))
"""How long a handler works at least; it never ends before everything has happened."""
LEASE_MS = int(os.environ.get("CONCLAVE_LONG_LEASE_MS", "1000"))

AWAY_S = float(os.environ.get("CONCLAVE_LONG_AWAY_S", "0"))
"""How long nats-server is away."""


def lease_end_ms(record: TaskRecord) -> int:
    """Until when its worker may be silent."""
    assert record.state == "running", record
    assert record.holder is not None
    return record.holder.expires_ms


async def renewed(handles: Sequence[TaskHandle], *, leases: int) -> None:
    """Return when each task has been renewed for so many leases more, under the same attempt."""

    async def renew(handle: TaskHandle) -> None:
        until_ms = lease_end_ms(await handle.record()) + leases * LEASE_MS
        await record_when(handle, lambda record: lease_end_ms(record) >= until_ms)

    await asyncio.gather(*map(renew, handles))


@pytest.mark.timeout(LASTS_S + AWAY_S + 120)
async def test_long_tasks_run_once_across_a_failover_and_a_restart_of_the_server(
    own_server: RealServer, subjects: Subjects, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of two workers has a place free all the time, and would take what the other one loses at once."""
    url = own_server.url
    async with (
        task_service(url, subjects) as service,
        labourer(url, subjects, "bob", tmp_path),
        labourer(url, subjects, "cy", tmp_path),
        client(url, subjects) as ada,
    ):
        handles = [await ada.submit(kind, {"seconds": LASTS_S}, lease_ms=LEASE_MS) for kind in KINDS]
        for handle in handles:
            await record_when(handle, lambda record: record.state == "running")
        await renewed(handles, leases=2)
        await service.kill_leader()
        await renewed(handles, leases=2)
        own_server.kill()
        back_s = time.monotonic() + AWAY_S
        await wait_until(lambda: time.monotonic() >= back_s, timeout_s=AWAY_S + 5)
        own_server.start()
        await renewed(handles, leases=2)
        Diary(tmp_path).let_end()
        results = [await handle.result(timeout_s=LASTS_S + 60) for handle in handles]
        records = [await handle.record() for handle in handles]
    lines = Diary(tmp_path).lines
    for record, result in zip(records, results, strict=True):
        (attempt,) = record.attempts
        assert (record.state, attempt.error, result) == ("completed", "", {"by": attempt.agent})
        assert attempt.ended_ms is not None
        mine = [line for line in lines if line.endswith(f" {attempt.fencing_token}")]
        assert mine == [f"{what} {attempt.agent} {attempt.fencing_token}" for what in ("start", "end")]
        with capsys.disabled():
            sys.stdout.write(
                f"\n{record.capability}: {(attempt.ended_ms - attempt.started_ms) / 1000:.1f} s with a lease "
                f"of {LEASE_MS / 1000:g} s, leader and nats-server killed: {len(mine) // 2} run, 1 attempt\n"
            )
    assert len(lines) == 2 * len(KINDS)
