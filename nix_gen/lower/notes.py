"""What an edge asks for and the generated machines do not do yet: said aloud, never dropped.

Pure.
"""

from __future__ import annotations

from nix_gen.edges import Edge, LoadBalances, Monitors, PublishesTo, Replicates, SubscribesTo
from nix_gen.lower.buses import lower_bus_notes
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.gaps import tell_gap
from nix_gen.lower.site import Site
from nix_gen.lower.storage_notes import lower_storage_notes
from nix_gen.nodes import BusEngine, Host, LoadBalancer, MessageBus, Node, Storage


def lower_notes(site: Site) -> None:
    """Warn of every edge whose meaning goes beyond a connection and is not carried out."""
    lower_bus_notes(site)
    lower_storage_notes(site)
    for node in site.graph.nodes:
        if site.networks.is_bridged(node.id) and site.networks.first_of(node.id).internal:
            _cut_off(site, node)
    for edge in site.graph.edges:
        if edge.source in site.graph.by_id and edge.target in site.graph.by_id:
            _note(site, edge)


def _cut_off(site: Site, node: Node) -> None:
    """An internal network has no redirections and no way out: what the graph asks of them is an error."""
    if isinstance(node, Host | Storage):
        return
    asked = [f"it is published on {one.published}" for one in node.ports if one.published is not None]
    remote = [one for one in site.routes_to(node.id) if not site.is_local(one)]
    asked += [f"{one.source.id} on another host connects to it" for one in remote]
    remote = [one for one in site.routes_from(node.id) if not site.is_local(one)]
    asked += [f"it connects to {one.target.id} on another host" for one in remote]
    if asked:
        site.find(
            "internal-network-only",
            node.id,
            f"all of its networks are internal, which nothing enters or leaves, and {asked[0]}",
            "put it into one more network, which is not internal",
        )


def _is_nats(node: Node) -> bool:
    return isinstance(node, MessageBus) and node.engine is BusEngine.NATS


def _note(site: Site, edge: Edge) -> None:
    source, target = site.graph.by_id[edge.source], site.graph.by_id[edge.target]
    match edge:
        case Replicates():
            if isinstance(source, Storage):
                site.warn(
                    "replication-by-hand",
                    edge.id,
                    f"nothing copies {target.id} to {source.id} as it changes",
                    f"give {target.id} a backup to {source.id}, or let the servers of the two do it",
                )
        case PublishesTo() | SubscribesTo() if edge.subjects and not _is_nats(target):
            site.warn(
                "subjects-not-enforced",
                edge.id,
                f"the connection is opened; {target.id} does not restrict it to the subjects",
                "add permissions to the bus yourself",
            )
        case Monitors():
            tell_gap(site, edge)
        case LoadBalances() if (
            isinstance(source, LoadBalancer) and site.forms.get(source.id) is Form.CONTAINER
        ):
            site.warn(
                "upstream-by-hand",
                edge.id,
                f"{source.id} runs as a container with a configuration of its own",
                "name the upstream there, or use the nginx engine without mounts",
            )
        case _:
            pass
