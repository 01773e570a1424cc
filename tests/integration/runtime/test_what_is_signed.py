"""A server has its clients sign a nonce. It must not be able to have them sign anything else."""

import asyncio
import json

import pytest

from consensus.rules import Rules
from consensus.signing import signed_bytes
from coordination.runtime.bus import NatsBus
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UnavailableError

ADA = Credentials.generate(bytes(range(32)))
VOTE = signed_bytes(
    proposal_id="p",
    artifact_sha256="ab" * 32,
    rules=Rules(),
    voter="ada",
    scope="all",
    choice="for",
    conditions=(),
    rationale="",
    nonce="0123456789abcdef",
).decode()


async def test_a_server_that_gives_a_vote_out_as_its_nonce_gets_no_signature() -> None:
    heard: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "S", "version": "2.10.0", "max_payload": 2**20, "headers": True}
        writer.write(b"INFO " + json.dumps({**info, "auth_required": True, "nonce": VOTE}).encode() + b"\r\n")
        try:
            heard.append(await reader.readline())
        finally:
            writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnavailableError, match="no nonce"):
            await NatsBus.connect(f"nats://127.0.0.1:{port}", agent="ada", credentials=ADA)
    assert not any(b"CONNECT" in line for line in heard)
