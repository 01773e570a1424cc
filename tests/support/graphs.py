"""Hypothesis strategy for deployment graphs that people could have written, hostile texts included."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from coordination.runtime.credentials import Credentials
from nix_gen.graph import Graph

HOSTS = ("alpha", "beta")
NKEYS = tuple(Credentials.generate(bytes([index]) * 32).public_key for index in range(8))
TEXTS = st.sampled_from(
    [
        *("plain", "", " spaces  ", "50%", "--flag", "_type", "; drop", "a'b", '"quoted"', "back\\slash"),
        *("$HOME", "${builtins.abort 1}", "''", "''${x}", "'$(reboot)'", "`reboot`", "$$", "#comment"),
        *("line\nline\r\n\ttab", "\x01\x7f", "é\N{SNOWMAN}", "\u2028"),
    ]
)
_LINES = TEXTS.filter(lambda text: text.isprintable() or text == "\u2028")
"""What a setting may hold: one line."""
_NAMES = st.sampled_from(["app", "Reports", "b_c", "x-1"])
_ENVIRONMENT = st.dictionaries(st.sampled_from(["A", "DB_HOST", "discovery.type", "or"]), TEXTS, max_size=3)
_RESOURCES = st.fixed_dictionaries(
    {}, optional={"cpu_limit_milli": st.integers(1, 4000), "memory_limit_bytes": st.integers(0, 2**40)}
)
_HEALTH = st.one_of(
    st.builds(lambda text: {"shell": text or "true", "interval_ms": 1500}, TEXTS),
    st.builds(lambda words: {"command": ["check", *words]}, st.lists(TEXTS, max_size=2)),
)
_RUNNING: dict[str, st.SearchStrategy[Any]] = {
    "description": TEXTS,
    "aliases": st.lists(st.sampled_from(["Other.Name", "x_1", "a:b", "#"]), max_size=2),
    "environment": _ENVIRONMENT,
    "resources": _RESOURCES,
    "health_check": _HEALTH,
    "restart": st.sampled_from(["no", "always", "on-failure", "unless-stopped"]),
}
_CONTAINERS: dict[str, st.SearchStrategy[Any]] = {
    "files": st.lists(st.builds(lambda text: {"path": "/etc/a b.conf", "text": text}, TEXTS), max_size=1),
    "container": st.sampled_from(
        [
            {"network": "host", "privileged": True, "stop_grace_ms": 200_000, "restart_max_count": 2},
            {"networks": [{"name": "default"}, {"name": "inner", "internal": True, "aliases": ["in"]}]},
            {
                "cap_add": ["NET_ADMIN"],
                "devices": [{"source": "/dev/dri", "permissions": "r"}],
                "pid": "host",
            },
            {
                "extra_hosts": [{"name": "up"}],
                "logging": {"driver": "none"},
                "pull": "newer",
                "runtime": "crun",
            },
        ]
    ),
}


def _node(kind: str, fixed: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"kind": st.just(kind), **{name: st.just(value) for name, value in fixed.items()}},
        optional={**_RUNNING, **optional},
    )


_SECRETS = st.just([{"name": "key", "env": "KEY"}, {"name": "cert", "path": "/etc/cert"}])
_WORDS = st.lists(TEXTS, max_size=3)
_MOUNTS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.sampled_from(
        [
            {"kind": "bind", "source": "/srv/fuzz/a b%", "target": "/in dir"},
            {"kind": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"},
            {"kind": "tmpfs", "target": "/scratch", "size_bytes": 4096},
            {"kind": "anonymous", "target": "/cache"},
        ]
    ),
    max_size=3,
    unique_by=lambda mount: str(mount["target"]),
)
_CHECKS = st.tuples(TEXTS.filter(bool), st.sampled_from([0, 500, 30_000])).map(
    lambda drawn: {"shell": drawn[0], "interval_ms": drawn[1]}
)
_BACKUPS = st.sampled_from([{}, {"schedule": "Mon *-*-* 03:00:00", "keep_count": 1}])
_LABELS = st.dictionaries(_NAMES, TEXTS, max_size=2)
_WORKLOAD: dict[str, st.SearchStrategy[Any]] = {
    "command": _WORDS, "secrets": _SECRETS, "mounts": _MOUNTS, "replicas": st.integers(0, 3),
    "working_dir": st.just("/work dir"), "stop_signal": st.just("SIGINT"), "labels": _LABELS,
    "health_check": _CHECKS,
}  # fmt: skip
_USERS = st.just(
    [{"name": "app", "password": "pw", "owns": ["app", "Reports"]}, {"name": "ops", "superuser": True}]
)
_SQL = {"databases": st.just(["app", "Reports"]), "users": _USERS, "backup": _BACKUPS}
_WATCHERS = ("prometheus", "loki", "blackbox_exporter", "alertmanager", "node_exporter")
_BUS_USERS = st.builds(
    lambda text: [{"name": "app", "password": "pw", "read": text}], st.sampled_from(["", "'${x}"])
)
_BUS_SETTINGS = st.dictionaries(st.sampled_from(["max_payload", "a.b"]), _LINES, max_size=2)
NODES = st.one_of(
    _node(
        "service", {"image": "example/app:1"}, **_WORKLOAD, **_CONTAINERS, entrypoint=_WORDS, hostname=_NAMES
    ),
    _node("service", {"build": {"context": "."}}, **_WORKLOAD, user=st.just("1000")),
    _node("agent", {"package": "hello"}, **_WORKLOAD, user=st.just("hello")),
    _node("service", {"command": ["/bin/serve", "50%", "$x", "a b"]}, secrets=_SECRETS, mounts=_MOUNTS),
    _node("database", {"engine": "postgresql"}, **_SQL, version=st.sampled_from(["16", "alpine", "9.6"])),
    _node("database", {"engine": "mariadb"}, **_SQL, mounts=_MOUNTS),
    _node("database", {"engine": "mysql"}, **_SQL),
    _node(
        "database",
        {"engine": "redis"},
        password=st.just("pw"),
        settings=st.just({"appendonly": True}),
        backup=_BACKUPS,
    ),
    _node("database", {"engine": "mongodb"}, **_SQL),
    _node(
        "database",
        {"engine": "mongodb", "users": [{"name": "ops", "password": "pw", "superuser": True}]},
        settings=st.dictionaries(st.just("net.tls.clusterPassword"), _LINES),
    ),
    _node("database", {"engine": "postgresql"}, extensions=st.just(["pgvector", "postgis"])),
    _node("database", {"engine": "sqlite"}, backup=_BACKUPS),
    _node("message_bus", {"engine": "nats"}, jetstream=st.booleans(), cluster=st.just({"name": "one"})),
    _node("message_bus", {"engine": "kafka"}, cluster=st.just({"name": "one"}), settings=_BUS_SETTINGS),
    _node("message_bus", {"engine": "rabbitmq"}, users=_BUS_USERS, settings=_BUS_SETTINGS),
    _node("load_balancer", {"engine": "haproxy"}, check_path=st.just("/health"), max_fails=st.integers(0, 3)),
    _node("load_balancer", {"mode": "tcp"}, algorithm=st.sampled_from(["round_robin", "ip_hash"])),
    _node("load_balancer", {"mode": "tcp", "engine": "haproxy"}, idle_timeout_ms=st.just(1500)),
    _node("load_balancer", {}, settings=st.dictionaries(st.just("client_max_body_size"), _LINES)),
    _node("monitoring", {"engine": "grafana", "image": "grafana/grafana"}),
    *(_node("monitoring", {"engine": engine, "image": "some/one"}) for engine in _WATCHERS),
    *(_node("monitoring", {"engine": engine, "image": "some/one"}) for engine in _WATCHERS[:2]),
)
_PORTED = frozenset({"database", "message_bus", "load_balancer", "monitoring"})


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A valid graph: two hosts, ports that do not clash, acyclic start order, edges that fit."""
    nodes: list[dict[str, Any]] = [
        {"kind": "host", "id": "alpha", "addresses": ["10.1.0.1", "fd00::1"]},
        {"kind": "host", "id": "beta", "addresses": ["10.213.0.9"], "machine": "by-label", **draw(_MACHINE)},
    ]
    guarded = draw(st.booleans())
    for index, node in enumerate(draw(st.lists(NODES, min_size=1, max_size=8))):
        port = 8000 + 10 * index
        made = {**node, "id": f"n{index}", "host": draw(st.sampled_from(HOSTS))}
        if node["kind"] == "load_balancer":
            made["listen"] = [port]
        elif node["kind"] in _PORTED and node.get("engine") != "sqlite":
            made["port"] = port
        if node.get("engine") == "postgresql":
            # The second of a host becomes a container, which is refused without a password.
            made["users"] = [{"name": "keeper", "password": "pw"}, *node.get("users", ())]
        if guarded and node["kind"] in {"service", "agent"}:
            made["nkey"] = NKEYS[index]
        if "cluster" in made:
            made["cluster"] = {"name": "one", "port": port + 5}
        if node["kind"] in {"service", "agent"} and draw(st.booleans()):
            made["ports"] = [{"port": port, **draw(_published(port))}]
        nodes.append(made)
    nodes.append({"kind": "storage", "id": "store", "host": "alpha", **draw(_PLACE)})
    edges = draw(_edges(nodes))
    pair, follows = draw(_replicas({str(node.get("engine")) for node in nodes}))
    for node in nodes:
        if node["kind"] in {"service", "agent"} and draw(st.booleans()):
            # Placement finds the host: near its neighbours, beside its storage, apart from its copies.
            del node["host"]
            node["placement"] = draw(_RULES)
    attributes = {"name": "fuzz", "description": draw(TEXTS)}
    return Graph.model_validate({"graph": attributes, "nodes": nodes + pair, "edges": edges + follows})


_RULES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"spread": "host"}, {"spread": "zone"}, {"hosts": ["alpha"]}, {"hosts": ["alpha", "beta"]}]
)


@st.composite
def _replicas(draw: st.DrawFn, engines: set[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A database and its replica, of an engine whose module no other node of their hosts takes."""
    taken = engines | ({"mysql", "mariadb"} if engines & {"mysql", "mariadb"} else set())
    free = sorted({"postgresql", "mysql", "mariadb", "mongodb"} - taken)
    engine = draw(st.sampled_from([None, "redis", *free]))
    if engine is None:
        return [], []
    modes = ["async", "sync"] if engine in {"postgresql", "redis"} else ["async"]
    pair = [
        {"kind": "database", "id": name, "engine": engine, "host": host, "port": port}
        for name, host, port in (("primary", "alpha", 9000), ("replica", "beta", 9001))
    ]
    edge = {
        "kind": "replicates",
        "source": "replica",
        "target": "primary",
        "mode": draw(st.sampled_from(modes)),
    }
    return pair, [edge]


_PLACE: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"path": "/data/a b", "backup": {}},
        {"storage": "block", "device": "/dev/vdb", "format": True},
        {"storage": "nfs", "path": "/data/a b"},
        {"storage": "s3", "credentials": "keys"},
    ]
)
_MACHINE: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"ssh": {"sources": ["10.0.0.0/8"], "hosts": True}, "users": [{"name": "ops", "admin": True}]}]
)


def _published(port: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        [{}, {"published": port}, {"published": port + 1}, {"published": port, "address": "127.0.0.1"}]
    )


@st.composite
def _edges(draw: st.DrawFn, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Edges from later nodes to earlier ones, so that nothing waits in a circle."""
    edges: list[dict[str, Any]] = []
    running = [node for node in nodes if node["kind"] not in {"host", "storage"}]
    for later, node in enumerate(running):
        for target in running[:later]:
            edges += draw(st.sampled_from(_between(node, target)))
        if node["kind"] == "load_balancer" and not any(edge["source"] == node["id"] for edge in edges):
            edges.append(_balances(node, running[0], 8000))
        if node["kind"] in {"service", "agent"} and node["host"] == "alpha" and draw(st.booleans()):
            edge = {"kind": "mounts_volume", "source": node["id"], "target": "store", "path": "/store"}
            edges.append(edge | draw(st.sampled_from([{}, {"read_only": True}, {"subpath": "a/b"}])))
    return edges


def _balances(node: dict[str, Any], target: dict[str, Any], port: int) -> dict[str, Any]:
    return {"kind": "load_balances", "source": node["id"], "target": target["id"], "port": port}


def _between(node: dict[str, Any], target: dict[str, Any]) -> list[list[dict[str, Any]]]:
    ends = {"source": node["id"], "target": target["id"]}
    choices: list[list[dict[str, Any]]] = [[]]
    if target.get("engine") in {"prometheus", "loki"} and node.get("engine") == "grafana":
        choices += [[{"kind": "monitors", **ends}]] * 2
    if node["kind"] == "load_balancer":
        return [*choices, [{**_balances(node, target, 8000 + 10 * int(target["id"][1:])), "weight": 2}]]
    same = node["host"] == target["host"]
    if same or target.get("ports") or target.get("port") or target.get("listen"):
        choices += [
            [{"kind": "depends_on", **ends, "condition": c}] for c in ("started", "healthy", "completed")
        ]
        if target.get("ports") or target.get("port") or target.get("listen"):
            choices.append(
                [{"kind": "connects_to", **ends}, {"kind": "depends_on", **ends, "required": False}]
            )
    if node.get("engine") in _WATCHERS[:3]:
        own = {"port": 9999, "path": "/a?b=%7Bc%7D", "interval_ms": 1500}
        choices += [[{"kind": "monitors", **ends, **more}] for more in ({}, own)]
        choices.append([{"kind": "monitors", **ends, "target": host} for host in HOSTS])
    if target["kind"] == "message_bus" and node["kind"] in {"service", "agent"}:
        choices.append([{"kind": "publishes_to", **ends, "subjects": ["a.>"]}])
        choices.append([{"kind": "subscribes_to", **ends, "responds": True}, {"kind": "manages", **ends}])
    return choices
