"""The order of the tasks of a DAG, and what is wrong with it if there is none. Pure.

networkx does the work. It is imported when there is some: importing it takes longer than everything else of
this service, and most never see a DAG.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coordination.tasks.limits import MAX_DAG_TASKS

_MAX_NAMED = 10
"""Names that a message gives of a longer list."""


class DagError(ValueError):
    """Tasks cannot be submitted as a DAG.

    Args:
        message: What is wrong, where, and how to mend it.
        cycle: Names along the cycle, the first one again at the end; empty if that is not what is wrong.
    """

    def __init__(self, message: str, *, cycle: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.cycle = cycle


def ordered(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names of all tasks, each after those that it waits for.

    Args:
        edges: By the name of each task, the names of those that it waits for.

    Returns:
        A topological order, which is that of `edges` wherever it leaves a choice.

    Raises:
        DagError: There is no task, or more than `MAX_DAG_TASKS`; one waits for a name that none has; or some
            wait for one another in a circle, which the message names ``a -> b -> a``: a waits for b.
    """
    if not edges:
        raise DagError("a DAG needs at least one task")
    if len(edges) > MAX_DAG_TASKS:
        raise DagError(f"{len(edges)} tasks are too many for one DAG; at most {MAX_DAG_TASKS} are possible")
    awaited = {name: tuple(dict.fromkeys(each)) for name, each in edges.items()}
    _check_names(awaited)
    import networkx as nx  # noqa: PLC0415 - see above

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(awaited)
    graph.add_edges_from((before, name) for name, each in awaited.items() for before in each)
    position = {name: number for number, name in enumerate(awaited)}
    try:
        return tuple(nx.lexicographical_topological_sort(graph, key=position.__getitem__))
    except nx.NetworkXUnfeasible:
        # Edges of the graph run from what goes first; a reader follows "waits for", the other way round.
        found = [start for start, _ in nx.find_cycle(graph.reverse(copy=False))]
    first = found.index(min(found, key=position.__getitem__))
    cycle = (*found[first:], *found[:first], found[first])
    path = " -> ".join(cycle)
    raise DagError(f"these tasks wait for one another: {path}; leave one of the edges out", cycle=cycle)


def _check_names(awaited: Mapping[str, Iterable[str]]) -> None:
    """Refuse edges to names that no task has."""
    for name, each in awaited.items():
        unknown = [before for before in each if before not in awaited]
        if unknown:
            known = ", ".join(list(awaited)[:_MAX_NAMED])
            more = f" and {len(awaited) - _MAX_NAMED} more" if len(awaited) > _MAX_NAMED else ""
            raise DagError(
                f"task {name} waits for {unknown[0]}, but no task of this DAG has that name; "
                f"there are {known}{more}"
            )
