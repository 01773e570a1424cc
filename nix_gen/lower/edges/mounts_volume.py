"""`mounts_volume`, and the `backup` of a node: only a storage that another host serves needs the network.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import MountsVolume
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection
from nix_gen.nodes import Database, Storage
from nix_gen.scalars import Protocol


def connections(graph: Graph, edge: MountsVolume) -> Iterable[Connection]:
    """The connections the edge asks for."""
    return _to_server(graph, edge.source, edge.target, edge.kind)


def backup_connections(graph: Graph) -> Iterable[Connection]:
    """The connections that backups ask for, by node; a field with the meaning of an edge."""
    for node in graph.nodes_in_order:
        if isinstance(node, Database | Storage) and node.backup is not None and node.backup.to is not None:
            yield from _to_server(graph, node.id, node.backup.to, "backup")


def _to_server(graph: Graph, source: str, target: str, kind: str) -> Iterable[Connection]:
    """To a storage on its host, from the host of its user: never from a container, so never from beside."""
    storage, place = graph.by_id.get(target), graph.host_of(source)
    if isinstance(storage, Storage) and storage.listen_port is not None and place != storage.host:
        ports = ((storage.listen_port, Protocol.TCP),)
        if place is not None:
            yield Connection(source=source, target=target, ports=ports, kind=kind, beside=True)
