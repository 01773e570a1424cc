"""``conclave nix validate``: every finding, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from conclave.commands.nix.paint import SEVERITIES, counted, listed, paint, say
from conclave.commands.nix.reading import read
from conclave.commands.output import print_json
from nix_gen import Finding, Graph, Severity, check, finding_order
from nix_gen.errors import one_line


def validate(path: Path, *, strict: bool, as_json: bool) -> bool:
    """Print all findings about a file; whether it may be used as it is."""
    loaded = read(path)
    findings = sorted({*loaded.notes, *check(loaded.graph)}, key=finding_order)
    if as_json:
        print_json(_plain(path, loaded.graph, findings, loaded.lines))
    else:
        say(_lines(path, loaded.graph, findings, loaded.lines))
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return not any(finding.severity in bad for finding in findings)


def _plain(
    path: Path, graph: Graph, findings: Iterable[Finding], lines: Mapping[str, int]
) -> dict[str, object]:
    return {
        "file": str(path),
        "graph": {"name": graph.name, "digest": graph.digest()},
        "findings": [
            {
                "severity": finding.severity.value,
                "code": finding.code,
                "place": finding.place,
                "line": _line(finding, lines),
                "message": finding.message,
                "mend": finding.mend,
            }
            for finding in findings
        ],
    }


def _line(finding: Finding, lines: Mapping[str, int]) -> int | None:
    return finding.line if finding.line is not None else lines.get(finding.place)


def _lines(path: Path, graph: Graph, findings: list[Finding], lines: Mapping[str, int]) -> Iterator[str]:
    counts = Counter(finding.severity for finding in findings)
    for severity in Severity:
        if not counts[severity]:
            continue
        colour = SEVERITIES[severity]
        yield paint(counted(counts[severity], severity.value), colour, bold=True)
        for finding in findings:
            if finding.severity is severity:
                line = _line(finding, lines)
                where = "" if line is None else paint(f"  {path}:{line}", dim=True)
                yield f"  {paint(finding.code, colour)}  {paint(one_line(finding.place), bold=True)}{where}"
                yield f"    {one_line(finding.message)}"
                yield f"    {paint('mend:', dim=True)} {one_line(finding.mend)}"
        yield ""
    hosts, nodes = len(graph.hosts), sum(node.kind != "host" for node in graph.nodes)
    size = f"{counted(nodes, 'node')} and {counted(len(graph.edges), 'edge')} on {counted(hosts, 'host')}"
    said = listed([(counts[severity], severity.value) for severity in Severity]) or "no findings"
    yield f"{path}: {size}: {said}"
