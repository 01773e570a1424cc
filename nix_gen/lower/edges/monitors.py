"""`monitors`: the source scrapes the target.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import Monitors
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, listening, to_target
from nix_gen.scalars import Protocol


def connections(graph: Graph, edge: Monitors) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    ports = listening(target) if edge.port is None else ((edge.port, Protocol.TCP),)
    return to_target(graph, edge.source, edge.target, edge.kind, ports)
