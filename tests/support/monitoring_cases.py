"""Graphs with one fault of monitoring each, and exactly what is said of it."""

from __future__ import annotations

from typing import Any

Node = dict[str, Any]


def monitor(engine: str, node_id: str, **more: Any) -> Node:
    """A monitoring node."""
    return {"kind": "monitoring", "id": node_id, "engine": engine, **more}


def watches(source: str, target: str, **more: Any) -> Node:
    """A `monitors` edge."""
    return {"kind": "monitors", "source": source, "target": target, **more}


HOSTS: list[Node] = [
    {"kind": "host", "id": "alpha", "addresses": ["10.0.0.1"]},
    {"kind": "host", "id": "beta", "addresses": ["10.0.0.2"]},
]
CACHE: Node = {"kind": "database", "id": "cache", "engine": "redis"}

MONITORING_CASES: list[tuple[list[Node], list[Node], str]] = [
    (
        [monitor("prometheus", "p")],
        [],
        "warning watches-nothing: p: the prometheus watches nothing; add a monitors edge",
    ),
    (
        [monitor("grafana", "g")],
        [],
        (
            "warning shows-nothing: g: no edge leads to a prometheus or loki, so there is nothing to show; "
            "add a monitors edge to one"
        ),
    ),
    (
        [monitor("alertmanager", "a")],
        [],
        "warning tells-nobody: a: it has no receivers, so nobody hears of an alert; add receivers",
    ),
    (
        [monitor("loki", "l", ports=[{"port": 3100, "published": 3100}])],
        [],
        (
            "warning exposed-monitoring: l: port 3100 of the loki, which has no login, is published on every "
            "address; publish it on 127.0.0.1 or not at all"
        ),
    ),
    (
        [monitor("postgres_exporter", "e"), CACHE],
        [watches("e", "cache")],
        (
            "warning cannot-watch: e -monitors-> cache: a postgres_exporter cannot watch a redis; "
            "let it watch a postgresql"
        ),
    ),
    (
        [*HOSTS, monitor("redis_exporter", "e", host="alpha"), {**CACHE, "host": "beta"}],
        [watches("e", "cache")],
        (
            "error exporter-elsewhere: e -monitors-> cache: the exporter stands on alpha, and cache on beta; "
            "place the exporter on beta"
        ),
    ),
]
