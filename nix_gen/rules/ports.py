"""Which ports a node takes of its host, and at which others reach it. Pure."""

from __future__ import annotations

from nix_gen.nodes import (
    Agent,
    Database,
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


def claims(node: Placed, *, contained: bool = False) -> set[Claim]:
    """Ports a node takes of its host. A container of its own network takes only what it publishes.

    Args:
        node: what stands on a host.
        contained: whether a database, bus, balancer or monitor runs as a container and not natively, which
            its host decides (`nix_gen.lower.forms`). Services and agents say it themselves.
    """
    if isinstance(node, Storage):
        return set()
    taken: set[Claim] = {
        (binding.published, binding.protocol, binding.address)
        for binding in node.ports
        if binding.published is not None
    }
    in_host = node.container is not None and node.container.network == "host"
    if isinstance(node, Service | Agent):
        if not node.is_container or in_host:
            taken |= {(binding.port, binding.protocol, binding.address) for binding in node.ports}
        return taken
    # A balancer that says nothing of its ports is published on all of them.
    if contained and not in_host and not isinstance(node, LoadBalancer):
        return taken
    published = {port for port, _, _ in taken}
    return taken | {(port, Protocol.TCP, None) for port in _own_ports(node) if port not in published}
