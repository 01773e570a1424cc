"""Judges a deployment graph: everything in one pass, each finding with its place and a way to mend it.

Pure. The codes are in `nix_gen.codes` and docs/validation.md.
"""

from __future__ import annotations

from nix_gen.findings import Finding, finding_order
from nix_gen.graph import Graph
from nix_gen.rules import (
    bus_findings,
    container_findings,
    placement_findings,
    port_findings,
    replication_findings,
    role_findings,
    start_findings,
    structure_findings,
)


def validate(graph: Graph) -> tuple[Finding, ...]:
    """All findings about a graph: errors, then warnings, then infos, each by code and place.

    The order does not depend on the order of nodes and edges. A graph with no error can be translated.
    Complexity: near linear in nodes and edges; the search for a shortest cycle has a budget.
    """
    rules = (
        structure_findings,
        start_findings,
        placement_findings,
        port_findings,
        role_findings,
        bus_findings,
        replication_findings,
        container_findings,
    )
    return tuple(sorted((found for rule in rules for found in rule(graph)), key=finding_order))
