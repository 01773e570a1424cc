"""The seed of a mesh in memory decides everything: one seed, one order of events, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.testing import MemoryMesh, run_in_memory
from tests.support.cast import greeter

ROOT = Path(__file__).resolve().parents[3]


async def some_tasks(mesh: MemoryMesh) -> str:
    """A few tasks for two agents over a bad network; the digest of all that happened."""
    mesh.drop(0.05)
    async with mesh.join(greeter("one")), mesh.join(greeter("two")), mesh.connect("guide") as guide:
        for number in range(5):
            await guide.tasks.submit("greeting", {"name": f"n{number}"})
        mesh.mend()
        await mesh.until(lambda: len(mesh.record.on("conclave.event.tasks.completed.*")) >= 5, timeout_s=300)
    mesh.take_failures()
    return mesh.trace_digest


@given(seed=st.integers(min_value=0, max_value=2**32))
@settings(max_examples=5)
def test_equal_seeds_give_equal_runs(seed: int) -> None:
    assert run_in_memory(some_tasks, seed=seed) == run_in_memory(some_tasks, seed=seed)


def test_other_seeds_give_other_runs() -> None:
    assert len({run_in_memory(some_tasks, seed=seed) for seed in range(3)}) == 3


def test_runs_are_equal_in_processes_that_hash_otherwise() -> None:
    code = (
        "from conclave.testing import run_in_memory; from tests.unit.testing import test_determinism as t; "
        "import logging, structlog; "
        "structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)); "
        "print(run_in_memory(t.some_tasks, seed=7))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert digests == {f"{run_in_memory(some_tasks, seed=7)}\n"}
