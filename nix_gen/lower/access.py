"""From where a database accepts logins: one source per route, in the database's own words.

Pure. The firewall already decides who gets through; access rules say the same a second time, in the
server.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from nix_gen.lower.reach import is_loopback, published
from nix_gen.lower.site import Site
from nix_gen.nodes import Running

_EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One address that may log in."""

    address: str
    label: str
    """The route, for a comment."""

    @property
    def network(self) -> str:
        """The address as a network of one."""
        return f"{self.address}/{128 if ':' in self.address else 32}"


def access_sources(site: Site, node: Running) -> list[Source]:
    """Every address that clients of a native node come from, other than the host itself.

    A replica that is nothing else logs in by a rule of its own; a prober tries the port and never logs in.
    """
    found: dict[str, str] = {}
    for route in site.routes_to(node.id):
        if set(route.kinds) <= {"replicates", "monitors"}:
            continue
        for address in source_addresses(site, route.source.id, node.id):
            found.setdefault(address, route.label)
    return [Source(address=address, label=label) for address, label in found.items()]


def open_networks(node: Running) -> tuple[str, ...]:
    """The networks from which whoever has a password may log in, because a port of the node is published.

    Which of its host's addresses a client came to, no access rule can ask; the firewall does.
    """
    bound = [
        binding.address
        for binding in published(node)
        if binding.published is not None and not is_loopback(binding.address)
    ]
    versions = {ipaddress.ip_address(address).version for address in bound if address is not None}
    everywhere = {4, 6} if None in bound else versions
    return tuple(network for version, network in _EVERYWHERE.items() if version in everywhere)


def source_addresses(site: Site, source_id: str, target_id: str) -> tuple[str, ...]:
    """The addresses a node's connections to a native node come from; none for a native neighbour."""
    host = site.graph.host_of(source_id)
    assert host is not None
    if host != site.graph.host_of(target_id):
        return site.hosts[host].addresses
    return site.addresses(source_id)
