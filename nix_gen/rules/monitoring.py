"""Monitoring nodes: whether each has something to watch, to show or to tell, and can. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.edges import ConnectsTo, DataFlow, Edge, Monitors
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import (
    BalancerEngine,
    BusEngine,
    Database,
    DatabaseEngine,
    Host,
    LoadBalancer,
    MessageBus,
    Monitoring,
    MonitoringEngine,
    Node,
)

SHOWN = frozenset({MonitoringEngine.PROMETHEUS, MonitoringEngine.LOKI, MonitoringEngine.ALERTMANAGER})
"""What Grafana has a data source for."""
_LOOPBACK = ("127.", "::1")
_WATCHERS = frozenset(
    {MonitoringEngine.PROMETHEUS, MonitoringEngine.LOKI, MonitoringEngine.BLACKBOX_EXPORTER}
)
_WATCHED = {
    MonitoringEngine.MONGODB_EXPORTER: {DatabaseEngine.MONGODB.value},
    MonitoringEngine.MYSQLD_EXPORTER: {DatabaseEngine.MYSQL.value, DatabaseEngine.MARIADB.value},
    MonitoringEngine.NATS_EXPORTER: {BusEngine.NATS.value},
    MonitoringEngine.NGINX_EXPORTER: {BalancerEngine.NGINX.value},
    MonitoringEngine.POSTGRES_EXPORTER: {DatabaseEngine.POSTGRESQL.value},
    MonitoringEngine.REDIS_EXPORTER: {DatabaseEngine.REDIS.value},
}
"""What an exporter understands."""


def monitoring_findings(graph: Graph) -> Iterator[Finding]:
    """exposed-monitoring, watches-nothing, shows-nothing, tells-nobody, cannot-watch, exporter-elsewhere."""
    for node in graph.nodes_of(Monitoring):
        if not node.mounts:
            yield from _purpose(graph, node)
            yield from _exposed(node)
            for edge in graph.kind_from(node.id, Monitors):
                target = graph.by_id.get(edge.target)
                if target is not None and target.id != node.id:
                    yield from _fitting(graph, edge, node, target)


def _purpose(graph: Graph, node: Monitoring) -> Iterator[Finding]:
    edges = graph.edges_from(node.id)
    if node.engine in _WATCHERS and not any(isinstance(edge, Monitors) for edge in edges):
        yield finding("watches-nothing", node.id, f"the {node.engine} watches nothing", "add a monitors edge")
    if node.engine is MonitoringEngine.GRAFANA and not any(_shows(graph, edge) for edge in edges):
        yield finding(
            "shows-nothing",
            node.id,
            "no edge leads to a prometheus or loki, so there is nothing to show",
            "add a monitors edge to one",
        )
    if node.engine is MonitoringEngine.ALERTMANAGER and not node.receivers:
        yield finding(
            "tells-nobody", node.id, "it has no receivers, so nobody hears of an alert", "add receivers"
        )


def _exposed(node: Monitoring) -> Iterator[Finding]:
    """Of all these programs Grafana alone asks who is there."""
    for binding in node.ports if node.engine is not MonitoringEngine.GRAFANA else ():
        if binding.published is not None and not (binding.address or "").startswith(_LOOPBACK):
            where = "every address" if binding.address is None else binding.address
            yield finding(
                "exposed-monitoring",
                node.id,
                f"port {binding.published} of the {node.engine}, which has no login, is published on {where}",
                "publish it on 127.0.0.1 or not at all",
            )


def _shows(graph: Graph, edge: Edge) -> bool:
    target = graph.by_id.get(edge.target)
    leads = isinstance(edge, Monitors | ConnectsTo | DataFlow)
    return leads and isinstance(target, Monitoring) and target.engine in SHOWN


def _fitting(graph: Graph, edge: Monitors, node: Monitoring, target: Node) -> Iterator[Finding]:
    goals = _goals(node)
    if goals is not None and not _is_goal(node, target):
        engine = getattr(target, "engine", None)
        yield finding(
            "cannot-watch",
            edge.id,
            f"a {node.engine} cannot watch a {engine or target.kind}",
            f"let it watch {goals}" if goals else "remove the edge; a prometheus connects_to it",
        )
    elif node.is_exporter and node.engine is not MonitoringEngine.BLACKBOX_EXPORTER:
        here, there = graph.host_of(node.id), graph.host_of(target.id)
        if here is not None and there is not None and here != there:
            yield finding(
                "exporter-elsewhere",
                edge.id,
                f"the exporter stands on {here}, and {target.id} on {there}",
                f"place the exporter on {there}",
            )


def _goals(node: Monitoring) -> str | None:
    """What an engine can watch, in words; None where that is anything, empty where nothing."""
    match node.engine:
        case MonitoringEngine.PROMETHEUS | MonitoringEngine.LOKI | MonitoringEngine.BLACKBOX_EXPORTER:
            return None
        case MonitoringEngine.GRAFANA:
            return "a prometheus, a loki or an alertmanager"
        case MonitoringEngine.ALERTMANAGER:
            return ""
        case MonitoringEngine.NODE_EXPORTER | MonitoringEngine.SYSTEMD_EXPORTER:
            return "its host"
        case engine:
            return " or ".join(f"a {goal}" for goal in sorted(_WATCHED[engine]))


def _is_goal(node: Monitoring, target: Node) -> bool:
    match node.engine:
        case MonitoringEngine.GRAFANA:
            return isinstance(target, Monitoring) and target.engine in SHOWN
        case MonitoringEngine.NODE_EXPORTER | MonitoringEngine.SYSTEMD_EXPORTER:
            return isinstance(target, Host)
        case engine:
            kinds = (Database, MessageBus, LoadBalancer)
            return isinstance(target, kinds) and target.engine.value in _WATCHED.get(engine, set())
