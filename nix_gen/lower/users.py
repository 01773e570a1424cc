"""Who may log in to a host: people with their SSH keys, and the SSH server.

Pure. Nobody has a password, and root does not log in where somebody else may become root.
"""

from __future__ import annotations

import ipaddress

from nix_gen.ir import Plain, default
from nix_gen.lower.draft import Draft
from nix_gen.lower.site import Site
from nix_gen.nodes import Agent, Host, Service
from nix_gen.rules.ports import claims
from nix_gen.scalars import Protocol


def lower_users(site: Site, draft: Draft, host: Host) -> None:
    """Write the people of a host and its SSH server; who reaches the server is the firewall's."""
    _check(site, host)
    for user in host.users:
        entry: dict[str, Plain] = {"isNormalUser": True}
        if user.admin:
            entry["extraGroups"] = ["wheel"]
        if user.keys:
            entry["openssh"] = {"authorizedKeys": {"keys": list(user.keys)}}
        draft.put(("users", "users", user.name), entry)
    admins = any(user.admin and user.keys for user in host.users)
    if admins:
        draft.put(
            ("security", "sudo", "wheelNeedsPassword"),
            default(plain=False),
            "Nobody has a password: keys alone.",
        )
        draft.put(("users", "mutableUsers"), default(plain=False))
    if host.ssh is None:
        return
    settings: dict[str, Plain] = {
        "KbdInteractiveAuthentication": False,
        "PasswordAuthentication": False,
        "PermitRootLogin": "no" if admins else "prohibit-password",
        "X11Forwarding": False,
    }
    draft.put(
        ("services", "openssh"),
        {"enable": True, "openFirewall": False, "ports": [host.ssh.port], "settings": settings},
    )


def ssh_sources(site: Site, host: Host) -> tuple[str, ...]:
    """The networks and addresses that reach the SSH server of a host; none given: everybody does."""
    if host.ssh is None:
        return ()
    others = [
        address
        for other in site.graph.hosts
        if host.ssh.hosts and other.id != host.id
        for address in other.addresses
    ]
    networks = [ipaddress.ip_network(network) for network in (*host.ssh.sources, *others)]
    by_family: tuple[list[ipaddress.IPv4Network], list[ipaddress.IPv6Network]] = ([], [])
    for network in networks:
        if isinstance(network, ipaddress.IPv4Network):
            by_family[0].append(network)
        else:
            by_family[1].append(network)
    # nftables refuses a set with networks that overlap.
    collapsed = (*ipaddress.collapse_addresses(by_family[0]), *ipaddress.collapse_addresses(by_family[1]))
    return tuple(str(network).removesuffix("/32").removesuffix("/128") for network in collapsed)


def _check(site: Site, host: Host) -> None:
    people = {user.name for user in host.users}
    for node, _ in site.running(host.id):
        if isinstance(node, Service | Agent) and node.user in people and not node.is_container:
            site.find(
                "user-clash",
                node.id,
                f"runs as {node.user}, who is a person on {host.id}",
                "let it run as a user of its own",
            )
        if host.ssh is None:
            continue
        if any((port, protocol) == (host.ssh.port, Protocol.TCP) for port, protocol, _ in claims(node)):
            site.find(
                "port-clash",
                node.id,
                f"needs port {host.ssh.port} of {host.id}, where its SSH server listens",
                "give one of them another port",
            )
