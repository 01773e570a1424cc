"""Hosts: addresses that are theirs alone, and somebody who may log in. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from nix_gen.codes import finding
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Host
from nix_gen.nodes.hosts import Machine


def host_findings(graph: Graph) -> Iterator[Finding]:
    """address-twice, address-of-no-interface, nobody-logs-in."""
    first: dict[str, str] = {}
    for host in sorted(graph.hosts, key=lambda one: one.id):
        # Loopback is everybody's own: a trial of several hosts on one machine is spelled so.
        for address in dict.fromkeys(one for one in host.addresses if not ip_address(one).is_loopback):
            owner = first.setdefault(address, host.id)
            if owner != host.id:
                message = f"its address {address} is that of {owner}"
                yield finding("address-twice", host.id, message, "give each host addresses of its own")
        yield from _without_interface(host)
        if host.ssh is not None and host.machine is not Machine.CONTAINER and not _lets_in(host):
            message = "it has an SSH server, which asks for a key, and no admin has one"
            yield finding("nobody-logs-in", host.id, message, "give it a user with `admin` and `keys`")


def _without_interface(host: Host) -> Iterator[Finding]:
    given = {one.address for one in host.interfaces}
    for address in dict.fromkeys(host.addresses):
        if given and address not in given:
            message = f"no interface of it has its address {address}"
            yield finding("address-of-no-interface", host.id, message, "add it to `interfaces` or remove it")


def _lets_in(host: Host) -> bool:
    return any(user.admin and user.keys for user in host.users)
