"""Who uses a message bus, and with which rights: what the edges say, before any server is told.

Pure. The members of a cluster are one bus: whoever has an edge to one of them is a client of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nix_gen.edges import ConnectsTo, DataFlow, Edge, PublishesTo, SubscribesTo
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, BusEngine, Database, LoadBalancer, MessageBus, Monitoring, Service

Client = Service | Agent | Database | LoadBalancer | Monitoring
"""Whatever runs and is no bus itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusClient:
    """One node that uses a bus, and the edges that say so, in canonical order."""

    node: Client
    edges: tuple[Edge, ...]

    @property
    def nkey(self) -> str | None:
        """The public key it shows to a NATS server."""
        return self.node.nkey if isinstance(self.node, Service | Agent) else None

    @property
    def publishes(self) -> tuple[PublishesTo, ...]:
        """Its `publishes_to` edges."""
        return tuple(edge for edge in self.edges if isinstance(edge, PublishesTo))

    @property
    def subscribes(self) -> tuple[SubscribesTo, ...]:
        """Its `subscribes_to` edges."""
        return tuple(edge for edge in self.edges if isinstance(edge, SubscribesTo))

    @property
    def asks(self) -> tuple[str, ...]:
        """What its edges ask of the bus, whichever member they lead to."""
        ends = {"source", "target", "description"}
        return tuple(sorted(edge.kind + edge.model_dump_json(exclude=ends) for edge in self.edges))


_OWN_TO_A_COPY = {"id", "host", "description", "labels", "aliases", "placement", "environment", "secrets"}


def are_copies(one: BusClient, other: BusClient) -> bool:
    """Whether two services are one program on two hosts (replicas, standbys), which may share a key."""
    services = isinstance(one.node, Service) and isinstance(other.node, Service)
    spelled = [node.model_dump(mode="json", exclude=_OWN_TO_A_COPY) for node in (one.node, other.node)]
    apart = one.node.host is None or one.node.host != other.node.host
    return services and apart and spelled[0] == spelled[1] and one.asks == other.asks


def buses(graph: Graph, engine: BusEngine) -> Iterator[tuple[MessageBus, ...]]:
    """The buses of an engine: each cluster once, by the first id of its members."""
    seen: set[str] = set()
    for node in graph.nodes_of(MessageBus):
        if node.engine is engine and node.id not in seen:
            members = graph.bus_members(node.id)
            seen.update(member.id for member in members)
            yield members


def clients(graph: Graph, members: Iterable[MessageBus]) -> tuple[BusClient, ...]:
    """The clients of a bus, by id."""
    found: dict[str, list[Edge]] = {}
    for member in members:
        for edge in graph.edges_to(member.id):
            if _uses(edge, member):
                found.setdefault(edge.source, []).append(edge)
    known = []
    for node_id in sorted(found):
        node = graph.by_id.get(node_id)
        if isinstance(node, Client):
            known.append(BusClient(node=node, edges=tuple(found[node_id])))
    return tuple(known)


def _uses(edge: Edge, bus: MessageBus) -> bool:
    """Whether an edge leads a client to the bus, and not a monitor to its metrics."""
    match edge:
        case PublishesTo() | SubscribesTo():
            return True
        case ConnectsTo() | DataFlow():
            return edge.port in {None, bus.listen_port}
        case _:
            return False


def is_guarded(known: Iterable[BusClient]) -> bool:
    """Whether a NATS bus lets in only clients it knows: one of them has a key."""
    return any(client.nkey is not None for client in known)


def is_subject(text: str) -> bool:
    """Whether a text is a NATS subject, wildcards allowed: `orders.*.eu`, `orders.>`."""
    tokens = text.split(".")
    if tokens[-1] == ">":
        del tokens[-1]
    return all(word == "*" or (bool(word) and not {"*", ">"}.intersection(word)) for word in tokens)


def is_sweeping(subjects: Iterable[str]) -> bool:
    """Whether subjects reach those of the server itself (`$SYS.>`, `$JS.>`), which nobody meant to name."""
    return any(subject.split(".")[0] in {"*", ">"} for subject in subjects)
