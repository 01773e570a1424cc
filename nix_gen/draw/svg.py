"""A graph as an SVG picture, without any other program.

Pure. Light and dark: the picture follows the reader's preference where it is shown on a page, and is light
elsewhere. Texts of the graph are character data only; what XML cannot hold is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from nix_gen.draw.grid import Relation
from nix_gen.draw.layout import LANE, Layout, Point, Rectangle, lay_out
from nix_gen.draw.scene import EDGE_WORDS, NODE_WORDS, Arrow, Figure, Frame, Scene, scene_of
from nix_gen.draw.style import EDGE_COLOURS, NODE_COLOURS
from nix_gen.graph import Graph

CORNER: Final = 6.0
"""Radius of the bends of a line."""
_DOT: Final = 3.5
"""Radius of the dot where a line begins that also says who starts first."""
_LEGEND_STEP: Final = 156.0
_LEGEND_ROW: Final = 26.0
_ID_MAX_CHARS = 20
_DETAIL_MAX_CHARS = 27
_RELATIONS: Final = {
    "cluster": Relation.LEVEL,
    "manages": Relation.FREE,
    "monitors": Relation.FREE,
    "replicates": Relation.LEVEL,
}
"""Kinds of edge that do not say who stands above whom."""
_HEADS: Final = {
    "cluster": (),
    "mounts_volume": (),
    "replicates": ("start", "end"),
    "subscribes_to": ("start",),
}
"""Ends with an arrow head: where data goes. Of other kinds, the end."""
_DASHES: Final = {"depends_on": "5 4", "manages": "2 3", "monitors": "2 3"}
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CSS: Final = """\
svg{background:#fff;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.frame{fill:#f5f7fa;stroke:#b8c1cf}.box{fill:#fff;stroke-width:1.6}.id{font-size:13px;font-weight:600;fill:#1c2430}
.detail{font-size:10.5px;fill:#5a6577}.title{font-size:12.5px;font-weight:600;fill:#3b4657}
.halo{paint-order:stroke;stroke:#f5f7fa;stroke-width:4px;stroke-linejoin:round}
.line{fill:none;stroke-width:1.5}.name{font-size:16px;font-weight:600;fill:#1c2430}
.word{font-size:11px;fill:#5a6577}.small .box{stroke-width:5}
@media (prefers-color-scheme:dark){
svg{background:#12161d}.frame{fill:#1a2029;stroke:#3d4859}.box{fill:#222a35}
.id,.name{fill:#e8edf4}.detail,.word{fill:#a3afc0}.title{fill:#c6d0de}.halo{stroke:#1a2029}}
"""


def svg(graph: Graph) -> str:
    """An SVG document; ends with a line feed. The same graph gives the same text."""
    scene = scene_of(graph)
    groups = {frame.id: [figure.id for figure in frame.figures] for frame in scene.frames}
    edges = [
        (arrow.source, arrow.target, _RELATIONS.get(arrow.kind, Relation.ABOVE)) for arrow in scene.arrows
    ]
    return "\n".join(_document(scene, lay_out(groups, edges))) + "\n"


def text_of(given: str) -> str:
    """Text as XML character data, also fit for an attribute in double quotes."""
    legal = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", given)
    named = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))
    for char, name in named:
        legal = legal.replace(char, name)
    return " ".join(legal.split())


def _short(text: str, limit_chars: int) -> str:
    return text if len(text) <= limit_chars else f"{text[: limit_chars - 1]}\N{HORIZONTAL ELLIPSIS}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _document(scene: Scene, layout: Layout) -> Iterator[str]:
    legend = list(_legend(scene, layout.width))
    rows = (len(legend) - 1) // _per_row(layout.width) + 1
    top = 40.0
    width, height = max(layout.width, 2 * _LEGEND_STEP), layout.height + top + rows * _LEGEND_ROW + 30
    right, bottom = _number(width), _number(height)
    size = f'width="{right}" height="{bottom}" viewBox="0 0 {right} {bottom}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{text_of(scene.name)}">'
    yield f"<style>{_CSS}</style>"
    yield "<defs>"
    for kind in scene.edge_kinds:
        yield (
            f'<marker id="to-{kind}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0.8 8 4 0 7.2z" fill="{EDGE_COLOURS[kind]}"/></marker>'
        )
    yield "</defs>"
    yield f'<text class="name" x="22" y="28">{text_of(_short(scene.name, 80))}</text>'
    yield f'<g transform="translate(0 {_number(top)})">'
    yield from (_frame(layout.frames[frame.id]) for frame in scene.frames)
    yield from (_line(arrow, points) for arrow, points in zip(scene.arrows, layout.lines, strict=True))
    yield from (_title(frame, layout.frames[frame.id]) for frame in scene.frames)
    for frame in scene.frames:
        yield from (_box(figure, layout.boxes[figure.id]) for figure in frame.figures)
    yield "</g>"
    yield f'<g transform="translate(0 {_number(layout.height + top + 10)})">'
    yield from legend
    yield "</g>"
    yield "</svg>"


def _frame(at: Rectangle) -> str:
    place = (
        f'x="{_number(at.x)}" y="{_number(at.y)}" width="{_number(at.width)}" height="{_number(at.height)}"'
    )
    return f'<rect class="frame" {place} rx="10"/>'


def _title(frame: Frame, at: Rectangle) -> str:
    room = int((at.width - 24) / 7)
    name = _short(frame.id or "on no host", room)
    detail = _short(frame.detail, max(room - len(name) - 2, 0)) if frame.detail else ""
    more = f' <tspan class="detail" dx="6">{text_of(detail)}</tspan>' if len(detail) > 1 else ""
    x, y = _number(at.x + 12), _number(at.y + 18)
    return f'<text class="title halo" x="{x}" y="{y}">{text_of(name)}{more}</text>'


def _line(arrow: Arrow, points: Sequence[Point]) -> str:
    dash = f' stroke-dasharray="{_DASHES[arrow.kind]}"' if arrow.kind in _DASHES else ""
    heads = _HEADS.get(arrow.kind, ("end",))
    ends = "".join(f' marker-{end}="url(#to-{arrow.kind})"' for end in heads)
    width = ' style="stroke-width:2.4"' if arrow.kind == "load_balances" else ""
    words = f"{arrow.source} {EDGE_WORDS[arrow.kind]} {arrow.target}"
    words += f" ({arrow.count} times)" if arrow.count > 1 else ""
    words += ", and starts after it" if arrow.waits else ""
    colour = EDGE_COLOURS[arrow.kind]
    line = f'<path class="line" stroke="{colour}"{dash}{ends}{width} d="{_path(points)}"/>'
    x, y = _towards(points[0], points[1], _DOT)
    start = f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_DOT}" fill="{colour}"/>' if arrow.waits else ""
    return f"<g><title>{text_of(words)}</title>{line}{start}</g>"


def _path(points: Sequence[Point]) -> str:
    """A line with rounded bends."""
    first = points[0]
    parts = [f"M{_number(first[0])} {_number(first[1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        near, far = _towards(corner, before, radius), _towards(corner, after, radius)
        bend = f"{_number(corner[0])} {_number(corner[1])} {_number(far[0])} {_number(far[1])}"
        parts.append(f"L{_number(near[0])} {_number(near[1])}Q{bend}")
    parts.append(f"L{_number(points[-1][0])} {_number(points[-1][1])}")
    return "".join(parts)


def _distance(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: Point, goal: Point, distance: float) -> Point:
    whole = _distance(start, goal) or 1.0
    return (
        start[0] + (goal[0] - start[0]) * distance / whole,
        start[1] + (goal[1] - start[1]) * distance / whole,
    )


def _box(figure: Figure, at: Rectangle) -> str:
    colour = NODE_COLOURS[figure.kind]
    x, y = at.x + at.width / 2, at.y + (27 if figure.kind == "database" else 23)
    name, detail = _short(figure.id, _ID_MAX_CHARS), _short(figure.detail, _DETAIL_MAX_CHARS)
    whole = f"{figure.id}: {NODE_WORDS[figure.kind]}, {figure.detail}"
    whole += f". {figure.description}" if figure.description else ""
    return (
        f"<g><title>{text_of(whole)}</title>{_shape(figure.kind, at, colour)}"
        f'<text class="id" x="{_number(x)}" y="{_number(y)}" text-anchor="middle">{text_of(name)}</text>'
        f'<text class="detail" x="{_number(x)}" y="{_number(y + 15)}" text-anchor="middle">'
        f"{text_of(detail)}</text></g>"
    )


def _shape(kind: str, at: Rectangle, colour: str) -> str:
    """The outline that tells a kind of node from another: of rectangles, then of strokes over them."""
    x, y, width, height = at.x, at.y, at.width, at.height
    corners = {"agent": height / 2, "message_bus": 3.0, "monitoring": 8.0, "service": 6.0}
    shown = ""
    if kind in corners:
        shown = _rounded(at, corners[kind], f'class="box" stroke="{colour}"')
    if kind == "monitoring":
        inner = Rectangle(x=x + 3, y=y + 3, width=width - 6, height=height - 6)
        return shown + _rounded(inner, 6.0, f'fill="none" stroke="{colour}"')
    n = [_number(value) for value in (x, y, width, height, width / 2, height / 2, width - 14, height - 14)]
    side, top, flat = _number(height - 12), _number(y + 6), _number(width - 28)
    strokes: dict[str, tuple[str, ...]] = {
        "database": (
            f"M{n[0]} {top}v{side}a{n[4]} 6 0 0 0 {n[2]} 0v-{side}",
            f"M{n[0]} {top}a{n[4]} 6 0 0 1 {n[2]} 0a{n[4]} 6 0 0 1 -{n[2]} 0z",
        ),
        "load_balancer": (f"M{_number(x + 14)} {n[1]}h{flat}l14 {n[5]}l-14 {n[5]}h-{flat}l-14 -{n[5]}z",),
        "message_bus": ("".join(f"M{_number(x + inset)} {n[1]}v{n[3]}" for inset in (8, width - 8)),),
        "storage": (
            f"M{n[0]} {n[1]}h{n[6]}l14 14v{n[7]}h-{n[2]}z",
            f"M{_number(x + width - 14)} {n[1]}v14h14",
        ),
    }
    return shown + "".join(f'<path class="box" stroke="{colour}" d="{d}"/>' for d in strokes.get(kind, ()))


def _rounded(at: Rectangle, radius: float, look: str) -> str:
    place = (
        f'x="{_number(at.x)}" y="{_number(at.y)}" width="{_number(at.width)}" height="{_number(at.height)}"'
    )
    return f'<rect {look} {place} rx="{_number(radius)}"/>'


def _per_row(width: float) -> int:
    return max(2, int((width - 2 * LANE) // _LEGEND_STEP))


def _legend(scene: Scene, width: float) -> Iterator[str]:
    entries = [(NODE_WORDS[kind], _small_box(kind)) for kind in scene.node_kinds]
    entries += [(EDGE_WORDS[kind], _small_line(kind)) for kind in scene.edge_kinds]
    if any(arrow.waits for arrow in scene.arrows):
        entries.append(("and starts after it", _small_line("connects_to", waits=True)))
    per_row = _per_row(width)
    for index, (word, drawn) in enumerate(entries):
        x, y = 22 + (index % per_row) * _LEGEND_STEP, (index // per_row) * _LEGEND_ROW
        shown = f'{drawn}<text class="word" x="42" y="14">{word}</text>'
        yield f'<g transform="translate({_number(x)} {_number(y)})">{shown}</g>'


def _small_box(kind: str) -> str:
    shape = _shape(kind, Rectangle(x=0, y=0, width=168, height=50), NODE_COLOURS[kind])
    return f'<g class="small" transform="translate(0 2) scale(0.2 0.32)">{shape}</g>'


def _small_line(kind: str, *, waits: bool = False) -> str:
    arrow = Arrow(source="", target="", kind=kind, count=1, waits=waits)
    return re.sub("<title>.*?</title>", "", _line(arrow, ((0.0, 10.0), (33.0, 10.0))))
