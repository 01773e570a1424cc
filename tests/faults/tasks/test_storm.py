"""A small storm (``make storm`` is a large one), whose figures are printed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.storm import Options, lines_of, storm

OPTIONS = Options(
    agents=10, tasks=1_000, lease_ms=1_000, crew_kills=3, pauses=1, leader_kills=1, server_kills=1
)


async def test_agents_leader_and_server_die_and_no_task_is_lost_or_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    report = await storm(OPTIONS, tmp_path, say=told.append)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines_of(report)) + "\n")
    assert report.problems == []
    assert len(told) == 1 + len(OPTIONS.faults), "all of it has happened"
