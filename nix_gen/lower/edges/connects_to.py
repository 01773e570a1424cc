"""`connects_to`: the source opens connections to the named port, or to all that the target listens on.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import ConnectsTo
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, listening
from nix_gen.lower.edges.replica_sets import to_set


def connections(graph: Graph, edge: ConnectsTo) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    ports = listening(target) if edge.port is None else ((edge.port, edge.protocol),)
    return to_set(graph, edge.source, edge.target, edge.kind, ports)
