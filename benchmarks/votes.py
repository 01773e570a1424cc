"""From a proposal to its decision, with ten voters and with a thousand, beside raw messages in the same run.

    python -m benchmarks.votes [--rounds 30] [--voters 10 1000]

Voters hear of the proposal by its push, sign with a key of their own, vote, and the proposer waits for the
notice of the decision. It takes all of them to decide (unanimous, quorum 1/1), so every vote is cast and
counted. All voters are one process on one connection, with plain nats-py; the service is a process of its
own, durable (``sync_interval: always``). The raw baseline is what the messages alone cost: as many pushes,
as many requests to an echo with bodies of that size, all at once, and one append of so many bytes to a
stream. Machines are shared and noisy: only the ratio means something.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StorageType, StreamConfig

from benchmarks import echo
from benchmarks.child import child
from benchmarks.machine import describe
from benchmarks.sampling import show as show_profile
from conclave.embedded import embedded_server
from consensus.rules import Level, Rules
from consensus.signing import CredentialsSigner, new_nonce, signed_bytes
from coordination.runtime.credentials import Credentials
from coordination.runtime.names import Subjects
from coordination.runtime.wire import HEADER_ERROR_CODE

ALLOWED_MS: Final = {10: 100, 1_000: 2_000}
"""Target by number of voters."""
_ARTIFACT: Final = hashlib.sha256(b"what is voted on").hexdigest()
_RULES: Final = Rules(protocol="unanimous", quorum=Level(numerator=1, denominator=1))
_SUBJECTS: Final = Subjects()
_PROPOSER: Final = "proposer"
_TIMEOUT_S: Final = 60.0
_VOTE_BYTES: Final = 420
"""About the length of a signed vote as JSON."""
_EVENT_BYTES: Final = 600
"""About the length of its event in the journal."""


@dataclass(frozen=True, slots=True)
class Voter:
    """Somebody who votes in favour of whatever comes."""

    name: str
    signer: CredentialsSigner
    key: str

    def vote(self, proposal_id: str, nonce: str) -> bytes:
        """The body of a signed vote."""
        data = signed_bytes(
            proposal_id=proposal_id,
            artifact_sha256=_ARTIFACT,
            rules=_RULES,
            voter=self.name,
            scope="all",
            choice="for",
            conditions=(),
            rationale="",
            nonce=nonce,
        )
        body = {
            "proposal_id": proposal_id,
            "choice": "for",
            "artifact_sha256": _ARTIFACT,
            "nonce": nonce,
            "public_key": self.key,
            "signature": self.signer.sign(data),
        }
        return json.dumps(body).encode()


class Assembly:
    """So many voters on one connection, and a proposer."""

    def __init__(self, connection: Client, count: int, entropy: random.Random) -> None:
        self._connection = connection
        self._entropy = entropy
        self.voters = {}
        for number in range(count):
            signer = CredentialsSigner(Credentials.generate(entropy.randbytes(32)))
            self.voters[f"voter-{number}"] = Voter(f"voter-{number}", signer, signer.public_key)
        self.refused: list[str] = []
        self._decided = asyncio.Event()

    async def gather(self) -> None:
        """Listen for proposals, answers and decisions."""
        await self._connection.subscribe(_SUBJECTS.inbox("*", "proposal"), cb=self._heard)
        await self._connection.subscribe(_SUBJECTS.event("consensus", "decided", "*"), cb=self._over)
        for name in self.voters:
            await self._connection.subscribe(f"_INBOX_{name}.vote", cb=self._answered)
        await self._connection.flush()

    async def decide(self) -> float:
        """Milliseconds from a proposal to the notice of its decision."""
        self._decided.clear()
        body = {
            "title": "benchmark",
            "artifact_sha256": _ARTIFACT,
            "electorate": list(self.voters),
            "protocol": "unanimous",
            "quorum": "1/1",
            "voting_period_ms": 60_000,
        }
        started_s = time.perf_counter()
        await self._connection.publish(
            _SUBJECTS.call("consensus", "propose", _PROPOSER),
            json.dumps(body).encode(),
            reply=f"_INBOX_{_PROPOSER}.propose",
        )
        async with asyncio.timeout(_TIMEOUT_S):
            await self._decided.wait()
        assert not self.refused, self.refused[:3]
        return (time.perf_counter() - started_s) * 1000

    async def _heard(self, message: Msg) -> None:
        announced: dict[str, Any] = json.loads(message.data)
        if announced["status"] != "active":
            return
        voter = self.voters[message.subject.split(".")[2]]
        await self._connection.publish(
            _SUBJECTS.call("consensus", "vote", voter.name),
            voter.vote(announced["proposal_id"], new_nonce(self._entropy)),
            reply=f"_INBOX_{voter.name}.vote",
        )

    async def _answered(self, message: Msg) -> None:
        if message.headers and HEADER_ERROR_CODE in message.headers:
            self.refused.append(message.data.decode())

    async def _over(self, _: Msg) -> None:
        self._decided.set()


class RawMessages:
    """The least that so many votes could cost: pushes out, requests and answers, and one append."""

    def __init__(self, connection: Client, count: int) -> None:
        self._connection = connection
        self._count = count
        self._arrived = 0
        self._complete = asyncio.Event()
        self._js = connection.jetstream()

    async def gather(self) -> None:
        """Listen for pushes, and make the stream."""
        await self._js.add_stream(
            StreamConfig(name=f"raw{self._count}", subjects=[f"raw.{self._count}"], storage=StorageType.FILE)
        )
        await self._connection.subscribe(f"raw-push-{self._count}", cb=self._pushed)
        await self._connection.subscribe(f"raw-answer-{self._count}", cb=self._answered)
        await self._connection.flush()

    async def exchange(self) -> float:
        """Milliseconds of all of it."""
        self._arrived = 0
        self._complete.clear()
        started_s = time.perf_counter()
        for _ in range(self._count):
            await self._connection.publish(f"raw-push-{self._count}", b"x" * _VOTE_BYTES)
        async with asyncio.timeout(_TIMEOUT_S):
            await self._complete.wait()
        await self._js.publish(f"raw.{self._count}", b"x" * (_EVENT_BYTES * self._count))
        return (time.perf_counter() - started_s) * 1000

    async def _pushed(self, message: Msg) -> None:
        await self._connection.publish(echo.SUBJECT, message.data, reply=f"raw-answer-{self._count}")

    async def _answered(self, _: Msg) -> None:
        self._arrived += 1
        if self._arrived == self._count:
            self._complete.set()


async def measure(count: int, rounds: int, profile: Path | None) -> None:
    """Print one line for `count` voters, and where the service's time goes if `profile` is a file for it."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = await stack.enter_async_context(embedded_server(Path(folder)))
        await stack.enter_async_context(child("echo", server.url))
        service = await stack.enter_async_context(child("served_consensus", server.url, profile=profile))
        connection = await nats.connect(server.url)
        stack.push_async_callback(connection.close)
        assembly, raw = Assembly(connection, count, random.Random(7)), RawMessages(connection, count)
        await assembly.gather()
        await raw.gather()
        await assembly.decide()
        await raw.exchange()
        used_s = service.cpu_s
        votes, exchanges = [], []
        for _ in range(rounds):
            votes.append(await assembly.decide())
            exchanges.append(await raw.exchange())
        cpu_us = (service.cpu_s - used_s) / (rounds * count) * 1e6
    p50, floor = statistics.median(votes), statistics.median(exchanges)
    allowed = ALLOWED_MS.get(count)
    met = "" if allowed is None else f", target {allowed} ms {'met' if max(votes) <= allowed else 'MISSED'}"
    print(
        f"  {count:>5} voters   p50 {p50:8.1f} ms   worst {max(votes):8.1f} ms   raw {floor:7.1f} ms   "
        f"{p50 / floor:5.1f}x   service {cpu_us:6.1f} us of CPU a vote   n {rounds}{met}"
    )


async def run(counts: list[int], rounds: int, *, is_profiled: bool) -> None:
    """Everything; fewer rounds of the larger votes."""
    print("proposal to decision, every vote signed, counted and durable")
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            profile = Path(folder) / f"{count}.json" if is_profiled else None
            await measure(count, max(rounds // max(count // 10, 1), 5), profile)
            if profile is not None:
                show_profile(profile, us_per_command=1000, count=40)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--voters", type=int, nargs="+", default=[10, 100, 1_000])
    parser.add_argument(
        "--profile", action="store_true", help="show where the service's time goes, in 1/1000"
    )
    chosen = parser.parse_args()
    print(describe())
    asyncio.run(run(chosen.voters, chosen.rounds, is_profiled=chosen.profile))


if __name__ == "__main__":
    main()
