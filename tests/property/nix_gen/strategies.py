"""Hypothesis strategies for valid deployment graphs: every node and edge kind, edges that fit their ends."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nix_gen.graph import Graph
from nix_gen.rules.structure import PAIRINGS

WORDS = ["a", "b", "db", "web", "api", "cache", "bus", "gate", "queue", "data", "x9", "mail"]
IDS = st.sampled_from([*WORDS, "0", "9z", "a_b", "a-", "w" * 63, "if", "true", "null", "web-1", "db_data"])
HOST_IDS = st.sampled_from(["north", "south", "h1", "h_2", "with", "n-3", "null"])
PORTS = st.integers(1, 65_535)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = st.sampled_from([*WORDS, "orders", "user_1", "in", "let", "$x", "a.b"])
CAPABILITIES = st.sampled_from([*WORDS, "text.upper", "gpu-24_gb"])
PATHS = st.sampled_from(["/", "/a", "/data", "/var/lib/x", "/a b", "/srv/${x}", "/run/secrets/p", "/\u00e9"])
VARIABLES = st.sampled_from(["A", "B_C", "_D", "discovery.type", "X-Y", "PATH", "lower"])
SECRETS = st.sampled_from(["s", "db.password", "api-key", "a_b", "0"])
SETTINGS = st.dictionaries(
    st.sampled_from(["a", "max_connections", "b-c", "d.e"]),
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    max_size=3,
)


def some(
    fields: dict[str, st.SearchStrategy[Any]], **required: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Mappings with the required fields and any of the others."""
    return st.fixed_dictionaries(required, optional=fields)


PORT_BINDINGS = some(
    {
        "published": PORTS,
        "address": st.sampled_from(["127.0.0.1", "10.0.0.1", "::1"]),
        "protocol": st.sampled_from(["tcp", "udp"]),
    },
    port=PORTS,
)
MOUNTS = st.one_of(
    some({"read_only": st.booleans()}, kind=st.just("bind"), source=PATHS, target=PATHS),
    some({"size_bytes": st.integers(0, 2**40)}, kind=st.just("tmpfs"), target=PATHS),
    some({}, kind=st.just("anonymous"), target=PATHS),
)
TIMING = {
    "interval_ms": st.integers(0, 10**6),
    "timeout_ms": st.integers(0, 10**6),
    "retries": st.integers(1, 10),
}
HEALTH_CHECKS = st.one_of(
    some(TIMING, command=st.lists(TEXTS, min_size=1, max_size=3)), some(TIMING, shell=TEXTS.filter(bool))
)
PLACEMENTS = some(
    {
        "hosts": st.lists(HOST_IDS, max_size=2),
        "apart_from": st.lists(IDS, max_size=2),
        "together_with": st.lists(IDS, max_size=2),
        "spread": st.sampled_from(["none", "host", "zone"]),
    }
)
RUNNING = {
    "placement": PLACEMENTS,
    "description": TEXTS,
    "labels": st.dictionaries(NAMES, TEXTS, max_size=2),
    "aliases": st.lists(NAMES, max_size=2),
    "ports": st.lists(PORT_BINDINGS, max_size=3),
    "environment": st.dictionaries(VARIABLES, TEXTS, max_size=3),
    "secrets": st.lists(some({"env": VARIABLES, "path": PATHS}, name=SECRETS), max_size=2),
    "mounts": st.lists(MOUNTS, max_size=2),
    "health_check": HEALTH_CHECKS,
    "restart": st.sampled_from(["no", "always", "on-failure", "unless-stopped"]),
    "resources": some({"cpu_limit_milli": st.integers(1, 8000), "memory_limit_bytes": st.integers(0, 2**40)}),
}
IMAGES = st.sampled_from(["app", "docker.io/library/app:1.2", "registry.example:5000/a/b@sha256:0123abcd"])
WORKLOAD = {
    **RUNNING,
    "user": NAMES,
    "working_dir": PATHS,
    "hostname": NAMES,
    "replicas": st.integers(0, 3),
    "stop_signal": st.sampled_from(["SIGINT", "SIGTERM"]),
}
CONTAINER = {**WORKLOAD, "command": st.lists(TEXTS, max_size=3), "entrypoint": st.lists(TEXTS, max_size=2)}
NODES: dict[str, list[st.SearchStrategy[dict[str, Any]]]] = {
    "service": [
        some(CONTAINER, image=IMAGES),
        some(CONTAINER, build=some({"target": NAMES}, context=TEXTS)),
        some(
            {**WORKLOAD, "command": st.lists(TEXTS, max_size=2)},
            package=st.sampled_from(["hello", "python3Packages.gunicorn"]),
        ),
    ],
    "agent": [some({**CONTAINER, "capabilities": st.lists(CAPABILITIES, max_size=3)}, image=IMAGES)],
    "database": [
        some(
            {
                **RUNNING,
                "image": IMAGES,
                "version": NAMES,
                "port": PORTS,
                "databases": st.lists(NAMES, max_size=2),
                "users": st.lists(
                    some({"password": SECRETS, "superuser": st.booleans()}, name=NAMES), max_size=2
                ),
                "password": SECRETS,
                "settings": SETTINGS,
            },
            engine=st.sampled_from(["postgresql", "mysql", "mariadb", "redis"]),
        )
    ],
    "message_bus": [
        some(
            {
                **RUNNING,
                "port": PORTS,
                "monitor_port": PORTS,
                "jetstream": st.booleans(),
                "cluster": some({}, name=NAMES),
            }
        )
    ],
    "load_balancer": [
        some(
            {
                **RUNNING,
                "listen": st.lists(PORTS, min_size=1, max_size=2),
                "virtual_hosts": st.lists(
                    some({"aliases": st.lists(NAMES, max_size=2)}, name=NAMES), max_size=2
                ),
            }
        )
    ],
    "storage": [some({"path": PATHS, "size_bytes": st.integers(0, 2**50)})],
    "monitoring": [some({**RUNNING, "port": PORTS}, engine=st.just("prometheus"), image=IMAGES)],
}
LOWERED = ("service", "agent", "database", "message_bus", "load_balancer", "storage")
"""Kinds every one of which can be lowered."""
EDGES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "connects_to": {"port": PORTS, "protocol": st.sampled_from(["tcp", "udp"])},
    "data_flow": {"port": PORTS},
    "depends_on": {"condition": st.sampled_from(["started", "healthy"]), "required": st.booleans()},
    "load_balances": {"port": PORTS, "weight": st.integers(1, 100), "path": st.sampled_from(["/", "/api"])},
    "manages": {},
    "monitors": {"port": PORTS},
    "mounts_volume": {"read_only": st.booleans()},
    "publishes_to": {"subjects": st.lists(NAMES, max_size=2)},
    "replicates": {"mode": st.sampled_from(["async", "sync"])},
    "subscribes_to": {"subjects": st.lists(NAMES, max_size=2)},
}


@st.composite
def node_links(
    draw: st.DrawFn, kinds: tuple[str, ...] = tuple(NODES), hosts_max_count: int = 3
) -> dict[str, Any]:
    """Node-link data of graphs: well typed, no dangling edges, every pairing allowed.

    Start-up edges lead from later to earlier nodes, so there is no dependency cycle. Ports may clash.
    """
    hosts = draw(st.lists(HOST_IDS, max_size=hosts_max_count, unique=True))
    ids = draw(st.lists(IDS.filter(lambda name: name not in hosts), min_size=1, max_size=6, unique=True))
    nodes = [
        {"id": host, "kind": "host", "addresses": [f"10.0.0.{index + 1}"]} for index, host in enumerate(hosts)
    ]
    for name in ids:
        kind = draw(st.sampled_from(kinds))
        fields = draw(st.one_of(NODES[kind]))
        place = {"host": draw(st.sampled_from(hosts))} if hosts else {}
        nodes.append({**fields, **place, "id": name, "kind": kind})
    edges = []
    for _ in range(draw(st.integers(0, 6))):
        later, earlier = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        if nodes.index(earlier) < nodes.index(later):
            edges += draw(_edge(later, earlier))
    return {"graph": {"name": draw(HOST_IDS)}, "nodes": nodes, "edges": edges}


@st.composite
def _edge(draw: st.DrawFn, source: dict[str, Any], target: dict[str, Any]) -> list[dict[str, Any]]:
    fitting = [
        kind
        for kind, (sources, targets) in sorted(PAIRINGS.items())
        if source["kind"] in sources and target["kind"] in targets
    ]
    if not fitting:
        return []
    kind = draw(st.sampled_from(fitting))
    fields = draw(some(EDGES[kind]))
    if kind == "mounts_volume":
        fields["path"] = draw(PATHS)
    return [{**fields, "source": source["id"], "target": target["id"], "kind": kind}]


def graphs(kinds: tuple[str, ...] = tuple(NODES), hosts_max_count: int = 3) -> st.SearchStrategy[Graph]:
    """Valid graphs, as `node_links` describes them."""
    return node_links(kinds=kinds, hosts_max_count=hosts_max_count).map(Graph.model_validate)
