"""A fixed sample of the graphs that `tests.support.graphs` describes, for tests that judge many at once."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis.strategies import SearchStrategy

from nix_gen import Severity, check
from nix_gen.graph import Graph


def drawn_graphs(count: int, strategy: SearchStrategy[Graph]) -> list[Graph]:
    """About `count` different graphs without errors; the same ones every time."""
    found: dict[str, Graph] = {}

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(strategy)
    def collect(graph: Graph) -> None:
        assume(all(finding.severity is not Severity.ERROR for finding in check(graph)))
        found[graph.digest()] = graph

    collect()
    return list(found.values())
