"""The exact text of each finding of placement and translation; `pytest --rewrite` writes it for review."""

from __future__ import annotations

import functools
from pathlib import Path

from nix_gen import Graph, check
from nix_gen.codes import PLACEMENT, TRANSLATION, VALIDATION
from nix_gen.lower import lower
from tests.support.translation_cases import CASES

EXPECTED = Path(__file__).parent / "findings.txt"


@functools.cache
def _found(code: str) -> list[str]:
    parts = CASES[code]
    nodes = [part for part in parts if "source" not in part]
    edges = [part for part in parts if "source" in part]
    graph = Graph.model_validate({"nodes": nodes, "edges": edges})
    # Some are found by a rule before translation would; who translates without judging sees them still.
    findings = [*check(graph), *lower(graph).findings]
    return [str(finding) for finding in findings if finding.code == code][:1]


def test_every_code_of_placement_and_translation_has_a_case() -> None:
    assert sorted((PLACEMENT | TRANSLATION).keys() - CASES.keys()) == []


def test_each_case_has_its_finding_in_exactly_the_words_that_were_reviewed(*, rewrite: bool) -> None:
    found = [line for code in sorted(CASES) for line in _found(code) or [f"{code}: not found"]]
    if rewrite:
        EXPECTED.write_text("\n".join(found) + "\n", encoding="utf-8")
    assert [line for line in found if line.endswith(": not found")] == []
    assert "\n".join(found) + "\n" == EXPECTED.read_text(encoding="utf-8")


def test_findings_have_the_severity_of_their_code() -> None:
    table = VALIDATION | PLACEMENT | TRANSLATION
    for code in sorted(CASES):
        (line,) = _found(code)
        assert table[code].severity is None or line.startswith(f"{table[code].severity} {code}: ")
