"""Boxes, frames and the lines between them, in points: lines run in gutters, never over a box.

Pure. A line leaves a box at its lower or upper side, follows a lane in the gutter there, changes rows in a
gutter between columns (or through a column that is empty on the way), and enters the other box. Lines that
share a gutter get lanes of their own, and the gutter gets as wide as its lanes need.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nix_gen.draw.grid import Area, Cell, Edge, Grid, arrange

BOX_WIDTH: Final = 168.0
BOX_HEIGHT: Final = 50.0
LANE: Final = 9.0
"""Distance between lines that run side by side."""
PORT_STEP: Final = 18.0
"""Distance between lines that leave a box on one side, unless there are too many."""
FRAME_PADDING: Final = 16.0
TITLE_HEIGHT: Final = 24.0
GAP: Final = 22.0
"""Least room between a box and the lanes beside it; more than the padding of a frame."""
_NEAR: Final = 6.0
"""Two upright lines closer than this look like one."""
_NOMINAL: Final = 1000.0
"""Width of a column while lanes are being dealt out and no widths are known."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangle:
    """A box or a frame."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything is, in points from the upper left."""

    boxes: Mapping[str, Rectangle]
    frames: Mapping[str, Rectangle]
    lines: tuple[tuple[Point, ...], ...]
    """Corners of each line, in the order of the edges; at least two, and every piece upright or level."""
    width: float
    height: float


@dataclass(slots=True)
class _Line:
    """One line before its lanes have places."""

    source: Cell
    target: Cell
    gutters: tuple[int, ...]
    """Level gutters it runs in; none where it leads straight to the box beside."""
    track: tuple[str, int] | None = None
    """Where it changes rows: `("gutter", 2)` or `("column", 1)`."""
    offsets: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Of its ends from the middles of their boxes."""
    lanes: list[int] = field(default_factory=list)
    """In each of its level gutters."""
    track_lane: int = 0


def lay_out(groups: Mapping[str, Sequence[str]], edges: Sequence[Edge]) -> Layout:
    """Lay out boxes in frames, and lines between them.

    Args:
        groups: boxes by frame; every box is in one frame.
        edges: pairs of boxes, and what they say about where their ends stand.
    """
    grid = arrange(groups, edges)
    taken = set(grid.cells.values())
    lines = [_planned(grid.cells[source], grid.cells[target], taken, grid) for source, target, _ in edges]
    _spread_ports(lines)
    return _Measured(grid, lines).layout()


def _planned(source: Cell, target: Cell, taken: set[Cell], grid: Grid) -> _Line:
    """Which gutters a line takes."""
    (from_column, from_row), (to_column, to_row) = source, target
    if from_row == to_row:
        beside = abs(from_column - to_column) == 1
        return _Line(source, target, gutters=() if beside else (from_row,))
    down = to_row > from_row
    first, last = (from_row + 1, to_row) if down else (from_row, to_row + 1)
    if first == last:
        return _Line(source, target, gutters=(first,))
    between = range(min(first, last), max(first, last))
    tracks = [
        (abs(from_column + 0.5 - x) + abs(to_column + 0.5 - x), 1, ("gutter", x))
        for x in range(grid.columns + 1)
    ]
    tracks += [
        (abs(from_column - x) + abs(to_column - x), 0, ("column", x))
        for x in range(min(from_column, to_column), max(from_column, to_column) + 1)
        if not any((x, row) in taken for row in between)
    ]
    middle = (from_column + to_column) / 2
    best = min(tracks, key=lambda one: (one[0], one[1], abs(one[2][1] - middle), one[2]))
    return _Line(source, target, gutters=(first, last), track=best[2])


def _spread_ports(lines: Sequence[_Line]) -> None:
    """Give the lines at one side of a box places of their own, in the order of where they lead."""
    sides: dict[tuple[Cell, str], list[tuple[float, int, int]]] = {}
    for number, line in enumerate(lines):
        for end, (cell, other) in enumerate(((line.source, line.target), (line.target, line.source))):
            if line.gutters:
                gutter = line.gutters[0] if end == 0 else line.gutters[-1]
                side = "top" if gutter == cell[1] else "bottom"
                goal = (
                    float(other[0])
                    if line.track is None
                    else line.track[1] - (line.track[0] == "gutter") * 0.5
                )
                sides.setdefault((cell, side), []).append((goal, number, end))
            else:
                side = "left" if other[0] < cell[0] else "right"
                pair = (min(cell, other), "beside")
                sides.setdefault(pair, []).append((0.0, number, end))
    for (_, side), ends in sides.items():
        if side == "beside":
            numbers = sorted({number for _, number, _ in ends})
            room = (BOX_HEIGHT - 16) / max(len(numbers) - 1, 1)
            for place, offset in zip(numbers, _around(len(numbers), min(12.0, room)), strict=True):
                lines[place].offsets[:] = [offset, offset]
            continue
        room = (BOX_WIDTH - 28) / max(len(ends) - 1, 1)
        for (_, number, end), offset in zip(
            sorted(ends), _around(len(ends), min(PORT_STEP, room)), strict=True
        ):
            lines[number].offsets[end] = offset
    _part_facing_ports(lines, sides)


def _around(count: int, step: float) -> list[float]:
    return [(index - (count - 1) / 2) * step for index in range(count)]


def _part_facing_ports(
    lines: Sequence[_Line], sides: Mapping[tuple[Cell, str], list[tuple[float, int, int]]]
) -> None:
    """Move ports that face another line's port across a gutter: the two would look like one line."""
    for ((column, row), side), ends in sides.items():
        if side != "top":
            continue
        facing = sides.get(((column, row - 1), "bottom"), [])
        for _, number, end in ends:
            others = [lines[n].offsets[e] for _, n, e in facing if n != number]
            own = [lines[n].offsets[e] for _, n, e in ends if n != number]
            offset = lines[number].offsets[end]
            step = next(
                shift
                for shift in itertools.chain([0.0], _shifts())
                if all(abs(offset + shift - other) >= _NEAR for other in (*others, *own))
                or abs(shift) > BOX_WIDTH / 3
            )
            lines[number].offsets[end] = offset + step


def _shifts() -> Iterable[float]:
    for distance in itertools.count(1):
        yield distance * _NEAR
        yield -distance * _NEAR


class _Measured:
    """The grid with lanes dealt out and widths known."""

    def __init__(self, grid: Grid, lines: Sequence[_Line]) -> None:
        self.grid = grid
        self.lines = lines
        self.level = self._deal_level()
        self.upright = self._deal_upright()
        self.lefts = self._lefts()
        self.tops = self._tops()

    def layout(self) -> Layout:
        boxes = {
            name: Rectangle(x=self.lefts[column], y=self.tops[row], width=BOX_WIDTH, height=BOX_HEIGHT)
            for name, (column, row) in self.grid.cells.items()
        }
        frames = {name: self._frame(area) for name, area in self.grid.areas.items()}
        return Layout(
            boxes=boxes,
            frames=frames,
            lines=tuple(self._corners(line) for line in self.lines),
            width=self.lefts[self.grid.columns - 1] + BOX_WIDTH + self._gutter_width(self.grid.columns),
            height=self.tops[self.grid.rows - 1] + BOX_HEIGHT + self._gutter_height(self.grid.rows),
        )

    def _deal_level(self) -> dict[int, int]:
        """Lanes of each level gutter, how many."""
        wanted: dict[int, list[tuple[float, float, int, int]]] = {}
        for number, line in enumerate(self.lines):
            line.lanes = [0] * len(line.gutters)
            xs = [self._nominal(line.source, line.offsets[0]), self._nominal(line.target, line.offsets[1])]
            stops = [xs[0], xs[1]]
            if line.track is not None:
                track = (line.track[1] + (line.track[0] == "column") * 0.5) * _NOMINAL
                stops = [xs[0], track, xs[1]]
            for index, gutter in enumerate(line.gutters):
                ends = sorted(stops[index : index + 2])
                wanted.setdefault(gutter, []).append((ends[0], ends[1], number, index))
        counts = {}
        for gutter, pieces in wanted.items():
            lanes = _dealt([(start, end) for start, end, _, _ in sorted(pieces)], apart=_NOMINAL * 0.12)
            for (_, _, number, index), lane in zip(sorted(pieces), lanes, strict=True):
                self.lines[number].lanes[index] = lane
            counts[gutter] = max(lanes) + 1
        return counts

    def _deal_upright(self) -> dict[tuple[str, int], int]:
        """Lanes of each upright track, how many."""
        wanted: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
        for number, line in enumerate(self.lines):
            if line.track is not None:
                wanted.setdefault(line.track, []).append((*sorted(map(float, line.gutters)), number))  # type: ignore[arg-type]
        counts = {}
        for track, pieces in wanted.items():
            lanes = _dealt([(start, end) for start, end, _ in sorted(pieces)], apart=0.5)
            for (_, _, number), lane in zip(sorted(pieces), lanes, strict=True):
                self.lines[number].track_lane = lane
            counts[track] = max(lanes) + 1
        return counts

    @staticmethod
    def _nominal(cell: Cell, offset: float) -> float:
        return (cell[0] + 0.5 + offset / BOX_WIDTH * 0.8) * _NOMINAL

    def _gutter_width(self, index: int) -> float:
        return 2 * GAP + self.upright.get(("gutter", index), 0) * LANE

    def _gutter_height(self, index: int) -> float:
        return GAP + self.level.get(index, 0) * LANE + self._head(index)

    def _head(self, row: int) -> float:
        """Room above a row, below the lanes: for titles where frames begin."""
        begins = any(area.top == row for area in self.grid.areas.values())
        return GAP + (TITLE_HEIGHT if begins else 0.0)

    def _lefts(self) -> list[float]:
        lefts, x = [], 0.0
        for column in range(self.grid.columns):
            x += self._gutter_width(column)
            lefts.append(x)
            x += BOX_WIDTH
        return lefts

    def _tops(self) -> list[float]:
        tops, y = [], 0.0
        for row in range(self.grid.rows):
            y += self._gutter_height(row)
            tops.append(y)
            y += BOX_HEIGHT
        return tops

    def _frame(self, area: Area) -> Rectangle:
        x, y = self.lefts[area.left] - FRAME_PADDING, self.tops[area.top] - FRAME_PADDING - TITLE_HEIGHT
        right = self.lefts[area.right] + BOX_WIDTH + FRAME_PADDING
        bottom = self.tops[area.bottom] + BOX_HEIGHT + FRAME_PADDING
        return Rectangle(x=x, y=y, width=right - x, height=bottom - y)

    def _lane_y(self, gutter: int, lane: int) -> float:
        below = self.tops[gutter - 1] + BOX_HEIGHT if gutter > 0 else 0.0
        return below + GAP + (lane + 0.5) * LANE

    def _track_x(self, track: tuple[str, int], lane: int) -> float:
        kind, index = track
        count = self.upright[track]
        if kind == "column":
            return self.lefts[index] + BOX_WIDTH / 2 + (lane - (count - 1) / 2) * LANE
        right = (
            self.lefts[index]
            if index < self.grid.columns
            else self.lefts[-1] + BOX_WIDTH + self._gutter_width(index)
        )
        return right - self._gutter_width(index) / 2 + (lane - (count - 1) / 2) * LANE

    def _corners(self, line: _Line) -> tuple[Point, ...]:
        (from_column, from_row), (to_column, to_row) = line.source, line.target
        if not line.gutters:
            y = self.tops[from_row] + BOX_HEIGHT / 2 + line.offsets[0]
            left_first = from_column < to_column
            start = self.lefts[from_column] + (BOX_WIDTH if left_first else 0.0)
            end = self.lefts[to_column] + (0.0 if left_first else BOX_WIDTH)
            return ((start, y), (end, y))
        start_x = self.lefts[from_column] + BOX_WIDTH / 2 + line.offsets[0]
        end_x = self.lefts[to_column] + BOX_WIDTH / 2 + line.offsets[1]
        start_y = self.tops[from_row] + (0.0 if line.gutters[0] == from_row else BOX_HEIGHT)
        end_y = self.tops[to_row] + (0.0 if line.gutters[-1] == to_row else BOX_HEIGHT)
        levels = [self._lane_y(gutter, lane) for gutter, lane in zip(line.gutters, line.lanes, strict=True)]
        points = [(start_x, start_y), (start_x, levels[0])]
        if line.track is not None:
            x = self._track_x(line.track, line.track_lane)
            points += [(x, levels[0]), (x, levels[1])]
        points += [(end_x, levels[-1]), (end_x, end_y)]
        return _without_needless(points)


def _without_needless(points: Sequence[Point]) -> tuple[Point, ...]:
    """The corners without those that are no corners."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and (
            kept[-2][0] == kept[-1][0] == point[0] or kept[-2][1] == kept[-1][1] == point[1]
        ):
            kept[-1] = point
        else:
            kept.append(point)
    return tuple(kept)


def _dealt(pieces: Sequence[tuple[float, float]], *, apart: float) -> list[int]:
    """A lane for each piece, so that no two in one lane touch; pieces come sorted by where they begin."""
    free: list[float] = []
    lanes = []
    for start, end in pieces:
        lane = next((index for index, until in enumerate(free) if until + apart < start), len(free))
        if lane == len(free):
            free.append(end)
        else:
            free[lane] = end
        lanes.append(lane)
    return lanes
