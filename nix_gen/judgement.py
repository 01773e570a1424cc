"""Judges a deployment graph: everything in one pass, each finding with its place and a way to mend it.

Pure. The codes are in `nix_gen.codes` and docs/validation.md.
"""

from __future__ import annotations

from nix_gen.findings import Finding, finding_order
from nix_gen.graph import Graph
from nix_gen.placement import Placed, place
from nix_gen.rules import (
    bus_findings,
    container_findings,
    host_findings,
    monitoring_findings,
    placement_findings,
    port_findings,
    replication_findings,
    role_findings,
    secret_findings,
    setting_findings,
    start_findings,
    structure_findings,
    text_findings,
)


def validate(graph: Graph) -> tuple[Finding, ...]:
    """All findings about a graph that need no translation: those of the rules and of placement.

    Errors come first, then warnings, then infos, each by code and place. The order does not depend on the
    order of nodes and edges. Complexity: near linear in nodes and edges; the search for cycles has a budget.
    `nix_gen.check` finds what only translation sees as well.
    """
    return judge(place(graph))


def judge(placed: Placed) -> tuple[Finding, ...]:
    """All findings about a graph whose nodes have been placed, those of placement among them."""
    graph = placed.graph
    rules = (
        structure_findings,
        start_findings,
        placement_findings,
        host_findings,
        port_findings,
        role_findings,
        bus_findings,
        replication_findings,
        setting_findings,
        text_findings,
        secret_findings,
        container_findings,
        monitoring_findings,
    )
    found = [*placed.findings, *(one for rule in rules for one in rule(graph))]
    return tuple(sorted(found, key=finding_order))
