"""`publishes_to`: a client of a message bus.

Pure. A Kafka client is told by the member it asks which member keeps a partition, and must reach that one,
too; a NATS or RabbitMQ client needs the one its edge names. What it may say is `nix_gen.lower.bus_rights`.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import PublishesTo, SubscribesTo
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, client_port, to_target
from nix_gen.nodes import BusEngine, MessageBus


def connections(graph: Graph, edge: PublishesTo | SubscribesTo) -> Iterable[Connection]:
    """The connections the edge asks for."""
    target = graph.by_id[edge.target]
    kafka = isinstance(target, MessageBus) and target.engine is BusEngine.KAFKA
    for bus in graph.bus_members(edge.target) if kafka else (target,):
        yield from to_target(graph, edge.source, bus.id, edge.kind, client_port(bus))
