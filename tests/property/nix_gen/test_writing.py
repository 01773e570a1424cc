"""A written graph is the graph that is read back."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_gen import graph_json, graph_yaml, loads
from nix_gen.graph import Graph
from tests.support.graphs import graphs

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
CONFUSABLE = (
    *("no", "true", "~", "null", "1e3", "0o17", "0x1F", "-1", "1.5", "22:22", "a: b", "# x", "- x", "", " "),
    *(
        "=",
        "<<",
        "*a",
        "&a",
        "!t",
        "%x",
        "@x",
        "`x",
        "|",
        ">",
        "a #b",
        "a:",
        ":a",
        "[x]",
        "{x}",
        "x,y",
        ".5",
        "+1",
    ),
)


@given(graph=graphs())
@settings(max_examples=60, deadline=None)
def test_yaml_and_json_are_read_back_as_the_same_graph(graph: Graph) -> None:
    assert loads(graph_yaml(graph)).graph.digest() == graph.digest()
    assert loads(graph_json(graph)).graph.digest() == graph.digest()


@given(text=st.one_of(TEXTS, st.sampled_from(CONFUSABLE)), key=st.sampled_from(["A", "no", "y", "x.1"]))
@settings(max_examples=300, deadline=None)
def test_no_text_becomes_something_else(text: str, key: str) -> None:
    service = {
        "kind": "service",
        "id": "a",
        "image": "a",
        "environment": {key: text},
        "command": [text, text * 9],
    }
    graph = Graph.model_validate({"nodes": [service], "graph": {"name": "g", "description": text}})
    written = graph_yaml(graph)
    assert loads(written).graph == graph
    elsewhere = yaml.safe_load(written)
    assert elsewhere["nodes"][0]["environment"] == {key: text}, "readers of YAML 1.1 see the same"


@pytest.mark.parametrize("given_id", ["null", "0", "1e3", "0x1f", "true", "no"])
def test_an_id_that_looks_like_a_value_stays_an_id(given_id: str) -> None:
    graph = Graph.model_validate({"nodes": [{"kind": "host", "id": given_id}]})
    assert [node.id for node in loads(graph_yaml(graph)).graph.nodes] == [given_id]


def test_entries_that_fit_stand_on_one_line() -> None:
    graph = Graph.model_validate(
        {
            "name": "small",
            "nodes": [
                {"kind": "service", "id": "web", "image": "a/b:1", "ports": [{"port": 80}]},
                {"kind": "service", "id": "job", "image": "a", "environment": {"TEXT": "x" * 80, "B": "no"}},
            ],
            "edges": [{"kind": "connects_to", "source": "job", "target": "web"}],
        }
    )
    assert graph_yaml(graph) == (
        "graph:\n  name: small\n\nnodes:\n  - id: job\n    kind: service\n    image: a\n    environment:\n"
        f'      B: "no"\n      TEXT: {"x" * 80}\n\n'
        "  - {id: web, kind: service, image: a/b:1, ports: [{port: 80}]}\n\n"
        "edges:\n  - {source: job, kind: connects_to, target: web}\n"
    )
