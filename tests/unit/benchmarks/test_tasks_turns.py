"""Systems that are frozen while it is another's turn, and the turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tasks
from benchmarks.machine import tree_of
from benchmarks.peers import report
from benchmarks.peers import running as starting
from benchmarks.peers.running import Running, SystemFailedError, is_at_rest
from tests.support.waiting import wait_until

_PARENT = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(flush=True); input()'])"


@contextlib.asynccontextmanager
async def process_and_child() -> AsyncIterator[asyncio.subprocess.Process]:
    """Both end when they get a line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process
    finally:
        for pid in list(tree_of(process.pid)):
            with contextlib.suppress(ProcessLookupError):  # it ends while we look
                os.kill(pid, signal.SIGKILL)
        await process.wait()


def system_of(process: asyncio.subprocess.Process, logs: Path) -> Running:
    return Running(process, {"servers": [], "submitter": [process.pid]}, logs)


def are_stopped(process: asyncio.subprocess.Process) -> list[bool]:
    return [is_at_rest(pid) for pid in tree_of(process.pid)]


async def test_a_frozen_system_stands_still_with_all_its_descendants_until_it_is_thawed(
    tmp_path: Path,
) -> None:
    async with process_and_child() as process:
        system = system_of(process, tmp_path)
        assert are_stopped(process) == [False, False]
        await system.freeze()
        assert are_stopped(process) == [True, True]
        system.thaw()
        await process.communicate(b"\n")
        assert process.returncode == 0


async def test_a_system_that_is_gone_can_be_frozen_and_thawed(tmp_path: Path) -> None:
    async with process_and_child() as process:
        system = system_of(process, tmp_path)
        await process.communicate(b"\n")
        await system.freeze()
        system.thaw()


async def test_a_submitter_that_ends_fails_its_system_with_the_end_of_the_logs(tmp_path: Path) -> None:
    (tmp_path / "submitter.log").write_text("it was ill\n", encoding="utf-8")
    async with process_and_child() as process:
        system = system_of(process, tmp_path)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        with pytest.raises(SystemFailedError, match=r"(?s)ended during latency.*submitter\.log.*it was ill"):
            await system.order("latency", tasks=1)


async def test_a_program_that_does_not_stop_is_killed_with_its_descendants(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(starting, "_STOP_TIMEOUT_S", 0.05)
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_PARENT}"
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-c", stubborn]
        async with starting.child_process(command, os.environ, log, is_asked=True) as process:
            assert process.stdout is not None
            await process.stdout.readline()
            pids = [*tree_of(process.pid)]
            assert len(pids) == 2
    assert process.returncode == -signal.SIGKILL
    # A kill takes effect a little later, and whoever adopted the child may not reap it at once.
    await wait_until(lambda: all(map(is_at_rest, pids)))


class Pretended(Running):
    """A system without processes: tells what is done to it, and fails in a turn if it is to."""

    def __init__(self, name: str, told: list[str], *, fails_in: int = -1) -> None:
        self._name = name
        self._told = told
        self._fails_in = fails_in
        self._turns = 0

    async def order(self, what: str, **arguments: Any) -> dict[str, Any]:
        self._told.append(f"{self._name} {what}")
        self._turns += 1
        if self._turns == self._fails_in:
            raise SystemFailedError("it fell over")
        done_ms = [float(number) for number in range(arguments["tasks"])]
        return {"done_ms": done_ms, "began_ms": done_ms}

    async def freeze(self) -> None:
        self._told.append(f"{self._name} frozen")

    def thaw(self) -> None:
        self._told.append(f"{self._name} thawed")


def contender(name: str, told: list[str], *, fails_in: int = -1) -> tasks.Contender:
    throughput = report.Throughput(
        variant=name, tasks=10, submit_s=1, complete_s=1, workers=2, cpu_s={}, spin_ms=1
    )
    return tasks.Contender(throughput, Pretended(name, told, fails_in=fails_in))


async def test_all_take_turns_in_rotating_order_and_only_one_is_thawed() -> None:
    told: list[str] = []
    contenders = [contender(name, told) for name in "abc"]
    await tasks.measure_latency(contenders, 4)
    turns = [told[at : at + 3] for at in range(0, len(told), 3)]
    order = "".join(turn[0][0] for turn in turns)
    assert order == "abcbcacababc"
    assert turns == [[f"{name} thawed", f"{name} latency", f"{name} frozen"] for name in order]


async def test_the_first_tasks_of_a_turn_do_not_count_and_the_others_are_joined() -> None:
    alone = contender("a", [])
    await tasks.measure_latency([alone], 26)
    seen = alone.measurement()
    first = float(tasks.UNMEASURED)
    assert seen.turn_sizes == (1,) * 22 + (2,) * 2
    assert seen.done_ms == (first,) * 22 + (first, first + 1) * 2
    assert seen.began_ms == seen.done_ms


async def test_what_fails_in_a_turn_is_frozen_and_left_out_while_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[str] = []
    well, ill = contender("well", told), contender("ill", told, fails_in=2)
    await tasks.measure_latency([well, ill], 5)
    assert told.count("well latency") == 5
    assert told.count("ill latency") == told.count("ill frozen") == 2
    assert (well.failure, ill.failure) == ("", "it fell over")
    assert "ill: FAILED, it fell over" in capsys.readouterr().out
