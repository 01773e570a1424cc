"""Podman's networks on a host, and a container's place in them.

Pure. A node finds another container of a network they share by its node id (podman's DNS). A native service
of the same host is found at the network's gateway, a node of another host at that host's address; both
stand in the container's hosts file.
"""

from __future__ import annotations

from nix_gen.ir import Multiline, Plain, Ref, Template
from nix_gen.lower.container_options import container_mode, extra_hosts
from nix_gen.lower.draft import Draft
from nix_gen.lower.networks import ContainerNetwork, options_of
from nix_gen.lower.reach import name_entries, names_of
from nix_gen.lower.site import Copy, Site
from nix_gen.nodes import Host, Running


def lower_networks(site: Site, draft: Draft, host: Host) -> None:
    """Write the unit that makes the networks of a host's containers, and let podman answer for names."""
    networks = site.networks.on(host.id)
    if not networks:
        return
    names = " ".join(network.name for network in networks)
    remove = Template((Ref(("pkgs", "podman")), f"/bin/podman network rm --force {names}"))
    one = len(networks) == 1
    comments = (
        "Containers reach each other in the networks they share; podman's DNS answers there for node ids.",
        "The host is the first address of each: native services are reached there, through the firewall.",
    )
    if one:
        comments = (
            "All containers share one network with fixed addresses; podman's DNS answers for node ids.",
            (
                f"The host is {networks[0].gateway} in it: native services are reached there, through the "
                "firewall."
            ),
        )
    draft.put(
        ("systemd", "services", site.helper("network")),
        {
            "description": f"Container network{'' if one else 's'} of {site.project}",
            "path": [Ref(("pkgs", "podman"))],
            "script": Multiline("".join(_create(network, alone=one) for network in networks)),
            "serviceConfig": {"Type": "oneshot", "RemainAfterExit": True, "ExecStop": remove},
        },
        *comments,
    )
    for network in networks:
        draft.put(
            ("networking", "firewall", "interfaces", network.bridge),
            {"allowedTCPPorts": [53], "allowedUDPPorts": [53]},
            "Name resolution for containers.",
        )


def _create(network: ContainerNetwork, *, alone: bool) -> str:
    words = [f"podman network exists {network.name} || podman network create --driver=bridge"]
    words += ["--internal"] * network.internal + ["--opt=isolate=true"] * (not alone)
    return (
        f"{' '.join(words)} --interface-name={network.bridge} \\\n"
        f"  --subnet={network.subnet} --gateway={network.gateway} {network.name}\n"
    )


def network_options(site: Site, node: Running, copy: Copy) -> dict[str, Plain]:
    """The networks a container is in."""
    if not copy.attachments:
        return {"networks": [container_mode(site, options_of(node).network)]}
    if len(copy.attachments) == 1:
        return {"networks": [copy.attachments[0].network.name]}
    names = known_names(site, node)
    return {
        "networks": [
            ",".join(
                [
                    f"{one.network.name}:ip={one.address}",
                    *(f"alias={name}" for name in sorted({*names, *one.aliases})),
                ]
            )
            for one in copy.attachments
        ]
    }


def network_flags(site: Site, node: Running, copy: Copy) -> list[str]:
    """Address, names and hosts file of a container.

    A container in another's network has that one's hosts file, which therefore holds what both need.
    """
    if options_of(node).network_node is not None:
        return []
    flags = []
    if len(copy.attachments) == 1:
        names = sorted({*known_names(site, node), *copy.attachments[0].aliases})
        flags += [f"--ip={copy.address}", *(f"--network-alias={name}" for name in names)]
    sharing = [node, *site.networks.followers(node)]
    entries = {entry for one in sharing for entry in name_entries(site, one)}
    entries |= set(extra_hosts(site, node))
    return flags + [f"--add-host={name}:{address}" for name, address in sorted(entries)]


def known_names(site: Site, node: Running) -> list[str]:
    """Names podman's DNS answers for: those of the node and of the containers in its network."""
    sharing = [node, *site.networks.followers(node)]
    return sorted({name for one in sharing for name in names_of(site, one)})


def unit_of_networks(site: Site, host: str) -> str | None:
    """The unit that makes the networks, with suffix; None where every container is in the host's."""
    return f"{site.helper('network')}.service" if site.networks.on(host) else None
