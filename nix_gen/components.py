"""Which ids hang together in a graph of ids.

Pure. networkx does the work. It is imported when there is some: importing it takes a large part of the time
of a small `conclave nix validate`, and most graphs have no circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def circles(waits: Mapping[str, set[str]]) -> list[set[str]]:
    """The ids that wait for each other, directly or not, circle by circle; one that waits for itself is one.

    Args:
        waits: the ids that each id waits for.
    """
    try:
        TopologicalSorter(waits).prepare()
    except CycleError:
        pass
    else:
        return []
    import networkx as nx  # noqa: PLC0415 - see above

    order: nx.DiGraph[str] = nx.DiGraph()
    order.add_edges_from((one, other) for one, others in waits.items() for other in others)
    found = nx.strongly_connected_components(order)
    return [circle for circle in found if len(circle) > 1 or any(one in waits.get(one, ()) for one in circle)]


def groups(ids: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    """The ids that are joined by pairs, directly or not, group by group; an id in no pair is one alone."""
    joined = list(pairs)
    if not joined:
        return [{one} for one in dict.fromkeys(ids)]
    import networkx as nx  # noqa: PLC0415 - see above

    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(ids)
    graph.add_edges_from(joined)
    return list(nx.connected_components(graph))
