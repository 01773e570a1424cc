"""A graph as a Mermaid flowchart, for Markdown pages.

Pure. Texts of the graph stand in quoted labels with every character that could mean something written as a
number, so that no id and no description becomes syntax, markup or a directive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nix_gen.draw.scene import EDGE_WORDS, NODE_WORDS, Figure, Scene, scene_of
from nix_gen.graph import Graph

_SHAPES: Final = {
    "agent": ('(["', '"])'),
    "database": ('[("', '")]'),
    "load_balancer": ('{{"', '"}}'),
    "message_bus": ('[["', '"]]'),
    "monitoring": ('>"', '"]'),
    "service": ('["', '"]'),
    "storage": ('[/"', '"/]'),
}
_LINKS: Final = {
    "cluster": "---",
    "connects_to": "-->",
    "data_flow": "-->",
    "depends_on": "-.->",
    "load_balances": "==>",
    "manages": "-.->",
    "monitors": "-.->",
    "mounts_volume": "---",
    "publishes_to": "-->",
    "replicates": "<-->",
    "subscribes_to": "-->",
}
_PLAIN: Final = frozenset(" .,:/+-_@")
"""Characters beside letters and digits that mean nothing in a quoted label."""


def mermaid(graph: Graph) -> str:
    """A flowchart; ends with a line feed. The same graph gives the same text."""
    return "\n".join(_lines(scene_of(graph))) + "\n"


def label(text: str) -> str:
    """Text for a quoted label: what is not plain becomes `#number;`; line breaks become spaces."""
    shown = " ".join(text.split())
    return "".join(
        char if (char.isascii() and char.isalnum()) or char in _PLAIN else f"#{ord(char)};" for char in shown
    )


def _lines(scene: Scene) -> Iterator[str]:
    yield "flowchart TB"
    names: dict[str, str] = {}
    for number, frame in enumerate(scene.frames, start=1):
        title = f"{frame.id} {frame.detail}" if frame.id else "on no host"
        yield f'  subgraph h{number}["{label(title)}"]'
        for figure in frame.figures:
            names[figure.id] = f"n{len(names) + 1}"
            yield f"    {_node(names[figure.id], figure)}"
        yield "  end"
    for arrow in scene.arrows:
        words = EDGE_WORDS[arrow.kind] + (", waits" if arrow.waits else "")
        yield f'  {names[arrow.source]} {_LINKS[arrow.kind]}|"{words}"| {names[arrow.target]}'
    yield from _legend(scene)


def _node(name: str, figure: Figure) -> str:
    left, right = _SHAPES[figure.kind]
    detail = f"<br/>{label(figure.detail)}" if figure.detail else ""
    return f"{name}{left}{label(figure.id)}{detail}{right}"


def _legend(scene: Scene) -> Iterator[str]:
    yield '  subgraph legend["legend"]'
    yield "    direction LR"
    for kind in scene.node_kinds:
        left, right = _SHAPES[kind]
        yield f"    l_{kind}{left}{NODE_WORDS[kind]}{right}"
    yield "  end"
