"""Clients of a replica set: the member that an edge names tells them of the others, and they go there, too.

Pure. Drivers of MongoDB dial every member to learn which one takes writes now.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, Ports, client_port, to_target
from nix_gen.nodes import Database, DatabaseEngine
from nix_gen.replication import lineage


def to_set(graph: Graph, source: str, target: str, kind: str, ports: Ports) -> Iterable[Connection]:
    """The connections from an edge's source to its target, and to the others of the target's set, if any.

    Args:
        graph: the graph.
        source: id of the client.
        target: id of the node that the edge names.
        kind: of the edge.
        ports: of the target; the others are reached at the port of their protocol, if it is among these.
    """
    yield from to_target(graph, source, target, kind, ports)
    node = graph.by_id[target]
    if not isinstance(node, Database) or node.engine is not DatabaseEngine.MONGODB:
        return
    if set(client_port(node)) <= set(ports):
        for member in lineage(graph, node):
            if member.id != target:
                yield from to_target(graph, source, member.id, kind, client_port(member))
