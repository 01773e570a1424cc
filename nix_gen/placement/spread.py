"""Replicas that stand apart: one node with `replicas: 3` becomes the nodes `<id>-1` to `<id>-3`.

Pure. Each copy keeps the id as an alias, so that clients still find it under its name, and has every edge of
the original: its clients are allowed to all of them, a load balancer gets an upstream for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.codes import finding
from nix_gen.edges import Edge
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, Host, Node, Service, Spread
from nix_gen.scalars import EDGES_MAX_COUNT, NODES_MAX_COUNT

ID_MAX_CHARS = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A graph whose spread replicas are nodes."""

    graph: Graph
    copies: dict[str, tuple[str, ...]]
    """Ids of the copies by id of the node they come from."""
    findings: tuple[Finding, ...] = ()


def rebuilt(graph: Graph, nodes: tuple[Node, ...], edges: tuple[Edge, ...]) -> Graph:
    """A graph of the same attributes with other parts, which are valid because they come from valid ones."""
    return Graph.model_construct(directed=True, multigraph=True, graph=graph.graph, nodes=nodes, edges=edges)


def spread_replicas(graph: Graph) -> Apart:
    """Make nodes of the replicas that are to stand apart; those on a graph of one host stay together."""
    wanted = [node for node in graph.nodes if _spreads(node)] if len(graph.hosts) > 1 else []
    if not wanted:
        return Apart(graph=graph, copies={})
    copies: dict[str, tuple[str, ...]] = {}
    findings: list[Finding] = []
    for node in wanted:
        assert isinstance(node, Service | Agent)
        names = tuple(f"{node.id}-{number}" for number in range(1, node.replicas + 1))
        taken = next((name for name in names if name in graph.by_id or len(name) > ID_MAX_CHARS), None)
        if taken is None:
            copies[node.id] = names
        else:
            why = "is taken" if taken in graph.by_id else f"is longer than {ID_MAX_CHARS} characters"
            findings.append(
                finding("spread-impossible", node.id, f"the id {taken} of a replica {why}", "rename the node")
            )
    renamed = (_renamed(node, copies) for node in graph.nodes)
    nodes = tuple(copy for node in renamed for copy in _copied(node, copies.get(node.id)))
    edges = tuple(copy for edge in graph.edges for copy in _copied_edge(edge, copies))
    if len(nodes) > NODES_MAX_COUNT or len(edges) > EDGES_MAX_COUNT:
        message = f"the replicas make {len(nodes):,} nodes and {len(edges):,} edges"
        mend = f"stay within {NODES_MAX_COUNT:,} nodes and {EDGES_MAX_COUNT:,} edges"
        findings.append(finding("spread-impossible", min(copies), message, mend))
        return Apart(graph=graph, copies={}, findings=tuple(findings))
    return Apart(graph=rebuilt(graph, nodes, edges), copies=copies, findings=tuple(findings))


def _spreads(node: Node) -> bool:
    return (
        isinstance(node, Service | Agent)
        and node.replicas > 1
        and node.host is None
        and node.placement is not None
        and node.placement.spread is not Spread.NONE
    )


def _renamed(node: Node, copies: dict[str, tuple[str, ...]]) -> Node:
    """A node whose placement names the copies where it named what they come from."""
    if isinstance(node, Host) or node.placement is None:
        return node
    rules = node.placement
    if copies.keys().isdisjoint((*rules.apart_from, *rules.together_with)):
        return node
    update = {
        rule: tuple(sorted({copy for name in names for copy in copies.get(name, (name,))}))
        for rule, names in (("apart_from", rules.apart_from), ("together_with", rules.together_with))
    }
    return node.model_copy(update={"placement": rules.model_copy(update=update)})


def _copied(node: Node, names: tuple[str, ...] | None) -> list[Node]:
    if names is None or not isinstance(node, Service | Agent):
        return [node]
    aliases = tuple(sorted({*node.aliases, node.id}))
    return [node.model_copy(update={"id": name, "replicas": 1, "aliases": aliases}) for name in names]


def _copied_edge(edge: Edge, copies: dict[str, tuple[str, ...]]) -> list[Edge]:
    sources, targets = copies.get(edge.source), copies.get(edge.target)
    if sources is None and targets is None:
        return [edge]
    if edge.source == edge.target and sources is not None:
        ends = [(name, name) for name in sources]
    else:
        ends = [
            (source, target) for source in sources or (edge.source,) for target in targets or (edge.target,)
        ]
    return [edge.model_copy(update={"source": source, "target": target}) for source, target in ends]
