"""docs/validation.md and the code list the same findings in the same words."""

from pathlib import Path

import pytest

from nix_gen.codes import IMPORT, VALIDATION, CodeFacts

DOCS = Path(__file__).resolve().parents[3] / "docs" / "validation.md"


@pytest.mark.parametrize(
    ("heading", "table"), [("## Of the validator", VALIDATION), ("## Of the compose importer", IMPORT)]
)
def test_the_docs_list_exactly_the_codes(heading: str, table: dict[str, CodeFacts]) -> None:
    section = DOCS.read_text(encoding="utf-8").split(heading)[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{code}` | {facts.severity or 'info or warning'} | {facts.meaning} | {facts.mend} |"
        for code, facts in sorted(table.items())
    ]


def test_the_importer_uses_only_documented_codes() -> None:
    folder = Path(__file__).resolve().parents[3] / "nix_gen" / "compose"
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    assert [code for code in IMPORT if f'"{code}"' not in text] == []
