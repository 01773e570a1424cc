"""Laws of the canonical form, for any valid graph."""

import json
import random
from typing import Any

import networkx as nx
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_gen import Graph, loads, validate
from tests.property.nix_gen.strategies import graphs, node_links


class QuotingDumper(yaml.SafeDumper):
    """Writes every text in quotes: a bare `0E0` is text to PyYAML (YAML 1.1), and a number in YAML 1.2."""


def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


QuotingDumper.add_representer(str, quoted)


def shuffled(value: Any, source: random.Random) -> Any:
    """The same data with keys, nodes and edges in another order."""
    if isinstance(value, dict):
        keys = list(value)
        source.shuffle(keys)
        return {key: shuffled(value[key], source) for key in keys}
    return value


@settings(deadline=None)
@given(node_links(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_edges_and_keys_does_not_change_the_digest(
    data: dict[str, Any], source: random.Random
) -> None:
    other = dict(shuffled(data, source))
    for part in ("nodes", "edges"):
        listed = [shuffled(entry, source) for entry in other[part]]
        source.shuffle(listed)
        other[part] = listed
    assert Graph.model_validate(other).digest() == Graph.model_validate(data).digest()


@settings(deadline=None)
@given(graphs())
def test_canonical_json_reads_back_to_the_same_bytes(graph: Graph) -> None:
    assert Graph.model_validate_json(graph.canonical_json()).canonical_json() == graph.canonical_json()


@settings(deadline=None)
@given(graphs())
def test_a_canonical_file_loads_as_json_and_as_yaml(graph: Graph) -> None:
    canonical = graph.canonical_json()
    assert loads(canonical).graph.digest() == graph.digest()
    text = yaml.dump(json.loads(canonical), Dumper=QuotingDumper)
    assert loads(text).graph.digest() == graph.digest()


@settings(deadline=None)
@given(graphs())
def test_networkx_writes_what_the_graph_reads(graph: Graph) -> None:
    data = nx.node_link_data(graph.to_networkx(), edges="links")
    assert Graph.model_validate(data).digest() == graph.digest()


@settings(deadline=None)
@given(graphs())
def test_validation_is_total_and_does_not_depend_on_order(graph: Graph) -> None:
    turned = graph.model_copy(update={"nodes": graph.nodes[::-1], "edges": graph.edges[::-1]})
    assert validate(Graph.model_validate(turned.to_node_link())) == validate(graph)


@settings(deadline=None)
@given(graphs())
def test_every_placed_node_is_on_exactly_one_host(graph: Graph) -> None:
    placed = [node.id for host in graph.hosts for node in graph.nodes_on(host.id)]
    assert len(placed) == len(set(placed))
    assert set(placed) == {node.id for node in graph.nodes if node.kind != "host"}
