"""Where each node stands. See docs/placement.md for the rules of the search.

Pure: the same graph, in whatever order it is written, gives the same places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from nix_gen.codes import finding
from nix_gen.edges import MountsVolume
from nix_gen.findings import Finding, finding_order
from nix_gen.graph import Graph
from nix_gen.nodes import Database, Host, MessageBus, Node, PlacementRules, Storage, StorageKind
from nix_gen.placement.bundles import Bundle, Need, Survey, bundles, need_of, survey
from nix_gen.placement.decisions import Decision, Placed
from nix_gen.placement.packing import Packed, pack
from nix_gen.placement.rooms import Rooms, mebibytes
from nix_gen.placement.spread import Apart, rebuilt, spread_replicas

_OF_ONE_HOST = frozenset({StorageKind.LOCAL, StorageKind.BLOCK})
NAMED_MAX_COUNT = 4
"""How many hosts, or nodes, a message names one by one."""


def place(graph: Graph, *, previous: Mapping[str, str] | None = None) -> Placed:
    """Find a host for every node that names none.

    Args:
        graph: any graph.
        previous: host by node id of an earlier placement (`previous_hosts`). A node stays where it stood as
            long as its constraints allow that, so that one new node does not shuffle the others.

    Returns:
        The graph with places, one decision for each placed node, and what could not be placed.
    """
    apart = spread_replicas(graph)
    seen = survey(apart.graph, apart.copies)
    rooms = Rooms(apart.graph.hosts)
    _stand_where_named(seen, rooms)
    findings = [*apart.findings, *_overcommitted(rooms)]
    wanted = bundles(seen, apart.copies) if seen.wants_place else []
    packed = pack(rooms, wanted, previous or {})
    findings += [_does_not_fit(rooms, bundle) for bundle in packed.stuck]
    findings += _unmet(apart, rooms)
    findings += _narrow(seen, rooms, apart)
    return Placed(
        graph=_with_hosts(apart.graph, rooms, wanted),
        decisions=tuple(sorted(_decisions(seen, rooms, wanted, packed), key=lambda one: one.node)),
        findings=tuple(sorted(findings, key=finding_order)),
    )


def _stand_where_named(seen: Survey, rooms: Rooms) -> None:
    graph = seen.graph
    only = next(iter(rooms.by_host)) if len(rooms.by_host) == 1 else None
    for node in graph.nodes_in_order:
        if isinstance(node, Host):
            continue
        host_id = node.host or only
        if host_id is not None and host_id in rooms.by_host:
            seen.wants_place.pop(node.id, None)
            rooms.put((node.id,), seen.groups.get(node.id, ()), need_of(graph, node), host_id)


def _with_hosts(graph: Graph, rooms: Rooms, wanted: list[Bundle]) -> Graph:
    """The graph with the places that were found; the one given if none was."""
    found = {node_id for bundle in wanted for node_id in bundle.ids if node_id in rooms.where}
    if not found:
        return graph
    nodes = tuple(
        node.model_copy(update={"host": rooms.where[node.id]}) if node.id in found else node
        for node in graph.nodes
    )
    return rebuilt(graph, nodes, graph.edges)


def _overcommitted(rooms: Rooms) -> Iterator[Finding]:
    for host_id, room in sorted(rooms.by_host.items()):
        if room.limited and room.share(Need()) > 1:
            taken = f"{room.taken_cpu_milli:,} thousandths of a CPU and {mebibytes(room.taken_memory_bytes)}"
            held = f"{room.cpu_milli:,} and {mebibytes(room.memory_bytes)}"
            message = f"the nodes on it reserve {taken}, its capacity is {held}"
            yield finding("host-overcommitted", host_id, message, "move some to another host, or raise it")


def _does_not_fit(rooms: Rooms, bundle: Bundle) -> Finding:
    reasons: dict[str, list[str]] = {}
    for host_id, room in sorted(rooms.by_host.items()):
        reasons.setdefault(rooms.refuses(bundle, room) or "was taken by others", []).append(host_id)
    told = "; ".join(f"{_named(hosts)}: {reason}" for reason, hosts in reasons.items())
    what = "" if len(bundle.ids) == 1 else f" (with {_named(bundle.ids[1:])})"
    return finding(
        "does-not-fit",
        bundle.ids[0],
        f"no host can take it{what}: {told}",
        "add a host or capacity, relax what is named, or set host",
    )


def _named(names: list[str] | tuple[str, ...]) -> str:
    more_count = len(names) - NAMED_MAX_COUNT
    return ", ".join(names[:NAMED_MAX_COUNT]) + (f" and {more_count} more" if more_count > 0 else "")


def _unmet(apart: Apart, rooms: Rooms) -> Iterator[Finding]:
    """Rules that nodes with a `host` of their own break, and rules about what does not exist."""
    graph = apart.graph
    for node in graph.nodes:
        rules = None if isinstance(node, Host) else node.placement
        if rules is None:
            continue
        yield from _unknown(apart, node, rules)
        here = rooms.where.get(node.id)
        if here is None:
            continue
        if rules.hosts and here not in rules.hosts:
            yield _breaks(node, f"it stands on {here}, and its placement names {_named(rules.hosts)}")
        for other in _copies(apart, rules.apart_from):
            if other != node.id and rooms.where.get(other) == here:
                yield _breaks(node, f"it must stand apart from {other}, and both stand on {here}")
        for other in _copies(apart, rules.together_with):
            there = rooms.where.get(other)
            if there is not None and there != here:
                yield _breaks(node, f"it must stand with {other}, which is on {there}, and stands on {here}")


def _copies(apart: Apart, names: tuple[str, ...]) -> list[str]:
    return [copy for name in names for copy in apart.copies.get(name, (name,))]


def _unknown(apart: Apart, node: Node, rules: PlacementRules) -> Iterator[Finding]:
    hosts = {host.id for host in apart.graph.hosts}
    for name in rules.hosts:
        if name not in hosts:
            yield finding(
                "unknown-placement", node.id, f"its placement names the host {name}, which is none", "mend it"
            )
    for name in dict.fromkeys((*rules.apart_from, *rules.together_with)):
        if name not in apart.graph.by_id and name not in apart.copies:
            yield finding(
                "unknown-placement", node.id, f"its placement names the node {name}, which is none", "mend it"
            )


def _breaks(node: Node, message: str) -> Finding:
    return finding("placement-unmet", node.id, message, "change host or placement")


def _narrow(seen: Survey, rooms: Rooms, apart: Apart) -> Iterator[Finding]:
    """Groups that were meant to outlive a host and do not."""
    members: dict[str, list[str]] = {}
    for node_id, groups in seen.groups.items():
        for group in groups:
            members.setdefault(group, []).append(node_id)
    several = len(rooms.by_host) > 1
    for group, ids in sorted(members.items()):
        kept = group.removeprefix("replicas of ") in apart.copies or isinstance(
            seen.graph.by_id.get(ids[0]), Database | MessageBus
        )
        held = Counter(rooms.where[node_id] for node_id in ids if node_id in rooms.where)
        shared = {host_id for host_id, count in held.items() if count > 1}
        crowded = sorted(shared.union(rooms.crowded(group))) if kept and several else []
        if crowded:
            message = f"{group}: {_named(sorted(ids))}; several of them stand on {_named(crowded)}"
            mend = "add a host, or use fewer copies"
            tied = _tied_by(seen.graph, ids)
            if tied is not None:
                message += f", for they mount {tied.id}, which is {tied.storage} storage of one host"
                mend = "let it be nfs or s3 storage, or give each copy its own"
            yield finding("spread-narrow", min(ids), message, mend)


def _tied_by(graph: Graph, ids: list[str]) -> Storage | None:
    """A storage of one host that several of the nodes mount."""
    mounts = Counter(
        edge.target for node_id in ids for edge in graph.edges_from(node_id) if isinstance(edge, MountsVolume)
    )
    for storage_id, count in sorted(mounts.items()):
        storage = graph.by_id.get(storage_id)
        if count > 1 and isinstance(storage, Storage) and storage.storage in _OF_ONE_HOST:
            return storage
    return None


def _decisions(seen: Survey, rooms: Rooms, wanted: list[Bundle], packed: Packed) -> Iterator[Decision]:
    found: set[str] = set()
    for bundle in wanted:
        for node_id in bundle.ids:
            if node_id in rooms.where:
                found.add(node_id)
                reason = _reason(rooms, bundle, node_id, kept=bundle.ids[0] in packed.kept)
                yield Decision(node=node_id, host=rooms.where[node_id], reason=reason)
    for node_id, host_id in rooms.where.items():
        if node_id not in found:
            node = seen.graph.by_id[node_id]
            by_name = not isinstance(node, Host) and node.host is not None
            reason = "its host field says so" if by_name else "the only host"
            yield Decision(node=node_id, host=host_id, reason=reason)


def _reason(rooms: Rooms, bundle: Bundle, node_id: str, *, kept: bool) -> str:
    host_id = rooms.where[node_id]
    words = []
    others = tuple(other for other in bundle.ids if other != node_id)
    if bundle.beside is not None:
        words.append(f"it has to stand beside what is on {host_id}")
    if others:
        words.append(f"with {_named(others)}")
    if kept:
        words.append("it stood there before")
    if bundle.allowed is not None:
        words.append(f"its placement names {_named(tuple(sorted(bundle.allowed)))}")
    if bundle.groups:
        words.append(f"apart from the other {_named(bundle.groups)}")
    near = tuple(sorted({other for other in bundle.near if rooms.where.get(other) == host_id}))
    if near:
        words.append(f"near {_named(near)}")
    words.append(f"{host_id} is {rooms.by_host[host_id].percent()} % full")
    return "; ".join(words)
