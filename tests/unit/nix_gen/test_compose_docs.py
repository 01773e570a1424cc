"""docs/compose.md says of every key what becomes of it, in the words of the code."""

from pathlib import Path

import pytest

from nix_gen.compose.keys import SERVICE_KEYS, TOP_LEVEL_KEYS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "compose.md"
HEAD = "| key | becomes |\n|---|---|\n"


@pytest.mark.parametrize(
    ("heading", "table"), [("### Of a service\n", SERVICE_KEYS), ("### Of the file\n", TOP_LEVEL_KEYS)]
)
def test_the_docs_list_exactly_the_keys(heading: str, table: dict[str, str], *, rewrite: bool) -> None:
    rows = "".join(f"| `{key}` | {becomes} |\n" for key, becomes in sorted(table.items()))
    before, _, after = DOCS.read_text(encoding="utf-8").partition(heading)
    section, mark, rest = after.partition("\n###")
    if rewrite:
        section = f"\n{HEAD}{rows}"
        DOCS.write_text(f"{before}{heading}{section}{mark}{rest}", encoding="utf-8")
    assert section.strip() == f"{HEAD}{rows}".strip()
