"""Deployment graphs of ten thousand nodes that nobody runs: stars, one host, a thousand hosts, dense edges.

Each asks for what an even graph hides: work for each edge that should be done for each node, and work for
each host that should be done for each change. Deterministic.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

NODES_COUNT = 10_000
REPLICAS_COUNT = 100
DENSE_COUNT, DENSE_EDGES_COUNT = 1_000, 99
Part = dict[str, Any]
Shape = tuple[list[Part], list[Part]]


def shapes() -> dict[str, Callable[[], dict[str, Any]]]:
    """How to make the node-link data of each shape, by its name."""
    made: dict[str, Callable[[], Shape]] = {
        "nginx before all others": lambda: _star(
            {"kind": "load_balancer", "engine": "nginx"}, "load_balances", hosts_count=1
        ),
        "haproxy before all others": lambda: _star(
            {"kind": "load_balancer", "engine": "haproxy"}, "load_balances", hosts_count=1
        ),
        "prometheus watches all others": lambda: _star(
            {"kind": "monitoring", "engine": "prometheus"}, "monitors", hosts_count=100
        ),
        "all use one postgresql": lambda: _crowd(_DATABASE, "connects_to", hosts_count=100),
        "all use one nats": lambda: _crowd({"kind": "message_bus"}, "publishes_to", hosts_count=100),
        "a chain on one host": lambda: _chain(1),
        "a chain on 1,000 hosts": lambda: _chain(1_000),
        "9,000 to place on 1,000 hosts": lambda: _to_place(apart=False),
        "each apart from the last": lambda: _to_place(apart=True),
        "90 nodes of 100 replicas": _spread,
        "99,000 edges among 1,000": _dense,
    }
    return {name: lambda make=make: _data(*make()) for name, make in made.items()}  # type: ignore[misc]


_DATABASE: Part = {
    "kind": "database",
    "engine": "postgresql",
    "databases": ["app"],
    "users": [{"name": "app", "password": "app", "owns": ["app"]}],
}


def _data(nodes: list[Part], edges: list[Part]) -> dict[str, Any]:
    return {"graph": {"name": "bench"}, "nodes": nodes, "edges": edges}


def _hosts(count: int) -> list[Part]:
    return [
        {"kind": "host", "id": f"h{index}", "addresses": [f"192.168.{index // 250}.{index % 250 + 1}"]}
        for index in range(count)
    ]


def _services(count: int, hosts_count: int, **fields: Any) -> list[Part]:
    return [
        {
            "kind": "service",
            "id": f"s{index}",
            "image": "nginx:1",
            "host": f"h{index % hosts_count}",
            **fields,
        }
        for index in range(count)
    ]


def _star(middle: Part, kind: str, hosts_count: int) -> Shape:
    """One node that asks all others."""
    leaves = _services(NODES_COUNT - hosts_count - 1, hosts_count)
    for index, leaf in enumerate(leaves):
        leaf["ports"] = [{"port": 1_024 + index}]
    edges = [{"kind": kind, "source": "middle", "target": leaf["id"]} for leaf in leaves]
    return [*_hosts(hosts_count), {"id": "middle", "host": "h0", **middle}, *leaves], edges


def _crowd(middle: Part, kind: str, hosts_count: int) -> Shape:
    """One node that all others ask."""
    leaves = _services(NODES_COUNT - hosts_count - 1, hosts_count)
    edges = [{"kind": kind, "source": leaf["id"], "target": "middle"} for leaf in leaves]
    return [*_hosts(hosts_count), {"id": "middle", "host": "h0", **middle}, *leaves], edges


def _chain(hosts_count: int) -> Shape:
    """Each container starts after an earlier one."""
    chosen = random.Random(1)
    count = NODES_COUNT - hosts_count
    edges = [
        {"kind": "depends_on", "source": f"s{index}", "target": f"s{chosen.randrange(index)}"}
        for index in range(1, count)
    ]
    return [*_hosts(hosts_count), *_services(count, hosts_count)], edges


def _to_place(*, apart: bool) -> Shape:
    nodes: list[Part] = [{"kind": "service", "id": f"s{index}", "image": "nginx:1"} for index in range(9_000)]
    if apart:
        for last, node in itertools.pairwise(nodes):
            node["placement"] = {"apart_from": [last["id"]]}
    return [*_hosts(1_000), *nodes], []


def _spread() -> Shape:
    nodes = [
        {"kind": "service", "id": f"s{index}", "image": "nginx:1", "replicas": REPLICAS_COUNT,
         "placement": {"spread": "host"}}
        for index in range(90)
    ]  # fmt: skip
    return [*_hosts(1_000), *nodes], []


def _dense() -> Shape:
    nodes = _services(DENSE_COUNT, 10)
    for index, node in enumerate(nodes):
        node["ports"] = [{"port": 1_024 + index}]
    edges = [
        {"kind": "connects_to", "source": f"s{index}", "target": f"s{other}", "port": 1_024 + other}
        for index in range(DENSE_COUNT)
        for other in ((index + step) % DENSE_COUNT for step in range(1, DENSE_EDGES_COUNT + 1))
    ]
    return [*_hosts(10), *nodes], edges
