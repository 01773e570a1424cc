"""Deployment graphs of any size that look like what people run: cells of three hosts, joined with each other.

A cell of 50 nodes: three hosts; a load balancer before four web containers; 14 programs and nine agents;
a PostgreSQL primary with a replica, a redis; a NATS cluster of three; local volumes and a share; a Prometheus
and eight jobs that name no host and have to be placed. Every kind of edge occurs. Deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

CELL_COUNT = 50
"""Nodes of one cell."""
Part = dict[str, Any]


def deployment(nodes_count: int) -> dict[str, Any]:
    """Node-link data of a graph with about as many nodes: whole cells, at least one."""
    cells_count = max(1, nodes_count // CELL_COUNT)
    nodes: list[Part] = []
    edges: list[Part] = []
    for cell in range(cells_count):
        nodes += _nodes(cell)
        edges += _edges(cell)
        if cell:
            edges.append(_edge(f"web{cell}-0", "connects_to", f"web{cell - 1}-0", port=8000))
    return {"graph": {"name": "bench"}, "nodes": nodes, "edges": edges}


def _edge(source: str, kind: str, target: str, **fields: Any) -> Part:
    return {"source": source, "kind": kind, "target": target, **fields}


def _nodes(cell: int) -> Iterator[Part]:
    hosts = [f"h{cell}-{index}" for index in range(3)]
    for index, host in enumerate(hosts):
        address = f"10.{cell // 200}.{cell % 200}.{index + 1}"
        yield {"id": host, "kind": "host", "addresses": [address], "zone": f"zone-{index}"}
    yield {"id": f"gate{cell}", "kind": "load_balancer", "listen": [80], "host": hosts[0],
           "ports": [{"port": 80, "published": 80}]}  # fmt: skip
    for index in range(4):
        yield {"id": f"web{cell}-{index}", "kind": "service", "image": "registry.example/web:1.2",
               "host": hosts[index % 3], "ports": [{"port": 8000 + index}],
               "environment": {"DB_HOST": f"db{cell}", "CACHE": f"cache{cell}", "LEVEL": "info"},
               "secrets": [{"name": f"db{cell}", "env": "DB_PASSWORD"}], "restart": "always",
               "health_check": {"command": ["web", "check"], "interval_ms": 10_000},
               "resources": {"cpu_limit_milli": 500, "memory_limit_bytes": 256 * 2**20}}  # fmt: skip
    for index in range(14):
        yield {"id": f"api{cell}-{index}", "kind": "service", "package": "hello", "host": hosts[index % 3],
               "command": ["--port", str(9000 + index)], "ports": [{"port": 9000 + index}],
               "environment": {"GREETING": "50 % of ${all}", "PEER": f"web{cell}-0"}}  # fmt: skip
    for index in range(9):
        yield {"id": f"agent{cell}-{index}", "kind": "agent", "package": "hello", "host": hosts[index % 3],
               "capabilities": ["python", "review"], "restart": "always"}  # fmt: skip
    yield {"id": f"db{cell}", "kind": "database", "engine": "postgresql", "host": hosts[0],
           "databases": ["app"], "settings": {"max_connections": 200},
           "users": [{"name": "app", "password": f"db{cell}", "owns": ["app"]}]}  # fmt: skip
    yield {"id": f"copy{cell}", "kind": "database", "engine": "postgresql", "host": hosts[1]}
    yield {"id": f"cache{cell}", "kind": "database", "engine": "redis", "host": hosts[2]}
    for index, host in enumerate(hosts):
        yield {"id": f"bus{cell}-{index}", "kind": "message_bus", "jetstream": True, "host": host,
               "cluster": {"name": f"cell{cell}"}, "monitor_port": 8222}  # fmt: skip
    for index in range(3):
        yield {"id": f"disk{cell}-{index}", "kind": "storage", "host": hosts[index]}
    yield {
        "id": f"share{cell}",
        "kind": "storage",
        "storage": "nfs",
        "server": "nas.example",
        "path": "/export",
    }
    yield {"id": f"watch{cell}", "kind": "monitoring", "engine": "prometheus", "host": hosts[2]}
    for index in range(8):
        yield {"id": f"job{cell}-{index}", "kind": "service", "package": "hello", "restart": "on-failure"}


def _edges(cell: int) -> Iterator[Part]:
    for index in range(4):
        web = f"web{cell}-{index}"
        yield _edge(f"gate{cell}", "load_balances", web, port=8000 + index, weight=index + 1)
        yield _edge(web, "depends_on", f"db{cell}", condition="healthy")
        yield _edge(web, "connects_to", f"db{cell}", port=5432)
        yield _edge(web, "connects_to", f"cache{cell}")
        yield _edge(web, "publishes_to", f"bus{cell}-0", subjects=["orders.>"])
    for index in range(8):
        yield _edge(f"job{cell}-{index}", "data_flow", f"api{cell}-{index}", port=9000 + index)
        yield _edge(f"job{cell}-{index}", "depends_on", f"api{cell}-{index}")
    for index in range(14):
        yield _edge(f"api{cell}-{index}", "connects_to", f"bus{cell}-{index % 3}")
        yield _edge(f"api{cell}-{index}", "depends_on", f"bus{cell}-{index % 3}")
    for index in range(9):
        yield _edge(f"agent{cell}-{index}", "subscribes_to", f"bus{cell}-{index % 3}", subjects=["orders.>"])
        yield _edge(f"agent{cell}-{index}", "manages", f"web{cell}-{index % 3}")
    for index in range(3):
        yield _edge(f"web{cell}-{index}", "mounts_volume", f"disk{cell}-{index}", path="/data")
        yield _edge(f"watch{cell}", "monitors", f"bus{cell}-{index}", port=8222)
    yield _edge(f"web{cell}-3", "mounts_volume", f"share{cell}", path="/share")
    yield _edge(f"copy{cell}", "replicates", f"db{cell}")
    yield _edge(f"watch{cell}", "monitors", f"h{cell}-0")
