"""docs/validation.md and the code list the same findings in the same words, and no code is used unlisted."""

import ast
import re
from pathlib import Path

import pytest

from nix_gen.codes import IMPORT, PLACEMENT, TRANSLATION, VALIDATION, CodeFacts

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "validation.md"
TABLES = [
    ("## Of the validator", VALIDATION),
    ("## Of placement", PLACEMENT),
    ("## Of the translation", TRANSLATION),
    ("## Of the compose importer", IMPORT),
]
HEAD = ["| code | severity | meaning | mend |", "|---|---|---|---|"]
RAISING = {"find", "warn", "finding", "Finding", "note", "_note"}


def _rows(table: dict[str, CodeFacts]) -> list[str]:
    return [
        f"| `{code}` | {facts.severity or 'info or warning'} | {facts.meaning} | {facts.mend} |"
        for code, facts in sorted(table.items())
    ]


def _section(heading: str) -> str:
    return DOCS.read_text(encoding="utf-8").split(f"{heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(("heading", "table"), TABLES)
def test_the_docs_list_exactly_the_codes(heading: str, table: dict[str, CodeFacts], *, rewrite: bool) -> None:
    section = _section(heading)
    if rewrite:
        prose = "\n".join(line for line in section.splitlines() if not line.startswith("|")).strip()
        written = "\n".join(["", *HEAD, *_rows(table), *(["", prose] if prose else []), ""])
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(text.replace(f"{heading}\n{section}", f"{heading}\n{written}"), encoding="utf-8")
        section = _section(heading)
    assert [line for line in section.splitlines() if line.startswith("| `")] == _rows(table)


def test_no_code_stands_in_two_tables() -> None:
    codes = [code for _, table in TABLES for code in table]
    assert sorted(codes) == sorted(set(codes))


def _raised(path: Path) -> set[str]:
    """Codes that a module hands to whatever makes findings; a choice between two codes counts as both."""
    codes: set[str] = set()
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
        if name in RAISING:
            given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "code")]
            found = [
                leaf for argument in given for leaf in ast.walk(argument) if isinstance(leaf, ast.Constant)
            ]
            codes |= {leaf.value for leaf in found if isinstance(leaf.value, str)}
    return {code for code in codes if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code)}


def test_every_code_that_is_raised_is_in_a_table() -> None:
    known = {code for _, table in TABLES for code in table}
    raised = {path: _raised(path) for path in sorted((ROOT / "nix_gen").rglob("*.py"))}
    assert {
        str(path.relative_to(ROOT)): codes - known for path, codes in raised.items() if codes - known
    } == {}


def test_every_code_of_a_table_is_raised_somewhere() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "nix_gen").rglob("*.py"))
        if path.parent.name != "codes"
    ]
    listed = sorted(code for _, table in TABLES for code in table)
    assert [code for code in listed if not any(f'"{code}"' in text for text in texts)] == []
