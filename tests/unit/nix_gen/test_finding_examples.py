"""docs/validation.md shows an example of every finding about a graph: a line that a test has seen."""

from __future__ import annotations

from pathlib import Path

from nix_gen.codes import PLACEMENT, TRANSLATION, VALIDATION
from tests.support.balancer_cases import BALANCER_CASES
from tests.support.bus_cases import BUS_CASES
from tests.support.monitoring_cases import MONITORING_CASES
from tests.support.replication_cases import REPLICATION_CASES
from tests.unit.nix_gen.test_validate import CASES

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "validation.md"
FINDINGS = ROOT / "tests" / "golden" / "nix_gen" / "findings.txt"
BEGIN, END = "## An example of each\n\n```text\n", "\n```\n"


def _examples() -> list[str]:
    tables = (CASES, BUS_CASES, BALANCER_CASES, MONITORING_CASES, REPLICATION_CASES)
    lines = [expected for table in tables for *_, expected in table]
    lines += FINDINGS.read_text(encoding="utf-8").splitlines()
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.split()[1].rstrip(":"), line)
    return [first[code] for code in sorted(VALIDATION | PLACEMENT | TRANSLATION) if code in first]


def test_the_docs_show_one_example_of_each_finding(*, rewrite: bool) -> None:
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    shown, _, after = rest.partition(END)
    if rewrite:
        shown = "\n".join(_examples())
        DOCS.write_text(f"{before}{BEGIN}{shown}{END}{after}", encoding="utf-8")
    assert shown.splitlines() == _examples()
