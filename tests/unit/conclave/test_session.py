"""A session signs with the agent's own credentials, or with a key made for it."""

from __future__ import annotations

import random
from pathlib import Path

from conclave import Session
from consensus.signing import is_public_key, verify
from coordination.runtime.bus import Delivery
from coordination.runtime.credentials import Credentials
from coordination.runtime.memory import MemoryBus, MemoryExchange


def session(*, seed: int = 1, credentials: Credentials | None = None) -> Session:
    bus = MemoryBus(MemoryExchange(), agent="ada")
    return Session(bus, agent="ada", entropy=random.Random(seed), credentials=credentials)


def test_a_session_with_credentials_signs_with_them(tmp_path: Path) -> None:
    path = tmp_path / "ada.nk"
    Credentials.generate(random.Random(7).randbytes(32)).write(path)
    credentials = Credentials.read(path)
    signer = session(credentials=credentials).signer
    assert signer.public_key == credentials.public_key
    assert verify(credentials.public_key, signer.sign(b"vote"), b"vote")


def test_a_session_without_credentials_signs_with_a_key_from_its_entropy() -> None:
    signer = session().signer
    assert is_public_key(signer.public_key)
    assert verify(signer.public_key, signer.sign(b"vote"), b"vote")
    assert session().signer.public_key == signer.public_key, "the same seed makes the same session"
    assert session(seed=2).signer.public_key != signer.public_key


async def test_a_session_takes_pushes_of_one_kind_together_and_says_so() -> None:
    exchange = MemoryExchange()
    service = MemoryBus(exchange, agent="tasks")
    said: list[str | None] = []

    async def answer(delivery: Delivery) -> None:
        said.append(delivery.headers.get("Conclave-Takes"))
        await service.publish(delivery.reply_to, b'{"queues":[]}')

    await service.subscribe("conclave.call.tasks.*.*", answer)
    session = Session(MemoryBus(exchange, agent="ada"), agent="ada")
    await session.tasks.queues()
    await session.caller.inbox.listen("result", lambda _: None)
    await session.tasks.queues()
    assert said == [None, "1"]
