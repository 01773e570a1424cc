"""From where a database accepts logins: one source per route, in the database's own words.

Pure. The firewall already decides who gets through; access rules say the same a second time, in the
server.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.lower.site import Site
from nix_gen.nodes import Running


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


def source_addresses(site: Site, source_id: str, target_id: str) -> tuple[str, ...]:
    """The addresses a node's connections to a native node come from; none for a native neighbour."""
    host = site.graph.host_of(source_id)
    assert host is not None
    if host != site.graph.host_of(target_id):
        return site.hosts[host].addresses
    return site.addresses(source_id)
