"""Where two nodes of a host take one port of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.lower.forms import Form, forms_of
from nix_gen.nodes import Agent, Host, Placed, Service
from nix_gen.rules.ports import claims, is_everywhere
from nix_gen.scalars import Protocol


def port_findings(graph: Graph) -> Iterator[Finding]:
    """port-clash, replicas-share-port. Complexity: linear in ports."""
    contained: frozenset[str] | None = None
    for host in graph.hosts:
        nodes = [node for node in graph.nodes_on(host.id) if not isinstance(node, Host)]
        found = list(_clashes(host.id, nodes, frozenset()))
        if found:
            # As a second server of its engine a node is a container, and its ports are its own. Forms take
            # a while, so they are asked for only where they may matter.
            contained = _contained(graph) if contained is None else contained
            found = list(_clashes(host.id, nodes, contained))
        yield from found
    for node in graph.nodes:
        shared = isinstance(node, Service | Agent) and node.replicas > 1
        if (
            isinstance(node, Service | Agent)
            and shared
            and any(one.published is not None for one in node.ports)
        ):
            message = f"{node.replicas} replicas publish the same host port"
            yield finding("replicas-share-port", node.id, message, "publish through a load balancer instead")


def _contained(graph: Graph) -> frozenset[str]:
    forms, _ = forms_of(graph)
    return frozenset(node_id for node_id, form in forms.items() if form is Form.CONTAINER)


def _clashes(host_id: str, nodes: list[Placed], contained: frozenset[str]) -> Iterator[Finding]:
    holders: dict[tuple[int, Protocol], dict[str | None, str]] = {}
    for node in nodes:
        taken = claims(node, contained=node.id in contained)
        for port, protocol, address in sorted(taken, key=lambda claim: (claim[0], claim[1], claim[2] or "")):
            held = holders.setdefault((port, protocol), {})
            place = None if is_everywhere(address) else address
            other = (
                held.get(place)
                or held.get(None)
                or (next(iter(held.values()), None) if place is None else None)
            )
            if other is not None and other != node.id:
                message = f"port {port}/{protocol} of host {host_id} is already taken by {other}"
                yield finding("port-clash", node.id, message, f"give {node.id} or {other} another port")
            held.setdefault(place, node.id)
