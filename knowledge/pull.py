"""Pulls messages of one JetStream consumer, and takes none of them for a status.

nats-py's own ``fetch`` looks at a message's headers to see whether it is a status of the server. Those of
a stored message are its publisher's: one change with a header ``Status`` ended whoever fetched it. Here a
status is what arrives under the inbox's own subject, which only the server and we can use; a stored message
arrives under the subject it was published on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Final

from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.errors import UnavailableError

BATCH_MESSAGES: Final = 64
"""Asked for at a time: they are of any size up to the stream's limit."""
_EXPIRY_S: Final = 5.0
_HEARTBEAT_S: Final = 1.0
_SILENCE_S: Final = 2.5
"""Two heartbeats and a half: then the consumer or the connection is gone."""
_NANOSECONDS: Final = 1_000_000_000
_ENDED: Final = ("404", "408", "409")
"""Statuses that end a request for messages and leave the consumer as it was: nothing there, time over,
or a limit reached."""


class Pull:
    """The messages of one consumer in order; use `pulling` to get one."""

    def __init__(self, bus: NatsBus, *, stream: str, consumer: str, inbox: str) -> None:
        self._bus = bus
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = inbox
        self._arrived: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=2 * BATCH_MESSAGES)
        self._wanted_count = 0
        """Messages that the server owes us before it must be asked again."""
        self._consumed = 0

    async def hear(self, delivery: Delivery) -> None:
        """Take what arrived under the inbox."""
        await self._arrived.put(delivery)

    async def batch(self) -> list[tuple[int, Delivery]]:
        """The next messages with their stream sequences; waits until there is at least one.

        Raises:
            UnavailableError: The server says nothing, or the consumer is gone: make a new one.
        """
        found: list[tuple[int, Delivery]] = []
        while not found:
            if self._wanted_count == 0:
                await self._ask()
            self._take(await self._next(), found)
            while not self._arrived.empty():
                self._take(self._arrived.get_nowait(), found)
        return found

    async def _ask(self) -> None:
        ask = {
            "batch": BATCH_MESSAGES,
            "expires": int(_EXPIRY_S * _NANOSECONDS),
            "idle_heartbeat": int(_HEARTBEAT_S * _NANOSECONDS),
        }
        await self._bus.publish(self._subject, json.dumps(ask).encode(), reply_to=self._inbox)
        self._wanted_count = BATCH_MESSAGES

    async def _next(self) -> Delivery:
        try:
            async with asyncio.timeout(_SILENCE_S):
                return await self._arrived.get()
        except TimeoutError:
            raise UnavailableError(f"nothing heard for {_SILENCE_S:g} s") from None

    def _take(self, delivery: Delivery, found: list[tuple[int, Delivery]]) -> None:
        if delivery.subject != self._inbox:
            sequence, consumed = _place(delivery.reply_to)
            if consumed != self._consumed + 1:
                raise UnavailableError(f"message {self._consumed + 1} of the consumer was lost")
            self._consumed = consumed
            self._wanted_count -= 1
            found.append((sequence, delivery))
            return
        status = delivery.headers.get("Status", "")
        if status in _ENDED and "Consumer" not in delivery.headers.get("Description", ""):
            self._wanted_count = 0
        elif status != "100":  # 100 is a heartbeat
            raise UnavailableError(f"the consumer ended with status {status}")


@contextlib.asynccontextmanager
async def pulling(bus: NatsBus, *, stream: str, consumer: str) -> AsyncGenerator[Pull, None]:
    """Pull from `consumer` of `stream` for the length of the block."""
    inbox = bus.client.new_inbox()
    pull = Pull(bus, stream=stream, consumer=consumer, inbox=inbox)
    subscription = await bus.subscribe(inbox, pull.hear)
    try:
        yield pull
    finally:
        await subscription.unsubscribe()


def _place(acknowledgement: str) -> tuple[int, int]:
    """Sequence in the stream and in the consumer, from the subject on which a message is acknowledged.

    ``$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>``; a
    server in a domain puts two more tokens before the stream (NATS ADR-15).
    """
    tokens = acknowledgement.split(".")
    at = 5 if len(tokens) == 9 else 7
    return int(tokens[at]), int(tokens[at + 1])
