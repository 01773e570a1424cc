"""Any graph without error findings becomes a flake that evaluates: many graphs, one run of Nix for all."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from nix_gen import Severity, check, translate
from nix_gen.flake import Flake
from nix_gen.graph import Graph
from tests.support.graphs import graphs
from tests.support.nix_tools import FEATURES, build_plan, gather, nixcheck, parse, run

GRAPHS_COUNT = 80


def _flakes() -> dict[str, Flake]:
    flakes: dict[str, Flake] = {}

    @settings(
        max_examples=GRAPHS_COUNT, derandomize=True, database=None, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(graphs())
    def collect(graph: Graph) -> None:
        assume(all(finding.severity is not Severity.ERROR for finding in check(graph)))
        flake = translate(graph)
        assert flake == translate(Graph.model_validate_json(graph.canonical_json()))
        flakes[f"g{flake.graph_digest[:12]}"] = flake

    collect()
    return flakes


@pytest.mark.nix
@pytest.mark.shared
def test_any_valid_graph_becomes_a_flake_that_nixos_accepts(nix: str, shared: Path, tmp_path: Path) -> None:
    flakes = _flakes()
    assert len(flakes) >= GRAPHS_COUNT // 2
    parse(nix, gather(flakes, tmp_path))
    assert len(build_plan(nix, f"path:{tmp_path}", *flakes)) == len(flakes)
    nixcheck(shared, tmp_path)
    told = {
        flake.files["flake.nix"].split("description = ")[1].split(";\n")[0]: name
        for name, flake in flakes.items()
    }
    for name in told.values():  # each by itself as well, once for each description: Nix takes only a literal
        run([nix, "flake", "show", *FEATURES, "--json", f"path:{tmp_path / name}"])
