"""Real `conclave` processes for tests: started, awaited, killed by the one who started them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.waiting import wait_until

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
READY = b"Ctrl-C"
"""Last words of the greeting of `conclave up` and `conclave serve`."""


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextlib.asynccontextmanager
async def conclave_process(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A `conclave` command that has said it is ready, and its greeting; stopped at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "conclave", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        greeting = b""
        async with asyncio.timeout(_START_TIMEOUT_S):
            while READY not in greeting:
                line = await process.stdout.readline()
                assert line, f"it ended instead of starting: {greeting.decode()}"
                greeting += line
        yield process, greeting.decode()
    finally:
        if process.returncode is None:
            process.terminate()
        # Not `process.wait()`: in Python 3.11 it also waits for the end of the pipe, which never comes while
        # anybody else holds its other end. What is asked is whether the process itself ends.
        await wait_until(lambda: process.returncode is not None, timeout_s=_STOP_TIMEOUT_S)
        process._transport.close()  # type: ignore[attr-defined]
