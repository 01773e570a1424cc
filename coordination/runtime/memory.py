"""The in-memory twin of `coordination.runtime.bus.NatsBus`, for tests in one process.

It keeps the real one's contract (one contract suite runs on both). How messages travel is up to a
`Transmission`: at once by default; the simulation's delays, loses, repeats and reorders them by seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from coordination.runtime.bus import Delivery, Handler, Listener, Subscription
from coordination.runtime.errors import BufferFullError, ClosedError, UnavailableError
from coordination.runtime.interest import Interest
from coordination.runtime.names import inbox_prefix
from coordination.runtime.reconnection import Reconnections

MAX_BUFFERED_MESSAGES: Final = 1024
"""Published while the connection is down, and sent when it is back."""


def subject_matches(pattern: str, subject: str) -> bool:
    """NATS wildcards: ``*`` is one token, a final ``>`` is one or more."""
    wanted, found = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(found) > index
        if index >= len(found) or part not in ("*", found[index]):
            return False
    return len(wanted) == len(found)


class Transmission(Protocol):
    """How messages get from one node to another, and whom of a queue group they go to."""

    def choose(self, queue: str, members: int) -> int:
        """Which of the `members` of the group `queue` gets the next message, from 0."""

    def carry(self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]) -> None:
        """Call `arrive`, now or later, once or several times or never."""

    async def settle(self, target: str) -> None:
        """Return when everything that was sent to `target` so far has arrived or is lost."""


class DirectTransmission:
    """Everything arrives at once; the members of a group take turns."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}

    def choose(self, queue: str, members: int) -> int:
        """See `Transmission.choose`."""
        self._turns[queue] = turn = self._turns.get(queue, -1) + 1
        return turn % members

    def carry(self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]) -> None:
        """See `Transmission.carry`."""
        del source, target
        arrive(delivery)

    async def settle(self, target: str) -> None:
        """See `Transmission.settle`."""


@dataclass(eq=False, slots=True)
class _Route:
    """Where the messages on a subject go."""

    subject: str
    queue: str
    bus: MemoryBus
    receive: Callable[[Delivery], None]
    is_withdrawn: bool = False
    """Nothing more is sent here, but what is on its way arrives."""
    is_forgotten: bool = False

    @property
    def is_wildcard(self) -> bool:
        return "*" in self.subject or ">" in self.subject

    def arrive(self, delivery: Delivery) -> None:
        if self.bus.is_connected and not self.is_forgotten:
            self.receive(delivery)


class MemoryExchange:
    """What a NATS server is to `NatsBus`: routes by subject, one member per queue group."""

    def __init__(self, transmission: Transmission | None = None) -> None:
        self.transmission: Transmission = transmission or DirectTransmission()
        self.inboxes = itertools.count()
        """Numbers that no two reply subjects share, also if one agent connects twice."""
        # Reply inboxes have no wildcard and there are many: they are found by name, not by search.
        self._exact: dict[str, list[_Route]] = {}
        self._wildcard: list[_Route] = []

    def add(self, route: _Route) -> None:
        """Use `route` from now on."""
        if route.is_wildcard:
            self._wildcard.append(route)
        else:
            self._exact.setdefault(route.subject, []).append(route)

    def remove(self, route: _Route) -> None:
        """Use `route` no more; idempotent."""
        if route.is_wildcard:
            with contextlib.suppress(ValueError):
                self._wildcard.remove(route)
        elif route in (members := self._exact.get(route.subject, [])):
            members.remove(route)
            if not members:
                del self._exact[route.subject]

    def route(self, source: str, delivery: Delivery) -> int:
        """Send `delivery` from the node `source` to every match; returns to how many."""
        groups: dict[str, list[_Route]] = {}
        chosen: list[_Route] = []
        matching = [each for each in self._wildcard if subject_matches(each.subject, delivery.subject)]
        for route in (*self._exact.get(delivery.subject, ()), *matching):
            if route.queue:
                groups.setdefault(route.queue, []).append(route)
            else:
                chosen.append(route)
        for queue, members in groups.items():
            chosen.append(members[self.transmission.choose(queue, len(members))])
        for route in chosen:
            self.transmission.carry(source, route.bus.node, delivery, route.arrive)
        return len(chosen)


class MemoryBus:
    """One agent's connection to a `MemoryExchange`.

    Args:
        exchange: What it is connected to.
        agent: Whose connection; names the reply inboxes.
        node: The machine it runs on, for a `Transmission` that tells them apart; the agent by default.
    """

    def __init__(self, exchange: MemoryExchange, *, agent: str, node: str = "") -> None:
        self.node = node or agent
        self.is_connected = True
        self._exchange = exchange
        self._agent = agent
        self._routes: dict[Interest, _Route] = {}
        self._answers: dict[asyncio.Future[Delivery], None] = {}
        """The requests in flight. Not a set: its order would depend on memory addresses."""
        self._unsent: list[Delivery] = []
        self._reconnections = Reconnections()
        self._closed = False

    async def publish(
        self, subject: str, payload: bytes, *, reply_to: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `Bus.publish`."""
        self._require_open()
        delivery = _delivery(subject, payload, reply_to, headers)
        if self.is_connected:
            self._exchange.route(self.node, delivery)
        elif len(self._unsent) < MAX_BUFFERED_MESSAGES:
            self._unsent.append(delivery)
        else:
            raise BufferFullError("the connection is down and as much waits for it as may")

    def together(self) -> AbstractContextManager[None]:
        """See `Bus.together`: here everything is sent at once."""
        return contextlib.nullcontext()

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """See `Bus.request`."""
        self._require_open()
        if not self.is_connected:
            raise UnavailableError(f"no answer on {subject}: the connection is down")
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        def receive(delivery: Delivery) -> None:
            if not answer.done():
                answer.set_result(delivery)

        reply_to = f"{inbox_prefix(self._agent)}.{next(self._exchange.inboxes)}"
        route = _Route(reply_to, "", self, receive)
        self._exchange.add(route)
        self._answers[answer] = None
        try:
            if self._exchange.route(self.node, _delivery(subject, payload, reply_to, headers)) == 0:
                raise UnavailableError(f"nobody serves {subject}")
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise UnavailableError(f"no answer on {subject} within {timeout_s:g} s") from None
        finally:
            del self._answers[answer]
            self._exchange.remove(route)

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `Bus.subscribe`."""
        self._require_open()
        interest = Interest(self, subject, queue, handler)
        route = self._routes[interest] = _Route(subject, queue, self, interest.receive)
        if self.is_connected:
            self._exchange.add(route)
        return interest

    async def listen(self, subject: str, listener: Listener, *, queue: str = "") -> Subscription:
        """See `Bus.listen`; here a turn later, so that nobody is called while somebody else publishes."""

        async def handle(delivery: Delivery) -> None:
            listener(delivery)

        return await self.subscribe(subject, handle, queue=queue)

    async def flush(self) -> None:
        """See `Bus.flush`."""
        self._require_open()
        if not self.is_connected:
            raise UnavailableError("the connection is down")

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See `Bus.on_reconnect`."""
        return self._reconnections.add(callback)

    async def close(self) -> None:
        """See `Bus.close`."""
        self.abort()

    # --- what an `Interest` needs

    def withdraw(self, interest: Interest) -> None:
        """See `Ground.withdraw`."""
        route = self._routes.get(interest)
        if route is not None:
            self._exchange.remove(route)
            route.is_withdrawn = True

    async def settle(self) -> None:
        """See `Ground.settle`."""
        await self._exchange.transmission.settle(self.node)

    def forget(self, interest: Interest) -> None:
        """See `Ground.forget`."""
        route = self._routes.pop(interest, None)
        if route is not None:
            self._exchange.remove(route)
            route.is_forgotten = True

    # --- what may happen to a connection

    def lose_connection(self) -> None:
        """Let the connection break: requests end at once, nothing comes in, what is published waits."""
        self.is_connected = False
        for route in self._routes.values():
            self._exchange.remove(route)
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(UnavailableError("no answer before the connection was lost"))

    def restore_connection(self) -> None:
        """Let the connection be there again, with its subscriptions; send what waits."""
        if self._closed or self.is_connected:
            return
        self.is_connected = True
        for route in self._routes.values():
            if not route.is_withdrawn:
                self._exchange.add(route)
        unsent, self._unsent = self._unsent, []
        for delivery in unsent:
            self._exchange.route(self.node, delivery)
        self._reconnections.tell()

    def abort(self) -> None:
        """End everything at once, as if the process had been killed; idempotent."""
        self.lose_connection()
        self._closed = True
        self._unsent.clear()
        for interest in tuple(self._routes):
            interest.end()

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the bus is closed")


def _delivery(subject: str, payload: bytes, reply_to: str, headers: Mapping[str, str] | None) -> Delivery:
    return Delivery(subject=subject, payload=payload, reply_to=reply_to, headers=dict(headers or {}))
