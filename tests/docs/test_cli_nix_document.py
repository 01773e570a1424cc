"""docs/cli.md shows what ``conclave nix`` really prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from conclave.cli import cli

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```console\n\$ conclave (nix [^\n]*)\n(.*?)\n```", TEXT, re.DOTALL)
(SHOP,) = re.findall(r"```yaml\n(graph:\n.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the examples name, as the text describes them."""
    cache = "  - {id: cache, kind: database, host: back, engine: redis, password: cache-key}\n\nedges:"
    following = SHOP.replace('"16"', '"17"').replace("\nedges:", cache)
    edge = "  - {source: web, kind: connects_to, target: cache}\n"
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    (tmp_path / "next.yaml").write_text(following + edge, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(SHOP.replace("target: web}", "target: wbe}"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=lambda value: str(value)[:40])
def test_each_example_prints_what_the_document_shows(command: str, shown: str, folder: Path) -> None:
    assert CliRunner().invoke(cli, shlex.split(command)).output.rstrip("\n") == shown
