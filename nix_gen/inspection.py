"""Everything that can be said against a graph, in one pass: rules, placement and translation.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nix_gen.findings import Finding, Severity, finding_order
from nix_gen.graph import Graph
from nix_gen.judgement import judge
from nix_gen.lower import Lowered, lower
from nix_gen.nodes import Host
from nix_gen.pause import collector_paused
from nix_gen.placement import Placed, place
from nix_gen.placement.spread import rebuilt


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A graph, placed and translated, and all findings about it."""

    placed: Placed
    lowered: Lowered
    """Of the whole graph if no finding is an error; else of its sound part, and not to be used."""
    findings: tuple[Finding, ...]
    """Errors, then warnings, then infos, each by code and place."""


def check(graph: Graph, *, previous: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
    """All findings about a graph. One without an error can be translated.

    What translation alone can see is looked for in the part of the graph that no other error is about, so
    that a user sees everything at once.
    """
    return inspect(graph, previous=previous).findings


def inspect(graph: Graph, *, previous: Mapping[str, str] | None = None) -> Checked:
    """Place, judge and translate a graph; `previous` as for `place`."""
    with collector_paused():
        return _inspected(graph, previous)


def _inspected(graph: Graph, previous: Mapping[str, str] | None) -> Checked:
    placed = place(graph, previous=previous)
    judged = judge(placed)
    lowered = lower(_sound(placed.graph, judged))
    told = {(finding.code, finding.place) for finding in judged}
    more = [finding for finding in lowered.findings if (finding.code, finding.place) not in told]
    return Checked(
        placed=placed, lowered=lowered, findings=tuple(sorted([*judged, *more], key=finding_order))
    )


def _sound(graph: Graph, findings: tuple[Finding, ...]) -> Graph:
    """The part of a graph that no error is about; the graph itself if there is no error."""
    places = {finding.place for finding in findings if finding.severity is Severity.ERROR}
    if not places:
        return graph
    nodes = tuple(node for node in graph.nodes if isinstance(node, Host) or node.id not in places)
    ids = {node.id for node in nodes}
    edges = tuple(
        edge for edge in graph.edges if edge.id not in places and edge.source in ids and edge.target in ids
    )
    return rebuilt(graph, nodes, edges)
