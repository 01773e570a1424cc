"""What an edge means on the machines, in sentences: for `plan` and `explain`.

Pure. The connections come from the same functions that the firewall is written from.
"""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.edges import (
    Condition,
    DependsOn,
    Edge,
    LoadBalances,
    Manages,
    Monitors,
    MountsVolume,
    PublishesTo,
    Replicates,
    SubscribesTo,
)
from nix_gen.lower.edges import Ports
from nix_gen.lower.management import managed_units
from nix_gen.lower.site import Site
from nix_gen.lower.storage import is_podman_volume, source_of
from nix_gen.nodes import Agent, LoadBalancer, Service, Storage

_CONDITIONS = {
    Condition.STARTED: "has started",
    Condition.HEALTHY: "is healthy",
    Condition.COMPLETED: "has completed",
}


def edge_meaning(site: Site, edge: Edge) -> tuple[str, ...]:
    """Sentences about an edge whose ends exist, the network last."""
    return (*_own(site, edge), *_network(site, edge))


def _own(site: Site, edge: Edge) -> Iterator[str]:
    source, target = edge.source, edge.target
    match edge:
        case DependsOn():
            else_ = "" if edge.required else ", or cannot be started"
            yield f"{source} starts when {target} {_CONDITIONS[edge.condition]}{else_}"
        case LoadBalances():
            yield _upstream(site, edge)
        case MountsVolume():
            yield from _mount(site, edge)
        case PublishesTo():
            yield f"{source} publishes on {target}: {_subjects(edge.subjects)}"
        case SubscribesTo():
            yield f"{source} subscribes on {target}: {_subjects(edge.subjects)}"
        case Replicates():
            is_database = site.graph.by_id[target].kind == "database"
            waits = "waits" if edge.mode.value == "sync" else "does not wait"
            if is_database:
                yield f"{source} is a replica of {target}, which {waits} for it"
            else:
                yield f"{source} and {target} are peers"
        case Monitors():
            yield f"{source} watches {target} at {edge.path}"
        case Manages():
            yield _management(site, edge)
        case _:
            pass


def _upstream(site: Site, edge: LoadBalances) -> str:
    role = "a backup upstream" if edge.backup else f"an upstream of weight {edge.weight}"
    balancer = site.graph.by_id[edge.source]
    place = f" for {edge.virtual_host}" if edge.virtual_host else ""
    path = f" below {edge.path}" if edge.path != "/" else ""
    engine = f" ({balancer.engine})" if isinstance(balancer, LoadBalancer) else ""
    return f"{edge.target} is {role} of {edge.source}{engine}{place}{path}"


def _mount(site: Site, edge: MountsVolume) -> Iterator[str]:
    storage = site.graph.by_id[edge.target]
    if isinstance(storage, Storage):
        kind = "podman volume" if is_podman_volume(site, storage) else "directory"
        mode = ", read only" if edge.read_only else ""
        yield f"{edge.source} sees the {kind} {source_of(site, edge, storage)} at {edge.path}{mode}"


def _management(site: Site, edge: Manages) -> str:
    source, units = site.graph.by_id[edge.source], managed_units(site, edge)
    if not units:
        return f"{edge.source} is responsible for {edge.target}, and gets no right on its machine"
    user = source.user if isinstance(source, Service | Agent) else None
    how = "as root" if user == "root" else "by a rule of polkit"
    return f"{edge.source} may start, stop and restart {', '.join(units)} {how}"


def _subjects(subjects: tuple[str, ...]) -> str:
    return ", ".join(subjects) if subjects else "any subject"


def spelled(ports: Ports) -> str:
    """`5432/tcp, 53/udp`."""
    return ", ".join(f"{port}/{protocol}" for port, protocol in ports)


def _network(site: Site, edge: Edge) -> Iterator[str]:
    for one in site.asked(edge):
        here, there = site.graph.host_of(one.source), site.graph.host_of(one.target)
        if not one.ports or here is None or there is None:
            continue
        goal = f"{one.target}'s host" if one.beside else one.target
        if here == there:
            yield f"{one.source} reaches {goal} on {spelled(one.ports)}, within {here}"
        else:
            yield f"{one.source} on {here} reaches {goal} on {there} on {spelled(one.ports)}"
