"""Our kernel serving the least possible service (`benchmarks.tally`).

python -m benchmarks.served_tally URL [--loop uvloop] [--profile FILE]
"""

from __future__ import annotations

import asyncio

from benchmarks.child import serve_as_child
from benchmarks.tally import NAME, define
from coordination.runtime.bus import NatsBus
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell


async def serve(url: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    bus = await NatsBus.connect(url, agent=NAME)
    shell = Shell.of(bus, service=NAME, subjects=Subjects())
    store = JetStreamStore(bus, subjects=Subjects(), service=NAME, replicas=1)
    runner = Runner(define(), shell=shell, journals=[Journal(store)])
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        await runner.ready.wait()
        ready.set()
        await stop.wait()
        runner.stop()
    await bus.close()


if __name__ == "__main__":
    serve_as_child(serve)
