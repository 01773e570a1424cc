"""The same seed and commit give the same run, in every process; another seed gives another one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from coordination.simulation.faults import draw_plan
from coordination.simulation.run import Report
from tests.simulation.campaign import SCENARIOS, describe, run_seed
from tests.tidy.source import ROOT

SEEDS = 3
PROGRAM = """
import sys
from tests.simulation.campaign import run_seed
litter = [object() for _ in range(int(sys.argv[3]))]
for seed in range(int(sys.argv[2])):
    print(run_seed(sys.argv[1], seed).trace_hash)
"""


def hashes(scenario: str, hash_seed: str, litter: int) -> list[str]:
    """Trace hashes from a process of its own, with other string hashes and another layout of memory."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, scenario, str(SEEDS), str(litter)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_seed_gives_one_trace_in_every_process(scenario: str) -> None:
    first = hashes(scenario, "1", 0)
    assert len(set(first)) == SEEDS
    assert hashes(scenario, "2", 12_345) == first


def test_a_seed_gives_one_trace_when_run_again() -> None:
    lines: list[str] = []
    traced = run_seed("toys", 7, write=lines.append)
    plain = run_seed("toys", 7)
    assert (traced.trace_hash, traced.events) == (plain.trace_hash, plain.events)
    assert len(lines) >= traced.events > 0


def test_a_failing_run_says_how_to_see_it_again() -> None:
    report = Report(42, draw_plan(random.Random(1)), trace_hash="abc", violations=["gaps: x"])
    said = describe("toys", report)
    assert "seed 42 of toys fails at commit" in said
    assert "trace abc" in said
    assert "gaps: x" in said
    assert "python -m tests.simulation --scenario toys --first 42 --seeds 1 --trace trace.txt" in said


def test_the_command_runs_seeds_and_writes_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    base = [sys.executable, "-m", "tests.simulation", "--scenario", "toys"]
    ran = subprocess.run(
        [*base, "--seeds", "2", "--jobs", "1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "4 runs at commit" in ran.stdout, ran.stderr
    assert "0 failed" in ran.stdout
    assert ran.returncode == 0
    traced = subprocess.run(
        [*base, "--first", "1", "--trace", str(trace)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run_seed("toys", 1).trace_hash in traced.stdout
    assert "leads" in trace.read_text()
