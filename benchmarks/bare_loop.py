"""The bare loop: gather, validate with pydantic, append one framed record, reply. None of our features.

    python -m benchmarks.bare_loop URL [--loop uvloop]

It says ``ready`` and serves until SIGTERM. No deduplication, no model, no limits, no deadlines, no lease,
no discovery, no statistics, no check of the caller: what a command cannot cost less than in Python with
nats-py. It stores the event alone, where our record also holds the answer for a retry.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import nats
from nats.aio.msg import Msg
from nats.js.api import StorageType, StreamConfig

from benchmarks.child import serve_as_child
from benchmarks.tally import AddRequest
from coordination.runtime.framing import frame

SUBJECT = "bare.call.add.bench"
_BATCH = 512
"""Commands in a record at most: all that are in flight, which suits the bare loop best."""
_EVENT = b'{"type":"Added","data":%s}'


async def serve(url: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Answer on `SUBJECT` until `stop`."""
    client = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(StreamConfig(name="bare", subjects=["bare.journal"], storage=StorageType.FILE))
    waiting: deque[Msg] = deque()
    work = asyncio.Event()

    async def gather(message: Msg) -> None:
        waiting.append(message)
        work.set()

    async def loop() -> None:
        total = 0
        while True:
            await work.wait()
            work.clear()
            while waiting:
                batch = [waiting.popleft() for _ in range(min(len(waiting), _BATCH))]
                requests = [AddRequest.model_validate_json(message.data) for message in batch]
                events = [_EVENT % message.data for message in batch]
                await js.publish("bare.journal", frame(1, time.time_ns() // 1_000_000, events))
                for message, request in zip(batch, requests, strict=True):
                    total += request.amount
                    await client.publish(message.reply, b'{"total":%d}' % total)

    await client.subscribe(SUBJECT, cb=gather)
    await client.flush()
    async with asyncio.TaskGroup() as group:
        looping = group.create_task(loop())
        ready.set()
        await stop.wait()
        looping.cancel()
    await client.close()


if __name__ == "__main__":
    serve_as_child(serve)
