"""What docs/synadia.md shows is what is in examples/, and it works on a server that asks for credentials."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.identity import ENVIRONMENT_VARIABLE
from coordination.gateway import limits
from coordination.runtime.names import Subjects
from tests.support.processes import free_port
from tests.support.prompting import foreigner

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "synadia.md").read_text(encoding="utf-8")
AGENT = ROOT / "examples" / "answering_agent.py"
CLIENT = ROOT / "examples" / "foreign_client.py"


def test_the_document_shows_the_examples() -> None:
    shown = re.findall(r"^```py\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    files = [path.read_text(encoding="utf-8").partition('"""\n\n')[2] for path in (AGENT, CLIENT)]
    assert shown == files


async def test_the_examples_work_together(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
    ):
        await server.identities.add("ada")
        (seed,) = await server.identities.add("carl", foreign=True)
        keys = {**os.environ, ENVIRONMENT_VARIABLE: str(server.identities.directory)}
        agent = await asyncio.create_subprocess_exec(sys.executable, AGENT, server.url, cwd=ROOT, env=keys)
        try:
            options = {"nkeys_seed": str(seed), "inbox_prefix": "_INBOX.agents"}
            async with foreigner(server.url, "conclave", **options) as ready:
                await ready.find("ada")
            client = await asyncio.create_subprocess_exec(
                sys.executable, CLIENT, server.url, seed, cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await client.communicate()
        finally:
            agent.terminate()
            await agent.wait()
    assert out.decode().splitlines() == [
        "ada Greets people in colour.",
        "Hello, Carl! ",
        "Which colour do you like?",
        "Here is something blue for you.",
    ]


def test_the_document_has_the_limits() -> None:
    timing = limits.Timing()
    for said in (
        f"{limits.MAX_ENVELOPE_BYTES // 1024} KB",
        f"{limits.MAX_AGENT_PROMPTS} prompts for this agent, or {limits.MAX_PROMPTS:,} in all",
        f"within {timing.accept_ms // 1000} s, was silent for {timing.silence_ms // 1000} s",
        f"at most {limits.MAX_OPEN_QUERIES} open at a time",
        f'"accept_ms": {timing.accept_ms}, "silence_ms": {timing.silence_ms}',
        f"every {timing.heartbeat_ms // 1000} s",
    ):
        assert said in DOCUMENT, said
    assert timing.total_ms == 3_600_000
    assert "more than an hour" in DOCUMENT
