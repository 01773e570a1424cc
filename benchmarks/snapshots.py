"""How long a leader is away while it writes a snapshot of many tasks, and a standby while it reads one.

``python -m benchmarks.snapshots --tasks 100000``. "At once" is what it was before
states were written and read in parts: pydantic, all of it in one call.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import TypeAdapter

from benchmarks.machine import describe
from conclave.garbage import collecting_rarely
from coordination.runtime.journal import Journal
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.model import NOTHING, Outcome
from coordination.runtime.shard import ShardState
from coordination.runtime.snapshots import SnapshotPolicy, Snapshots
from coordination.tasks.lifecycle import State
from coordination.tasks.record import Attempt, Holder, Task, TasksState
from coordination.tasks.spec import TaskSpec


@dataclass(slots=True)
class Holding:
    """A model that only holds the state of the task service."""

    event_types: ClassVar[tuple[type, ...]] = ()
    state: TasksState = field(default_factory=TasksState)

    def decide(self, command: Any, now_ms: int) -> Outcome:  # noqa: ARG002
        return NOTHING

    def apply(self, event: Any) -> None:
        raise AssertionError(event)

    def next_deadline_ms(self) -> int | None:
        return None

    def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
        return NOTHING

    def snapshot(self) -> TasksState:
        return self.state

    def restore(self, state: TasksState) -> None:
        self.state = state


def task(number: int) -> Task:
    """One of those that run: an attempt, a lease, a small payload."""
    payload = {"path": f"/srv/in/{number:08}.json", "attempts": number % 7}
    return Task(
        task_id=f"task-{number:08}",
        sequence=number + 1,
        submitter=f"agent-{number % 50}",
        spec=TaskSpec(requirement="python>=3.11", capability="python", payload=payload, payload_bytes=60),
        seed=number,
        submitted_at_ms=1_700_000_000_000 + number,
        state=State.RUNNING,
        fencing_token=number + 1,
        holder=Holder(agent=f"worker-{number % 100}", expires_ms=1_700_000_030_000, why="least loaded"),
        attempts=(Attempt(agent=f"worker-{number % 100}", fencing_token=number + 1, started_ms=number),),
    )


class Watch:
    """The longest time that the loop was away."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.turns = 0

    async def run(self) -> None:
        before_s = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now_s = time.perf_counter()
            self.longest_s, before_s = max(self.longest_s, now_s - before_s), now_s
            self.turns += 1


async def watched(what: str, work: Any) -> Any:
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    begin_s = time.perf_counter()
    result = await work
    took_s = time.perf_counter() - begin_s
    await asyncio.sleep(0)
    watching.cancel()
    line = f"{what:18} {took_s:6.2f} s in all, loop away for at most {watch.longest_s * 1000:6.0f} ms"
    sys.stdout.write(f"{line}, {watch.turns} turns\n")
    return result


async def written_at_once(state: TasksState) -> bytes:
    adapter = TypeAdapter(TasksState)
    return TypeAdapter(Any).dump_json(adapter.dump_python(state, mode="json", warnings="error"))


async def read_at_once(payload: bytes) -> TasksState:
    return TypeAdapter(TasksState).validate_python(TypeAdapter(Any).validate_json(payload))


async def written_in_parts(shard: ShardState[Holding], journal: Journal) -> None:
    snapshots = Snapshots("tasks.0", journal, SnapshotPolicy())
    snapshots.take(shard)
    saving: asyncio.Task[None] | None = snapshots._saving  # noqa: SLF001
    assert saving is not None
    await saving


async def read_in_parts(payload: bytes) -> ShardState[Holding]:
    shard = ShardState("tasks.0", Holding)
    for _ in shard.restoring(payload):
        await asyncio.sleep(0)
    return shard


async def main(count: int) -> None:
    shard = ShardState("tasks.0", Holding)
    shard.sequence = 1
    shard.model.state.open = {each.task_id: each for each in map(task, range(count))}
    payload = await watched("written at once", written_at_once(shard.model.state))
    await watched("read at once", read_at_once(payload))
    stream = MemoryStream("tasks.0")
    await watched("written in parts", written_in_parts(shard, Journal(MemoryStore(stream))))
    (payload,) = stream.snapshots.values()
    again = await watched("read in parts", read_in_parts(payload))
    assert again.model.state == shard.model.state
    sys.stdout.write(f"{count} tasks, {len(payload) / 2**20:.1f} MiB\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    chosen_count = parser.parse_args().tasks
    sys.stdout.write(f"{describe()}\n")
    with collecting_rarely():
        asyncio.run(main(chosen_count))
