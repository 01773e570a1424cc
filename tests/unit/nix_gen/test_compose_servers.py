"""Buses, document databases and monitoring of a compose file: native where their nodes can say it all."""

from typing import Any

import pytest

from nix_gen import Loaded, loads


def imported(services: str, rest: str = "") -> Loaded:
    return loads(f"services:\n  {services}\n{rest}", file="shop.yaml")


def node(loaded: Loaded, node_id: str) -> dict[str, Any]:
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == node_id)


NATIVE = [
    (
        "x: {image: mongo:8, environment: {MONGO_INITDB_ROOT_USERNAME: root, MONGO_INITDB_ROOT_PASSWORD: p}}",
        {
            "kind": "database",
            "engine": "mongodb",
            "users": [{"name": "root", "password": "x.mongo_initdb_root_password", "superuser": True}],
        },
    ),
    ("x: {image: mongo, command: mongod --bind_ip_all}", {"kind": "database", "engine": "mongodb"}),
    (
        "x: {image: rabbitmq:4, environment: {RABBITMQ_DEFAULT_USER: u, RABBITMQ_DEFAULT_PASS: pw}}",
        {
            "kind": "message_bus",
            "engine": "rabbitmq",
            "users": [
                {"name": "u", "password": "x.rabbitmq_default_pass", "configure": ".*", "administrator": True}
            ],
        },
    ),
    (
        (
            "x: {image: 'apache/kafka:4.0.0', environment: {KAFKA_NODE_ID: 1, KAFKA_NUM_PARTITIONS: 3, "
            "KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://x:9092'}}"
        ),
        {"kind": "message_bus", "engine": "kafka", "settings": {"num.partitions": "3"}},
    ),
    (
        (
            "x: {image: grafana/grafana, environment: {GF_SECURITY_ADMIN_PASSWORD: pw, "
            "GF_USERS_DEFAULT_THEME: dark, GF_SMTP_PASSWORD: other}}"
        ),
        {
            "kind": "monitoring",
            "engine": "grafana",
            "password": "x.gf_security_admin_password",
            "environment": {"GF_USERS_DEFAULT_THEME": "dark"},
            "secrets": [{"name": "x.gf_smtp_password", "env": "GF_SMTP_PASSWORD"}],
        },
    ),
    (
        "x: {image: prom/prometheus, command: [--storage.tsdb.retention.time=2w]}",
        {"kind": "monitoring", "engine": "prometheus", "retention_ms": 14 * 24 * 3600 * 1000},
    ),
    ("x: {image: prom/alertmanager}", {"kind": "monitoring", "engine": "alertmanager"}),
    (
        "x: {image: 'grafana/loki:3.3.2', command: -config.file=/etc/loki/local-config.yaml}",
        {"kind": "monitoring", "engine": "loki"},
    ),
    (
        (
            "x: {image: prom/node-exporter, command: [--path.rootfs=/host], network_mode: host, pid: host, "
            "volumes: ['/:/host:ro']}"
        ),
        {"kind": "monitoring", "engine": "node_exporter"},
    ),
]


@pytest.mark.parametrize(("service", "fields"), NATIVE)
def test_a_known_program_becomes_a_native_node(service: str, fields: dict[str, object]) -> None:
    found = node(imported(service), "x")
    assert {key: found.get(key) for key in fields} == fields


KEPT = [
    (
        "x: {image: mongo:7}",
        "the pinned nixpkgs has no mongodb 7, and another major version needs a migration",
    ),
    (
        "x: {image: mongo, command: --replSet rs0}",
        "its command says --replSet, which has no field in the graph",
    ),
    (
        "x: {image: mongo, environment: {MONGO_INITDB_ROOT_USERNAME: u}}",
        "its administrator has only one of name and password here",
    ),
    (
        "x: {image: mongo, volumes: ['./i.js:/docker-entrypoint-initdb.d/i.js']}",
        "it mounts /docker-entrypoint-initdb.d/i.js, which the native service would not read",
    ),
    (
        "x: {image: 'rabbitmq:4-management'}",
        "it has the management plugin, which the native service does not switch on",
    ),
    ("x: {image: rabbitmq}", "it names no user and password, and its guest may log in from everywhere"),
    (
        (
            "x: {image: rabbitmq, environment: {RABBITMQ_DEFAULT_USER: u, RABBITMQ_DEFAULT_PASS: p, "
            "RABBITMQ_DEFAULT_VHOST: v}}"
        ),
        "its virtual host is another than /",
    ),
    (
        "x: {image: apache/kafka, environment: {KAFKA_ADVERTISED_LISTENERS: 'A://x:9092,B://y:9093'}}",
        "it advertises listeners of its own",
    ),
    (
        "x: {image: apache/kafka, environment: {KAFKA_CONTROLLER_QUORUM_VOTERS: '1@a:9093,2@b:9093'}}",
        "KAFKA_CONTROLLER_QUORUM_VOTERS says more than one server with the usual listeners",
    ),
    ("x: {image: apache/kafka, command: other}", "its command does not start the server"),
    (
        "x: {image: prom/prometheus, command: [--web.enable-lifecycle]}",
        "its command says --web.enable-lifecycle, which has no field in the graph",
    ),
    ("x: {image: grafana/grafana, environment: [GF_INSTALL_PLUGINS=a]}", "it fetches plugins when it starts"),
    (
        "x: {image: grafana/grafana, environment: [GF_PATHS_CONFIG=/etc/x.ini]}",
        "GF_PATHS_CONFIG names a file of the container",
    ),
    (
        "x: {image: prom/prometheus, configs: [c]}",
        "it mounts /c, which the native service would not read",
    ),
    (
        "x: {image: 'mysql:5.7'}",
        "the pinned nixpkgs has no mysql 5.7, and another major version needs a migration",
    ),
    (
        "x: {image: bitnami/postgresql, environment: {POSTGRESQL_REPLICATION_MODE: slave}}",
        "POSTGRESQL_REPLICATION_MODE makes it a member of a cluster",
    ),
    (
        "x: {image: postgres, environment: {POSTGRES_USER_FILE: /run/secrets/u}}",
        "POSTGRES_USER_FILE names a file of the container",
    ),
]


@pytest.mark.parametrize(("service", "reason"), KEPT)
def test_what_a_node_cannot_say_keeps_the_container(service: str, reason: str) -> None:
    loaded = imported(service, "configs: {c: {content: x}}")
    assert node(loaded, "x")["kind"] == "service"
    (note,) = [note for note in loaded.notes if note.code == "kept-as-container"]
    assert note.message.partition(" stays a container: ")[2] == reason


def test_a_version_that_a_newer_one_replaces_is_told() -> None:
    (note,) = imported("x: {image: 'redis:7.2-alpine'}").notes
    assert str(note) == (
        "warning version-differs: x: service 'x' asks for redis 7.2; 8 runs; "
        "try the upgrade on a copy of the data, or model it as a service with its image"
    )
    assert imported("x: {image: 'redis:8-alpine'}").notes == ()


def test_one_password_written_for_server_and_client_is_one_secret() -> None:
    loaded = imported(
        "app: {image: app, environment: {DB_PASSWORD: example}}\n"
        "  db: {image: mysql, environment: {MYSQL_ROOT_PASSWORD: example}}"
    )
    assert node(loaded, "app")["secrets"] == [{"name": "db.mysql_root_password", "env": "DB_PASSWORD"}]
    assert node(loaded, "db")["users"][0]["password"] == "db.mysql_root_password"
