"""How one node reaches another: the address that means the target, seen from where the source runs.

Pure. Four cases. Container to container on a host: podman's DNS. Container to native service: the network's
gateway. Native to native: loopback; native to container: the container's fixed address. To another host: that
host's first address, at the port the node listens on.
"""

from __future__ import annotations

from nix_gen.lower.forms import Form
from nix_gen.lower.site import Ports, Route, Site
from nix_gen.nodes import Agent, LoadBalancer, PortBinding, Running, Service

LOOPBACK = "127.0.0.1"
NOT_NAMES = frozenset({"localhost", "ip6-localhost", "host", "containers"})
"""Node ids that mean something else in every hosts file."""


def names_of(node: Running) -> list[str]:
    """Names under which clients know a node."""
    names = {node.id}
    if isinstance(node, Service | Agent) and node.hostname is not None:
        names.add(node.hostname)
    return sorted(names - NOT_NAMES)


def address_for(site: Site, route: Route) -> str | None:
    """The address at which the source of a route finds its target; None where podman's DNS answers.

    A target on a host without addresses is a finding, and stays None.
    """
    host = site.graph.host_of(route.target.id)
    assert host is not None, "a node with a form stands on a host"
    if not site.is_local(route):
        addresses = site.hosts[host].addresses
        if addresses:
            return addresses[0]
        site.find(
            "host-without-address",
            host,
            f"{route.source.id} on another host connects to {route.target.id}, and the host has no address",
            "give the host node an address",
        )
        return None
    from_container = site.forms[route.source.id] is Form.CONTAINER
    if site.forms[route.target.id] is not Form.CONTAINER:
        return site.gateway if from_container else LOOPBACK
    copies = site.copies(route.target.id)
    return None if from_container or not copies else copies[0].address


def name_entries(site: Site, node: Running) -> list[tuple[str, str]]:
    """Hosts entries (name, address) a node needs for what it connects to."""
    entries = []
    for route in site.routes_from(node.id):
        address = address_for(site, route)
        if address is not None:
            entries += [(name, address) for name in names_of(route.target)]
    return sorted(set(entries))


def remote_routes(site: Site, node: Running) -> list[Route]:
    """Routes to a node from other hosts."""
    return [route for route in site.routes_to(node.id) if not site.is_local(route)]


def edge_ports(site: Site, node: Running) -> Ports:
    """Ports of a container that only other hosts of the graph need: published on the host's own address.

    A port the graph publishes anyway, under the same number and where other hosts see it, is left out.
    """
    host = site.graph.host_of(node.id)
    if host is None or not site.hosts[host].addresses:
        return ()
    address = site.hosts[host].addresses[0]
    open_anyway = {
        (binding.port, binding.protocol)
        for binding in published(node)
        if binding.published == binding.port and binding.address in {None, address}
    }
    wanted = {port for route in remote_routes(site, node) for port in route.ports}
    return tuple(sorted(wanted - open_anyway))


def published(node: Running) -> tuple[PortBinding, ...]:
    """The bindings of a node; a load balancer without any is published on what it listens on."""
    if isinstance(node, LoadBalancer) and not node.ports:
        ports = {*node.listen, *(port for host in node.virtual_hosts for port in host.listen)}
        return tuple(PortBinding(port=port, published=port) for port in sorted(ports))
    return node.ports


def is_reached_from_outside(site: Site, node: Running) -> bool:
    """Whether a native service has clients beyond its host's loopback."""
    if any(b.published is not None and not is_loopback(b.address) for b in published(node)):
        return True
    return any(
        not site.is_local(route) or site.forms[route.source.id] is Form.CONTAINER
        for route in site.routes_to(node.id)
    )


def is_loopback(address: str | None) -> bool:
    """Whether an address is reached from its own host only."""
    return address is not None and (address.startswith("127.") or address == "::1")
