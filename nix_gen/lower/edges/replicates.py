"""`replicates`: a replica follows its primary at the port that clients use, too.

Pure. The members of a MongoDB set elect who leads, so each of them connects to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nix_gen.edges import Replicates
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, client_port, to_target
from nix_gen.nodes import Database, DatabaseEngine, MessageBus
from nix_gen.replication import lineage


def connections(graph: Graph, edge: Replicates) -> Iterable[Connection]:
    """The connections the edge asks for; those of a message bus are its cluster's (`clusters`)."""
    source, target = graph.by_id[edge.source], graph.by_id[edge.target]
    if isinstance(target, MessageBus):
        return ()
    if isinstance(source, Database) and source.engine is DatabaseEngine.MONGODB:
        return _mesh(graph, edge, source)
    return to_target(graph, edge.source, edge.target, edge.kind, client_port(target))


def _mesh(graph: Graph, edge: Replicates, source: Database) -> Iterator[Connection]:
    """Between the source of an edge and every other member of its set, both ways."""
    for other in lineage(graph, source):
        yield from to_target(graph, source.id, other.id, edge.kind, client_port(other))
        yield from to_target(graph, other.id, source.id, edge.kind, client_port(source))
