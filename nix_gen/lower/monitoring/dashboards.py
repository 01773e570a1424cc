"""Dashboards as Grafana imports them: an overview of the hosts, and one for each kind of thing that is asked.

Pure. The same facts give the same bytes. Panels are data; the JSON around them is made here once. Which
prometheus a dashboard shows is a choice at its top.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nix_gen.lower.words import short

SCHEMA_VERSION = 39
"""Grafana 11's; later ones migrate it when they read it."""
UID_MAX_CHARS = 40
COLUMNS = 24
_REAL_DISK = 'fstype!~"tmpfs|ramfs|overlay|squashfs|nsfs"'
_WHO = "{{node}} on {{host}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    expression: str
    unit: str = "short"
    """Grafana's name of the unit: `percent`, `bytes`, `reqps`."""
    legend: str = _WHO
    kind: str = "timeseries"
    width: int = 12
    """Of 24 columns."""


_UP = Panel(
    title="Answers",
    expression="up",
    kind="state-timeline",
    legend="{{job}}: {{node}} on {{host}}",
    width=COLUMNS,
)
PANELS: dict[str, tuple[Panel, ...]] = {
    "overview": (
        _UP,
        Panel(
            title="CPU in use",
            expression='100 * (1 - avg by (host) (rate(node_cpu_seconds_total{mode="idle"}[5m])))',
            unit="percent",
            legend="{{host}}",
        ),
        Panel(
            title="Memory in use",
            expression="100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
            unit="percent",
            legend="{{host}}",
        ),
        Panel(
            title="Disk in use",
            expression=(
                f"100 * (1 - node_filesystem_avail_bytes{{{_REAL_DISK}}} "
                f"/ node_filesystem_size_bytes{{{_REAL_DISK}}})"
            ),
            unit="percent",
            legend="{{mountpoint}} of {{host}}",
        ),
        Panel(
            title="Network, received",
            expression='sum by (host) (rate(node_network_receive_bytes_total{device!="lo"}[5m]))',
            unit="Bps",
            legend="{{host}}",
        ),
        Panel(title="Load", expression="node_load1", legend="{{host}}"),
        Panel(
            title="Failed units",
            expression='sum by (host, name) (node_systemd_unit_state{state="failed"}) > 0',
            legend="{{name}} of {{host}}",
        ),
    ),
    "postgres": (
        Panel(title="Connections", expression="sum by (host, node) (pg_stat_database_numbackends)"),
        Panel(
            title="Transactions",
            expression=(
                "sum by (host, node) "
                "(rate(pg_stat_database_xact_commit[5m]) + rate(pg_stat_database_xact_rollback[5m]))"
            ),
            unit="ops",
        ),
        Panel(
            title="Size", expression="pg_database_size_bytes", unit="bytes", legend="{{datname}} of {{node}}"
        ),
        Panel(
            title="Blocks found in memory",
            expression=(
                "100 * sum by (host, node) (rate(pg_stat_database_blks_hit[5m])) "
                "/ clamp_min(sum by (host, node) (rate(pg_stat_database_blks_hit[5m]) "
                "+ rate(pg_stat_database_blks_read[5m])), 1)"
            ),
            unit="percent",
        ),
        Panel(title="Behind the primary", expression="pg_replication_lag_seconds", unit="s"),
        Panel(title="Deadlocks", expression="sum by (host, node) (increase(pg_stat_database_deadlocks[5m]))"),
    ),
    "mysql": (
        Panel(title="Connections", expression="mysql_global_status_threads_connected"),
        Panel(title="Questions", expression="rate(mysql_global_status_questions[5m])", unit="ops"),
        Panel(title="Slow queries", expression="rate(mysql_global_status_slow_queries[5m])", unit="ops"),
        Panel(
            title="Read from disk",
            expression="rate(mysql_global_status_innodb_data_read[5m])",
            unit="Bps",
        ),
    ),
    "redis": (
        Panel(title="Memory", expression="redis_memory_used_bytes", unit="bytes"),
        Panel(title="Clients", expression="redis_connected_clients"),
        Panel(title="Commands", expression="rate(redis_commands_processed_total[5m])", unit="ops"),
        Panel(
            title="Keys found",
            expression=(
                "100 * rate(redis_keyspace_hits_total[5m]) / clamp_min("
                "rate(redis_keyspace_hits_total[5m]) + rate(redis_keyspace_misses_total[5m]), 1)"
            ),
            unit="percent",
        ),
        Panel(title="Keys evicted", expression="rate(redis_evicted_keys_total[5m])", unit="ops"),
    ),
    "mongodb": (
        Panel(title="Connections", expression='mongodb_ss_connections{conn_type="current"}'),
        Panel(
            title="Operations",
            expression="sum by (host, node, legacy_op_type) (rate(mongodb_ss_opcounters[5m]))",
            unit="ops",
            legend="{{legacy_op_type}} in {{node}}",
        ),
    ),
    "nats": (
        Panel(title="Connections", expression="gnatsd_varz_connections"),
        Panel(title="Messages in", expression="rate(gnatsd_varz_in_msgs[5m])", unit="ops"),
        Panel(title="Messages out", expression="rate(gnatsd_varz_out_msgs[5m])", unit="ops"),
        Panel(title="Memory", expression="gnatsd_varz_mem", unit="bytes"),
        Panel(title="Slow consumers", expression="increase(gnatsd_varz_slow_consumers[5m])"),
        Panel(title="Subscriptions", expression="gnatsd_varz_subscriptions"),
    ),
    "nginx": (
        Panel(title="Requests", expression="rate(nginx_http_requests_total[5m])", unit="reqps"),
        Panel(title="Connections", expression="nginx_connections_active"),
        Panel(title="Connections that wait", expression="nginx_connections_waiting"),
    ),
    "haproxy": (
        Panel(
            title="Requests",
            expression="sum by (host, node, proxy) (rate(haproxy_frontend_http_requests_total[5m]))",
            unit="reqps",
            legend="{{proxy}} of {{node}}",
        ),
        Panel(
            title="Answers",
            expression="sum by (host, node, code) (rate(haproxy_backend_http_responses_total[5m]))",
            unit="reqps",
            legend="{{code}} of {{node}}",
        ),
        Panel(
            title="Servers that are there",
            expression="haproxy_backend_active_servers",
            legend="{{proxy}} of {{node}}",
        ),
    ),
    "rabbitmq": (
        Panel(title="Messages ready", expression="sum by (host, node) (rabbitmq_queue_messages_ready)"),
        Panel(
            title="Messages not acknowledged",
            expression="sum by (host, node) (rabbitmq_queue_messages_unacked)",
        ),
        Panel(title="Connections", expression="rabbitmq_connections"),
        Panel(title="Memory", expression="rabbitmq_process_resident_memory_bytes", unit="bytes"),
    ),
    "probe": (
        Panel(title="Answers", expression="probe_success", kind="state-timeline", width=COLUMNS),
        Panel(title="Takes", expression="probe_duration_seconds", unit="s", legend="{{instance}}"),
    ),
}
"""Panels by job; the overview is always there."""
_TITLES = {
    "overview": "Overview",
    "postgres": "PostgreSQL",
    "mysql": "MySQL",
    "redis": "Redis",
    "mongodb": "MongoDB",
    "nats": "NATS",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "rabbitmq": "RabbitMQ",
    "probe": "Probes",
    "logs": "Logs",
}
_NEEDS_NODE = "node_"
"""Prefix of the metrics that only a node exporter has."""


def dashboards(project: str, jobs: frozenset[str], *, logs: bool) -> dict[str, str]:
    """Dashboards by file name.

    Args:
        project: name of the graph, part of every title.
        jobs: the jobs of the prometheis that Grafana shows; none means no prometheus.
        logs: whether Grafana shows a loki.
    """
    texts: dict[str, str] = {}
    for name, panels in PANELS.items():
        shown = [panel for panel in panels if "node" in jobs or _NEEDS_NODE not in panel.expression]
        if name in jobs or (name == "overview" and jobs):
            texts[f"{name}.json"] = _text(_dashboard(project, name, "prometheus", _laid_out(shown)))
    if logs:
        texts["logs.json"] = _text(_dashboard(project, "logs", "loki", [_logs_panel()]))
    return texts


def _text(dashboard: Mapping[str, Any]) -> str:
    return json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _dashboard(project: str, name: str, kind: str, panels: list[dict[str, Any]]) -> dict[str, Any]:
    variables = [
        {
            "name": "datasource",
            "type": "datasource",
            "query": kind,
            "label": "Source",
            "hide": 0,
            "refresh": 1,
        }
    ]
    return {
        "annotations": {"list": []},
        "editable": False,
        "graphTooltip": 1,
        "links": [],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": [project],
        "templating": {"list": variables},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": f"{project}: {_TITLES[name]}",
        "uid": short(f"{project}-{name}", UID_MAX_CHARS),
        "version": 1,
    }


def _source(kind: str) -> dict[str, str]:
    return {"type": kind, "uid": "${datasource}"}


def _laid_out(panels: list[Panel]) -> list[dict[str, Any]]:
    """Panels row by row, each row as high as its highest."""
    placed: list[dict[str, Any]] = []
    left, top, height = 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        own_height = 10 if panel.width == COLUMNS else 8
        if left + panel.width > COLUMNS:
            left, top, height = 0, top + height, 0
        placed.append(_panel(panel, number, {"h": own_height, "w": panel.width, "x": left, "y": top}))
        left, height = left + panel.width, max(height, own_height)
    return placed


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.unit == "percent":
        defaults["max"] = 100
    if panel.kind == "state-timeline":
        states = {
            "0": {"text": "down", "color": "red", "index": 0},
            "1": {"text": "up", "color": "green", "index": 1},
        }
        defaults |= {"mappings": [{"type": "value", "options": states}]}
    return {
        "datasource": _source("prometheus"),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "gridPos": place,
        "id": number,
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "targets": [
            {
                "datasource": _source("prometheus"),
                "expr": panel.expression,
                "legendFormat": panel.legend,
                "refId": "A",
            }
        ],
        "title": panel.title,
        "type": panel.kind,
    }


def _logs_panel() -> dict[str, Any]:
    return {
        "datasource": _source("loki"),
        "gridPos": {"h": 24, "w": COLUMNS, "x": 0, "y": 0},
        "id": 1,
        "options": {"showTime": True, "sortOrder": "Descending", "wrapLogMessage": True},
        "targets": [{"datasource": _source("loki"), "expr": '{job="journal"}', "refId": "A"}],
        "title": "Journal",
        "type": "logs",
    }
