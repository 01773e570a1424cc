"""The lint rule that keeps the core pure is in force: it flags where it should and only there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tidy.source import ROOT

BANNED = ("asyncio", "nats", "random", "time", "uuid", "logging", "structlog", "os", "secrets")


def configuration() -> dict[str, object]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lint: dict[str, object] = project["tool"]["ruff"]["lint"]
    return lint


def pure_names() -> list[str]:
    """The names of the files that must be pure, from the one negated glob."""
    ignores = configuration()["per-file-ignores"]
    assert isinstance(ignores, dict)
    globs = [glob for glob, codes in ignores.items() if "TID251" in codes]
    assert len(globs) == 1, "two negated globs cancel each other out and pass everything"
    names = re.fullmatch(r"!\*\*/\{([a-z_,]+)\}\.py", globs[0])
    assert names is not None
    return names.group(1).split(",")


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, int]]:
    """(file, line) of every banned import that ruff sees in a tree of files that import all of them."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    room = folder / "coordination" / "toy"
    room.mkdir(parents=True)
    source = "".join(f"import {module}\n" for module in BANNED)
    for name in (*pure_names(), "service", "client", "wire", "model_of_something"):
        (room / f"{name}.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--select",
        "TID251",
        "--output-format",
        "json",
        ".",
    ]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return {(Path(each["filename"]).stem, each["location"]["row"]) for each in json.loads(ran.stdout)}


def test_every_pure_file_may_import_none_of_them(flagged: set[tuple[str, int]]) -> None:
    assert "model" in pure_names()
    for name in pure_names():
        assert {line for file, line in flagged if file == name} == set(range(1, len(BANNED) + 1)), name


@pytest.mark.parametrize("name", ["service", "client", "wire", "model_of_something"])
def test_the_shell_may_import_them(flagged: set[tuple[str, int]], name: str) -> None:
    assert not [file for file, _ in flagged if file == name]


def test_every_pure_name_is_a_file() -> None:
    """A file renamed out of the list would lose its protection without a word."""
    there = {path.stem for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    assert not set(pure_names()) - there
