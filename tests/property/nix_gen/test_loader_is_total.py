"""Whatever the text, the loader answers with a graph or a GraphFileError of one line."""

import contextlib
import json
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nix_gen import GraphFileError, loads, validate
from nix_gen.compose.keys import KNOWN, TOP_LEVEL
from nix_gen.json_text import decoded
from nix_gen.places import DEPTH_MAX_COUNT, parse, plain
from tests.property.nix_gen.strategies import node_links

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 70_000),
    st.text(max_size=12),
    st.sampled_from(
        ["${A", "$A", "${A:?x}", "80:80", "a:/b", "postgres:16", "nginx", "1m", "http://a:b@c", "a"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
IMAGES = st.sampled_from(["postgres:16", "mysql", "nginx", "redis", "nats", "app"]) | SCALARS
SERVICES = st.dictionaries(
    st.sampled_from(["a", "b", "A.b", "db", "\u00e9"]),
    st.builds(
        lambda image, others: {**others, "image": image},
        IMAGES,
        st.dictionaries(st.sampled_from(sorted(KNOWN)), VALUES, max_size=4),
    ),
    max_size=3,
)
COMPOSE = st.builds(
    lambda services, others: {**others, "services": services},
    SERVICES | VALUES,
    st.dictionaries(st.sampled_from(sorted(TOP_LEVEL)), VALUES, max_size=3),
)


def answers(content: str | bytes) -> None:
    """Check that the loader gives a graph that can be judged, or one line about the file."""
    refusals: list[GraphFileError] = []
    try:
        loaded = loads(content, file="f.yaml")
    except GraphFileError as error:
        refusals.append(error)
    else:
        validate(loaded.graph)
        assert all(str(note).isprintable() for note in loaded.notes)
    for refusal in refusals:
        assert str(refusal).startswith("f.yaml")
        assert all(str(problem).isprintable() for problem in (refusal, *refusal.problems))


@settings(deadline=None)
@given(st.text())
@example("a: &a [*a]")
@example("[" * 100_000)
@example("{" * 100_000)
@example("- " * 5_000)
@example("? " * 5_000)
@example("nodes: {<<: [[]]}")
@example("nodes: &a [*a]")
@example("nodes: [1]\nlinks: 3")
@example("!!python/object/apply:os.system [x]")
@example("\ud800")
@example("%TAG ! tag:x,2000:\n---\n!a b")
def test_any_text_is_answered(content: str) -> None:
    answers(content)


@settings(deadline=None)
@given(st.binary())
@example(b"\xff\xfe")
@example(b"\x00" * 10)
def test_any_bytes_are_answered(content: bytes) -> None:
    answers(content)


@settings(deadline=None)
@given(COMPOSE)
def test_any_compose_like_data_is_answered(data: dict[str, Any]) -> None:
    with contextlib.suppress(yaml.YAMLError):
        answers(yaml.safe_dump(data, allow_unicode=True))


@settings(deadline=None)
@given(node_links(), st.data())
def test_a_graph_with_one_value_replaced_is_answered(graph: dict[str, Any], data: st.DataObject) -> None:
    entries = [*graph["nodes"], *graph["edges"], graph]
    entry = data.draw(st.sampled_from(entries))
    entry[data.draw(st.sampled_from(sorted(entry)))] = data.draw(VALUES)
    answers(yaml.safe_dump(graph, allow_unicode=True))


JSON_SCALARS = st.one_of(
    SCALARS, st.floats(), st.integers(-(10**30), 10**30), st.text(st.characters(max_codepoint=0x10FFFF))
)
JSON_VALUES = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=4),
    st.fixed_dictionaries({"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 1, "\t"])}),
)
@example({"a": 1e300, "<<": {"b": 1}, "c": "\x7f\u2028\ufeff"}, {"ensure_ascii": False})
def test_json_read_without_places_means_what_it_means_with_them(
    members: dict[str, Any], layout: dict[str, Any]
) -> None:
    """The places, found when they are asked for, are those of the same values."""
    text = json.dumps(members, **layout)
    document = decoded(text, "f.json")
    if document is not None:
        placed = plain(document.placed.root)
        assert placed == document.given
        assert repr(placed) == repr(document.given), "also in the types and in the order"


@given(
    st.sampled_from(['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": "\\ud800"}', '{"a": "\ud800"}', "[]", "a: 1"])
)
def test_json_that_means_something_else_with_places_is_left_to_them(text: str) -> None:
    """Keys twice, words that are no JSON, halves of surrogate pairs."""
    assert decoded(text, "f.json") is None


@given(st.integers(DEPTH_MAX_COUNT - 3, DEPTH_MAX_COUNT + 3))
def test_json_is_as_deep_as_yaml_may_be(depth: int) -> None:
    """The limit is the same, to the level."""
    text = '{"nodes":' * depth + "0" + "}" * depth
    refused = False
    try:
        parse(text, "f.json")
    except GraphFileError:
        refused = True
    assert (decoded(text, "f.json") is None) is refused


@settings(deadline=None, max_examples=30)
@given(node_links())
def test_lines_of_json_are_found_when_they_are_asked_for(data: dict[str, Any]) -> None:
    """Each node and edge on a line of its own; of edges that say the same, the first."""
    names = [node["id"] for node in data["nodes"]]
    names += [f"{edge['source']} -{edge['kind']}-> {edge['target']}" for edge in data["edges"]]
    parts = [json.dumps(part) for part in data["nodes"]]
    parts[-1] += '], "edges": ['
    parts += [json.dumps(part) for part in data["edges"]]
    ends = ["" if part.endswith("[") else "," for part in parts[:-1]]
    text = '{"nodes": [' + "\n".join(map("".join, zip(parts, [*ends, "]}"], strict=True)))
    first: dict[str, int] = {}
    for line, name in enumerate(names, start=1):
        first.setdefault(name, line)
    assert dict(loads(text).lines) == first
