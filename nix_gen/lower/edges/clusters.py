"""Members of a message bus cluster: each opens connections to each other, at the ports of their own protocol.

Pure. Membership is not one edge's business: an equal cluster name is enough.
"""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection
from nix_gen.nodes import MessageBus
from nix_gen.scalars import Protocol

KIND = "cluster"
"""How comments name what no edge may have said."""


def cluster_connections(graph: Graph) -> Iterator[Connection]:
    """The connections among the members of every cluster, by source."""
    for node in graph.nodes_of(MessageBus):
        for peer in graph.bus_members(node.id):
            if peer.id != node.id and peer.peer_ports:
                ports = tuple((port, Protocol.TCP) for port in peer.peer_ports)
                yield Connection(source=node.id, target=peer.id, ports=ports, kind=KIND)
