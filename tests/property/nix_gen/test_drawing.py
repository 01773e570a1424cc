"""Pictures of any graph: lines keep off the boxes, and no text of a graph becomes syntax."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_gen.draw import dot, mermaid, svg
from nix_gen.draw.grid import Edge, Relation
from nix_gen.draw.layout import Layout, Rectangle, lay_out
from nix_gen.graph import Graph
from tests.support.graphs import graphs

HOSTILE = (
    *("</svg><script>alert(1)</script>", '"] -> evil [label="', "\\", '\\"', "]]>", "<!--", "&amp;"),
    *('"]\nclick n1 "javascript:x"', "end", "subgraph x", "#quot;", "`a`", "{{x}}", "${x}", "%%{init}%%"),
    *("<b>bold</b>", "\N{SNOWMAN}", "a|b|c", "\\N\\G\\l", "--> x", "'; drop", "style n1 fill:red", "\ufffe"),
    *("\x01\x1b[31m", "\u2028"),
)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[dict[str, list[str]], list[Edge]]:
    sizes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6))
    groups = {f"g{index}": [f"b{index}_{n}" for n in range(size)] for index, size in enumerate(sizes)}
    boxes = [box for members in groups.values() for box in members]
    if not boxes:
        return groups, []
    ends = st.tuples(st.sampled_from(boxes), st.sampled_from(boxes), st.sampled_from(Relation))
    edges = draw(st.lists(ends.filter(lambda edge: edge[0] != edge[1]), max_size=60))
    return groups, edges


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def holds(outer: Rectangle, inner: Rectangle) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )


def crosses(piece: tuple[Sequence[float], Sequence[float]], box: Rectangle) -> bool:
    """Whether a piece of a line runs through the inside of a box."""
    (x1, y1), (x2, y2) = piece
    left, right = sorted((x1, x2))
    top, bottom = sorted((y1, y2))
    return left < box.x + box.width and right > box.x and top < box.y + box.height and bottom > box.y


def check(layout: Layout, groups: Mapping[str, Sequence[str]], edges: Sequence[Edge]) -> None:
    paper = Rectangle(x=0, y=0, width=layout.width, height=layout.height)
    for name, boxes in groups.items():
        assert holds(paper, layout.frames[name])
        assert all(holds(layout.frames[name], layout.boxes[box]) for box in boxes)
    for one, other in itertools.combinations(layout.frames.values(), 2):
        assert not overlap(one, other)
    for one, other in itertools.combinations(layout.boxes.values(), 2):
        assert not overlap(one, other)
    for (source, target, _), line in zip(edges, layout.lines, strict=True):
        for piece in itertools.pairwise(line):
            assert piece[0][0] == piece[1][0] or piece[0][1] == piece[1][1], "every piece is upright or level"
            assert not any(crosses(piece, box) for box in layout.boxes.values())
            assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in piece)
        for name, (x, y) in ((source, line[0]), (target, line[-1])):
            box = layout.boxes[name]
            on_side = x in {box.x, box.x + box.width} and box.y <= y <= box.y + box.height
            on_top = y in {box.y, box.y + box.height} and box.x <= x <= box.x + box.width
            assert on_side or on_top, "a line ends at its boxes"


@given(picture=pictures())
@settings(max_examples=150, deadline=None)
def test_no_line_runs_over_a_box_and_no_frame_over_another(
    picture: tuple[dict[str, list[str]], list[Edge]],
) -> None:
    groups, edges = picture
    check(lay_out(groups, edges), groups, edges)


def test_a_large_picture_keeps_to_the_same_rules() -> None:
    groups = {f"g{group}": [f"b{group}_{n}" for n in range(15)] for group in range(12)}
    boxes = [box for members in groups.values() for box in members]
    edges = [(boxes[n], boxes[(n * 7 + 3) % len(boxes)], list(Relation)[n % 3]) for n in range(len(boxes))]
    check(lay_out(groups, edges), groups, edges)


@given(graph=graphs())
@settings(max_examples=40, deadline=None)
def test_every_graph_can_be_drawn_and_gives_the_same_picture_again(graph: Graph) -> None:
    again = Graph.model_validate(graph.to_node_link())
    for draw in (dot, mermaid, svg):
        text = draw(graph)
        assert text == draw(again)
        assert text.endswith("\n")
    ET.fromstring(svg(graph))


def hostile(text: str) -> Graph:
    service: dict[str, Any] = {
        "kind": "service", "id": "end", "description": text, "command": [f"/bin/{text or 'x'}"], "host": "h"
    }  # fmt: skip
    database = {"kind": "database", "id": "style", "engine": "redis", "host": "h", "description": text}
    host = {"kind": "host", "id": "h", "description": text}
    edge = {"source": "end", "kind": "connects_to", "target": "style", "description": text}
    return Graph.model_validate({"name": "subgraph", "nodes": [host, service, database], "edges": [edge]})


def shape(document: str) -> list[str]:
    """Names of all elements of an SVG, in order."""
    return [element.tag for element in ET.fromstring(document).iter()]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_an_element_of_the_svg(text: str) -> None:
    assert shape(svg(hostile(text))) == shape(svg(hostile("plain")))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_syntax_of_mermaid(text: str) -> None:
    def bare(source: str) -> list[str]:
        return [re.sub(r'"[A-Za-z0-9 .,:/+_@#;<>-]*"', '""', line) for line in source.splitlines()]

    assert bare(mermaid(hostile(text))) == bare(mermaid(hostile("plain")))
    labels = re.findall(r'"([^"]*)"', mermaid(hostile(text)))
    assert all(set(re.findall(r"<[^>]*>", label)) <= {"<br/>"} for label in labels)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_syntax_of_dot(text: str) -> None:
    def bare(source: str) -> list[str]:
        return [re.sub(r'"(?:[^"\\]|\\.)*"', '""', line) for line in source.splitlines()]

    assert bare(dot(hostile(text))) == bare(dot(hostile("plain")))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("text", HOSTILE)
def test_graphviz_shows_hostile_text_as_it_is(text: str) -> None:
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot(hostile(text)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    root = ET.fromstring(done.stdout)
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles.count("end") == 1
    assert titles.count("end->style") == 1
