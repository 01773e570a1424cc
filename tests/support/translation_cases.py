"""For each code of placement, translation and container rules a least graph that has the finding."""

from __future__ import annotations

from typing import Any

from tests.support.nats_users import new_credentials

Part = dict[str, Any]
H1: Part = {"id": "h1", "kind": "host", "addresses": ["10.0.0.1"]}
H2: Part = {"id": "h2", "kind": "host", "addresses": ["10.0.0.2"]}
BARE: Part = {"id": "h2", "kind": "host"}
APP: Part = {"id": "app", "kind": "service", "image": "app:1", "ports": [{"port": 80}]}
RUN: Part = {"id": "run", "kind": "service", "package": "hello"}
DB: Part = {"id": "db", "kind": "database", "engine": "postgresql"}
BUS: Part = {"id": "bus", "kind": "message_bus"}
LB: Part = {"id": "lb", "kind": "load_balancer"}
STORE: Part = {"id": "store", "kind": "storage"}
BUCKET: Part = {**STORE, "storage": "s3"}
WATCH: Part = {"id": "watch", "kind": "monitoring", "engine": "prometheus"}
SMALL: Part = {"cpu_milli": 1000, "memory_bytes": 2**30}
KEY = new_credentials().public_key


def edge(source: str, kind: str, target: str, **fields: Any) -> Part:
    return {"source": source, "kind": kind, "target": target, **fields}


def on(host: str, node: Part, **fields: Any) -> Part:
    return {**node, "host": host, **fields}


def _sized(name: str, cpu_milli: int) -> Part:
    return {**APP, "id": name, "ports": [], "resources": {"cpu_limit_milli": cpu_milli}}


MOUNT = edge("app", "mounts_volume", "store", path="/d")
CASES: dict[str, list[Part]] = {
    "does-not-fit": [{**H1, "capacity": SMALL}, {**H2, "capacity": SMALL}, _sized("app", 1500)],
    "host-overcommitted": [{**H1, "capacity": SMALL}, H2, on("h1", _sized("app", 1500))],
    "placement-unmet": [H1, H2, on("h1", APP, placement={"hosts": ["h2"]})],
    "spread-impossible": [
        H1, H2, {**APP, "replicas": 2, "placement": {"spread": "host"}}, {**RUN, "id": "app-1"},
    ],
    "spread-narrow": [H1, H2, {**APP, "replicas": 3, "placement": {"spread": "host"}}],
    "unknown-placement": [H1, H2, {**APP, "placement": {"apart_from": ["nobody"]}}],
    "alias-not-used": [{**APP, "aliases": ["a:b"]}, RUN, edge("run", "connects_to", "app")],
    "backup-beside": [{**DB, "backup": {}}],
    "backup-by-hand": [APP, {**BUCKET, "server": "s3.example", "credentials": "k", "backup": {}}, MOUNT],
    "backup-target": [{**DB, "backup": {"to": "db"}}],
    "bad-save": [{"id": "kv", "kind": "database", "engine": "redis", "settings": {"save": "often"}}],
    "bad-setting": [{"id": "g", "kind": "monitoring", "engine": "grafana", "settings": {"nosection": 1}}],
    "bad-subpath": [APP, STORE, {**MOUNT, "subpath": "../x"}],
    "block-without-device": [APP, {**STORE, "storage": "block"}, MOUNT],
    "bucket-outside": [
        {**BUCKET, "server": "s3.example", "credentials": "k"}, APP, edge("app", "data_flow", "store"),
    ],
    "bucket-without-credentials": [APP, BUCKET, MOUNT],
    "bus-open": [BUS, RUN, edge("run", "publishes_to", "bus")],
    "bus-without-users": [{**BUS, "engine": "rabbitmq"}, RUN, edge("run", "publishes_to", "bus")],
    "data-directory-twice": [
        DB, {**DB, "id": "kv", "engine": "redis"}, {**STORE, "storage": "block", "device": "/dev/vdb"},
        edge("db", "mounts_volume", "store", path="/d"), edge("kv", "mounts_volume", "store", path="/d"),
    ],
    "database-open": [{**DB, "image": "postgres:16", "mounts": [{"source": "/x", "target": "/y"}]}],
    "export-for-database": [
        H1, H2, on("h2", DB), on("h1", STORE, storage="nfs"), edge("db", "mounts_volume", "store", path="/d"),
    ],
    "file-database-elsewhere": [
        H1, H2, on("h1", DB, engine="sqlite"), on("h2", APP), edge("app", "connects_to", "db", port=1),
    ],
    "first-user-only": [
        {**DB, "mounts": [{"kind": "anonymous", "target": "/x"}], "users": [{"name": "a"}, {"name": "b"}]}
    ],
    "host-without-address": [
        H1, BARE, on("h2", RUN), on("h1", APP), edge("run", "connects_to", "app", port=80),
    ],
    "internal-network-only": [
        {
            **APP, "ports": [{"port": 80, "published": 8080}],
            "container": {"networks": [{"name": "inner", "internal": True}]},
        },
    ],
    "manages-elsewhere": [H1, H2, on("h1", RUN), on("h2", APP), edge("run", "manages", "app")],
    "manages-from-container": [APP, RUN, edge("app", "manages", "run")],
    "nfs-without-export": [APP, {**STORE, "storage": "nfs"}, MOUNT],
    "no-form": [{**DB, "engine": "sqlite", "mounts": [{"kind": "anonymous", "target": "/x"}]}],
    "no-logs": [
        {**WATCH, "engine": "loki"}, {**DB, "engine": "sqlite"}, edge("watch", "monitors", "db"),
    ],
    "no-metrics": [WATCH, {**RUN, "ports": []}, edge("watch", "monitors", "run")],
    "no-port": [LB, {**APP, "ports": []}, edge("lb", "load_balances", "app")],
    "not-used": [{**RUN, "environment": {"a.b": "c"}}],
    "nothing-to-manage": [RUN, STORE, edge("run", "manages", "store")],
    "one-object-server": [
        H1, on("h1", BUCKET, credentials="a"), on("h1", BUCKET, id="other", credentials="b"),
    ],
    "published-once": [{**APP, "replicas": 2, "ports": [{"port": 80, "published": 80}]}],
    "replicas-in-turn": [
        H1, H2, on("h1", WATCH), on("h2", APP, replicas=2), edge("watch", "monitors", "app", port=80),
    ],
    "replication-by-hand": [STORE, {**STORE, "id": "two"}, edge("two", "replicates", "store")],
    "scrape-by-hand": [
        {**WATCH, "image": "prom:1", "mounts": [{"kind": "anonymous", "target": "/x"}]},
        APP, edge("watch", "monitors", "app", port=80),
    ],
    "secret-unreadable": [
        {**APP, "user": "1", "secrets": [{"name": "s", "path": "/s"}]},
        {**APP, "id": "two", "user": "2", "secrets": [{"name": "s", "path": "/s"}]},
    ],
    "settings-not-used": [
        {**BUS, "mounts": [{"kind": "bind", "source": "/n", "target": "/nats-server.conf"}],
         "settings": {"max_payload": 1}},
    ],
    "storage-not-used": [LB, {**STORE, "path": "/srv/d"}, edge("lb", "mounts_volume", "store", path="/d")],
    "storage-elsewhere": [H1, H2, on("h1", APP), on("h2", STORE, storage="block", device="/dev/vdb"), MOUNT],
    "subjects-not-enforced": [
        {**BUS, "engine": "kafka", "image": "kafka:1", "mounts": [{"kind": "anonymous", "target": "/x"}]},
        RUN, edge("run", "publishes_to", "bus", subjects=["a"]),
    ],
    "subjects-open": [BUS, {**RUN, "nkey": KEY}, edge("run", "publishes_to", "bus", subjects=[">"])],
    "tls-without-certificate": [{**LB, "listen": [443]}, APP, edge("lb", "load_balances", "app", port=80)],
    "too-many-containers": [
        {**APP, "id": f"a{number}", "replicas": 1000, "ports": [],
         "container": {"networks": [{"name": "crowded"}]}}
        for number in range(4)
    ],
    "owner-by-name": [{**APP, "user": "node"}, {**STORE, "path": "/srv/d"}, MOUNT],
    "backup-of-live-data": [DB, {**STORE, "backup": {}}, edge("db", "mounts_volume", "store", path="/d")],
    "no-administrator": [{**DB, "engine": "mongodb", "users": [{"name": "x", "password": "s"}]}],
    "unsafe-name": [{**DB, "users": [{"name": 'a"b', "password": "s"}]}],
    "upstream-by-hand": [
        {**LB, "mounts": [{"kind": "anonymous", "target": "/x"}]}, APP,
        edge("lb", "load_balances", "app", port=80),
    ],
    "user-clash": [
        {**H1, "users": [{"name": "ann"}]}, {**RUN, "user": "ann"},
    ],
    "version-not-packaged": [{**DB, "version": "7"}],
    "container-options-unused": [{**RUN, "container": {"privileged": True}}],
    "device-to-bring": [{**APP, "container": {"devices": [{"source": "/dev/ttyUSB0"}]}}],
    "engine-socket": [
        {**APP, "mounts": [{"source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}]},
    ],
    "host-namespace": [{**APP, "container": {"pid": "host"}}],
    "no-common-network": [
        {**APP, "container": {"networks": [{"name": "front"}]}},
        {**APP, "id": "api", "container": {"networks": [{"name": "back"}]}},
        edge("app", "connects_to", "api"),
    ],
    "powerful-capability": [{**APP, "container": {"cap_add": ["SYS_ADMIN"]}}],
    "privileged-container": [{**APP, "container": {"privileged": True}}],
    "sensitive-mount": [{**APP, "mounts": [{"source": "/etc", "target": "/in"}]}],
    "unconfined-container": [{**APP, "container": {"security_opt": ["seccomp=unconfined"]}}],
    "unknown-container": [{**APP, "container": {"network": "node:nobody"}}],
}  # fmt: skip
