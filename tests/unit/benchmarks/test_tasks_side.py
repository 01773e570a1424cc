"""The process that submits tasks to one system, and how systems are started."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks import tasks
from benchmarks.machine import cpu_s, tree_cpu_s
from benchmarks.peers import side
from benchmarks.peers.running import python_of
from benchmarks.peers.systems import OURS, VARIANTS
from benchmarks.peers.threads import sent_by_threads


class Instant(side.Client[int]):
    """Tasks that are done when they are submitted, by workers in turn."""

    def __init__(self, *, workers: int = 2, late_ns: int = 0) -> None:
        self.closed = 0
        self._workers = workers
        self._late_ns = late_ns
        self._done: list[list[int]] = []

    async def submit(self, count: int) -> Sequence[int]:
        first = len(self._done)
        for number in range(first, first + count):
            self._done.append([number % self._workers, time.monotonic_ns() + self._late_ns])
        return range(first, first + count)

    async def wait(self, handles: Sequence[int]) -> None:
        pass

    async def results(self, handles: Sequence[int]) -> list[list[int]]:
        return [self._done[each] for each in handles]

    async def once(self) -> list[int]:
        return (await self.results(await self.submit(1)))[0]

    async def close(self) -> None:
        self.closed += 1


async def served(
    client: Instant, *orders: dict[str, Any], patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    async def connect() -> Instant:
        return client

    patch.setattr(sys, "stdin", io.StringIO("".join(json.dumps(each) + "\n" for each in orders)))
    await side.serve(connect)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_submitter_does_what_it_is_told_and_leaves_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Instant()
    warm, fast, slow = await served(
        client,
        {"do": "warm_up", "workers": 2, "limit_s": 5},
        {"do": "throughput", "tasks": 1000},
        {"do": "latency", "tasks": 3},
        patch=monkeypatch,
        capsys=capsys,
    )
    assert warm == {"workers": 2}
    assert 0 < fast["submit_s"] <= fast["complete_s"]
    assert len(slow["done_ms"]) == len(slow["began_ms"]) == 3
    assert all(0 <= began <= done for began, done in zip(slow["began_ms"], slow["done_ms"], strict=True))
    assert client.closed == 1


async def test_a_result_from_after_the_clock_stopped_fails_the_round(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Instant(late_ns=3_600_000_000_000)
    with pytest.raises(AssertionError, match="a result of another task"):
        await served(client, {"do": "throughput", "tasks": 10}, patch=monkeypatch, capsys=capsys)
    assert client.closed == 1


async def test_the_warm_up_ends_in_an_error_when_a_worker_never_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {"do": "warm_up", "workers": 2, "limit_s": 0.01}
    with pytest.raises(AssertionError, match="only 1 of 2 workers answered"):
        await served(Instant(workers=1), order, patch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize(("count", "shares"), [(10, [3, 3, 2, 2]), (3, [0, 1, 1, 1]), (0, [0, 0, 0, 0])])
def test_threads_send_even_shares_and_return_every_handle(count: int, shares: list[int]) -> None:
    asked: list[int] = []
    lock = threading.Lock()

    def send(share: int) -> list[str]:
        with lock:
            asked.append(share)
        return ["handle"] * share

    assert sent_by_threads(send, count, threads=4) == ["handle"] * count
    assert sorted(asked) == sorted(shares)


def test_every_variant_has_a_name_of_its_own_and_a_module() -> None:
    assert len({each.key for each in VARIANTS}) == len(VARIANTS)
    assert [each for each in VARIANTS if each.system == OURS]
    for each in VARIANTS:
        assert (tasks.PEERS_CODE / f"{each.module}.py").is_file()


def test_a_command_line_names_how_many_workers_there_are_and_which_this_is() -> None:
    prefork = next(each for each in VARIANTS if each.name == "prefork")
    command = prefork.command(workers=3, copy=0)
    assert command[-2:] == ["--concurrency", "3"]
    assert not [each for each in command if "{" in each]
    ours = next(each for each in VARIANTS if each.system == OURS)
    assert ours.command(workers=3, copy=2)[-1] == "worker2"


def test_cpu_time_of_a_process_includes_that_of_its_descendants() -> None:
    busy = "import time\nend = time.process_time() + 0.05\nwhile time.process_time() < end: pass\n"
    run_it = f"subprocess.run([sys.executable, '-c', {busy!r}])"
    parent = f"import subprocess, sys\n{run_it}\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used_s = tree_cpu_s([process.pid])
        assert used_s >= cpu_s(process.pid) + 0.04
        assert tree_cpu_s([os.getpid()]) >= used_s
        process.communicate(b"\n")


def test_nothing_is_measured_without_redis_and_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "apt-get install redis-server" in tasks.missing(VARIANTS)


def test_nothing_is_measured_without_the_peers_and_the_message_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/redis-server")
    monkeypatch.setattr(tasks, "python_of", lambda _: "/nowhere/python")
    assert tasks.missing(VARIANTS) == "there is no /nowhere/python; run this as: make bench-tasks"
    assert python_of("own") == sys.executable
