"""`depends_on`: whoever waits for a node of another host asks whether it answers.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import DependsOn
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, first_tcp, to_target


def connections(graph: Graph, edge: DependsOn) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    ports = first_tcp(target)
    return to_target(graph, edge.source, edge.target, edge.kind, ports)
