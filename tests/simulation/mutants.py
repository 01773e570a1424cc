"""Planted bugs: faulty parts that a simulated cluster can be made of, each of which must be caught."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from coordination.runtime.appending import Append
from coordination.runtime.bus import Delivery, Handler, Listener, Subscription
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.memory import MemoryBus
from coordination.runtime.memory_store import MemoryStore
from coordination.runtime.requests import Request
from coordination.runtime.runner import Runner
from coordination.runtime.shard import as_json
from coordination.runtime.store import Carried, JournalStore
from coordination.runtime.wire import HEADER_COMMAND_ID
from coordination.simulation.cluster import Parts


class HastyJournal(Journal):
    """Says that a record is durable as soon as it was sent: replies leave before the append is done."""

    def __init__(self, store: JournalStore, *, entropy: random.Random) -> None:
        super().__init__(store, entropy=entropy)
        self._really: list[Append] = []

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[], None] | None = None,
        carried: Carried | None = None,
    ) -> Append:
        really = super().send(payload, expected=expected, record_id=record_id, carried=carried)
        self._really.append(really)
        said = Append(b"", expected, record_id, on_end)
        # What has failed at once is not worth a lie.
        said.end(really.error)
        return said

    async def abandon(self, appends: Iterable[Append]) -> None:
        await super().abandon([*appends, *self._really])


class IndifferentStore(MemoryStore):
    """Stores a record whatever stands before it: no compare-and-set."""

    def __init__(self, stream: MemoryStore) -> None:
        super().__init__(stream._stream, shards=stream._shards)

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        del expected, previous_id
        await asyncio.sleep(0)
        return self._stream.append(payload, record_id=record_id)


class ForgetfulBus:
    """Takes the command id from every request: no retry is recognised."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    async def publish(
        self, subject: str, payload: bytes, *, reply_to: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        await self._bus.publish(subject, payload, reply_to=reply_to, headers=headers)

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        return await self._bus.request(subject, payload, timeout_s=timeout_s, headers=headers)

    def together(self) -> AbstractContextManager[None]:
        return self._bus.together()

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        async def forget(delivery: Delivery) -> None:
            headers = {key: value for key, value in delivery.headers.items() if key != HEADER_COMMAND_ID}
            await handler(
                Delivery(
                    subject=delivery.subject,
                    payload=delivery.payload,
                    reply_to=delivery.reply_to,
                    headers=headers,
                )
            )

        return await self._bus.subscribe(subject, forget, queue=queue)

    async def listen(self, subject: str, listener: Listener, *, queue: str = "") -> Subscription:
        async def hear(delivery: Delivery) -> None:
            listener(delivery)

        return await self.subscribe(subject, hear, queue=queue)

    async def flush(self) -> None:
        await self._bus.flush()

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._bus.on_reconnect(callback)

    async def close(self) -> None:
        await self._bus.close()


class RashReader:
    """Answers reads of a host at once while it believes to lead, whether or not that is confirmed."""

    def __init__(self, host: Host[Any]) -> None:
        self._host = host
        self._submit = host.submit
        self._answers: dict[asyncio.Task[None], None] = {}

    def submit(self, request: Request) -> None:
        host = self._host
        if not (request.is_query and host.leading.is_set()):
            self._submit(request)
            return
        answer = as_json(request.reply_type, request.run(host.model, 0))
        task = asyncio.ensure_future(request.respond(answer))
        self._answers[task] = None
        task.add_done_callback(self._answers.pop)

    @classmethod
    def into(cls, runner: Runner) -> Runner:
        for host in runner.hosts:
            setattr(host, "submit", cls(host).submit)  # noqa: B010 - a method is not assigned to
        return runner


class AmnesicJournal(Journal):
    """Loads snapshots without the answers that were given."""

    async def load(self) -> Snapshot | None:
        snapshot = await super().load()
        if snapshot is None:
            return None
        content = json.loads(snapshot.payload)
        content["answers"] = []
        payload = json.dumps(content).encode()
        return Snapshot(sequence=snapshot.sequence, epoch=snapshot.epoch, payload=payload)


MUTANTS: Final = {
    "replies before the append": Parts(journal=lambda store, entropy: HastyJournal(store, entropy=entropy)),
    "no compare-and-set": Parts(serve=IndifferentStore),
    "no deduplication": Parts(bus=ForgetfulBus),
    "reads without a lease": Parts(runner=RashReader.into),
    "snapshots without answers": Parts(journal=lambda store, entropy: AmnesicJournal(store, entropy=entropy)),
}
