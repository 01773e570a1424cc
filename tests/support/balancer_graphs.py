"""Graphs with every way to balance: both engines, both modes, TLS, weights, backups, names and paths."""

from __future__ import annotations

from typing import Any

from nix_gen.graph import Graph

_HOSTS: list[dict[str, Any]] = [
    {"kind": "host", "id": "front", "addresses": ["10.0.0.1", "fd00::1"]},
    {"kind": "host", "id": "back", "addresses": ["10.0.0.2"]},
]


def _service(name: str, port: int, host: str = "back", **fields: Any) -> dict[str, Any]:
    return {
        "kind": "service", "id": name, "host": host, "package": "hello", "ports": [{"port": port}], **fields
    }  # fmt: skip


def _to(source: str, target: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "load_balances", "source": source, "target": target, **fields}


def http_balancer(engine: str, **fields: Any) -> Graph:
    """Virtual hosts, aliases, stars, paths, weights, a backup, containers with replicas, TLS of one's own."""
    certificate = {"certificate": "site", "key": "site.key", "hsts": True}
    gate: dict[str, Any] = {
        "kind": "load_balancer", "id": "gate", "host": "front", "engine": engine, "listen": [80, 8080],
        "virtual_hosts": [
            {"name": "shop.example", "aliases": ["www.shop.example", "*.shop.example"], "tls": certificate},
            {"name": "plain.example", "listen": [8081]},
            {"name": "mail.*"},
            {"name": "_", "tls": {**certificate, "redirect": False, "port": 8443}},
        ],
        "max_fails": 2, "fail_timeout_ms": 1500, "connect_timeout_ms": 2500, "idle_timeout_ms": 30_000,
        **fields,
    }  # fmt: skip
    nodes = [
        *_HOSTS, gate, _service("web", 8000), _service("spare", 8001),
        {
            "kind": "service", "id": "api", "host": "front", "image": "api", "replicas": 3,
            "ports": [{"port": 9000}],
        },
        {"kind": "load_balancer", "id": "gate-2", "host": "front", "engine": engine, "listen": [8090]},
    ]  # fmt: skip
    edges = [
        _to("gate", "web", weight=1000),
        _to("gate", "spare", backup=True, weight=3),
        _to("gate", "api", path="/api/v1", virtual_host="www.shop.example", websockets=True),
        _to("gate", "api", path="/a#b%20~(c)"),
        _to("gate", "web", path="/a", virtual_host="mail.*"),
        _to("gate-2", "web"),
        _to("gate-2", "gate", port=80),
    ]
    return Graph.model_validate({"name": "http", "nodes": nodes, "edges": edges})


def tcp_balancer(engine: str, **fields: Any) -> Graph:
    """Two ports, each with targets of its own, a backup, and one target for both."""
    gate: dict[str, Any] = {
        "kind": "load_balancer", "id": "gate", "host": "front", "engine": engine, "mode": "tcp",
        "listen": [5432, 4222], "idle_timeout_ms": 5000, **fields,
    }  # fmt: skip
    nodes = [
        *_HOSTS, gate, {"kind": "database", "id": "db", "host": "back", "engine": "postgresql"},
        {"kind": "message_bus", "id": "bus", "host": "back"}, _service("any", 7000), _service("other", 7001),
    ]  # fmt: skip
    edges = [
        _to("gate", "db", listen=5432, weight=5),
        _to("gate", "bus", listen=4222),
        _to("gate", "any", backup=fields.get("algorithm") != "ip_hash"),
        _to("gate", "other", backup=fields.get("algorithm") != "ip_hash"),
    ]
    return Graph.model_validate({"name": "tcp", "nodes": nodes, "edges": edges})


def shared_address() -> Graph:
    """Two balancers of different engines on two hosts that share an address."""
    shared = {"interface": "eth0", "router_id": 51}
    nodes = [
        *_HOSTS, _service("app", 8000),
        *(
            {
                "kind": "load_balancer", "id": f"gate-{host}", "host": host, "engine": engine,
                "virtual_ip": {**shared, "address": "10.0.0.100", "prefix_length": 24, "priority": priority},
            }
            for host, engine, priority in (("front", "nginx", 150), ("back", "haproxy", 100))
        ),
    ]  # fmt: skip
    edges = [_to("gate-front", "app"), _to("gate-back", "app")]
    return Graph.model_validate({"name": "shared", "nodes": nodes, "edges": edges})


HAPROXY_RULES = {
    "acl": "inside src 10.0.0.0/8",
    "http-request": "deny deny_status 403 if !inside",
    "http-response": "set-header X-Served-By %[env(HOSTNAME)]",
    "stick-table": "type ip size 1k expire 30s",
    "tcp-request": "connection reject if !inside",
    "maxconn": 500,
}


def balancer_graphs() -> dict[str, Graph]:
    """Every way, by name."""
    graphs: dict[str, Graph] = {}
    for engine in ("nginx", "haproxy"):
        for algorithm in ("round_robin", "least_connections"):
            graphs[f"http-{engine}-{algorithm}"] = http_balancer(engine, algorithm=algorithm)
        for algorithm in ("round_robin", "least_connections", "ip_hash"):
            graphs[f"tcp-{engine}-{algorithm}"] = tcp_balancer(engine, algorithm=algorithm)
    graphs["http-haproxy-checked"] = http_balancer(
        "haproxy", algorithm="ip_hash", check_path="/health?a=b", settings={"maxconn": 500, "retries": "2"}
    )
    graphs["http-haproxy-rules"] = http_balancer("haproxy", settings=HAPROXY_RULES)
    tcp_rules = {name: HAPROXY_RULES[name] for name in ("acl", "stick-table", "tcp-request")}
    graphs["tcp-haproxy-rules"] = tcp_balancer("haproxy", settings=tcp_rules)
    graphs["http-nginx-settings"] = http_balancer(
        "nginx",
        settings={
            "client_max_body_size": "20m", "keepalive_timeout": 10, "gzip": False,
            "server_names_hash_max_size": 1024, "add_header": 'X-Served-By a"b',
        },
    )  # fmt: skip
    graphs["shared-address"] = shared_address()
    return graphs
