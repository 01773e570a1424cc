"""The raw other end of a request: answers with what it got, with nats-py and nothing else.

python -m benchmarks.echo URL [--loop uvloop]
"""

from __future__ import annotations

import asyncio

import nats
from nats.aio.msg import Msg

from benchmarks.child import serve_as_child

SUBJECT = "raw.echo"


async def serve(url: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Answer on `SUBJECT` until `stop`."""
    client = await nats.connect(url)

    async def answer(message: Msg) -> None:
        await client.publish(message.reply, message.data)

    await client.subscribe(SUBJECT, cb=answer)
    await client.flush()
    ready.set()
    await stop.wait()
    await client.close()


if __name__ == "__main__":
    serve_as_child(serve)
