"""docs/tasks.md shows the life of a task as the table has it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from coordination.tasks.lifecycle import TRANSITIONS, State

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "lifecycle_diagram.py"
DOCUMENT = ROOT / "docs" / "tasks.md"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """The tool, as a contributor runs it."""
    return subprocess.run(
        [sys.executable, str(TOOL), *options], check=False, capture_output=True, text=True, timeout=60
    )


def test_the_diagram_in_the_document_is_that_of_the_table(*, rewrite: bool) -> None:
    if rewrite:
        assert run().returncode == 0
    checked = run("--check")
    assert checked.returncode == 0, f"run tools/lifecycle_diagram.py {checked.stderr}"


def test_another_diagram_is_noticed_and_replaced(tmp_path: Path) -> None:
    document = tmp_path / "tasks.md"
    document.write_text("# Tasks\n<!-- lifecycle -->\nold\n<!-- /lifecycle -->\nrest\n", encoding="utf-8")
    assert run("--check", str(document)).returncode == 1
    assert run(str(document)).returncode == 0
    assert run("--check", str(document)).returncode == 0
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Tasks\n<!-- lifecycle -->\n```mermaid\n")
    assert text.endswith("```\n<!-- /lifecycle -->\nrest\n")


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "tasks.md"
    document.write_text("# Tasks\n", encoding="utf-8")
    ended = run(str(document))
    assert (ended.returncode, document.read_text(encoding="utf-8")) == (2, "# Tasks\n")
    assert "<!-- lifecycle -->" in ended.stderr


def test_every_step_of_the_table_is_an_arrow_and_every_state_is_named() -> None:
    text = DOCUMENT.read_text(encoding="utf-8").partition("<!-- lifecycle -->")[2]
    text = text.partition("<!-- /lifecycle -->")[0]
    arrows = re.findall(r"^    (\w+) --> (\w+): (.+)$", text, re.MULTILINE)
    drawn = {(state, happened, after) for state, after, all_of in arrows for happened in all_of.split(", ")}
    assert drawn == {(state, happened, after) for (state, happened), after in TRANSITIONS.items() if after}
    assert {each for state, after, _ in arrows for each in (state, after)} == set(State)
