"""Which ports a node takes of its host, and where two take the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import (
    Agent,
    Database,
    Host,
    LoadBalancer,
    MessageBus,
    Monitoring,
    Placed,
    Running,
    Service,
    Storage,
)
from nix_gen.scalars import Protocol

Claim = tuple[int, Protocol, str | None]
"""A port of a host a node takes: number, protocol, address (None: every address)."""
_EVERYWHERE = frozenset({None, "0.0.0.0", "::"})  # noqa: S104


def is_everywhere(address: str | None) -> bool:
    """Whether a port bound to an address is reached at every address of the host."""
    return address in _EVERYWHERE


def listening(node: Placed) -> set[tuple[int, Protocol]]:
    """Ports other nodes reach a node at: number and protocol."""
    if isinstance(node, Storage):
        return set()
    ports = {(binding.port, binding.protocol) for binding in node.ports}
    return ports | {(port, Protocol.TCP) for port in _own_ports(node)}


def _own_ports(node: Running) -> set[int]:
    """Ports a native node listens on by itself, whether published or not."""
    match node:
        case Database():
            return set() if node.listen_port is None else {node.listen_port}
        case MessageBus():
            return set(node.own_ports)
        case LoadBalancer():
            return set(node.listened)
        case Monitoring():
            return {node.listen_port}
        case _:
            return set()


def claims(node: Placed) -> set[Claim]:
    """Ports a node takes of its host. A container of its own network takes only what it publishes."""
    if isinstance(node, Storage):
        return set()
    taken: set[Claim] = {
        (binding.published, binding.protocol, binding.address)
        for binding in node.ports
        if binding.published is not None
    }
    if isinstance(node, Service | Agent):
        if not node.is_container or (node.container is not None and node.container.network == "host"):
            taken |= {(binding.port, binding.protocol, binding.address) for binding in node.ports}
        return taken
    published = {port for port, _, _ in taken}
    return taken | {(port, Protocol.TCP, None) for port in _own_ports(node) if port not in published}


def port_findings(graph: Graph) -> Iterator[Finding]:
    """port-clash, replicas-share-port. Complexity: linear in ports."""
    for host in graph.hosts:
        holders: dict[tuple[int, Protocol], dict[str | None, str]] = {}
        for node in graph.nodes_on(host.id):
            if isinstance(node, Host):
                continue
            for port, protocol, address in sorted(
                claims(node), key=lambda claim: (claim[0], claim[1], claim[2] or "")
            ):
                held = holders.setdefault((port, protocol), {})
                place = None if address in _EVERYWHERE else address
                other = (
                    held.get(place)
                    or held.get(None)
                    or (next(iter(held.values()), None) if place is None else None)
                )
                if other is not None and other != node.id:
                    message = f"port {port}/{protocol} of host {host.id} is already taken by {other}"
                    yield finding("port-clash", node.id, message, f"give {node.id} or {other} another port")
                held.setdefault(place, node.id)
    for node in graph.nodes:
        shared = isinstance(node, Service | Agent) and node.replicas > 1
        if (
            isinstance(node, Service | Agent)
            and shared
            and any(one.published is not None for one in node.ports)
        ):
            message = f"{node.replicas} replicas publish the same host port"
            yield finding("replicas-share-port", node.id, message, "publish through a load balancer instead")
