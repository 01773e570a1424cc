"""`replicates`: a replica follows its primary at the port that clients use, too.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import Replicates
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, client_port, to_target
from nix_gen.nodes import MessageBus


def connections(graph: Graph, edge: Replicates) -> Iterable[Connection]:
    """The connections the edge asks for; those of a message bus are its cluster's (`clusters`)."""
    target = graph.by_id[edge.target]
    if isinstance(target, MessageBus):
        return ()
    ports = client_port(target)
    return to_target(graph, edge.source, edge.target, edge.kind, ports)
