"""Dramatiq over Redis: broker and result backend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers.redis_keys import wait_for_keys
from benchmarks.peers.side import GIVE_UP_S, REDIS_URL, Client, run, settings, witness
from benchmarks.peers.threads import sent_by_threads

backend = RedisBackend(url=os.environ[REDIS_URL])
broker = RedisBroker(url=os.environ[REDIS_URL])
broker.add_middleware(Results(backend=backend))
dramatiq.set_broker(broker)
Message: TypeAlias = dramatiq.Message[Any]


@dramatiq.actor(store_results=True, result_ttl=3_600_000)
def noop() -> list[int]:
    """The task; Dramatiq acknowledges it after it has run, always."""
    return witness()


def _send(count: int) -> list[Message]:
    return [noop.send() for _ in range(count)]


class DramatiqClient(Client[Message]):
    """Submits from threads; a thread waits for each answer of Redis."""

    async def submit(self, count: int) -> Sequence[Message]:
        return sent_by_threads(_send, count, threads=settings()["submit_threads"])

    async def wait(self, handles: Sequence[Message]) -> None:
        wait_for_keys([backend.build_message_key(each) for each in handles])

    async def results(self, handles: Sequence[Message]) -> list[list[int]]:
        return [each.get_result(block=True) for each in handles]

    async def once(self) -> list[int]:
        # A blocking pop: nothing polls.
        value: list[int] = noop.send().get_result(block=True, timeout=GIVE_UP_S * 1000)
        return value

    async def close(self) -> None:
        broker.close()


async def connected() -> DramatiqClient:
    """The submitter."""
    return DramatiqClient()


if __name__ == "__main__":
    # Not our own broker: one per process, that of this module as workers import it.
    from benchmarks.peers import with_dramatiq

    run(with_dramatiq.connected)
