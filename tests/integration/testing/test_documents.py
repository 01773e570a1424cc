"""The tests that docs/testing.md shows pass, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python pytest\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_every_test_that_is_shown_passes(pytester: pytest.Pytester) -> None:
    assert len(BLOCKS) >= 4
    pytester.makepyfile(**{f"test_block_{number}": block for number, block in enumerate(BLOCKS)})
    shown = sum(len(re.findall(r"^(?:async )?def test_", block, re.MULTILINE)) for block in BLOCKS)
    ran = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:asyncio", "-o", "filterwarnings=error"
    )
    outcomes = ran.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] >= shown


def test_every_method_of_the_meshes_that_the_guide_names_is_there() -> None:
    from conclave.testing import MemoryMesh, ServerMesh

    named = set(re.findall(r"mesh\.([a-z_]+)", TEXT)) - {"py"}
    missing = [name for name in named if not (hasattr(MemoryMesh, name) or hasattr(ServerMesh, name))]
    assert sorted(missing) == ["clock", "record"], "these two are attributes of instances"
