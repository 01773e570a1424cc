"""The package's names are there when they are used, and cost nothing until then."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import conclave
from conclave.lazy import PLACES

HEAVY = ("pydantic", "nats", "rich", "structlog", "networkx", "automerge", "conclave.session")


def declared() -> dict[str, str]:
    """Name -> module, as the type checker reads them in the package."""
    tree = ast.parse(Path(conclave.__file__).read_text(encoding="utf-8"))
    choice = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in choice.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


def test_every_public_name_is_what_the_type_checker_thinks_it_is() -> None:
    assert declared() == PLACES
    assert sorted(PLACES) == sorted(conclave.__all__)
    for name in PLACES:
        assert getattr(conclave, name).__name__ == name
    assert set(PLACES) <= set(dir(conclave))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'conclave' has no attribute 'Agnet'"):
        _ = conclave.Agnet  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "bash"]])
def test_commands_that_ask_nobody_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from conclave.cli import cli; "
        f"cli.main({arguments!r}, prog_name='conclave', standalone_mode=False); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"
