"""The public names of nix_gen are there when they are used, and a command loads no more than it uses."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import nix_gen
from nix_gen.lazy import PLACES

GRAPH = Path(__file__).parents[3] / "examples/graphs/five-nodes.yaml"
NOT_TO_CHECK = ("networkx", "nix_gen.compose.project", "nix_gen.diff", "nix_gen.draw", "nix_gen.flake")


def declared() -> dict[str, str]:
    """Name -> module, as the type checker reads them in the package."""
    tree = ast.parse(Path(nix_gen.__file__).read_text(encoding="utf-8"))
    choice = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in choice.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


def test_every_public_name_is_what_the_type_checker_thinks_it_is() -> None:
    assert declared() == PLACES
    assert sorted(PLACES) == sorted(nix_gen.__all__)
    for name in PLACES:
        assert getattr(nix_gen, name).__name__ == name
    assert set(PLACES) <= set(dir(nix_gen))


def test_no_module_would_take_the_place_of_a_public_name() -> None:
    folder = Path(nix_gen.__file__).parent
    assert not {path.stem for path in folder.iterdir()} & set(PLACES)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nix_gen' has no attribute 'Grahp'"):
        _ = nix_gen.Grahp  # type: ignore[attr-defined]


def test_checking_a_small_graph_loads_no_more_than_it_takes() -> None:
    code = (
        "import json, sys; from conclave.cli import cli; "
        f"cli.main(['nix', 'validate', {str(GRAPH)!r}], prog_name='conclave', standalone_mode=False); "
        f"print(json.dumps([name for name in {NOT_TO_CHECK!r} if name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stderr.splitlines()[-1]) == []
