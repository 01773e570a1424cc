"""What an edge asks of the network: its source opens connections to ports of its target.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nix_gen.graph import Graph
from nix_gen.nodes import (
    Agent,
    Database,
    Host,
    LoadBalancer,
    MessageBus,
    Monitoring,
    Node,
    Service,
    Storage,
    StorageKind,
)
from nix_gen.scalars import Protocol

Ports = tuple[tuple[int, Protocol], ...]
"""Port numbers with their transport, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One node opens connections to another; the firewall, names and access rules follow from it."""

    source: str
    """Id of the node that opens them; a host's id where a program of the host itself does."""
    target: str
    ports: Ports
    kind: str
    """Kind of the edge that asks for it."""
    beside: bool = False
    """Whether the ports belong to a native program beside the target on its host (an exporter, a file or
    object server), and not to the target itself."""


def listening(node: Node) -> Ports:
    """The ports a node listens on, as its clients name them."""
    if isinstance(node, Storage):
        port = node.listen_port if node.storage is StorageKind.S3 else None
        return () if port is None else ((port, Protocol.TCP),)
    if isinstance(node, Host):
        return ()
    ports = {(binding.port, binding.protocol) for binding in node.ports}
    match node:
        case Service() | Agent():
            pass
        case Database() | MessageBus() | Monitoring():
            if node.listen_port is not None:
                ports.add((node.listen_port, Protocol.TCP))
            if isinstance(node, MessageBus) and node.monitor_port is not None:
                ports.add((node.monitor_port, Protocol.TCP))
        case LoadBalancer():
            ports |= {(port, Protocol.TCP) for port in node.listened}
    return tuple(sorted(ports))


def _own_port(node: Node) -> int | None:
    return node.listen_port if isinstance(node, Database | MessageBus | Monitoring | Storage) else None


def first_tcp(node: Node) -> Ports:
    """The port that shows whether a node is there: its protocol's, else the first TCP port it listens on."""
    port = _own_port(node)
    if port is not None:
        return ((port, Protocol.TCP),)
    return tuple(port for port in listening(node) if port[1] is Protocol.TCP)[:1]


def client_port(node: Node) -> Ports:
    """The port of a server's own protocol; all that it listens on where there is no such port."""
    port = _own_port(node)
    return listening(node) if port is None else ((port, Protocol.TCP),)


def to_target(
    graph: Graph, source: str, target: str, kind: str, ports: Iterable[tuple[int, Protocol]]
) -> Iterable[Connection]:
    """The connection from an edge's source to its target; none to a node that is no running program."""
    node = graph.by_id[target]
    if isinstance(node, Storage):
        served = listening(node)
        if served and not isinstance(graph.by_id[source], Storage | Host):
            yield Connection(source=source, target=target, ports=served, kind=kind, beside=True)
    elif source != target and not isinstance(node, Host):
        yield Connection(source=source, target=target, ports=tuple(sorted(set(ports))), kind=kind)
