"""Sends requests, so many at a time, and counts the answers: the load of every comparison.

Two generators do the same. `SocketLoad` speaks the NATS protocol itself, because nats-py's ``request``
uses more CPU than the services under test, and would be what is measured. `NatsPyLoad` is what a client
written with nats-py can do at most.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client

from coordination.runtime.wire import HEADER_COMMAND_ID, HEADER_ERROR_CODE, HEADER_TIMEOUT

IN_FLIGHT: Final = 256
_TIMEOUT_MS: Final = 5000
_INBOX: Final = "_INBOX_bench"
_DRAIN_TIMEOUT_S: Final = 30.0
_MAX_ROUND_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request to be sent again and again."""

    subject: str
    body: bytes
    is_command: bool
    """With a fresh command id and a time limit in its headers each time, as our own client sends it."""

    def headers(self, command_id: str) -> dict[str, str]:
        """Of one request."""
        if not self.is_command:
            return {}
        return {HEADER_COMMAND_ID: command_id, HEADER_TIMEOUT: str(_TIMEOUT_MS)}


@dataclass(slots=True)
class Round:
    """What one stretch of load has seen."""

    elapsed_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    """Of every answered request, in the order of the answers."""

    @property
    def count(self) -> int:
        return len(self.latencies_ms)

    @property
    def rate(self) -> float:
        """Requests answered per second."""
        return self.count / self.elapsed_s


class Load(Protocol):
    """A generator of load, connected."""

    async def run(self, ask: Ask, *, seconds: float = math.inf, count: int = sys.maxsize) -> Round:
        """Keep `IN_FLIGHT` requests on their way, then wait for the last answers.

        Args:
            ask: The request.
            seconds: For how long to send.
            count: How many to send at most, no fewer than `IN_FLIGHT`.

        Raises:
            AssertionError: A request was refused, or not answered: the figures would mean nothing.
        """

    async def close(self) -> None:
        """Disconnect."""


class SocketLoad(asyncio.Protocol):
    """Load by the bare protocol: one write and one read for as many messages as there are."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._connected = asyncio.Event()
        self._done = asyncio.Event()
        self._sent_s: dict[bytes, float] = {}
        self._numbers = itertools.count()
        self._nonce = secrets.token_hex(6)
        self._ask = Ask(subject="", body=b"", is_command=False)
        self._round = Round()
        self._end_s = 0.0
        self._unsent = 0
        self._refusal = b""

    @classmethod
    async def connect(cls, url: str) -> SocketLoad:
        """Connect to the server at ``nats://host:port``."""
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None, f"{url} has no port"
        load = cls()
        await asyncio.get_running_loop().create_connection(lambda: load, address.hostname, address.port)
        await load._connected.wait()
        return load

    async def run(self, ask: Ask, *, seconds: float = math.inf, count: int = sys.maxsize) -> Round:
        """See `Load.run`."""
        assert self._transport is not None
        self._ask, self._round = ask, Round()
        self._done.clear()
        started_s = time.perf_counter()
        self._end_s = started_s + seconds
        self._unsent = count
        self._transport.write(b"".join(self._next(started_s) for _ in range(IN_FLIGHT)))
        async with asyncio.timeout(min(seconds, _MAX_ROUND_S) + _DRAIN_TIMEOUT_S):
            await self._done.wait()
        assert not self._refusal, f"{ask.subject}: {self._refusal.decode()}"
        self._round.elapsed_s = time.perf_counter() - started_s
        return self._round

    async def close(self) -> None:
        """See `Load.close`."""
        assert self._transport is not None
        self._transport.close()

    def _next(self, now_s: float) -> bytes:
        self._unsent -= 1
        number = b"%d" % next(self._numbers)
        self._sent_s[number] = now_s
        ask = self._ask
        inbox = f"{_INBOX}.".encode() + number
        if not ask.is_command:
            return b"PUB %s %s %d\r\n%s\r\n" % (ask.subject.encode(), inbox, len(ask.body), ask.body)
        fields = ask.headers(f"{self._nonce}{number.decode()}")
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        headers = f"NATS/1.0\r\n{head}\r\n".encode()
        total = len(headers) + len(ask.body)
        sizes = b"%d %d" % (len(headers), total)
        return b"HPUB %s %s %s\r\n%s%s\r\n" % (ask.subject.encode(), inbox, sizes, headers, ask.body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        self._transport = cast("asyncio.WriteTransport", transport)
        options = json.dumps({"verbose": False, "headers": True, "no_responders": True, "name": "load"})
        self._transport.write(f"CONNECT {options}\r\nSUB {_INBOX}.* 1\r\nPING\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Count answers, and send as many new requests."""
        assert self._transport is not None
        received = self._received + data if self._received else data
        place, now_s, out = 0, time.perf_counter(), []
        while (end := received.find(b"\r\n", place)) >= 0:
            words = received[place:end].split()
            verb = words[0]
            if verb in (b"MSG", b"HMSG"):
                after = end + 2 + int(words[-1]) + 2
                if len(received) < after:
                    break
                self._answered(words, received[end + 2 : after - 2], now_s)
                if now_s < self._end_s and self._unsent > 0:
                    out.append(self._next(now_s))
                place = after
                continue
            if verb == b"PING":
                out.append(b"PONG\r\n")
            elif verb == b"PONG":
                self._connected.set()
            elif verb == b"-ERR":
                self._refusal = received[place:end]
            place = end + 2
        self._received = received[place:]
        if out:
            self._transport.write(b"".join(out))
        if not self._sent_s or self._refusal:
            self._done.set()

    def _answered(self, words: list[bytes], message: bytes, now_s: float) -> None:
        sent_s = self._sent_s.pop(words[1].rpartition(b".")[2])
        self._round.latencies_ms.append((now_s - sent_s) * 1000)
        # 503 is the server's: nobody listens.
        if words[0] == b"HMSG" and (HEADER_ERROR_CODE.encode() in message or b"NATS/1.0 503" in message):
            self._refusal = message


class NatsPyLoad:
    """Load by ``client.request`` of nats-py, from `IN_FLIGHT` tasks."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = itertools.count()
        self._nonce = secrets.token_hex(6)

    @classmethod
    async def connect(cls, url: str) -> NatsPyLoad:
        """Connect to the server."""
        return cls(await nats.connect(url, inbox_prefix=_INBOX))

    async def run(self, ask: Ask, *, seconds: float = math.inf, count: int = sys.maxsize) -> Round:
        """See `Load.run`."""
        seen = Round()
        started_s = time.perf_counter()
        end_s = started_s + seconds
        unsent = count

        async def worker() -> None:
            nonlocal unsent
            while (sent_s := time.perf_counter()) < end_s and unsent > 0:
                unsent -= 1
                headers = ask.headers(f"{self._nonce}{next(self._numbers)}") or None
                answer = await self._client.request(
                    ask.subject, ask.body, timeout=_DRAIN_TIMEOUT_S, headers=headers
                )
                refused = answer.headers and HEADER_ERROR_CODE in answer.headers
                assert not refused, f"{ask.subject}: {answer.data.decode()}"
                seen.latencies_ms.append((time.perf_counter() - sent_s) * 1000)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        seen.elapsed_s = time.perf_counter() - started_s
        return seen

    async def close(self) -> None:
        """See `Load.close`."""
        await self._client.close()
