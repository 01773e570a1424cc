"""Draws a run, as SVG: tasks per second and latency of each variant. Runs in the peers' environment.

python plot.py FILE.svg OURS < summary.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

_OURS = "#1b6ca8"
_PEER = "#b8b8b8"


def draw(lines: list[dict[str, Any]], *, ours: str, file: str) -> None:
    """Two bar charts side by side; the rounds as dots on the bars of the first."""
    mpl.rcParams["svg.hashsalt"] = "conclave"
    mpl.rcParams["svg.fonttype"] = "none"
    lines.reverse()  # the first one on top
    names = [each["variant"] for each in lines]
    colours = [_OURS if each["system"] == ours else _PEER for each in lines]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.5 * len(lines) + 1.6), sharey=True)
    left.barh(names, [each["rate"] for each in lines], color=colours)
    for row, each in enumerate(lines):
        left.plot(each["rates"], [row] * len(each["rates"]), "k.", markersize=4)
        left.annotate(f" {each['rate']:,.0f}", (max(each["rates"]), row), va="center", fontsize=8)
    left.set_xlabel("completed tasks per second (bar: median, dots: rounds)")
    left.margins(x=0.15)
    right.barh(names, [each["done_p50_ms"] for each in lines], color=colours)
    for row, each in enumerate(lines):
        text = f" {each['done_p50_ms']:.2f} (p99 {each['done_p99_ms']:.1f})"
        right.annotate(text, (each["done_p50_ms"], row), va="center", fontsize=8)
    right.set_xlabel("submission to result, p50 in ms")
    right.margins(x=0.25)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.load(sys.stdin), ours=sys.argv[2], file=sys.argv[1])
