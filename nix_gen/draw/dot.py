"""A graph in DOT, for Graphviz: hosts as clusters.

Pure. Texts of the graph stand in quoted strings only, where the quote and the backslash alone mean something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nix_gen.draw.scene import EDGE_WORDS, NODE_WORDS, Figure, Scene, scene_of
from nix_gen.draw.style import EDGE_COLOURS, NODE_COLOURS
from nix_gen.graph import Graph

_SHAPES: Final = {
    "agent": "ellipse",
    "database": "cylinder",
    "load_balancer": "hexagon",
    "message_bus": "cds",
    "monitoring": "component",
    "service": "box",
    "storage": "folder",
}
_STYLES: Final = {
    "cluster": "arrowhead=none",
    "depends_on": "style=dashed",
    "load_balances": "penwidth=2",
    "manages": "style=dotted",
    "monitors": "style=dotted",
    "mounts_volume": "arrowhead=none",
    "replicates": "dir=both",
}
_HEAD: Final = (
    "  compound=true; rankdir=TB; fontname=sans; nodesep=0.4; ranksep=0.6;",
    '  node [fontname=sans, fontsize=11, style=filled, fillcolor="#ffffff"];',
    "  edge [fontname=sans, fontsize=9];",
)


def dot(graph: Graph) -> str:
    """A directed graph in DOT; ends with a line feed. The same graph gives the same text."""
    return "\n".join(_lines(scene_of(graph))) + "\n"


def string(text: str) -> str:
    """A quoted string that shows as the text; what does not print becomes a space."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _lines(scene: Scene) -> Iterator[str]:
    yield f"digraph {string(scene.name)} {{"
    yield from _HEAD
    for number, frame in enumerate(scene.frames, start=1):
        title = f"{frame.id}  {frame.detail}" if frame.id else "on no host"
        yield f"  subgraph cluster_{number} {{"
        yield f'    label={string(title.strip())}; style=rounded; color="#8a93a6";'
        yield from (f"    {_node(figure)}" for figure in frame.figures)
        yield "  }"
    for arrow in scene.arrows:
        style = _STYLES.get(arrow.kind)
        words = EDGE_WORDS[arrow.kind] + (", waits" if arrow.waits else "")
        look = f'color="{EDGE_COLOURS[arrow.kind]}", label={string(words)}' + (f", {style}" if style else "")
        yield f"  {string(arrow.source)} -> {string(arrow.target)} [{look}];"
    yield from _legend(scene)
    yield "}"


def _node(figure: Figure) -> str:
    # `\n` is an escape of labels, not of strings: it is joined after the texts are made safe.
    words = "\\n".join(string(text)[1:-1] for text in (figure.id, figure.detail) if text)
    tip = f", tooltip={string(figure.description)}" if figure.description else ""
    look = f'shape={_SHAPES[figure.kind]}, color="{NODE_COLOURS[figure.kind]}"'
    return f'{string(figure.id)} [label="{words}", {look}{tip}];'


def _legend(scene: Scene) -> Iterator[str]:
    yield "  subgraph cluster_legend {"
    yield '    label="legend"; style=dashed; color="#8a93a6";'
    for kind in scene.node_kinds:
        look = f'shape={_SHAPES[kind]}, color="{NODE_COLOURS[kind]}"'
        yield f"    {string(f'legend {kind}')} [label={string(NODE_WORDS[kind])}, {look}];"
    yield "  }"
