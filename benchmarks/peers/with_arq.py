"""arq over Redis: queue and results."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.constants import result_key_prefix
from arq.jobs import Job

from benchmarks.peers.redis_keys import wait_for_keys
from benchmarks.peers.side import GIVE_UP_S, REDIS_URL, Client, run, settings, witness


async def noop(_: dict[str, Any]) -> list[int]:
    """The task; arq takes it from the queue after it has run, always."""
    return witness()


class WorkerSettings:
    """What ``arq`` reads."""

    functions = (noop,)
    redis_settings = RedisSettings.from_dsn(os.environ[REDIS_URL])
    max_jobs = settings()["max_jobs"]
    poll_delay = settings()["poll_delay_s"]
    keep_result = 3600
    log_results = False


class ArqClient(Client[Job]):
    """Submits from many coroutines at a time, which share a pool of connections."""

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def submit(self, count: int) -> Sequence[Job]:
        handles: list[Job] = []
        left = count

        async def one_after_the_other() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                handles.append(await self._job())

        await asyncio.gather(*(one_after_the_other() for _ in range(settings()["submit_in_flight"])))
        return handles

    async def wait(self, handles: Sequence[Job]) -> None:
        wait_for_keys([result_key_prefix + each.job_id for each in handles])

    async def results(self, handles: Sequence[Job]) -> list[list[int]]:
        return [await self._result(each) for each in handles]

    async def once(self) -> list[int]:
        return await self._result(await self._job())

    async def close(self) -> None:
        await self._pool.aclose()

    async def _job(self) -> Job:
        job = await self._pool.enqueue_job("noop")
        assert job is not None, "only jobs with an id of ours can be there already"
        return job

    async def _result(self, job: Job) -> list[int]:
        value: list[int] = await job.result(timeout=GIVE_UP_S, poll_delay=settings()["check_interval_s"])
        return value


async def connected() -> ArqClient:
    """The submitter."""
    return ArqClient(await create_pool(WorkerSettings.redis_settings))


if __name__ == "__main__":
    # The module as workers import it, as in the other modules here.
    from benchmarks.peers import with_arq

    run(with_arq.connected)
