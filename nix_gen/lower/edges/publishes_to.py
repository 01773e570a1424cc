"""`publishes_to`: a client of a message bus.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import PublishesTo
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, client_port, to_target


def connections(graph: Graph, edge: PublishesTo) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    ports = client_port(target)
    return to_target(graph, edge.source, edge.target, edge.kind, ports)
