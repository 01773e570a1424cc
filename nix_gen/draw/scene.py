"""What every picture of a graph shows: hosts with their nodes, and the edges between them.

Pure. Nodes are shown where placement puts them; edges that dangle are not shown.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

from nix_gen.graph import Graph
from nix_gen.lower.reach import published
from nix_gen.nodes import Host, MessageBus, Node, Storage
from nix_gen.placement import place

NODE_WORDS: Final = {
    "agent": "agent",
    "database": "database",
    "load_balancer": "load balancer",
    "message_bus": "message bus",
    "monitoring": "monitoring",
    "service": "service",
    "storage": "storage",
}
"""Kinds of node that are drawn, in the order of the legend."""
CLUSTER: Final = "cluster"
"""Kind of the arrow between members of a message bus's cluster that no edge joins."""
EDGE_WORDS: Final = {
    CLUSTER: "is in a cluster with",
    "connects_to": "connects to",
    "data_flow": "sends data to",
    "depends_on": "starts after",
    "load_balances": "balances over",
    "manages": "manages",
    "monitors": "monitors",
    "mounts_volume": "mounts",
    "publishes_to": "publishes to",
    "replicates": "replicates",
    "subscribes_to": "subscribes to",
}
"""Kinds of edge, in the order of the legend."""
PORTS_MAX_COUNT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One node."""

    id: str
    kind: str
    detail: str
    """What it is and where the outside reaches it: `nginx, published on 80`."""
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One host and what stands on it; the frame of nodes without a host has no id."""

    id: str
    detail: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """All edges of one kind from one node to another, and the start order that goes without saying."""

    source: str
    target: str
    kind: str
    count: int
    waits: bool
    """Whether a `depends_on` edge lies beside it and is not drawn by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A graph as it is drawn. Everything is sorted by id."""

    name: str
    frames: tuple[Frame, ...]
    arrows: tuple[Arrow, ...]

    @property
    def node_kinds(self) -> tuple[str, ...]:
        """Kinds of node that occur, in the order of the legend."""
        found = {figure.kind for frame in self.frames for figure in frame.figures}
        return tuple(kind for kind in NODE_WORDS if kind in found)

    @property
    def edge_kinds(self) -> tuple[str, ...]:
        """Kinds of edge that occur, in the order of the legend."""
        found = {arrow.kind for arrow in self.arrows}
        return tuple(kind for kind in EDGE_WORDS if kind in found)


def scene_of(given: Graph) -> Scene:
    """The scene of a graph; also of one with errors."""
    graph = place(given).graph
    figures: dict[str, list[Figure]] = {host.id: [] for host in graph.hosts}
    drawn: set[str] = set()
    for node in graph.nodes_in_order:
        if not isinstance(node, Host):
            home = graph.host_of(node.id)
            figures.setdefault(home if home in figures else "", []).append(_figure(node))
            drawn.add(node.id)
    details = {host.id: ", ".join(host.addresses[:2]) for host in graph.hosts}
    frames = tuple(
        Frame(id=name, detail=details.get(name, ""), figures=tuple(figures[name])) for name in sorted(figures)
    )
    return Scene(name=graph.name, frames=frames, arrows=_arrows(graph, drawn))


def _figure(node: Node) -> Figure:
    engine = getattr(node, "engine", None)
    words = [str(engine) if engine is not None else _program(node)]
    if (version := getattr(node, "version", None)) is not None:
        words[0] += f" {version}"
    replicas = getattr(node, "replicas", 1)
    if replicas != 1:
        words.append(f"\N{MULTIPLICATION SIGN}{replicas}")
    if not isinstance(node, Storage | Host):
        ports = sorted({str(one.published) for one in published(node) if one.published is not None}, key=int)
        if ports:
            more = "\N{HORIZONTAL ELLIPSIS}" if len(ports) > PORTS_MAX_COUNT else ""
            words.append(f"port {', '.join(ports[:PORTS_MAX_COUNT])}{more}")
    return Figure(
        id=node.id, kind=node.kind, detail=", ".join(filter(None, words)), description=node.description or ""
    )


def _program(node: Node) -> str:
    """What a workload runs, or what a storage is, in a word."""
    if isinstance(node, Storage):
        return node.storage.value
    image = getattr(node, "image", None)
    if image:
        return str(image).partition("@")[0].rpartition("/")[2]
    package, command = getattr(node, "package", None), getattr(node, "command", None)
    return str(package or (command[0].rpartition("/")[2] if command else "") or NODE_WORDS.get(node.kind, ""))


def _clustered(graph: Graph, drawn: set[str]) -> list[tuple[str, str]]:
    """Neighbours among the members of each cluster that has a name, by id."""
    pairs: set[tuple[str, str]] = set()
    for node in graph.nodes:
        if isinstance(node, MessageBus) and node.cluster is not None:
            members = [member.id for member in graph.bus_members(node.id) if member.id in drawn]
            pairs |= set(itertools.pairwise(members))
    return sorted(pairs)


def _arrows(graph: Graph, drawn: set[str]) -> tuple[Arrow, ...]:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for edge in graph.edges:
        ends = (edge.source, edge.target)
        if {*ends} <= drawn and edge.source != edge.target:
            kinds = counts.setdefault(ends, {})
            kinds[edge.kind] = kinds.get(edge.kind, 0) + 1
    for ends in _clustered(graph, drawn):
        if not any("replicates" in counts.get(pair, {}) for pair in (ends, ends[::-1])):
            counts.setdefault(ends, {})[CLUSTER] = 1
    arrows = []
    for (source, target), kinds in sorted(counts.items()):
        waits = "depends_on" in kinds and len(kinds) > 1
        drawn_kinds = [kind for kind in EDGE_WORDS if kind in kinds and not (waits and kind == "depends_on")]
        for index, kind in enumerate(drawn_kinds):
            here = waits and index == 0  # said once
            arrows.append(Arrow(source=source, target=target, kind=kind, count=kinds[kind], waits=here))
    return tuple(arrows)
