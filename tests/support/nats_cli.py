"""Runs the real `nats` command line client, as an operator would."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 60.0
_HEADER = re.compile(r"^[0-9:]{8} (Nats-[A-Za-z-]+): (.*)$", re.MULTILINE)


def find_nats_cli() -> Path | None:
    """The `nats` on PATH, else the one that ``tools/install-nats-cli.sh`` has put into the project."""
    found = shutil.which("nats") or shutil.which("nats", path=_PROJECT / ".tools" / "bin")
    return Path(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one run of the client printed."""

    status: int
    output: str
    """Standard output and standard error, in the order in which they came."""

    @property
    def headers(self) -> dict[str, str]:
        """The NATS headers of the answer that was printed."""
        return dict(_HEADER.findall(self.output))

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object that the output ends with."""
        start = self.output.find("\n{") + 1
        body: dict[str, Any] = json.loads(self.output[start:])
        return body


class NatsCli:
    """The client, talking to one server.

    Args:
        program: The `nats` executable.
        url: The nats-server.
        home: Where it may keep its contexts, so that those of the person who runs the tests do not count.
    """

    def __init__(self, program: Path, *, url: str, home: Path) -> None:
        self._program = program
        self._url = url
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NATS_")},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
        }
        # Set, it would keep the client from checking our replies against the JSON Schemas of NATS.
        self._environment.pop("NOVALIDATE", None)

    async def __call__(self, *arguments: str, inbox: str = "", patience: str = "5s") -> Said:
        """Run it.

        Args:
            arguments: The command and its arguments.
            inbox: Prefix of the subjects it wants answers on; ``_INBOX`` by default.
            patience: How long it waits for answers, in its own notation.
        """
        flags = ["--server", self._url, "--no-context", "--timeout", patience]
        if inbox:
            flags += ["--inbox-prefix", inbox]
        process = await asyncio.create_subprocess_exec(
            self._program,
            *flags,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
        )
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Said(status=process.returncode, output=output.decode())
