"""`load_balances`: a balancer reaches each of its targets at one TCP port.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import LoadBalances
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, first_tcp, to_target
from nix_gen.scalars import Protocol


def connections(graph: Graph, edge: LoadBalances) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    ports = first_tcp(target) if edge.port is None else ((edge.port, Protocol.TCP),)
    return to_target(graph, edge.source, edge.target, edge.kind, ports)
