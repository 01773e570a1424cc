"""Which module knows which kind of edge. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nix_gen.edges import Edge
from nix_gen.graph import Graph
from nix_gen.lower.edges import (
    connects_to,
    data_flow,
    depends_on,
    load_balances,
    manages,
    monitors,
    mounts_volume,
    publishes_to,
    replicates,
    subscribes_to,
)
from nix_gen.lower.edges.connection import Connection

_KINDS: dict[str, Callable[[Graph, Any], Iterable[Connection]]] = {
    "connects_to": connects_to.connections,
    "data_flow": data_flow.connections,
    "depends_on": depends_on.connections,
    "load_balances": load_balances.connections,
    "manages": manages.connections,
    "monitors": monitors.connections,
    "mounts_volume": mounts_volume.connections,
    "publishes_to": publishes_to.connections,
    "replicates": replicates.connections,
    "subscribes_to": subscribes_to.connections,
}


def connections(graph: Graph, edge: Edge) -> Iterable[Connection]:
    """The connections an edge asks for; none for an edge that dangles."""
    if edge.source not in graph.by_id or edge.target not in graph.by_id:
        return ()
    return _KINDS[edge.kind](graph, edge)
