"""An address that balancers of several hosts share: keepalived (VRRP), one instance per balancer.

Pure. The members talk to each other by unicast, for many networks carry no multicast. A balancer whose own
program does not run gives the address up.
"""

from __future__ import annotations

import ipaddress

from nix_gen.ir import Ref, Template
from nix_gen.lower.draft import Draft
from nix_gen.lower.site import Site
from nix_gen.nodes import Host, LoadBalancer
from nix_gen.virtual_ips import sharers

_OPTION = ("services", "keepalived")
_CHECK_S = 2
"""How often keepalived looks whether the balancer runs; it believes what it sees twice."""


def lower_virtual_ips(site: Site, draft: Draft, host: Host) -> None:
    """Write the keepalived of a host whose balancers share an address with others."""
    for node, form in site.running(host.id):
        if not isinstance(node, LoadBalancer) or node.virtual_ip is None:
            continue
        virtual = node.virtual_ip
        own, others = addresses_like(site, host.id, virtual.address), []
        for other in sharers(site.graph, node):
            place = site.graph.host_of(other.id)
            found = [] if place is None else addresses_like(site, place, virtual.address)
            if place is None or not found or not own:
                site.find(
                    "host-without-address",
                    place or other.id,
                    f"{other.id} on it shares {virtual.address} with {node.id}, and has no address to say so",
                    "give the host an address of the same family",
                )
                continue
            others.append(found[0])
        draft.put((*_OPTION, "enable"), plain=True)
        unit = site.copies(node.id)[0].unit
        script = f"{site.project}-{node.id}"
        systemctl = Template((Ref(("pkgs", "systemd")), f"/bin/systemctl is-active --quiet {unit}"))
        draft.put(
            (*_OPTION, "vrrpScripts", script),
            {"script": systemctl, "interval": _CHECK_S, "fall": 2, "rise": 2, "user": "nobody"},
        )
        draft.put(
            (*_OPTION, "vrrpInstances", script),
            {
                "interface": virtual.interface,
                "virtualRouterId": virtual.router_id,
                "priority": virtual.priority,
                "trackScripts": [script],
                "virtualIps": [{"addr": virtual.with_prefix}],
                **({"unicastSrcIp": own[0], "unicastPeers": sorted(others)} if others else {}),
            },
            f"{node.id} ({form}): has {virtual.address} while it runs and no member of higher priority does.",
        )


def addresses_like(site: Site, host_id: str, like: str) -> list[str]:
    """Addresses of a host of the same family as another."""
    version = ipaddress.ip_address(like).version
    return [one for one in site.hosts[host_id].addresses if ipaddress.ip_address(one).version == version]
