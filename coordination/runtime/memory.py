"""In-memory twins of the journal and the bus, for tests in one process.

They keep the real ones' contracts (one contract suite runs on both); faults and virtual time are
added by the simulation.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

import structlog

from coordination.runtime.bus import Delivery, Handler, Subscription
from coordination.runtime.errors import ClosedError, NotLeaderError, UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.store import Entry
from coordination.runtime.names import inbox_prefix

_log = structlog.get_logger(__name__)


class MemoryJournal:
    """A journal in a list; hand the same object to the next host to restart on the same store."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        """Record id and payload, in order."""

    async def open(self) -> None:
        """Nothing to create."""

    async def replay(self) -> AsyncGenerator[Entry, None]:
        """Every record present at the call."""
        for sequence, (_, payload) in enumerate(tuple(self.records), start=1):
            yield Entry(sequence, payload)

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        """Store with compare-and-set; see `Journal.append`."""
        await asyncio.sleep(0)  # an append is never instantaneous: let the next batch gather
        if len(self.records) > expected and self.records[expected][0] == record_id:
            return expected + 1
        if len(self.records) != expected:
            raise NotLeaderError(f"record {expected + 1} was written by somebody else")
        self.records.append((record_id, payload))
        return expected + 1


def subject_matches(pattern: str, subject: str) -> bool:
    """NATS wildcards: ``*`` is one token, a final ``>`` is one or more."""
    wanted, found = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(found) > index
        if index >= len(found) or part not in ("*", found[index]):
            return False
    return len(wanted) == len(found)


@dataclass(eq=False, slots=True)
class _MemorySubscription:
    exchange: MemoryExchange
    pattern: str
    queue: str
    siblings: set[_MemorySubscription]
    """The live subscriptions of the same bus."""
    waiting: asyncio.Queue[Delivery | None] = field(default_factory=asyncio.Queue)
    reader: asyncio.Task[None] | None = None

    async def unsubscribe(self) -> None:
        self._leave()
        if self.reader is not None and self.reader is not asyncio.current_task():
            self.reader.cancel()

    async def drain(self) -> None:
        self._leave()
        self.waiting.put_nowait(None)
        if self.reader is not None and self.reader is not asyncio.current_task():
            await asyncio.wait([self.reader])

    def _leave(self) -> None:
        self.exchange.remove(self)
        self.siblings.discard(self)

    async def read(self, handler: Handler) -> None:
        while (delivery := await self.waiting.get()) is not None:
            try:
                await handler(delivery)
            except Exception:  # noqa: BLE001 - one bad message must not end the subscription
                log_failure(_log, "message handler failed", subject=delivery.subject)


class MemoryExchange:
    """What a NATS server is to `NatsBus`: routes by subject, one member per queue group."""

    def __init__(self) -> None:
        # Reply inboxes have no wildcard and there are many: they are found by name, not by search.
        self._exact: dict[str, list[_MemorySubscription]] = {}
        self._wildcard: list[_MemorySubscription] = []
        self._turn = itertools.count()

    def add(self, subscription: _MemorySubscription) -> None:
        """Route to `subscription` from now on."""
        if "*" in subscription.pattern or ">" in subscription.pattern:
            self._wildcard.append(subscription)
        else:
            self._exact.setdefault(subscription.pattern, []).append(subscription)

    def remove(self, subscription: _MemorySubscription) -> None:
        """Route to `subscription` no more; idempotent."""
        members = self._exact.get(subscription.pattern, [])
        if subscription in members:
            members.remove(subscription)
            if not members:
                del self._exact[subscription.pattern]
        if subscription in self._wildcard:
            self._wildcard.remove(subscription)

    def route(self, delivery: Delivery) -> int:
        """Hand `delivery` to every match; returns how many got it."""
        groups: dict[str, list[_MemorySubscription]] = {}
        receivers: list[_MemorySubscription] = []
        matching = [each for each in self._wildcard if subject_matches(each.pattern, delivery.subject)]
        for subscription in (*self._exact.get(delivery.subject, ()), *matching):
            if subscription.queue:
                groups.setdefault(subscription.queue, []).append(subscription)
            else:
                receivers.append(subscription)
        turn = next(self._turn)
        receivers += [members[turn % len(members)] for members in groups.values()]
        for receiver in receivers:
            receiver.waiting.put_nowait(delivery)
        return len(receivers)


class MemoryBus:
    """One agent's connection to a `MemoryExchange`."""

    def __init__(self, exchange: MemoryExchange, *, agent: str) -> None:
        self._exchange = exchange
        self._agent = agent
        self._own: set[_MemorySubscription] = set()
        self._inboxes = itertools.count()
        self._closed = False

    async def publish(
        self, subject: str, payload: bytes, *, reply_to: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `Bus.publish`."""
        self._require_open()
        self._exchange.route(_delivery(subject, payload, reply_to, headers))

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """See `Bus.request`."""
        self._require_open()
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        async def receive(delivery: Delivery) -> None:
            if not answer.done():
                answer.set_result(delivery)

        reply_to = f"{inbox_prefix(self._agent)}.{next(self._inboxes)}"
        subscription = await self.subscribe(reply_to, receive)
        try:
            if self._exchange.route(_delivery(subject, payload, reply_to, headers)) == 0:
                raise UnavailableError(f"nobody serves {subject}")
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise UnavailableError(f"no answer on {subject} within {timeout_s:g} s") from None
        finally:
            await subscription.unsubscribe()

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `Bus.subscribe`."""
        self._require_open()
        subscription = _MemorySubscription(self._exchange, subject, queue, self._own)
        subscription.reader = asyncio.create_task(subscription.read(handler))
        self._exchange.add(subscription)
        self._own.add(subscription)
        return subscription

    async def flush(self) -> None:
        """See `Bus.flush`."""
        self._require_open()

    async def close(self) -> None:
        """See `Bus.close`."""
        self._closed = True
        for subscription in tuple(self._own):
            await subscription.unsubscribe()

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the bus is closed")


def _delivery(subject: str, payload: bytes, reply_to: str, headers: Mapping[str, str] | None) -> Delivery:
    return Delivery(subject=subject, payload=payload, reply_to=reply_to, headers=dict(headers or {}))
