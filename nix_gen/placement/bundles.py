"""What has to stand on one host together, what it takes there, and what should not share a host with it.

Pure. A bundle is a node with all that must stand beside it: `together_with`, local and block storage with
whoever mounts it, a database that is a file with its clients.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nix_gen.components import groups
from nix_gen.edges import LoadBalances, MountsVolume, Replicates
from nix_gen.graph import Graph
from nix_gen.nodes import (
    Agent,
    Database,
    DatabaseEngine,
    Host,
    MessageBus,
    Monitoring,
    Node,
    Placed,
    Service,
    Storage,
    StorageKind,
)
from nix_gen.rules.ports import Claim, claims, is_everywhere

DEFAULT_CPU_MILLI = 100
"""Assumed of a running node that says nothing."""
DEFAULT_MEMORY_BYTES = 64 * 2**20
_MODULES = {
    DatabaseEngine.POSTGRESQL: "postgresql",
    DatabaseEngine.MYSQL: "mysql",
    DatabaseEngine.MARIADB: "mysql",
    DatabaseEngine.MONGODB: "mongodb",
}
_BESIDE = frozenset({StorageKind.LOCAL, StorageKind.BLOCK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a node, or several, take of a host."""

    cpu_milli: int = 0
    memory_bytes: int = 0
    claims: frozenset[Claim] = frozenset()
    modules: frozenset[str] = frozenset()
    """NixOS modules a host has once."""
    inner_ports: frozenset[tuple[int, str]] = frozenset()
    """Ports of containers that others connect to: on two containers of a host, other hosts reach only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Nodes that are placed as one."""

    ids: tuple[str, ...]
    """Sorted; those whose place is to be found."""
    need: Need
    allowed: frozenset[str] | None
    """Hosts all of them may stand on; None: any."""
    systems: frozenset[str]
    """Platforms all of them need; more than one: none fits."""
    apart: frozenset[str]
    """Nodes that must not stand there."""
    groups: tuple[str, ...]
    """Names of the groups whose members should stand apart."""
    beside: str | None
    """The host of a node with a place, which they have to stand beside."""
    near: tuple[str, ...]
    """Ends of their edges to others, once for each edge."""
    contradiction: str | None = None
    """Why its nodes cannot stand on one host, whichever it is."""


@dataclass(slots=True)
class Survey:
    """A graph seen by placement."""

    graph: Graph
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Names of the groups of a node."""
    apart: dict[str, set[str]] = field(default_factory=dict)
    wants_place: dict[str, Placed] = field(default_factory=dict)


def survey(graph: Graph, copies: dict[str, tuple[str, ...]]) -> Survey:
    """What placement has to know of a graph."""
    seen = Survey(graph)
    for node in graph.nodes:
        if not isinstance(node, Host) and node.host is None and _matters(graph, node):
            seen.wants_place[node.id] = node
        for other in _named(node, "apart_from", copies):
            if other != node.id:
                seen.apart.setdefault(node.id, set()).add(other)
                seen.apart.setdefault(other, set()).add(node.id)
    for name, members in _groups(graph, copies):
        for member in members:
            seen.groups.setdefault(member, []).append(name)
    return seen


def _matters(graph: Graph, node: Node) -> bool:
    """Whether it matters where a node stands: storage stands with its mounters or outside the hosts."""
    if not isinstance(node, Storage):
        return True
    return node.storage in _BESIDE and any(
        edge.source in graph.by_id for edge in graph.kind_to(node.id, MountsVolume)
    )


def _named(node: Node, rule: str, copies: dict[str, tuple[str, ...]]) -> list[str]:
    rules = None if isinstance(node, Host) else node.placement
    names: Iterable[str] = () if rules is None else getattr(rules, rule)
    return [copy for name in names for copy in copies.get(name, (name,))]


def _groups(graph: Graph, copies: dict[str, tuple[str, ...]]) -> list[tuple[str, list[str]]]:
    replicas: list[tuple[str, str]] = []
    found: dict[str, list[str]] = {f"replicas of {name}": list(ids) for name, ids in copies.items()}
    for edge in graph.edges:
        if isinstance(edge, Replicates) and edge.source in graph.by_id and edge.target in graph.by_id:
            replicas.append((edge.source, edge.target))
        elif isinstance(edge, LoadBalances):
            found.setdefault(f"upstreams of {edge.source}{edge.path}", []).append(edge.target)
    for members in groups((), replicas):
        found[f"copies of {min(members)}"] = sorted(members)
    for node in graph.nodes:
        if isinstance(node, MessageBus) and node.cluster is not None:
            found.setdefault(f"cluster {node.cluster.name}", []).append(node.id)
    return [(name, sorted(set(ids))) for name, ids in sorted(found.items()) if len(set(ids)) > 1]


def need_of(graph: Graph, node: Placed) -> Need:
    """What one node takes of its host."""
    if isinstance(node, Storage):
        return Need()
    resources = node.resources
    count = node.replicas if isinstance(node, Service | Agent) else 1
    cpu = (resources and resources.cpu_limit_milli) or DEFAULT_CPU_MILLI
    memory = resources and (resources.memory_reservation_bytes or resources.memory_limit_bytes)
    module = module_of(node)
    is_reached = isinstance(node, Service | Agent) and node.is_container and bool(graph.edges_to(node.id))
    return Need(
        cpu_milli=cpu * count,
        memory_bytes=(memory or DEFAULT_MEMORY_BYTES) * count,
        claims=frozenset(claims(node)),
        modules=frozenset() if module is None else frozenset({module}),
        inner_ports=frozenset((port.port, port.protocol.value) for port in node.ports if is_reached),
    )


def module_of(node: Placed) -> str | None:
    """The NixOS module a node needs for itself alone; None where a host can hold several of its kind."""
    if isinstance(node, Storage) or node.mounts:
        return None
    match node:
        case Database():
            return _MODULES.get(node.engine)
        case MessageBus() | Monitoring():
            return node.engine.value
        case _:
            return None


def bundles(seen: Survey, copies: dict[str, tuple[str, ...]]) -> list[Bundle]:
    """The nodes without a place as bundles, in no order that matters."""
    if not seen.wants_place:
        return []
    graph = seen.graph
    tied = [
        (node.id, other)
        for node in graph.nodes
        for other in _named(node, "together_with", copies)
        if other in graph.by_id
    ]
    for edge in graph.edges:
        target = graph.by_id.get(edge.target)
        beside = isinstance(edge, MountsVolume) and isinstance(target, Storage) and target.storage in _BESIDE
        is_file = isinstance(target, Database) and target.engine is DatabaseEngine.SQLITE
        if (beside or is_file) and edge.source in graph.by_id:
            tied.append((edge.source, edge.target))
    return [
        _bundle(seen, sorted(members))
        for members in groups(seen.wants_place, tied)
        if not seen.wants_place.keys().isdisjoint(members)
    ]


def _bundle(seen: Survey, members: list[str]) -> Bundle:
    graph = seen.graph
    free = [node_id for node_id in members if node_id in seen.wants_place]
    given = [
        node.host
        for node in map(graph.by_id.__getitem__, members)
        if not isinstance(node, Host) and node.host is not None and node.host in graph.by_id
    ]
    nodes = [seen.wants_place[node_id] for node_id in free]
    inside = set(free)
    rules = [frozenset(node.placement.hosts) for node in nodes if node.placement and node.placement.hosts]
    near = [
        other
        for node_id in free
        for edge in (*graph.edges_from(node_id), *graph.edges_to(node_id))
        for other in (edge.target if edge.source == node_id else edge.source,)
        if other not in inside and not isinstance(edge, Replicates)
    ]
    return Bundle(
        ids=tuple(free),
        need=_sum([need_of(graph, node) for node in nodes]),
        allowed=frozenset.intersection(*rules) if rules else None,
        systems=frozenset(system for node in nodes if (system := _system(node)) is not None),
        apart=frozenset(other for node_id in free for other in seen.apart.get(node_id, ())) - inside,
        groups=tuple(dict.fromkeys(name for node_id in free for name in seen.groups.get(node_id, ()))),
        beside=given[0] if given else None,
        near=tuple(near),
        contradiction=_contradiction(seen, nodes),
    )


def _contradiction(seen: Survey, nodes: list[Placed]) -> str | None:
    ports: dict[tuple[int, str], list[tuple[str | None, str]]] = {}
    modules: dict[str, str] = {}
    ids = {node.id for node in nodes}
    for node in nodes:
        others = sorted(ids & seen.apart.get(node.id, set()))
        if others:
            return f"{node.id} must stand apart from {others[0]}, and with it"
        module = module_of(node)
        if module is not None and modules.setdefault(module, node.id) != node.id:
            return f"{modules[module]} and {node.id} both need the one {module} of a host"
        for port, protocol, address in sorted(claims(node), key=str):
            held = ports.setdefault((port, protocol), [])
            for other, holder in held:
                if holder != node.id and (is_everywhere(address) or is_everywhere(other) or address == other):
                    return f"{holder} and {node.id} both need port {port}/{protocol}"
            held.append((address, node.id))
    return None


def _sum(needs: list[Need]) -> Need:
    if len(needs) == 1:
        return needs[0]
    return Need(
        cpu_milli=sum(need.cpu_milli for need in needs),
        memory_bytes=sum(need.memory_bytes for need in needs),
        claims=frozenset().union(*(need.claims for need in needs)),
        modules=frozenset().union(*(need.modules for need in needs)),
        inner_ports=frozenset().union(*(need.inner_ports for need in needs)),
    )


def _system(node: Placed) -> str | None:
    """The platform a node asks for, as NixOS writes it: a container may name one."""
    options = None if isinstance(node, Storage) else node.container
    platform = None if options is None else options.platform
    if platform is None:
        return None
    return {"amd64": "x86_64-linux", "arm64": "aarch64-linux"}.get(platform.split("/")[1].split("-")[0])
