"""Many agents at the bare protocol: registers them all, then has each beat once in an interval.

    python -m benchmarks.crowd URL --agents 10000 --interval 5 --profiles 200

They share one connection, so that a crowd costs its process little; the server must let everybody in.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import random
import sys
from typing import Any, Final, cast
from urllib.parse import urlsplit

from coordination.runtime.names import Subjects, inbox_prefix
from coordination.runtime.wire import HEADER_COMMAND_ID, HEADER_ERROR_CODE

IN_FLIGHT: Final = 256
_TICK_S: Final = 0.002
"""Ten thousand agents of their own do not beat in bursts: four at a time, not twenty."""
_REGIONS: Final = ("eu", "us", "ap", "sa")
_LOADS: Final = (0.0, 0.25, 0.5, 1.0)
_SUBJECTS: Final = Subjects()


def registration(number: int, profiles: int) -> dict[str, Any]:
    """What the agent offers: one of so many different offers."""
    kind = number % profiles
    capabilities: list[dict[str, Any]] = [
        {"name": "python", "version": f"3.{kind % 13}.{kind % 7}"},
        {"name": f"skill-{kind % 50}", "version": "1.0.0"},
    ]
    if kind % 4 == 0:
        memory_gb = (16, 24, 48, 80)[kind // 4 % 4]
        capabilities.append({"name": "gpu", "attributes": {"memory_gb": memory_gb}})
    return {
        "capabilities": capabilities,
        "labels": {
            "region": _REGIONS[kind % 4],
            "tier": "gold" if kind % 3 == 0 else "basic",
            "kind": str(kind),
        },
        "max_tasks": 1 + kind % 4,
        "description": "a simulated agent",
    }


class Crowd(asyncio.Protocol):
    """One connection for all agents.

    Args:
        agents: How many there are.
        profiles: How many different things they offer.
    """

    def __init__(self, agents: int, profiles: int) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._profiles = profiles
        self._unregistered = iter(range(agents))
        self._count = agents
        self._incarnations: dict[int, int] = {}
        self._newcomers: list[int] = []
        """Registered, and not beating yet."""
        self._registered = asyncio.Event()
        self._refusal = b""

    @classmethod
    async def connect(cls, url: str, *, agents: int, profiles: int) -> Crowd:
        """A crowd on the server at ``nats://host:port``, beginning to register."""
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None, f"{url} has no port"
        crowd = cls(agents, profiles)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: crowd, address.hostname, address.port)
        return crowd

    async def wait_registered(self) -> None:
        """Return when all are registered.

        Raises:
            AssertionError: One was refused.
        """
        await self._registered.wait()
        assert not self._refusal, self._refusal.decode()

    async def beat(self, interval_s: float) -> None:
        """Have every agent beat each `interval_s` once it is registered, each at its own time, for ever."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        beats: dict[int, list[bytes]] = {}
        due: list[tuple[float, int]] = []
        while True:
            now_s = loop.time()
            for number in self._newcomers:
                beats[number] = self._beats(number)
                heapq.heappush(due, (now_s + random.uniform(0, interval_s), number))
            self._newcomers.clear()
            said: list[bytes] = []
            while due and due[0][0] <= now_s:
                due_s, number = due[0]
                heapq.heapreplace(due, (due_s + interval_s, number))
                said.append(random.choice(beats[number]))
            self._transport.write(b"".join(said))
            await asyncio.sleep(_TICK_S)

    def _beats(self, number: int) -> list[bytes]:
        """The heartbeats of one agent, ready to be sent, by load."""
        subject = _SUBJECTS.presence(_name(number))
        bodies = [{"incarnation": self._incarnations[number], "load": load} for load in _LOADS]
        return [_publication(subject, json.dumps(body)) for body in bodies]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves, and begin to register."""
        self._transport = cast("asyncio.WriteTransport", transport)
        options = json.dumps({"verbose": False, "headers": True, "no_responders": True, "name": "crowd"})
        self._transport.write(f"CONNECT {options}\r\nSUB *.answer 1\r\n".encode())
        for _ in range(IN_FLIGHT):
            self._register_next()

    def _register_next(self) -> None:
        assert self._transport is not None
        number = next(self._unregistered, None)
        if number is None:
            return
        name = _name(number)
        subject = _SUBJECTS.call("registry", "register", name)
        headers = f"NATS/1.0\r\n{HEADER_COMMAND_ID}: r{number}\r\n\r\n"
        body = json.dumps(registration(number, self._profiles))
        reply_to = f"{inbox_prefix(name)}.answer"
        sizes = f"{len(headers)} {len(headers) + len(body)}"
        self._transport.write(f"HPUB {subject} {reply_to} {sizes}\r\n{headers}{body}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Take in answers; each makes room for the next registration."""
        assert self._transport is not None
        received = self._received + data
        place = 0
        while (end := received.find(b"\r\n", place)) >= 0:
            words = received[place:end].split()
            if words[0] in (b"MSG", b"HMSG"):
                after = end + 2 + int(words[-1]) + 2
                if len(received) < after:
                    break
                self._answered(words, received[end + 2 : after - 2])
                place = after
                continue
            if words[0] == b"PING":
                self._transport.write(b"PONG\r\n")
            elif words[0] == b"-ERR":
                self._refuse(received[place:end])
            place = end + 2
        self._received = received[place:]

    def _answered(self, words: list[bytes], message: bytes) -> None:
        if words[0] == b"HMSG" and (HEADER_ERROR_CODE.encode() in message or b"NATS/1.0 503" in message):
            self._refuse(message)
            return
        reply = json.loads(message)
        number = int(reply["agent"].removeprefix("agent-"))
        self._incarnations[number] = reply["incarnation"]
        self._newcomers.append(number)
        if len(self._incarnations) == self._count:
            self._registered.set()
        self._register_next()

    def _refuse(self, message: bytes) -> None:
        self._refusal = message
        self._registered.set()


def _name(number: int) -> str:
    return f"agent-{number}"


def _publication(subject: str, body: str) -> bytes:
    return f"PUB {subject} {len(body)}\r\n{body}\r\n".encode()


async def run(url: str, *, agents: int, profiles: int, interval_s: float) -> None:
    """Register all, say so, and beat until killed."""
    crowd = await Crowd.connect(url, agents=agents, profiles=profiles)
    async with asyncio.TaskGroup() as group:
        group.create_task(crowd.beat(interval_s))
        await crowd.wait_registered()
        print("ready", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--profiles", type=int, default=200)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between an agent's heartbeats")
    chosen = parser.parse_args()
    sys.exit(
        asyncio.run(
            run(chosen.url, agents=chosen.agents, profiles=chosen.profiles, interval_s=chosen.interval)
        )
    )


if __name__ == "__main__":
    main()
