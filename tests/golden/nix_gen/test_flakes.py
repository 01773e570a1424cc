"""The generated text of a few graphs, file by file; `pytest --rewrite` writes it anew for review."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nix_gen import load
from nix_gen.flake import translate

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples" / "graphs"
GRAPHS = [*sorted((HERE / "graphs").glob("*.yaml")), *sorted(EXAMPLES.glob("*.yaml"))]
EXPECTED = HERE / "expected"


def _files(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.stem)
def test_a_graph_becomes_exactly_the_text_that_was_reviewed(graph: Path, *, rewrite: bool) -> None:
    files = dict(translate(load(graph).graph).files)
    folder = EXPECTED / graph.stem
    if rewrite:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="")
    assert files == _files(folder)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.stem)
def test_two_translations_give_the_same_bytes_in_nixfmt_s_layout(graph: Path) -> None:
    first, second = (translate(load(graph).graph) for _ in range(2))
    assert first == second
    for path, text in first.files.items():
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert "\r" not in text
        assert "\t" not in text
        assert not any(line != line.rstrip() for line in text.splitlines()), path


def test_the_graph_of_conclave_s_own_cluster_is_what_its_program_writes() -> None:
    program, users = EXAMPLES / "make_conclave.py", EXAMPLES / "conclave-users.json"
    written = subprocess.run([sys.executable, program, users], capture_output=True, text=True, check=True)
    assert written.stdout == (EXAMPLES / "conclave.yaml").read_text(encoding="utf-8")
