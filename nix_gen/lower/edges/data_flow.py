"""`data_flow`: as `connects_to`; the source pushes.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import DataFlow
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, listening
from nix_gen.lower.edges.replica_sets import to_set


def connections(graph: Graph, edge: DataFlow) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    ports = listening(target) if edge.port is None else ((edge.port, edge.protocol),)
    return to_set(graph, edge.source, edge.target, edge.kind, ports)
