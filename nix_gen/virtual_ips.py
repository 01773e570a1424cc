"""Which load balancers share a virtual address. Pure."""

from __future__ import annotations

from nix_gen.graph import Graph
from nix_gen.nodes import LoadBalancer


def sharers(graph: Graph, node: LoadBalancer) -> list[LoadBalancer]:
    """The other balancers with the virtual address of one, by id."""
    if node.virtual_ip is None:
        return []
    found = [
        other
        for other in graph.nodes
        if isinstance(other, LoadBalancer)
        and other.id != node.id
        and other.virtual_ip is not None
        and other.virtual_ip.address == node.virtual_ip.address
    ]
    return sorted(found, key=lambda other: other.id)
