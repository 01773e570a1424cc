"""Colours of the pictures: readable on light and on dark paper. Pure data."""

from __future__ import annotations

from typing import Final

NODE_COLOURS: Final = {
    "agent": "#b4530a",
    "database": "#2563ad",
    "load_balancer": "#7c3fb0",
    "message_bus": "#0f7f73",
    "monitoring": "#a8326e",
    "service": "#4b6478",
    "storage": "#8a6d1c",
}
EDGE_COLOURS: Final = {
    "cluster": "#3a78d0",
    "connects_to": "#5b6b7f",
    "data_flow": "#2f7fbf",
    "depends_on": "#8b95a5",
    "load_balances": "#8b4fc0",
    "manages": "#c0661d",
    "monitors": "#c2447f",
    "mounts_volume": "#a5862b",
    "publishes_to": "#159a8c",
    "replicates": "#3a78d0",
    "subscribes_to": "#159a8c",
}
