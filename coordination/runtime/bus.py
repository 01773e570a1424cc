"""The bus: publish, subscribe, request. `NatsBus` is the real one, `memory.MemoryBus` its twin."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import nats
import nats.errors
import structlog
from nats.aio.client import PING_PROTO, Client, Srv
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.js import JetStreamContext

from coordination.runtime.concurrency import raise_if_cancelled
from coordination.runtime.errors import ClosedError, UnavailableError, UsageError
from coordination.runtime.failures import log_failure
from coordination.runtime.names import inbox_prefix

PING_INTERVAL_S: Final = 5
"""nats-py's default of two minutes leaves a dead read loop unnoticed for as long."""
_CONNECT_TIMEOUT_S: Final = 3
_RECONNECT_WAIT_S: Final = 0.25
_DRAIN_TIMEOUT_S: Final = 3.0
"""nats-py would wait 10 s for the server, and without end for a handler."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it arrived."""

    subject: str
    payload: bytes
    reply_to: str = ""
    """Empty when the sender wants no answer."""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Delivery], Awaitable[None]]


class Subscription(Protocol):
    """A live subscription; ends with `unsubscribe`."""

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
            UnavailableError: The outbound buffer is full (the connection is down).
            ClosedError: The bus was closed.
            UsageError: No valid subject, or more bytes than the server takes.
        """

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """Send and wait for the first answer.

        Raises:
            UnavailableError: Nobody listens, or no answer within `timeout_s`; the outcome is unknown.
            ClosedError: The bus was closed.
            UsageError: No valid subject, or more bytes than the server takes.
        """

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """Call `handler` for each message, one after another, until unsubscribed.

        An exception in `handler` is logged and ends nothing.

        Raises:
            ClosedError: The bus was closed.
            UsageError: No valid subject.
        """

    async def flush(self) -> None:
        """Return when the server has taken everything sent or subscribed so far.

        Raises:
            UnavailableError: It did not confirm in time.
            ClosedError: The bus was closed.
        """

    async def close(self) -> None:
        """End the connection; idempotent."""


async def _log_error(error: Exception) -> None:
    # Must never raise: an exception here ends nats-py's read loop and leaves a deaf client. Not a
    # warning: while a server is away there is one of these for every attempt to reach it again.
    _log.info("nats", error=type(error).__name__)


class _MendedClient(Client):
    """nats-py with three faults mended.

    nats-py 2.16 writes PING past the commands that wait for its flusher, so that the PONG proves
    nothing: `flush` returned before the server had seen a subscription, and `drain` ended before it
    had seen the unsubscription, dropping what was still delivered.

    It also forgets, unclosed, the socket of a handshake that was cut off: one descriptor for every
    attempt to reconnect to a server that dies while it starts.

    And it answers a `flush` that was cancelled or has timed out, which raises inside the read loop and
    leaves the client deaf.
    """

    async def _connect_to_server(self, s: Srv) -> None:
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    is_ending = False
    """Set before we close the connection ourselves: that is nothing to warn of."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[asyncio.Timeout] = set()
        """Time limits of the requests in flight. Their answers can not arrive once the connection is
        lost, and nats-py would let each wait for its full time."""

    async def give_up_waiting(self) -> None:
        """End all requests in flight: the server is away. nats-py goes on trying to reach it."""
        now_s = asyncio.get_running_loop().time()
        for limit in self.waiting:
            limit.reschedule(now_s)
        if not self.is_ending:
            _log.warning("disconnected", agent=self.options["name"])

    async def log_reconnected(self) -> None:
        """Say that the server is back."""
        _log.warning("connected again", agent=self.options["name"])

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        await self._send_command(PING_PROTO)
        await self._flush_pending()


async def _ignore_error(_: Exception) -> None:
    return


class NatsBus:
    """The bus over one NATS connection, known to the server by `agent`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._waiting = client.waiting if isinstance(client, _MendedClient) else set[asyncio.Timeout]()

    @classmethod
    async def connect(cls, url: str, *, agent: str) -> NatsBus:
        """Connect as `agent`, whose replies arrive below ``_INBOX_<agent>.``.

        The first attempt fails at once; afterwards the connection is restored for ever.

        Raises:
            UnavailableError: No server answers at `url`, or it refuses us.
        """
        try:
            # With reconnecting allowed nats-py would loop for minutes on a dead or refusing server.
            probe = await nats.connect(
                url,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_CONNECT_TIMEOUT_S,
                error_cb=_ignore_error,  # what went wrong is raised below
                name=f"{agent} (probe)",
            )
            await probe.close()
            client = _MendedClient()
            await client.connect(
                url,
                name=agent,
                inbox_prefix=inbox_prefix(agent),
                ping_interval=PING_INTERVAL_S,
                max_outstanding_pings=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RECONNECT_WAIT_S * random.uniform(0.5, 1.5),  # type: ignore[arg-type]
                connect_timeout=_CONNECT_TIMEOUT_S,
                error_cb=_log_error,
                disconnected_cb=client.give_up_waiting,
                reconnected_cb=client.log_reconnected,
            )
        except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
            reason = str(error).removeprefix("nats: ") or type(error).__name__
            raise UnavailableError(f"no NATS server at {url}: {reason}") from None
        return cls(client)

    def jetstream(self, *, timeout_s: float = 5.0) -> JetStreamContext:
        """JetStream over the connection as it is now; ask again for each use, never keep it."""
        return self.client.jetstream(timeout=timeout_s)

    async def publish(
        self, subject: str, payload: bytes, *, reply_to: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """See `Bus.publish`."""
        with _our_errors(subject):
            await self.client.publish(subject, payload, reply=reply_to, headers=dict(headers or {}) or None)

    async def request(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """See `Bus.request`."""
        try:
            async with asyncio.timeout(timeout_s) as limit:
                self._waiting.add(limit)
                try:
                    with _our_errors(subject):
                        message = await self.client.request(
                            subject, payload, timeout=timeout_s, headers=dict(headers or {}) or None
                        )
                finally:
                    self._waiting.discard(limit)
        except TimeoutError:
            away = (
                "before the connection was lost"
                if not self.client.is_connected
                else f"within {timeout_s:g} s"
            )
            raise UnavailableError(f"no answer on {subject} {away}") from None
        raise_if_cancelled()
        return _delivery(message)

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """See `Bus.subscribe`."""

        async def receive(message: Msg) -> None:
            try:
                await handler(_delivery(message))
            except Exception:  # noqa: BLE001 - one bad message must not end the subscription
                log_failure(_log, "message handler failed", subject=subject)

        with _our_errors(subject):
            return _NatsSubscription(await self.client.subscribe(subject, queue=queue, cb=receive))

    async def flush(self) -> None:
        """See `Bus.flush`."""
        try:
            with _our_errors("flush"):
                await self.client.flush(timeout=_CONNECT_TIMEOUT_S)
        except TimeoutError:
            raise UnavailableError("the NATS server did not confirm in time") from None

    async def close(self) -> None:
        """See `Bus.close`."""
        if isinstance(self.client, _MendedClient):
            self.client.is_ending = True
        if not self.client.is_closed:
            await self.client.close()


class _NatsSubscription:
    def __init__(self, inner: NatsSubscription) -> None:
        self._inner = inner

    async def unsubscribe(self) -> None:
        with contextlib.suppress(*_GONE):
            await self._inner.unsubscribe()

    async def drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self._inner.drain()  # type: ignore[no-untyped-call]
        except _GONE:
            return
        except (nats.errors.Error, TimeoutError):
            _log.warning("subscription not drained, ending it", subject=self._inner.subject)
            await self.unsubscribe()


_GONE: Final = (
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionDrainingError,
    nats.errors.BadSubscriptionError,
)
"""The subscription has ended already, which is what was asked for."""


@contextlib.contextmanager
def _our_errors(subject: str) -> Iterator[None]:
    """Raise nats-py's errors as ours; `TimeoutError` passes, because only the caller knows the limit."""
    try:
        yield
    except TimeoutError:
        raise
    except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError):
        raise ClosedError("the NATS connection is closed") from None
    except nats.errors.NoRespondersError:
        raise UnavailableError(f"nobody serves {subject}") from None
    except nats.errors.OutboundBufferLimitError:
        raise UnavailableError("the NATS connection is down and its buffer is full") from None
    except nats.errors.MaxPayloadError:
        raise UsageError(f"the message on {subject} is larger than the NATS server takes") from None
    except nats.errors.BadSubjectError:
        raise UsageError(f"{subject[:200]!r} is not a valid subject") from None
    except nats.errors.Error as error:
        raise UnavailableError(f"NATS refused {subject}: {type(error).__name__}") from None


def _delivery(message: Msg) -> Delivery:
    return Delivery(
        subject=message.subject,
        payload=message.data,
        reply_to=message.reply,
        headers=message.headers or {},
    )
