"""A store of journals that is slow, out of reach, or answers into the void; what it took, it keeps.

`SimulatedStorage` is the server; a `FaultyStore` is one process's way to one journal on it. A request
that is under way takes effect even if whoever sent it has given up, or is dead.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from coordination.runtime.errors import ClosedError, ConclaveError, UnavailableError
from coordination.runtime.memory_store import AppendingByTask, MemoryStore, MemoryStream
from coordination.runtime.store import Bounds, Entry, JournalStore, Pointer
from coordination.simulation.network import STORE, Topology
from coordination.simulation.trace import Trace

T = TypeVar("T")
REQUEST_TIMEOUT_S: Final = 2.0
"""How long one attempt waits for its answer; as `coordination.runtime.jetstream` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFaults:
    """How bad the store is; every chance is between 0 and 1 and holds for one operation."""

    delay_s: tuple[float, float] = (0.0005, 0.003)
    """Least and most that each way usually takes; an operation takes two."""
    slow: float = 0.0
    """Chance that the request takes up to `slow_s` instead, longer than anybody waits for it."""
    slow_s: float = 4.0
    lost: float = 0.0
    """Chance that the request is lost: nothing happens."""
    unacknowledged: float = 0.0
    """Chance that the answer is lost: it has happened."""
    overtaking: float = 0.0
    """Chance that a request does not wait for those sent before it."""
    lagging: float = 0.0
    """Chance that a read comes from a replica that has not heard of the newest records."""
    torn: float = 0.0
    """Chance that a snapshot is kept in part only, and not acknowledged."""


class ArchivedStream(MemoryStream):
    """A journal that remembers every record it ever held, for the checkers."""

    def __init__(self, name: str, *, shards: int, trace: Trace) -> None:
        super().__init__(name, shards=shards)
        self.archive: list[Entry] = []
        """All records in the order in which they were stored; compaction takes nothing from here."""
        self._trace = trace

    def append(self, payload: bytes, *, record_id: str) -> int:
        """See `MemoryStream.append`."""
        sequence = super().append(payload, record_id=record_id)
        self.archive.append(Entry(sequence, payload, record_id))
        self._trace.note("stored", self.name, sequence, record_id, payload=payload)
        return sequence


@dataclass(eq=False, slots=True)
class _Request:
    """One operation under way."""

    node: str
    operation: str
    work: Callable[[], Awaitable[Any]]
    answer: asyncio.Future[Any]
    life: int
    """Of the server: what was sent to an earlier one is lost."""


class SimulatedStorage:
    """The server behind all stores.

    Args:
        entropy: Decides everything.
        topology: Which nodes cannot reach it.
        trace: Hears of each operation.
    """

    def __init__(self, entropy: random.Random, *, topology: Topology, trace: Trace) -> None:
        self.faults = StoreFaults()
        self.is_up = True
        self.streams: dict[str, ArchivedStream] = {}
        self.entropy = entropy
        self.topology = topology
        self._trace = trace
        self._world = copy_context()  # a request arrives even if its sender stands still by then
        self._life = 1
        self._working: dict[asyncio.Task[None], None] = {}
        self._unanswered: dict[asyncio.Future[Any], None] = {}

    def stream(self, name: str, *, shards: int) -> ArchivedStream:
        """The journal called `name`, made on first use."""
        if name not in self.streams:
            self.streams[name] = ArchivedStream(name, shards=shards, trace=self._trace)
        return self.streams[name]

    def crash(self) -> None:
        """Lose everything that is under way, and answer nobody until `restart`."""
        self.is_up = False
        self._life += 1
        self._trace.note("store crashed")
        for task in self._working:
            task.cancel()
        for answer in self._unanswered:
            if not answer.done():
                answer.set_exception(UnavailableError("the connection to the store was lost"))

    def restart(self) -> None:
        """Answer again, from what was durable."""
        self.is_up = True
        self._trace.note("store restarted")

    def is_reachable(self, node: str) -> bool:
        """Whether requests of `node` would arrive now."""
        return self.is_up and not self.topology.is_cut(node, STORE)

    async def ask(
        self, node: str, operation: str, work: Callable[[], Awaitable[T]], *, arrival_s: float
    ) -> T:
        """Have `work` done on the server when the request arrives, and wait for its answer.

        Raises:
            UnavailableError: There was no answer; whether it was, or will be, done is unknown.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        if self.entropy.random() >= self.faults.lost:
            request = _Request(node, operation, work, answer, self._life)
            loop.call_at(arrival_s, self._arrive, request, context=self._world)
        self._unanswered[answer] = None
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise UnavailableError(f"the store does not answer ({operation})") from None
        finally:
            del self._unanswered[answer]

    def _arrive(self, request: _Request) -> None:
        if not self.is_reachable(request.node) or request.life != self._life:
            self._trace.note("store lost", request.node, request.operation)
            return
        task = asyncio.get_running_loop().create_task(self._serve(request))
        self._working[task] = None
        task.add_done_callback(self._working.pop)

    async def _serve(self, request: _Request) -> None:
        try:
            result, error = await request.work(), None
        except ConclaveError as refusal:
            result, error = None, refusal
        outcome = "done" if error is None else type(error).__name__
        self._trace.note("store", request.node, request.operation, outcome)
        if self.entropy.random() < self.faults.unacknowledged:
            return
        takes_s = self.entropy.uniform(*self.faults.delay_s)
        asyncio.get_running_loop().call_later(takes_s, self._answer, request, result, error)

    def _answer(self, request: _Request, result: Any, error: ConclaveError | None) -> None:
        cut = self.topology.is_cut(STORE, request.node)
        if request.answer.done() or cut or request.life != self._life:
            return
        if error is None:
            request.answer.set_result(result)
        else:
            request.answer.set_exception(error)


class FaultyStore(AppendingByTask):
    """A `JournalStore`: one process's way to one journal.

    Args:
        storage: The server.
        node: Where the process runs.
        stream: The journal.
        served: What the server does with a request; the mutants of the tests give a faulty one.
    """

    def __init__(
        self,
        storage: SimulatedStorage,
        *,
        node: str,
        stream: MemoryStream,
        served: JournalStore | None = None,
    ) -> None:
        self._storage = storage
        self._node = node
        self._stream = stream
        self._served = served or MemoryStore(stream, shards=stream.shards)
        self._arrival_s = 0.0
        """When the last request arrives that has not overtaken."""
        self._closed = False

    @property
    def name(self) -> str:
        """See `JournalStore.name`."""
        return self._stream.name

    @property
    def max_in_flight(self) -> int:
        """See `JournalStore.max_in_flight`."""
        return self._served.max_in_flight

    async def open(self) -> None:
        """See `JournalStore.open`."""
        await self._ask("open", self._served.open)

    async def bounds(self) -> Bounds:
        """See `JournalStore.bounds`."""
        return await self._ask("bounds", self._served.bounds)

    async def read(self, after: int, *, limit: int) -> list[Entry]:
        """See `JournalStore.read`."""
        entries = await self._ask(f"read {after}", lambda: self._served.read(after, limit=limit))
        if entries and self._storage.entropy.random() < self._storage.faults.lagging:
            return entries[: self._storage.entropy.randrange(len(entries))]
        return entries

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        """See `JournalStore.append`."""
        return await self._ask(
            f"append {record_id} after {expected}",
            lambda: self._served.append(
                payload, expected=expected, record_id=record_id, previous_id=previous_id
            ),
        )

    async def record_id_at(self, sequence: int) -> str | None:
        """See `JournalStore.record_id_at`."""
        return await self._ask(f"id {sequence}", lambda: self._served.record_id_at(sequence))

    async def wait(self, after: int, *, timeout_s: float) -> None:
        """See `JournalStore.wait`."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + timeout_s
        await self._stream.wait(after, timeout_s=timeout_s)
        remaining_s = max(give_up_s - loop.time(), 0.0)
        if self._storage.is_reachable(self._node) and not self._storage.topology.is_cut(STORE, self._node):
            remaining_s = min(remaining_s, self._storage.entropy.uniform(*self._storage.faults.delay_s))
        await asyncio.sleep(remaining_s)

    async def pointer(self) -> Pointer:
        """See `JournalStore.pointer`."""
        return await self._ask("pointer", self._served.pointer)

    async def move_pointer(self, pointer: Pointer) -> None:
        """See `JournalStore.move_pointer`."""
        newest = pointer.snapshots[0].name if pointer.snapshots else "nothing"
        await self._ask(f"point at {newest}", lambda: self._served.move_pointer(pointer))

    async def put_snapshot(self, name: str, payload: bytes) -> None:
        """See `JournalStore.put_snapshot`."""
        if self._storage.entropy.random() < self._storage.faults.torn:
            half = payload[: self._storage.entropy.randrange(len(payload))]
            await self._ask(f"put half of {name}", lambda: self._served.put_snapshot(name, half))
            raise UnavailableError(f"the store does not answer (put {name})")
        await self._ask(f"put {name}", lambda: self._served.put_snapshot(name, payload))

    async def get_snapshot(self, name: str) -> bytes | None:
        """See `JournalStore.get_snapshot`."""
        return await self._ask(f"get {name}", lambda: self._served.get_snapshot(name))

    async def snapshot_names(self) -> list[str]:
        """See `JournalStore.snapshot_names`."""
        return await self._ask("snapshot names", self._served.snapshot_names)

    async def delete_snapshot(self, name: str) -> None:
        """See `JournalStore.delete_snapshot`."""
        await self._ask(f"delete {name}", lambda: self._served.delete_snapshot(name))

    async def compact(self, before: int) -> None:
        """See `JournalStore.compact`."""
        await self._ask(f"compact before {before}", lambda: self._served.compact(before))

    async def close(self) -> None:
        """See `JournalStore.close`."""
        self.abort()

    def abort(self) -> None:
        """Send nothing any more; what is under way may still take effect."""
        self._closed = True

    async def _ask(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        if self._closed:
            raise ClosedError(f"{self.name}: the store is closed")
        storage, loop = self._storage, asyncio.get_running_loop()
        takes_s = storage.entropy.uniform(*storage.faults.delay_s)
        if storage.entropy.random() < storage.faults.slow:
            takes_s = storage.entropy.uniform(0, storage.faults.slow_s)
        arrival_s = loop.time() + takes_s
        if storage.entropy.random() >= storage.faults.overtaking:
            self._arrival_s = arrival_s = max(arrival_s, self._arrival_s)
        result = await storage.ask(self._node, f"{self.name} {operation}", work, arrival_s=arrival_s)
        if self._closed:
            raise ClosedError(f"{self.name}: the store is closed")
        return result
