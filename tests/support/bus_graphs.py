"""Graphs around NATS: a mesh of three hosts, and clients whose edges say different things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nix_gen.graph import Graph

ADDRESSES = {f"h{number}": f"10.77.0.{number}" for number in (1, 2, 3)}
"""Host id -> its address."""
STREAM = "ORDERS"
CLIENTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "shop": ("service", [{"kind": "publishes_to", "subjects": ["orders.new", "orders.*.paid"]}]),
    "billing": (
        "service",
        [
            {"kind": "subscribes_to", "subjects": ["orders.>", "invoices.make"], "responds": True},
            {"kind": "publishes_to", "subjects": ["invoices.made"]},
        ],
    ),
    "silent": ("service", [{"kind": "subscribes_to", "subjects": ["orders.new"]}]),
    "archive": ("service", [{"kind": "subscribes_to", "stream": STREAM, "subjects": ["orders.new"]}]),
    "ledger": ("service", [{"kind": "subscribes_to", "stream": STREAM, "durable": "ledger"}]),
    "steward": ("service", [{"kind": "publishes_to", "subjects": ["orders.>"], "administers_streams": True}]),
    "free": ("service", [{"kind": "publishes_to"}, {"kind": "subscribes_to"}]),
    "reviewer": ("agent", [{"kind": "publishes_to"}, {"kind": "subscribes_to", "subjects": ["orders.new"]}]),
}
"""Client id -> kind of node, and its edges to a bus."""


def mesh(keys: Mapping[str, str], **cluster: Any) -> Graph:
    """Three NATS servers on three hosts that know each other, and every client of `keys` with its key."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for number, (host, address) in enumerate(ADDRESSES.items(), start=1):
        nodes.append({"kind": "host", "id": host, "addresses": [address], "zone": f"z{number}"})
        membership = {"name": "mesh", **cluster}
        bus = {"kind": "message_bus", "id": f"n{number}", "host": host, "cluster": membership}
        nodes.append({**bus, "jetstream": True, "monitor_port": 8222})
    for place, (name, key) in enumerate(sorted(keys.items())):
        kind, said = CLIENTS[name]
        number = place % len(ADDRESSES) + 1
        nodes.append({"kind": kind, "id": name, "host": f"h{number}", "package": "hello", "nkey": key})
        edges += [{"source": name, "target": f"n{number}", **edge} for edge in said]
    return Graph.model_validate({"name": "mesh", "nodes": nodes, "edges": edges})
