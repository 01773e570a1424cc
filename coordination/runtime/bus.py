"""The bus: publish, subscribe, request. `NatsBus` is the real one, `memory.MemoryBus` its twin."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from nats.js import JetStreamContext

from coordination.runtime.addresses import server_addresses
from coordination.runtime.connection import Connection
from coordination.runtime.credentials import Credentials
from coordination.runtime.delivery import Delivery, Handler, Listener
from coordination.runtime.names import require_id
from coordination.runtime.nats_client import MendedClient
from coordination.runtime.questions import Answered, Question

__all__ = ["Bus", "Delivery", "Handler", "Listener", "NatsBus", "Subscription"]


class Subscription(Protocol):
    """A live subscription; ends with `unsubscribe`."""

    @property
    def dropped(self) -> int:
        """Messages that came and were not handled, because too many waited already."""

    def receive(self, delivery: Delivery) -> None:
        """Take `delivery` as if the server had sent it."""

    async def unsubscribe(self) -> None:
        """Stop receiving at once."""

    async def drain(self) -> None:
        """Stop receiving new messages and finish those already here."""


class Bus(Protocol):
    """Subject-based messaging, at most once."""

    async def publish(
        self, subject: str, payload: bytes, *, reply_to: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send without waiting for anybody.

        Raises:
            BufferFullError: The connection is down, and as much waits for it as may.
            ClosedError: The bus was closed.
            UsageError: No valid subject, or more bytes than the server takes.
        """

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """Send and wait for the first answer.

        Raises:
            UnavailableError: Nobody listens, the connection is down, or no answer within `timeout_s`;
                the outcome is unknown.
            PermissionDeniedError: The server does not let us publish to `subject`.
            ClosedError: The bus was closed.
            UsageError: No valid subject, or more bytes than the server takes.
        """

    def together(self) -> AbstractContextManager[None]:
        """Send what is sent within at once when it ends, and not at the end of the event loop's turn.

        For whoever knows that nothing more follows: it saves a turn.
        """

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """Call `handler` for each message, one after another, until unsubscribed.

        An exception in `handler` is logged and ends nothing.

        Raises:
            ClosedError: The bus was closed.
            UsageError: No valid subject.
        """

    async def listen(self, subject: str, listener: Listener, *, queue: str = "") -> Subscription:
        """As `subscribe`, for what only notes that something came, or begins a task for it.

        Saves each message a turn of the event loop: `listener` may be called while the connection is read.
        It must not block. An exception in it is logged and ends nothing.
        """

    async def flush(self) -> None:
        """Return when the server has taken everything sent or subscribed so far.

        Raises:
            UnavailableError: It did not confirm in time.
            PermissionDeniedError: It does not let us hear the subject of one of our subscriptions.
            ClosedError: The bus was closed.
        """

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` each time that a lost connection is back, with its subscriptions.

        Whatever was said to us since it was lost may be missing. The callback must not block; an exception
        in it is logged and ends nothing.

        Returns:
            Call it to be told no more; idempotent.
        """

    async def close(self) -> None:
        """End the connection; idempotent."""


class NatsBus:
    """The bus over NATS, known to the server by its agent; the connection is restored for ever.

    Args:
        connection: An open connection; `connect` makes one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, url: str, *, agent: str, credentials: Credentials | None = None) -> NatsBus:
        """Connect as `agent`, whose replies arrive below ``_INBOX_<agent>.``.

        The first attempt fails at once; afterwards the connection is restored for ever.

        Args:
            url: ``nats://host:port``; several servers of one cluster are separated by commas.
            agent: Who we are.
            credentials: How we prove it; none for a server that lets everybody in.

        Raises:
            AuthorizationError: The server does not let `agent` in.
            UnavailableError: No server answers at `url`.
            UsageError: `agent` is no valid id, or `url` no address of a NATS server.
        """
        connection = Connection(
            server_addresses(url),
            agent=require_id(agent),
            credentials=credentials,
            entropy=random.SystemRandom(),
        )
        await connection.open()
        return cls(connection)

    @property
    def client(self) -> MendedClient:
        """The client as it is now; another one after each loss of the connection, so never keep it."""
        return self._connection.client

    @property
    def is_closed(self) -> bool:
        """Whether we closed it. (A client that is closed while the bus is not was lost.)."""
        return self._connection.is_closed

    def jetstream(self, *, timeout_s: float = 5.0) -> JetStreamContext:
        """JetStream over the connection as it is now; ask again for each use, never keep it.

        Its calls raise nats-py's errors: what is in flight when the connection is lost gets
        `nats.errors.TimeoutError`, what comes later `nats.errors.ConnectionClosedError`.
        """
        return self._connection.client.jetstream(timeout=timeout_s)

    async def publish(
        self, subject: str, payload: bytes, *, reply_to: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `Bus.publish`."""
        connection = self._connection
        if connection.client.is_clogged:
            await connection.unclog()
        connection.publish(subject, payload, reply_to, headers)

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """See `Bus.request`."""
        return await self._connection.request(subject, payload, headers, timeout_s)

    def ask(
        self,
        subject: str,
        payload: bytes,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None,
        on_answer: Answered,
    ) -> Question:
        """As `request`, without waiting: see `Connection.ask`."""
        return self._connection.ask(subject, payload, headers, timeout_s, on_answer)

    def together(self) -> AbstractContextManager[None]:
        """See `Bus.together`."""
        return self._connection.client.together

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `Bus.subscribe`."""
        return self._connection.subscribe(subject, queue, handler=handler)

    async def listen(self, subject: str, listener: Listener, *, queue: str = "") -> Subscription:
        """See `Bus.listen`."""
        return self._connection.subscribe(subject, queue, listener=listener)

    async def flush(self) -> None:
        """See `Bus.flush`."""
        await self._connection.flush()

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See `Bus.on_reconnect`."""
        return self._connection.reconnections.add(callback)

    async def close(self) -> None:
        """See `Bus.close`."""
        await self._connection.close()
