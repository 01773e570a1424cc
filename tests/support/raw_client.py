"""A NATS client without any of our manners, for tests of what the server itself refuses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats.errors
from nats.aio.msg import Msg

from coordination.runtime.credentials import Credentials
from coordination.runtime.nats_client import MendedClient
from tests.support.waiting import wait_until

_TIMEOUT_S = 5


class RawClient:
    """One connection; it says and hears what it likes, as far as the server lets it."""

    def __init__(self) -> None:
        self.denied: list[tuple[str, str]] = []
        """(``publish`` or ``subscription``, subject) of everything that the server refused."""
        self.client = MendedClient(lambda what, subject: self.denied.append((what, subject)))

    async def refuses_to_publish(self, subject: str, payload: bytes = b"{}") -> bool:
        """Whether the server refuses a message to `subject`."""
        await self.client.publish(subject, payload)
        return await self.is_denied("publish", subject)

    async def refuses_to_subscribe(self, subject: str) -> bool:
        """Whether the server refuses a subscription to `subject`."""
        await self.client.subscribe(subject)
        return await self.is_denied("subscription", subject)

    async def is_denied(self, what: str, subject: str) -> bool:
        """Whether the server has refused that, of everything sent so far."""
        # The server answers in order: what it had to say was said before it confirms.
        await self.client.flush(timeout=_TIMEOUT_S)
        return (what, subject) in self.denied

    async def hear(self, subject: str) -> asyncio.Queue[Msg]:
        """What arrives on `subject`, from the moment this returns."""
        heard: asyncio.Queue[Msg] = asyncio.Queue()

        async def receive(message: Msg) -> None:
            heard.put_nowait(message)

        await self.client.subscribe(subject, cb=receive)
        await self.client.flush(timeout=_TIMEOUT_S)
        return heard

    async def wait_until_dropped(self) -> None:
        """Return when the server has ended the connection."""
        await wait_until(self.client.lost.done)


@contextlib.asynccontextmanager
async def raw_client(
    url: str, credentials: Credentials | None = None, *, inbox: str = "_INBOX"
) -> AsyncIterator[RawClient]:
    """A connected client, closed at the end of the block.

    Raises:
        nats.errors.Error: The server does not let it in.
    """
    raw = RawClient()
    try:
        await raw.client.connect(
            url,
            nkeys_seed_str=credentials.seed if credentials is not None else None,
            inbox_prefix=inbox.encode(),
            allow_reconnect=False,
            max_reconnect_attempts=1,
            connect_timeout=_TIMEOUT_S,
            error_cb=raw.client.note_error,
        )
        yield raw
    finally:
        await raw.client.abandon()


async def is_let_in(url: str, credentials: Credentials | None = None) -> bool:
    """Whether the server lets somebody with these credentials in."""
    try:
        async with raw_client(url, credentials) as client:
            await client.client.flush(timeout=_TIMEOUT_S)
    except nats.errors.Error:
        return False
    return True
