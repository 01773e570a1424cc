"""Graphs come from networkx and go there, as Python objects and as node-link JSON of every spelling."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from nix_gen import load, loads
from nix_gen.graph import Graph
from tests.support.graphs import graphs

ROOT = Path(__file__).resolve().parents[3]


@given(graph=graphs())
@settings(max_examples=15, deadline=None)
def test_a_graph_comes_back_from_networkx_unchanged(graph: Graph) -> None:
    assert Graph.from_networkx(graph.to_networkx()).digest() == graph.digest()


@pytest.mark.parametrize("edges", ["edges", "links"])
@given(graph=graphs())
@settings(max_examples=10, deadline=None)
def test_node_link_json_of_networkx_is_read_as_it_is_written(edges: str, graph: Graph) -> None:
    written = json.dumps(nx.node_link_data(graph.to_networkx(), edges=edges))
    assert f'"{edges}": ' in written
    assert loads(written).graph.digest() == graph.digest()


def test_parallel_edges_survive_with_their_attributes() -> None:
    graph = load(ROOT / "examples" / "cluster" / "graph.yaml").graph
    through = nx.node_link_graph(nx.node_link_data(graph.to_networkx(), edges="edges"), edges="edges")
    assert through.number_of_edges() == len(graph.edges)
    assert Graph.from_networkx(through).digest() == graph.digest()


def test_a_graph_made_with_networkx_is_a_deployment_graph() -> None:
    made: nx.DiGraph[str] = nx.DiGraph(name="shop")
    made.add_node("web", kind="service", image="a/web")
    made.add_node("db", kind="database", engine="redis")
    made.add_edge("web", "db", kind="connects_to")
    graph = Graph.from_networkx(made)
    assert (graph.name, sorted(graph.by_id), [edge.id for edge in graph.edges]) == (
        "shop",
        ["db", "web"],
        ["web -connects_to-> db"],
    )
    assert loads(json.dumps(nx.node_link_data(made, edges="links"))).graph.digest() == graph.digest()


def test_an_undirected_graph_is_refused() -> None:
    made: nx.Graph[str] = nx.Graph()
    made.add_node("web", kind="service", image="a")
    with pytest.raises(ValidationError, match="directed"):
        Graph.from_networkx(made)
