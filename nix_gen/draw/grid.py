"""Puts boxes into the cells of a grid: sources above targets, the boxes of a group in one rectangle.

Pure and independent of what the boxes mean. Rows come from the longest path of edges above a box; groups are
packed beside each other where their rows allow it and below each other where the picture would get too wide;
a few sweeps move every box towards its neighbours.

Complexity: linear in boxes and edges apart from sorting, times a constant number of sweeps.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SWEEPS_COUNT = 6
WIDENING: Final = 1.5
"""How much wider than high a picture may get, in cells."""
ROW_MAX_COUNT = 6
"""Boxes of one group side by side."""

Cell = tuple[int, int]
"""Column and row."""
_Key = tuple[int, int]
"""Rank, and number of the row within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The cells of a group: columns and rows, first and last."""

    left: int
    right: int
    top: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where everything is."""

    cells: Mapping[str, Cell]
    areas: Mapping[str, Area]
    """Of groups by name; no two overlap."""
    columns: int
    rows: int


class Relation(StrEnum):
    """What an edge says about where its ends stand."""

    ABOVE = "above"
    """The first above the second, where that can be."""
    LEVEL = "level"
    """Both in one row, if nothing else says where one of them stands."""
    FREE = "free"
    """Near each other, no more."""


Edge = tuple[str, str, Relation]


def arrange(groups: Mapping[str, Sequence[str]], edges: Sequence[Edge]) -> Grid:
    """Find a cell for every box.

    Args:
        groups: boxes by group; every box is in one. A group without boxes gets one empty cell.
        edges: pairs of boxes.
    """
    ranks = _ranks([box for boxes in groups.values() for box in boxes], edges)
    blocks = [_Block(name, boxes, ranks) for name, boxes in sorted(groups.items())]
    limit = max([math.ceil(WIDENING * math.sqrt(sum(block.size for block in blocks))), 1])
    bands = _banded(sorted(blocks, key=lambda block: (block.mean, block.name)), limit)
    neighbours: dict[str, list[str]] = {box: [] for boxes in groups.values() for box in boxes}
    for source, target, _ in edges:
        neighbours[source].append(target)
        neighbours[target].append(source)
    columns: dict[str, float] = {}
    for band in bands:
        _pack(band, columns)
    for _ in range(SWEEPS_COUNT):
        for band in bands:
            for block in band:
                block.sort_rows(columns, neighbours)
            band.sort(key=lambda block: (block.pull(columns, neighbours), block.name))
            _pack(band, columns)
    return _settled(bands)


class _Block:
    """One group while it is being arranged."""

    def __init__(self, name: str, boxes: Sequence[str], ranks: Mapping[str, int]) -> None:
        self.name = name
        self.left = 0
        limit = max(2, min(ROW_MAX_COUNT, math.ceil(math.sqrt(1.5 * len(boxes)))))
        by_rank: dict[int, list[str]] = {}
        for box in sorted(boxes):
            by_rank.setdefault(ranks[box], []).append(box)
        self.rows: dict[_Key, list[str]] = {
            (rank, number): found[start : start + limit]
            for rank, found in sorted(by_rank.items())
            for number, start in enumerate(range(0, len(found), limit))
        } or {(0, 0): []}
        self.width = max(1, *(len(row) for row in self.rows.values()), 1)
        self.mean = sum(ranks[box] for box in boxes) / len(boxes) if boxes else 0.0

    @property
    def size(self) -> int:
        """Cells it takes up."""
        return self.width * len(self.rows)

    def sort_rows(self, columns: Mapping[str, float], neighbours: Mapping[str, list[str]]) -> None:
        """Bring the boxes of each row into the order of what they are joined to."""
        for row in self.rows.values():
            row.sort(key=lambda box: (_mean(columns, neighbours[box], columns[box]), box))

    def pull(self, columns: Mapping[str, float], neighbours: Mapping[str, list[str]]) -> float:
        """The column this group would like to be at: that of its neighbours outside."""
        own = {box for row in self.rows.values() for box in row}
        outside = [other for box in own for other in neighbours[box] if other not in own]
        return _mean(columns, outside, self.left + self.width / 2)

    def place(self, left: int, columns: dict[str, float]) -> None:
        """Put the group at a column, every row in its middle."""
        self.left = left
        for row in self.rows.values():
            start = left + (self.width - len(row)) // 2
            columns.update((box, start + index) for index, box in enumerate(row))


def _mean(columns: Mapping[str, float], boxes: Iterable[str], otherwise: float) -> float:
    found = [columns[box] for box in boxes]
    return sum(found) / len(found) if found else otherwise


def _ranks(boxes: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The longest way to each box from above; a circle is broken at its least depended box."""
    below: dict[str, set[str]] = {box: set() for box in boxes}
    above: dict[str, set[str]] = {box: set() for box in boxes}
    for source, target, relation in edges:
        if relation is Relation.ABOVE:
            below[source].add(target)
            above[target].add(source)
    waiting = {box: len(sources) for box, sources in above.items()}
    heap = [(count, box) for box, count in waiting.items()]
    heapq.heapify(heap)
    ranks: dict[str, int] = {}
    while heap:
        count, box = heapq.heappop(heap)
        if box in ranks or count != waiting[box]:
            continue
        ranks[box] = max((ranks[source] + 1 for source in above[box] if source in ranks), default=0)
        for target in below[box]:
            if target not in ranks:
                waiting[target] -= 1
                heapq.heappush(heap, (waiting[target], target))
    _come_down(boxes, edges, ranks, above, below)
    return ranks


def _come_down(
    boxes: Sequence[str],
    edges: Sequence[Edge],
    ranks: dict[str, int],
    above: Mapping[str, set[str]],
    below: Mapping[str, set[str]],
) -> None:
    """Bring boxes that nothing is above down to what they need, and loose ones to their equals."""
    for box in boxes:
        if not above[box] and below[box]:
            ranks[box] = max(0, min(ranks[target] for target in below[box]) - 1)
    for source, target, relation in edges:
        if relation is Relation.LEVEL:
            for box, other in ((source, target), (target, source)):
                if not above[box] and not below[box]:
                    ranks[box] = max(ranks[box], ranks[other])


def _banded(blocks: Iterable[_Block], limit: int) -> list[list[_Block]]:
    """Groups side by side, as many as fit into the width."""
    bands: list[list[_Block]] = []
    for block in blocks:
        if bands and _pack([*bands[-1], block], {}) <= max(limit, block.width):
            bands[-1].append(block)
        else:
            bands.append([block])
    return bands


def _pack(band: Sequence[_Block], columns: dict[str, float]) -> int:
    """Put each group as far left as its rows allow; the width of all."""
    rows = {key: number for number, key in enumerate(sorted({key for block in band for key in block.rows}))}
    filled = [0] * len(rows)
    for block in band:
        span = range(min(rows[key] for key in block.rows), max(rows[key] for key in block.rows) + 1)
        left = max(filled[row] for row in span)
        block.place(left, columns)
        for row in span:
            filled[row] = left + block.width
    return max(filled, default=0)


def _settled(bands: Iterable[list[_Block]]) -> Grid:
    cells: dict[str, Cell] = {}
    areas: dict[str, Area] = {}
    first = 0
    for band in bands:
        columns: dict[str, float] = {}
        _pack(band, columns)
        keys = sorted({key for block in band for key in block.rows})
        rows = {key: first + number for number, key in enumerate(keys)}
        for block in band:
            used = [rows[key] for key in block.rows]
            areas[block.name] = Area(
                left=block.left, right=block.left + block.width - 1, top=min(used), bottom=max(used)
            )
            for key, row in block.rows.items():
                cells.update((box, (int(columns[box]), rows[key])) for box in row)
        first += len(keys)
    width = max((area.right for area in areas.values()), default=0) + 1
    return Grid(cells=cells, areas=areas, columns=width, rows=max(first, 1))
