"""Whether the nodes can start in an order that satisfies every `depends_on` edge. Pure.

Each strongly connected component with a cycle gives one finding that names a shortest cycle of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from nix_gen.codes import finding
from nix_gen.components import circles
from nix_gen.edges import Condition, DependsOn
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, Restart, Service

STEPS_MAX_COUNT = 300_000
"""Edges followed in search of a shortest cycle of a component; a large one is searched from some nodes."""
_WAITING = "remove one of these depends_on edges"


def start_findings(graph: Graph) -> Iterator[Finding]:
    """dependency-cycle, no-health-check, never-completes. Complexity: linear in nodes and edges."""
    waits: dict[str, set[str]] = {}
    for edge in graph.edges:
        if isinstance(edge, DependsOn):
            waits.setdefault(edge.source, set()).add(edge.target)
            yield from _conditions(graph, edge)
    for circle in circles(waits):
        cycle = _shortest_cycle(waits, circle)
        named = " -> ".join((*cycle, cycle[0]))
        yield finding("dependency-cycle", cycle[0], f"start-up dependencies form a cycle: {named}", _WAITING)


def _shortest_cycle(waits: Mapping[str, set[str]], component: set[str]) -> tuple[str, ...]:
    """A shortest cycle inside a component, beginning with its smallest id."""
    best: tuple[str, ...] = ()
    steps_count = sum(len(waits[node]) for node in component)
    for start in sorted(component)[: max(1, STEPS_MAX_COUNT // steps_count)]:
        found = _cycle_through(waits, component, start, len(best))
        if found and (not best or len(found) < len(best)):
            best = found
        if len(best) == 1:
            break
    turn = best.index(min(best))
    return best[turn:] + best[:turn]


def _cycle_through(
    waits: Mapping[str, set[str]], component: set[str], start: str, limit: int
) -> tuple[str, ...]:
    """A shortest cycle through a node, or nothing if none is shorter than the limit (0: no limit)."""
    came_from: dict[str, str] = {}
    waiting = deque([(start, 1)])
    while waiting:
        node, length = waiting.popleft()
        if limit and length >= limit:
            return ()
        if start in waits[node]:
            path = [node]
            while path[-1] != start:
                path.append(came_from[path[-1]])
            return tuple(reversed(path))
        for following in sorted(waits[node]):
            if following in component and following not in came_from and following != start:
                came_from[following] = node
                waiting.append((following, length + 1))
    return ()


def _conditions(graph: Graph, edge: DependsOn) -> Iterator[Finding]:
    target = graph.by_id.get(edge.target)
    unchecked = isinstance(target, Service | Agent) and target.health_check is None
    if edge.condition is Condition.HEALTHY and unchecked:
        yield finding(
            "no-health-check",
            edge.id,
            f"{edge.source} waits until {edge.target} is healthy, and {edge.target} states no health check",
            f"add health_check to {edge.target} or use the condition started",
        )
    if edge.condition is Condition.COMPLETED and target is not None:
        for_ever = {Restart.ALWAYS, Restart.UNLESS_STOPPED}
        if not isinstance(target, Service | Agent) or target.restart in for_ever:
            yield finding(
                "never-completes",
                edge.id,
                f"{edge.source} waits until {edge.target} has completed, and it runs for ever",
                "use the condition started or healthy",
            )
