"""Workers that stand still past their lease (SIGSTOP), and wake up believing that the task is theirs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from coordination.runtime.errors import RejectedError
from coordination.runtime.names import Subjects
from tests.support.labourers import KINDS, Diary, labourer
from tests.support.nats_server import RealServer
from tests.support.taskservice import client, task_service
from tests.support.waiting import wait_until

LEASE_MS = 500


async def test_a_paused_worker_cannot_complete_and_the_result_of_the_second_one_stands(
    own_server: RealServer, subjects: Subjects, tmp_path: Path
) -> None:
    """The first worker's handlers return after it wakes up; those of the second one have done so before."""
    url = own_server.url
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    Diary(second).let_end()
    async with task_service(url, subjects, standbys=0), client(url, subjects) as ada:
        async with labourer(url, subjects, "bob", first) as bob:
            handles = [await ada.submit(kind, {"seconds": 0}, lease_ms=LEASE_MS) for kind in KINDS]
            await wait_until(lambda: len(Diary(first).lines) == len(KINDS))
            os.kill(bob.pid, signal.SIGSTOP)
            tokens = [(await handle.record()).fencing_token for handle in handles]
            async with labourer(url, subjects, "cy", second):
                results = [await handle.result(timeout_s=60) for handle in handles]
                Diary(first).let_end()
                os.kill(bob.pid, signal.SIGCONT)
                # The thread goes on to its end; of the other handler one cannot say, it is cancelled.
                await wait_until(lambda: f"end bob {tokens[KINDS.index('blocking')]}" in Diary(first).lines)
                # What it has to say of the task it says before it takes another one.
                again = await ada.submit("patient, name=bob", {"seconds": 0})
                assert await again.result(timeout_s=60) == {"by": "bob"}
        async with client(url, subjects, "bob") as late:
            for handle, token in zip(handles, tokens, strict=True):
                with pytest.raises(RejectedError) as refusal:
                    await late.tasks.complete(handle.task_id, token, {"by": "bob"})
                assert refusal.value.code == "stale_token"
        records = [await handle.record() for handle in handles]
    for record, result, token in zip(records, results, tokens, strict=True):
        lost, won = record.attempts
        assert (lost.agent, lost.fencing_token, won.agent, won.error) == ("bob", token, "cy", "")
        assert "lease" in lost.error
        assert won.fencing_token > token
        assert (record.state, record.result, result) == ("completed", {"by": "cy"}, {"by": "cy"})
