"""Taskiq over Redis (streams) and over NATS (JetStream): brokers that acknowledge, and result backends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Final

from taskiq import AsyncBroker, AsyncResultBackend, AsyncTaskiqTask
from taskiq_nats import NATSObjectStoreResultBackend, PullBasedJetStreamBroker
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers.redis_keys import wait_for_keys
from benchmarks.peers.side import GIVE_UP_S, NATS_URL, REDIS_URL, Client, run, settings, witness

_PULL_TIMEOUT_S: Final = 1.0
_POLL_S: Final = 0.02
_SOCKET_TIMEOUT_S: Final = 600.0
"""By default 5 s: a worker that was frozen for longer took its Redis for dead, and listened no more."""


def _broker() -> AsyncBroker:
    chosen = settings()
    if chosen["broker"] == "redis":
        return RedisStreamBroker(
            os.environ[REDIS_URL],
            max_connection_pool_size=chosen["connections"],
            xread_count=chosen["prefetch"],
            unacknowledged_batch_size=chosen["prefetch"],
            socket_timeout=_SOCKET_TIMEOUT_S,
        )
    # Not the push broker: its client subscribes as well, in the workers' queue group, and does nothing with
    # the tasks that it is then sent; they come again after 30 s (seen with taskiq-nats 0.7.0).
    return PullBasedJetStreamBroker(
        [os.environ[NATS_URL]],
        durable="bench",
        pull_consume_batch=chosen["prefetch"],
        pull_consume_timeout=_PULL_TIMEOUT_S,
    )


def _results() -> AsyncResultBackend[Any]:
    chosen = settings()
    if chosen["results"] == "redis":
        return RedisAsyncResultBackend(
            os.environ[REDIS_URL],
            max_connection_pool_size=chosen["connections"],
            socket_timeout=_SOCKET_TIMEOUT_S,
        )
    return NATSObjectStoreResultBackend([os.environ[NATS_URL]])


broker = _broker().with_result_backend(_results())


@broker.task(task_name="noop")
async def noop() -> list[int]:
    return witness()


class TaskiqClient(Client[AsyncTaskiqTask[Any]]):
    """Submits from many coroutines at a time, which share a pool of connections."""

    def __init__(self) -> None:
        self._submitted = 0

    async def submit(self, count: int) -> Sequence[AsyncTaskiqTask[Any]]:
        handles: list[AsyncTaskiqTask[Any]] = []
        left = count

        async def one_after_the_other() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                handles.append(await noop.kiq())

        await asyncio.gather(*(one_after_the_other() for _ in range(settings()["submit_in_flight"])))
        self._submitted += count
        return handles

    async def wait(self, handles: Sequence[AsyncTaskiqTask[Any]]) -> None:
        if settings()["results"] == "redis":
            wait_for_keys([each.task_id for each in handles])
            return
        # The stream of the bucket holds two messages for each result: its only piece, and its description.
        js = broker.result_backend.nats_jetstream
        while (await js.stream_info("OBJ_taskiq_results")).state.messages < 2 * self._submitted:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_POLL_S)

    async def results(self, handles: Sequence[AsyncTaskiqTask[Any]]) -> list[list[int]]:
        return [(await each.get_result()).return_value for each in handles]

    async def once(self) -> list[int]:
        task = await noop.kiq()
        self._submitted += 1
        result = await task.wait_result(check_interval=settings()["check_interval_s"], timeout=GIVE_UP_S)
        value: list[int] = result.return_value
        return value

    async def close(self) -> None:
        await broker.shutdown()


async def connected() -> TaskiqClient:
    """The submitter."""
    await broker.startup()
    return TaskiqClient()


if __name__ == "__main__":
    # Not our own `noop`: the task is known by the name of this module as workers import it.
    from benchmarks.peers import with_taskiq

    run(with_taskiq.connected)
