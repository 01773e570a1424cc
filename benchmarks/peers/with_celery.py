"""Celery over Redis: broker and result backend."""

from __future__ import annotations

import os
from collections.abc import Sequence

from celery import Celery
from celery.result import AsyncResult

from benchmarks.peers.redis_keys import wait_for_keys
from benchmarks.peers.side import GIVE_UP_S, REDIS_URL, Client, run, settings, witness
from benchmarks.peers.threads import sent_by_threads

app = Celery("bench", broker=os.environ[REDIS_URL], backend=os.environ[REDIS_URL])
app.conf.update(
    # At least once, as every system here: acknowledged after the task, taken back from a worker that dies.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=settings()["prefetch"],
    # The optimizing guide has one switch off what is not used: nothing listens to events or limits rates.
    worker_send_task_events=False,
    task_send_sent_event=False,
    task_track_started=False,
    worker_disable_rate_limits=True,
    broker_pool_limit=64,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="noop")
def noop() -> list[int]:
    """The task."""
    return witness()


def _send(count: int) -> list[AsyncResult]:
    # One producer for all, which keeps its connection.
    with app.producer_or_acquire() as producer:
        return [noop.apply_async(producer=producer) for _ in range(count)]


class CeleryClient(Client[AsyncResult]):
    """Submits from threads; a thread waits for each answer of Redis."""

    async def submit(self, count: int) -> Sequence[AsyncResult]:
        return sent_by_threads(_send, count, threads=settings()["submit_threads"])

    async def wait(self, handles: Sequence[AsyncResult]) -> None:
        wait_for_keys([app.backend.get_key_for_task(each.id) for each in handles])

    async def results(self, handles: Sequence[AsyncResult]) -> list[list[int]]:
        return [each.get(timeout=GIVE_UP_S) for each in handles]

    async def once(self) -> list[int]:
        # Redis tells by publish/subscribe that the result is there: nothing polls.
        value: list[int] = noop.delay().get(timeout=GIVE_UP_S)
        return value

    async def close(self) -> None:
        app.close()


async def connected() -> CeleryClient:
    """The submitter."""
    return CeleryClient()


if __name__ == "__main__":
    # Not our own `noop`: one application per process, known by the name of this module as workers import it.
    from benchmarks.peers import with_celery

    run(with_celery.connected)
