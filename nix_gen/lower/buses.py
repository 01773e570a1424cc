"""NATS nodes: `services.nats`.

Pure. The NixOS module writes `"jetstream": {}` even for `jetstream = false`, which turns it on; off has
to be forced.
"""

from __future__ import annotations

from nix_gen.edges import Replicates
from nix_gen.ir import Plain, force, value
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.order import start_after
from nix_gen.lower.reach import LOOPBACK, is_reached_from_outside
from nix_gen.lower.site import Site
from nix_gen.lower.storage import directory, mounts_of
from nix_gen.lower.words import node_comment
from nix_gen.nodes import Host, MessageBus

_OPTION = ("services", "nats")
_EVERY = "0.0.0.0"  # noqa: S104  # the firewall says who gets through
_OWN = frozenset({"host", "port", "http_port", "cluster", "jetstream", "server_name"})


def lower_buses(site: Site, draft: Draft, host: Host) -> None:
    """Write the NATS server of a host."""
    for node in site.of_form(host.id, Form.NATS):
        assert isinstance(node, MessageBus)
        options: dict[str, Plain] = {
            "enable": True,
            "port": node.listen_port,
            "serverName": f"{site.project}-{node.id}",
            "jetstream": node.jetstream,
        }
        comments = [node_comment(node)]
        for edge, storage in mounts_of(site, node):
            if storage.path is not None or storage.storage != "local":
                options["dataDir"] = directory(site, storage)
            else:
                comments.append(f"{edge.id}: the module keeps the data in /var/lib/nats.")
        draft.put(_OPTION, options, *comments)
        reached = is_reached_from_outside(site, node)
        settings: dict[str, Plain] = {
            name: value(given) for name, given in node.settings.items() if name not in _OWN
        }
        settings["host"] = _EVERY if reached else LOOPBACK
        if not node.jetstream:
            settings["jetstream"] = force(plain=False)
        if node.monitor_port is not None:
            settings["http_port"] = node.monitor_port
        if node.cluster is not None:
            settings["cluster"] = _cluster(site, host, node)
        draft.put((*_OPTION, "settings"), settings)
        start_after(site, draft, node, ("systemd", "services", "nats"))


def peers(site: Site, node: MessageBus) -> list[MessageBus]:
    """The other members of a node's cluster: those of the same name, and those `replicates` edges join."""
    if node.cluster is None:
        return []
    joined = {edge.target for edge in site.graph.edges_from(node.id) if isinstance(edge, Replicates)}
    joined |= {edge.source for edge in site.graph.edges_to(node.id) if isinstance(edge, Replicates)}
    return [
        other
        for other in sorted(site.graph.nodes, key=lambda one: one.id)
        if isinstance(other, MessageBus)
        and other.id != node.id
        and other.cluster is not None
        and site.forms.get(other.id) is Form.NATS
        and (other.cluster.name == node.cluster.name or other.id in joined)
    ]


def _cluster(site: Site, host: Host, node: MessageBus) -> Plain:
    assert node.cluster is not None
    routes = []
    for peer in peers(site, node):
        place = site.graph.host_of(peer.id)
        assert peer.cluster is not None
        assert place is not None
        addresses = site.hosts[place].addresses
        if not addresses or not host.addresses:
            site.find(
                "host-without-address",
                place if not addresses else host.id,
                f"{node.id} and {peer.id} form a cluster, and the host has no address",
                "give the host node an address",
            )
            continue
        address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        routes.append(f"nats://{address}:{peer.cluster.port}")
    listen = f"{_EVERY}:{node.cluster.port}"
    return {"name": node.cluster.name, "listen": listen, "routes": routes}
