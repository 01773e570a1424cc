"""`conclave agents --watch`: events for programs, lines for pipes, a live table for people."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support.cli import Here, environment, registry_here, started
from tests.support.waiting import wait_until

INTERVAL_MS = 200
ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


@contextlib.asynccontextmanager
async def watching(here: Here, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A watch that runs until the end of the block, and ends by Ctrl-C as it should."""
    process = await started("agents", "--watch", *arguments, cwd=here.cwd)
    assert process.stderr is not None
    try:
        yield process
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await process.wait() == 130
        assert (await process.stderr.read()).strip() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def next_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().rstrip("\n")


async def next_event(process: asyncio.subprocess.Process) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await next_line(process))
    return event


async def test_every_change_is_one_json_object_in_one_line(tmp_path: Path) -> None:
    async with registry_here(tmp_path, heartbeat_interval_ms=INTERVAL_MS) as here:
        await here.join("bob", "python@3.12.0")
        async with watching(here, "--json") as process:
            present = await next_event(process)
            while present["kind"] != "synced":  # bob was heard once only and is lost by and by
                assert present["agent"] == "bob"
                present = await next_event(process)
            assert set(present) == {"kind", "revision"}
            incarnation = await here.join("ada", "python@3.12.0")
            events = []
            while (event := await next_event(process))["kind"] != "offline" or event["agent"] != "ada":
                events.append(event)
            events.append(event)
            await here.clients["ada"].heartbeat(incarnation=incarnation)
            while (event := await next_event(process))["kind"] != "online" or event["agent"] != "ada":
                events.append(event)
            events.append(event)
            await here.clients["ada"].deregister(incarnation=incarnation)
            while (event := await next_event(process))["kind"] != "deregistered":
                events.append(event)
            events.append(event)
    mine = [event for event in events if event["agent"] == "ada"]
    kinds = [event["kind"] for event in mine]
    assert kinds[:4] == ["registered", "suspect", "offline", "online"]
    assert kinds[-1] == "deregistered"
    assert all(
        set(event) == {"kind", "revision", "at_ms", "agent", "incarnation", "record"} for event in mine
    )
    assert mine[0]["record"]["capabilities"][0]["name"] == "python"
    revisions = [event["revision"] for event in events]
    assert revisions == list(range(present["revision"] + 1, present["revision"] + 1 + len(revisions)))


async def test_only_agents_that_fit_or_did_are_told_of(tmp_path: Path) -> None:
    async with registry_here(tmp_path) as here:
        await here.join("ada", "python@3.12.0", labels={"region": "eu"})
        await here.join("bob", "python@3.12.0")
        async with watching(here, "-l", "region=eu", "python>=3.12") as process:
            shown = (await next_line(process)).split()
            assert shown[1:] == ["ada", "online", "1"]
            assert shown[0].endswith("Z")
            await here.join("bob", "python@3.12.0")
            again = await here.join("ada", "python@3.12.0")
            shown = (await next_line(process)).split()
            assert shown[1:] == ["ada", "registered", str(again)], "it did fit before"
            await here.join("ada", "python@3.12.0")
            moved = await here.join("bob", "python@3.12.0", labels={"region": "eu"})
            shown = (await next_line(process)).split()
            assert shown[1:] == ["bob", "registered", str(moved)]


class Terminal:
    """A terminal of 80 columns and 24 lines that remembers all that was written to it."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self._ours, False)
        self.written = b""

    def shows(self, text: str) -> bool:
        """Whether `text` has been written by now."""
        with contextlib.suppress(BlockingIOError, OSError):  # nothing new; nobody writes any more
            while chunk := os.read(self._ours, 65536):
                self.written += chunk
        return text.encode() in self.written

    def press_ctrl_c(self) -> None:
        """As a person would."""
        os.write(self._ours, b"\x03")

    def close(self) -> None:
        """Give it back."""
        os.close(self._ours)
        os.close(self.theirs)


async def test_on_a_terminal_the_table_is_live_until_ctrl_c_and_leaves_no_trace(tmp_path: Path) -> None:
    terminal = Terminal()
    async with registry_here(tmp_path) as here:
        await here.join("ada", "python@3.12.0", load=0.25)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "conclave", "agents", "--watch"),
            cwd=here.cwd,
            env=environment(TERM="xterm-256color"),
            stdin=terminal.theirs,
            stdout=terminal.theirs,
            stderr=terminal.theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        try:
            await wait_until(lambda: terminal.shows("● online"))
            assert terminal.shows("1 online")
            await here.join("bob")
            await wait_until(lambda: terminal.shows("2 online") and terminal.shows("registered"))
            await here.clients["ada"].deregister()
            await wait_until(lambda: terminal.shows("deregistered"))
            terminal.press_ctrl_c()
            async with asyncio.timeout(20):
                assert await process.wait() == 130
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert not terminal.shows("Traceback")
    assert terminal.written.count(ENTER_SCREEN) == terminal.written.count(LEAVE_SCREEN) == 1
    assert terminal.written.endswith(b"\x1b[?25h" + LEAVE_SCREEN), "the cursor is back"
    terminal.close()
