"""What edges may join: existing nodes, of kinds that fit, once, and not a node with itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.edges import Edge
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.scalars import written

_RUNNING = frozenset({"service", "agent", "database", "message_bus", "load_balancer", "monitoring"})
_ANY = _RUNNING | {"storage", "host"}
PAIRINGS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "connects_to": (_RUNNING, _RUNNING),
    "data_flow": (_RUNNING | {"storage"}, _RUNNING | {"storage"}),
    "depends_on": (_RUNNING, _RUNNING),
    "load_balances": (
        frozenset({"load_balancer"}),
        frozenset({"service", "agent", "load_balancer", "monitoring", "database", "message_bus"}),
    ),
    "manages": (frozenset({"agent", "service"}), _ANY),
    "monitors": (frozenset({"monitoring"}), _RUNNING | {"host"}),
    "mounts_volume": (_RUNNING, frozenset({"storage"})),
    "publishes_to": (_RUNNING, frozenset({"message_bus"})),
    "replicates": (
        frozenset({"database", "message_bus", "storage"}),
        frozenset({"database", "message_bus", "storage"}),
    ),
    "subscribes_to": (_RUNNING, frozenset({"message_bus"})),
}
"""Edge kind -> node kinds its source and its target may have."""


def structure_findings(graph: Graph) -> Iterator[Finding]:
    """dangling-edge, self-edge, edge-pairing, duplicate-edge, engine-mismatch."""
    parallel = Counter((edge.source, edge.target, edge.kind) for edge in graph.edges)
    seen: set[str] = set()
    for edge in graph.edges:
        missing = [end for end in (edge.source, edge.target) if end not in graph.by_id]
        for end in dict.fromkeys(missing):
            yield finding(
                "dangling-edge", edge.id, f"there is no node '{end}'", "add the node or remove the edge"
            )
        if edge.source == edge.target and edge.kind != "depends_on":
            yield finding("self-edge", edge.id, f"the edge leads from {edge.source} to itself", "remove it")
        elif not missing:
            yield from _pairing(graph, edge)
        if parallel[edge.source, edge.target, edge.kind] > 1:
            spelled = written(edge)
            if spelled in seen:
                yield finding("duplicate-edge", edge.id, "another edge says exactly the same", "remove one")
            seen.add(spelled)


def _pairing(graph: Graph, edge: Edge) -> Iterator[Finding]:
    source, target = graph.by_id[edge.source], graph.by_id[edge.target]
    sources, targets = PAIRINGS[edge.kind]
    if source.kind not in sources or target.kind not in targets:
        yield finding(
            "edge-pairing",
            edge.id,
            f"a {source.kind} cannot be joined to a {target.kind} by {edge.kind}",
            f"{edge.kind} leads from {_listed(sources)} to {_listed(targets)}",
        )
    elif edge.kind == "replicates":
        engines = [
            getattr(node, "engine", None) or getattr(node, "storage", None) for node in (source, target)
        ]
        if source.kind != target.kind or engines[0] != engines[1]:
            yield finding(
                "engine-mismatch",
                edge.id,
                f"{source.id} is {engines[0]} and {target.id} is {engines[1]}",
                "join nodes of the same kind and engine",
            )


def _listed(kinds: frozenset[str]) -> str:
    return "any node" if kinds == _ANY else ", ".join(sorted(kinds))
