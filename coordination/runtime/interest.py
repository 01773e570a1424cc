"""One subscription of a bus: what it wants, what waits for its handler, and the task that calls it.

It outlives the connections: a handler is not cut off because the network was, and what had arrived is
still handled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from coordination.runtime.delivery import Delivery, Handler, Listener
from coordination.runtime.failures import log_failure
from coordination.runtime.limits import MAX_WAITING_DELIVERIES, MAX_WAITING_DELIVERY_BYTES
from coordination.runtime.logs import get_logger

DRAIN_TIMEOUT_S: Final = 3.0
"""How long a subscription finishes what has arrived, before its handler is cut off."""
_log = get_logger(__name__)


class Ground(Protocol):
    """What an interest needs of the connection it stands on."""

    def withdraw(self, interest: Interest) -> None:
        """Have the server send no more; what is on its way still arrives."""

    async def settle(self) -> None:
        """Return when nothing is on its way any more."""

    def forget(self, interest: Interest) -> None:
        """Hand nothing more to `interest`."""


class Interest:
    """A live subscription; see `coordination.runtime.bus.Subscription`.

    Args:
        ground: The connection.
        subject: May hold wildcards.
        queue: Of a queue group one member gets each message; empty for none.
        handler: Called for one message at a time.
        listener: Called instead, for each message as it arrives; nothing ever waits then.
    """

    def __init__(
        self,
        ground: Ground,
        subject: str,
        queue: str,
        handler: Handler | None = None,
        *,
        listener: Listener | None = None,
    ) -> None:
        self.subject = subject
        self.queue = queue
        self.sid = 0
        """On the present client; 0 while there is none."""
        self.is_denied = False
        """The server does not let us hear this subject."""
        self._ground = ground
        self._handler = handler
        self._listener = listener
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._more: asyncio.Future[None] | None = None
        self._is_ending = False
        self.reader = asyncio.create_task(self._read())

    @property
    def dropped(self) -> int:
        """See `Subscription.dropped`."""
        return self._dropped

    def receive(self, delivery: Delivery) -> None:
        """Take a message in; drops it when too many wait already (slow consumer)."""
        if self._listener is not None:
            try:
                self._listener(delivery)
            except Exception:  # noqa: BLE001 - one bad message must not end the subscription
                log_failure(_log, "message listener failed", subject=self.subject)
            return
        size = len(delivery.payload)
        if (
            len(self._waiting) >= MAX_WAITING_DELIVERIES
            or self._waiting_bytes + size > MAX_WAITING_DELIVERY_BYTES
        ):
            self._drop()
            return
        self._waiting.append(delivery)
        self._waiting_bytes += size
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _drop(self) -> None:
        self._dropped += 1
        if self._dropped.bit_count() == 1:  # 1, 2, 4, 8, ...: heard, but not for each message
            _log.error("slow consumer: messages dropped", subject=self.subject, dropped=self._dropped)

    async def _read(self) -> None:
        waiting, handler = self._waiting, self._handler
        while True:
            while waiting:
                assert handler is not None, "a listener lets nothing wait"
                delivery = waiting.popleft()
                self._waiting_bytes -= len(delivery.payload)
                try:
                    await handler(delivery)
                except asyncio.CancelledError:
                    if self.reader.cancelling():
                        raise
                    log_failure(_log, "message handler was cancelled", subject=self.subject)
                except Exception:  # noqa: BLE001 - one bad message must not end the subscription
                    log_failure(_log, "message handler failed", subject=self.subject)
            if self._is_ending:
                return
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    def end(self) -> None:
        """Handle nothing more; a handler that is running is cut off, unless it is the caller."""
        self._ground.forget(self)
        self._waiting.clear()
        self._finish()
        if self.reader is not asyncio.current_task():
            self.reader.cancel()

    def _finish(self) -> None:
        """Let the reader end when nothing waits any more."""
        self._is_ending = True
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def unsubscribe(self) -> None:
        """See `Subscription.unsubscribe`."""
        self._ground.withdraw(self)
        self.end()

    async def drain(self) -> None:
        """See `Subscription.drain`."""
        self._ground.withdraw(self)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._ground.settle()
                self._ground.forget(self)
                self._finish()
                if self.reader is not asyncio.current_task():
                    await asyncio.wait([self.reader])
        except TimeoutError:
            _log.warning("subscription not drained, ending it", subject=self.subject)
            self.end()
