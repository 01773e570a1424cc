"""`conclave charter`, and what a charter means for proposals on a secured server."""

from __future__ import annotations

import json
import re
from pathlib import Path

from conclave.deployment import deployed
from tests.support.cli import server_here

DOCS = Path(__file__).resolve().parents[3] / "docs" / "enforcement.md"
KIND = "infrastructure_change"


def shown() -> list[tuple[list[str], str]]:
    """Commands in the section of the document, split into words, with the line that each prints."""
    section = DOCS.read_text(encoding="utf-8").partition("\n## Who must vote\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\$ conclave (.*)\n(.*)$", section, re.MULTILINE)
    return [(command.split(), line) for command, line in found]


async def test_the_document_shows_what_a_charter_does(tmp_path: Path) -> None:
    (setting, set_line), (proposing, refusal_line) = shown()
    (tmp_path / "shop.yaml").write_text(
        "nodes:\n  - {id: web, kind: service, image: 'a/web:1'}\n", encoding="utf-8"
    )
    async with (
        server_here(tmp_path) as here,
        deployed(here.server.url, names=("consensus",), credentials=here.server.credentials),
    ):
        await here.server.identities.ensure("ada", "eve")
        stolen = await here.run(*setting, "--as", "eve")
        assert (stolen.status, stolen.out) == (1, "")
        assert "not_operator" in stolen.err
        before = await here.run("charter", "list")
        assert (before.status, before.err) == (0, "there is no charter: whoever proposes says who votes\n")

        made = await here.run(*setting)
        assert (made.status, made.out, made.err) == (0, f"{set_line}\n", "")
        refused = await here.run(*proposing)
        assert (refused.status, refused.out, refused.err) == (1, "", f"{refusal_line}\n")
        meeting = ("-e", "carol,bob,ada", "--quorum", "2/3", "--timelock", "10m", "--as", "eve")
        right = await here.run("propose", "Ours", "--graph", "shop.yaml", "--kind", KIND, *meeting)
        assert (right.status, right.err) == (0, "")

        listed = await here.run("charter", "list", "--json")
        (charter,) = json.loads(listed.out)["charters"]
        assert (charter["kind"], charter["agent"], charter["charter"]["quorum"]) == (KIND, "operator", "2/3")
        assert (await here.run("charter", "list")).out == f"{set_line}\n"
        removed = await here.run("charter", "remove", KIND)
        assert (removed.status, removed.out) == (0, f"{KIND}: no charter\n")
        free = await here.run(*proposing)
        assert (free.status, free.err) == (0, "")
