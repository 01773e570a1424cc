"""What is pushed to one agent, however it comes: by itself, or carried by the record that it rests on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from coordination.runtime.bus import Bus, Subscription
from coordination.runtime.carrying import as_if_alone
from coordination.runtime.delivery import Delivery, Handler, Listener
from coordination.runtime.names import Subjects


class Inbox:
    """The pushes to one agent over one connection.

    Args:
        bus: The agent's connection.
        subjects: The deployment's subjects.
        agent: Whose inbox.
        on_change: Called when somebody begins to hear something (True), and when nobody does any more.
    """

    def __init__(
        self, bus: Bus, *, subjects: Subjects, agent: str, on_change: Callable[[bool], None] | None = None
    ) -> None:
        self._bus = bus
        self._subjects = subjects
        self._agent = agent
        self._hearers: dict[str, list[Hearing]] = {}
        """By kind."""
        self._carried: Subscription | None = None
        """While somebody hears anything."""
        self._on_change = on_change

    async def subscribe(self, kind: str, handler: Handler) -> Hearing:
        """Call `handler` for each push of `kind`; as `Bus.subscribe`."""
        return await self._hear(
            kind, await self._bus.subscribe(self._subjects.inbox(self._agent, kind), handler)
        )

    async def listen(self, kind: str, listener: Listener) -> Hearing:
        """Call `listener` for each push of `kind`; as `Bus.listen`."""
        return await self._hear(
            kind, await self._bus.listen(self._subjects.inbox(self._agent, kind), listener)
        )

    async def _hear(self, kind: str, alone: Subscription) -> Hearing:
        hearing = Hearing(alone, partial(self._forget, kind))
        self._hearers.setdefault(kind, []).append(hearing)
        if self._carried is None:
            self._carried = await self._bus.listen(self._subjects.carried(self._agent), self._receive)
            self._say_heard()
        return hearing

    def _say_heard(self) -> None:
        if self._on_change is not None:
            self._on_change(self._carried is not None)

    def _receive(self, delivery: Delivery) -> None:
        """Hand on what came with a record, as if it had come alone."""
        push = as_if_alone(delivery)
        for hearing in tuple(self._hearers.get(push.subject.rpartition(".")[2], ())):
            hearing.receive(push)

    async def _forget(self, kind: str, hearing: Hearing) -> None:
        hearers = self._hearers.get(kind, [])
        if hearing in hearers:
            hearers.remove(hearing)
        if not any(self._hearers.values()) and self._carried is not None:
            carried, self._carried = self._carried, None
            self._say_heard()
            await carried.unsubscribe()


class Hearing:
    """One kind of push, heard in every form; see `coordination.runtime.bus.Subscription`."""

    def __init__(self, alone: Subscription, forget: Callable[[Hearing], Awaitable[None]]) -> None:
        self._alone = alone
        self._forget = forget

    @property
    def dropped(self) -> int:
        """See `Subscription.dropped`."""
        return self._alone.dropped

    def receive(self, delivery: Delivery) -> None:
        """See `Subscription.receive`."""
        self._alone.receive(delivery)

    async def unsubscribe(self) -> None:
        """See `Subscription.unsubscribe`."""
        await self._forget(self)
        await self._alone.unsubscribe()

    async def drain(self) -> None:
        """See `Subscription.drain`."""
        await self._alone.drain()  # first: meanwhile what records carry arrives, too
        await self._forget(self)
