"""docs/consensus.md: its program about trust prints what its comments say."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.identity import ENVIRONMENT_VARIABLE
from coordination.runtime.names import Subjects
from tests.support.cli import environment
from tests.support.processes import free_port

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "consensus.md").read_text(encoding="utf-8")


async def test_the_program_about_trust_prints_what_its_comments_say(tmp_path: Path) -> None:
    section = TEXT.partition("**Trust.**")[2]
    code = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    said = re.findall(r"print\(.*\)  # (.*)", code)
    assert len(said) == 2
    async with (
        embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
    ):
        await server.identities.add("guest")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, server.url),
            env=environment(**{ENVIRONMENT_VARIABLE: str(server.identities.directory)}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode().splitlines() == said
