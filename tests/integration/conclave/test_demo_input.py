"""Bad input to `conclave demo`: one clear line naming file and place, exit 2, no traceback, no server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conclave.cli import cli

GRAPH = "nodes:\n  - id: web\n    kind: service\n    image: nginx:1\n"

CASES = {
    "not YAML": ("a: [1, 2\nb: }\n", "graph.yaml:2:"),
    "a scalar": ("just some words\n", "graph.yaml:1:"),
    "no graph": ("title: hello\nthings: [1, 2]\n", "neither"),
    "unknown node kind": ("nodes:\n  - id: web\n    kind: servise\n    image: nginx\n", "graph.yaml:3:"),
    "dangling edge": (
        GRAPH + "edges:\n  - source: web\n    target: database\n    kind: depends_on\n",
        "database",
    ),
    "port of 70000": (
        "nodes:\n  - id: web\n    kind: service\n    image: nginx:1\n    ports:\n      - port: 70000\n",
        "graph.yaml:6:",
    ),
    "compose port of 70000": (
        'services:\n  web:\n    image: nginx\n    ports:\n      - "70000:80"\n',
        "graph.yaml:5:",
    ),
    "empty file": ("", "empty"),
    "only a comment": ("# nothing\n", "empty"),
    "no nodes": ("name: x\nnodes: []\n", "graph.yaml:2:"),
    "binary": ("\x00\x01\x02", "graph.yaml"),
    "duplicate key": ("nodes: []\nnodes: []\n", "graph.yaml:2:"),
}


def demo(path: Path, tmp_path: Path) -> Result:
    arguments = ["demo", str(path), "--out", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    return CliRunner().invoke(cli, arguments)


def expect_one_line(result: Result, path: Path, needle: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith(f"conclave: {path}")
    assert needle in lines[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize("case", CASES)
def test_unreadable_graph_gets_one_line_with_file_and_place(case: str, tmp_path: Path) -> None:
    text, needle = CASES[case]
    path = tmp_path / "graph.yaml"
    path.write_text(text, encoding="utf-8")
    expect_one_line(demo(path, tmp_path), path, needle)
    assert not (tmp_path / "store").exists(), "nothing may be started for a file that cannot be read"


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    with path.open("wb") as sparse:
        sparse.truncate(50 * 1024 * 1024)
    expect_one_line(demo(path, tmp_path), path, "MiB")


def test_missing_file_and_directory_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    expect_one_line(demo(missing, tmp_path), missing, "does not exist")
    folder = tmp_path / "folder"
    folder.mkdir()
    expect_one_line(demo(folder, tmp_path), folder, "directory")


def test_output_directory_that_is_somebody_elses_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(GRAPH, encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine", encoding="utf-8")
    result = demo(path, tmp_path)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "out" / "thesis.tex").read_text(encoding="utf-8") == "mine"


def test_real_process_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text("nodes: 5\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "conclave", "demo", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
