"""The package's names are there when they are used; pytest's start, which loads the plugin, stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import conclave.testing
from conclave.testing.lazy import PLACES

HEAVY = (
    "pydantic",
    "nats",
    "structlog",
    "automerge",
    "networkx",
    "conclave.session",
    "conclave.testing.mesh",
)


def test_every_public_name_is_where_the_type_checker_finds_it() -> None:
    module = ast.parse(Path(conclave.testing.__file__).read_text(encoding="utf-8"))
    choice = next(node for node in module.body if isinstance(node, ast.If))
    declared = {
        alias.name: node.module
        for node in choice.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == PLACES
    assert sorted(PLACES) == conclave.testing.__all__
    assert set(PLACES) <= set(dir(conclave.testing))
    for name in PLACES:
        assert getattr(conclave.testing, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module .conclave\.testing. has no attribute 'Mash'"):
        _ = conclave.testing.Mash  # type: ignore[attr-defined]


def test_loading_the_plugin_loads_nothing_else_of_conclave() -> None:
    code = (
        "import sys, conclave.testing.plugin; print([name for name in %r if name in sys.modules])" % (HEAVY,)  # noqa: UP031
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
