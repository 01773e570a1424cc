"""The real consensus service, as `conclave serve consensus` runs it.

python -m benchmarks.served_consensus URL [--loop uvloop] [--profile FILE]
"""

from __future__ import annotations

import asyncio

from benchmarks.child import serve_as_child
from conclave.deployment import deployed


async def serve(url: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    async with deployed(url, names=["consensus"]):
        ready.set()
        await stop.wait()


if __name__ == "__main__":
    serve_as_child(serve)
