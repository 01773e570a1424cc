"""The published JSON Schema is that of the model, takes what the loader takes and refuses what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from nix_gen import GraphFileError, graph_schema_text, loads
from nix_gen.graph import Graph
from tests.support.graphs import graphs

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "docs" / "graph.schema.json"
EXAMPLES = sorted(
    path
    for folder in ("examples", "tests/golden/nix_gen/graphs", "docs")
    for path in (ROOT / folder).rglob("*.yaml")
    if "\nnodes:" in path.read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(json.loads(graph_schema_text()))
WEB: dict[str, Any] = {"kind": "service", "id": "web", "image": "a"}
EDGE: dict[str, Any] = {"kind": "connects_to", "source": "web", "target": "web"}


def test_the_published_schema_is_the_one_of_the_model(*, rewrite: bool) -> None:
    if rewrite:
        PUBLISHED.write_text(graph_schema_text(), encoding="utf-8", newline="")
    assert PUBLISHED.read_text(encoding="utf-8") == graph_schema_text()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(graph_schema_text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_example_fits_the_schema(path: Path) -> None:
    assert len(EXAMPLES) > 3
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))] == []


@given(graph=graphs())
@settings(max_examples=15, deadline=None)
def test_every_graph_s_own_form_fits_the_schema(graph: Graph) -> None:
    VALIDATOR.validate(graph.to_node_link())


@pytest.mark.parametrize(
    "given_graph",
    [
        {"nodes": [WEB], "name": "shop"},
        {"directed": True, "multigraph": False, "graph": {}, "nodes": [WEB], "links": []},
        {"nodes": [WEB, {**WEB, "id": "api"}], "edges": [{**EDGE, "target": "api", "key": 0}]},
    ],
)
def test_every_spelling_that_is_read_fits_the_schema(given_graph: dict[str, Any]) -> None:
    assert loads(json.dumps(given_graph)).graph.nodes
    VALIDATOR.validate(given_graph)


@pytest.mark.parametrize(
    "given_graph",
    [
        {},
        {"nodes": []},
        {"nodes": [{"id": "web", "image": "a"}]},
        {"nodes": [{**WEB, "kind": "servise"}]},
        {"nodes": [{**WEB, "id": "Web"}]},
        {"nodes": [{**WEB, "ports": [{"port": 70_000}]}]},
        {"nodes": [{**WEB, "ports": [{"port": "80"}]}]},
        {"nodes": [{**WEB, "imagee": "a"}]},
        {"nodes": [WEB], "edges": [{**EDGE, "kind": "likes"}]},
        {"nodes": [WEB], "edges": [{"kind": "connects_to", "source": "web"}]},
        {"nodes": [WEB], "directed": False},
        {"nodes": [WEB], "extra": 1},
    ],
)
def test_what_the_loader_refuses_does_not_fit_the_schema_either(given_graph: dict[str, Any]) -> None:
    with pytest.raises(GraphFileError):
        loads(json.dumps(given_graph))
    assert not VALIDATOR.is_valid(given_graph)
