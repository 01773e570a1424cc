"""Hypothesis strategy for graphs in which many nodes on several hosts connect in every way."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nix_gen.graph import Graph
from nix_gen.rules.structure import PAIRINGS

_HOSTS: list[dict[str, Any]] = [
    {"kind": "host", "id": "alpha", "addresses": ["10.1.0.1", "fd00::1"]},
    {"kind": "host", "id": "beta", "addresses": ["10.1.0.2"], "ssh": {"hosts": True}},
    {"kind": "host", "id": "gamma", "addresses": ["10.1.0.3", "10.2.0.3", "fd00::3"], "ssh": {"port": 2022}},
]
_SHAPES: list[dict[str, Any]] = [
    {"kind": "service", "image": "app"},
    {"kind": "service", "image": "app", "replicas": 3},
    {"kind": "agent", "package": "hello"},
    {"kind": "service", "command": ["/bin/serve"]},
    {"kind": "database", "engine": "postgresql"},
    {"kind": "database", "engine": "redis"},
    {"kind": "database", "engine": "mariadb"},
    {"kind": "database", "engine": "mongodb"},
    {"kind": "message_bus", "engine": "nats", "cluster": {"name": "one"}},
    {"kind": "message_bus", "engine": "nats", "image": "nats"},
    {"kind": "load_balancer", "mode": "tcp"},
    {"kind": "load_balancer", "mode": "tcp", "engine": "haproxy"},
    {"kind": "monitoring", "engine": "prometheus", "image": "prom/prometheus"},
]
_PORTED = frozenset({"database", "message_bus", "monitoring"})


@st.composite
def networked_graphs(draw: st.DrawFn) -> Graph:
    """Two to eight nodes on three hosts, and edges of any kind that fits between any two."""
    nodes: list[dict[str, Any]] = []
    for index, shape in enumerate(draw(st.lists(st.sampled_from(_SHAPES), min_size=2, max_size=8))):
        port = 7000 + 20 * index
        node = {**shape, "id": f"n{index}", "host": draw(st.sampled_from(["alpha", "beta", "gamma"]))}
        if shape["kind"] in _PORTED:
            node["port"] = port
        if "cluster" in node:
            node["cluster"] = {"name": "one", "port": port + 5}
        if shape["kind"] == "load_balancer":
            node["listen"] = [port]
        else:
            node["ports"] = draw(st.lists(_bindings(port), max_size=2, unique_by=lambda one: one["port"]))
        nodes.append(node)
    edges = draw(st.lists(_edges(nodes), max_size=14))
    return Graph.model_validate({"name": "net", "nodes": [*_HOSTS, *nodes], "edges": edges})


@st.composite
def _bindings(draw: st.DrawFn, first: int) -> dict[str, Any]:
    port = first + draw(st.integers(7, 9))
    published = draw(st.sampled_from([None, port, port + 4]))
    address = draw(st.sampled_from([None, "127.0.0.1"])) if published is not None else None
    return {
        "port": port, "published": published, "address": address,
        "protocol": draw(st.sampled_from(["tcp", "tcp", "udp"])),
    }  # fmt: skip


@st.composite
def _edges(draw: st.DrawFn, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    first, second = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
    fitting = [
        kind
        for kind, (sources, targets) in sorted(PAIRINGS.items())
        if first["kind"] in sources and second["kind"] in targets and kind != "mounts_volume"
    ]
    # Every kind of node may open a connection.
    kind = draw(st.sampled_from([*fitting, "connects_to"]))
    edge = {"kind": kind, "source": first["id"], "target": second["id"]}
    if kind in {"connects_to", "data_flow"} and draw(st.booleans()):
        bindings = second.get("ports") or [{"port": 7999, "protocol": "tcp"}]
        return {**edge, "port": bindings[0]["port"], "protocol": bindings[0]["protocol"]}
    if kind == "monitors" and draw(st.booleans()):
        return {**edge, "port": 7000 + 20 * int(second["id"][1:]) + draw(st.integers(0, 12))}
    return edge
