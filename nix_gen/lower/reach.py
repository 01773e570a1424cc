"""How one node reaches another: the address that means the target, seen from where the source runs.

Pure. Four cases. Container to container on a host: podman's DNS. Container to native service: the
network's gateway. Native to native: loopback; native to container: the container's fixed address. To
another host: the first address of that host of a family that the source's host has too, at the port the node
listens on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nix_gen.lower.edges import listening
from nix_gen.lower.forms import Form
from nix_gen.lower.site import Route, Site
from nix_gen.nodes import Agent, LoadBalancer, PortBinding, Running, Service, Storage
from nix_gen.nodes.balancers import HTTP_PORT

LOOPBACK = "127.0.0.1"
HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
"""Names that may stand in a hosts file and in podman's arguments."""
NOT_NAMES = frozenset({"localhost", "ip6-localhost", "host.containers.internal"})
"""Names that mean something else in every hosts file."""


def names_of(site: Site, node: Running) -> list[str]:
    """Names under which clients know a node: its id, its aliases, the hostname of a container."""
    names = {node.id, *node.aliases}
    if isinstance(node, Service | Agent) and node.hostname is not None:
        names.add(node.hostname)
    for name in sorted(names):
        if name in NOT_NAMES or not HOST_NAME.fullmatch(name):
            site.warn(
                "alias-not-used", node.id, f"{name!r} is no name of a host", "use letters, digits, - and ."
            )
            names.discard(name)
    return sorted(names)


def address_for(site: Site, route: Route) -> str | None:
    """The address at which the source of a route finds its target; None where podman's DNS answers.

    A target on a host without addresses is a finding, and stays None.
    """
    host = site.graph.host_of(route.target.id)
    assert host is not None, "a node with a form stands on a host"
    if not site.is_local(route):
        return host_address(site, host, route.target.id, route.source.id)
    from_container = site.networks.is_bridged(route.source.id)
    if site.is_in_host(route.target.id) or site.forms[route.target.id] is Form.SQLITE:
        return site.networks.first_of(route.source.id).gateway if from_container else LOOPBACK
    addresses = site.addresses(route.target.id)
    return None if from_container or not addresses else addresses[0]


def host_address(site: Site, host_id: str, target_id: str, *source_ids: str) -> str | None:
    """The first address of a host at which all of the sources on other hosts reach a node.

    An address is of use to who has one of the same family. The container network carries IPv4 alone, in both
    directions. A host without such an address is a finding, and None.

    Args:
        site: the surveyed graph.
        host_id: where the node stands.
        target_id: the node, or the host itself for a program beside it.
        source_ids: nodes or hosts.
    """
    addresses = _accepting(site, host_id, target_id)
    if not addresses:
        site.find(
            "host-without-address",
            host_id,
            f"nodes on other hosts connect to {target_id}, and the host has no address for that",
            "give the host node an IPv4 address",
        )
        return None
    found = family_address(site, host_id, target_id, *source_ids)
    if found is None:
        others = [one for one in source_ids if not _shared(site, addresses, host_id, [one])]
        who = ", ".join(others or source_ids)
        site.find(
            "host-without-address",
            host_id,
            f"{who} and {target_id} on it have no address of one family; containers speak IPv4 alone",
            "give the hosts of both an IPv4 address",
        )
    return found


def family_address(site: Site, host_id: str, target_id: str, *source_ids: str) -> str | None:
    """As `host_address`, without a finding."""
    return next(iter(_shared(site, _accepting(site, host_id, target_id), host_id, source_ids)), None)


def _accepting(site: Site, host_id: str, target_id: str) -> list[str]:
    """The addresses of its host at which a node can be reached."""
    bridged = site.networks.is_bridged(target_id)
    return [address for address in site.hosts[host_id].addresses if not (bridged and ":" in address)]


def _shared(site: Site, addresses: list[str], host_id: str, source_ids: Iterable[str]) -> list[str]:
    """Addresses of a family that the host of every source has; one without any is a finding elsewhere."""
    for source_id in source_ids:
        place = site.graph.host_of(source_id)
        if place is None or place == host_id or not site.hosts[place].addresses:
            continue
        bridged = site.networks.is_bridged(source_id)
        own = site.hosts[place].addresses
        families = {":" in address for address in own if not (bridged and ":" in address)}
        addresses = [address for address in addresses if (":" in address) in families]
    return addresses


def name_entries(site: Site, node: Running) -> list[tuple[str, str]]:
    """Hosts entries (name, address) a node needs for what it connects to."""
    entries = []
    for route in site.routes_from(node.id):
        if site.forms[route.target.id] is Form.SQLITE:
            continue  # a file, which is found by its path
        address = address_for(site, route)
        if address is not None:
            entries += [(name, address) for name in names_of(site, route.target)]
    for edge in site.graph.edges_from(node.id):
        target = site.graph.by_id.get(edge.target)
        if isinstance(target, Storage) and target.host is not None and listening(target):
            address = _storage_address(site, node, target.id, target.host)
            entries += [] if address is None else [(target.id, address)]
    return sorted(set(entries))


def _storage_address(site: Site, node: Running, storage_id: str, host_id: str) -> str | None:
    """Where a node finds the server of a storage, which runs on the storage's host itself."""
    if site.graph.host_of(node.id) != host_id:
        return host_address(site, host_id, storage_id, node.id)
    bridged = site.networks.is_bridged(node.id)
    return site.networks.first_of(node.id).gateway if bridged else LOOPBACK


def remote_routes(site: Site, node: Running) -> list[Route]:
    """Routes to a node from other hosts."""
    return [route for route in site.routes_to(node.id) if not site.is_local(route)]


def published(node: Running) -> tuple[PortBinding, ...]:
    """The bindings of a node; a load balancer without any is published on what it listens on.

    An ACME authority asks at port 80, whatever other ports the graph publishes.
    """
    if not isinstance(node, LoadBalancer):
        return node.ports
    if not node.ports:
        return tuple(PortBinding(port=port, published=port) for port in node.listened)
    asked = any(host.tls is not None and host.tls.acme for host in node.virtual_hosts)
    if not asked or any(one.published == HTTP_PORT and one.address is None for one in node.ports):
        return node.ports
    return (*node.ports, PortBinding(port=HTTP_PORT, published=HTTP_PORT))


def is_reached_from_outside(site: Site, node: Running) -> bool:
    """Whether a native service has clients beyond its host's loopback."""
    if any(b.published is not None and not is_loopback(b.address) for b in published(node)):
        return True
    return any(
        not site.is_local(route) or site.networks.is_bridged(route.source.id)
        for route in site.routes_to(node.id)
    )


def is_loopback(address: str | None) -> bool:
    """Whether an address is reached from its own host only."""
    return address is not None and (address.startswith("127.") or address == "::1")
