"""Compose services of known programs: what their environment and commands become."""

# ruff: noqa: E501 - a service is written in one line
from typing import Any

import pytest

from nix_gen import Loaded, loads


def imported(services: str, rest: str = "", **environment: str) -> Loaded:
    text = "services:\n" + "".join(f"  {line}\n" for line in services.strip().splitlines()) + rest
    return loads(text, file="shop.yaml", environment=environment)


def node(loaded: Loaded, name: str) -> dict[str, Any]:
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == name)


def reasons(loaded: Loaded) -> list[str]:
    return [
        note.message.partition("stays a container: ")[2]
        for note in loaded.notes
        if note.code == "kept-as-container"
    ]


def test_postgres_keeps_its_user_database_settings_and_port() -> None:
    loaded = imported(
        "db: {image: 'postgres:16-alpine', command: postgres -c max_connections=200 -cfsync=off, ports: ['5433:5432'], "
        "environment: {POSTGRES_USER: u, POSTGRES_PASSWORD: hidden-text, POSTGRES_DB: d}, volumes: ['v:/var/lib/postgresql/data']}",
        "volumes: {v: }",
    )
    assert node(loaded, "db") == {
        "id": "db",
        "kind": "database",
        "engine": "postgresql",
        "version": "16",
        "image": "postgres:16-alpine",
        "ports": [{"port": 5432, "published": 5433}],
        "databases": ["d"],
        "users": [{"name": "u", "password": "db.postgres_password", "owns": ["d"], "superuser": True}],
        "settings": {"fsync": "off", "max_connections": "200"},
    }
    assert b"hidden-text" not in loaded.graph.canonical_json()


def test_mysql_has_a_root_and_a_user() -> None:
    loaded = imported(
        "db: {image: 'mysql:8', command: --character-set-server=utf8mb4 --skip-name-resolve, environment: "
        "[MYSQL_ROOT_PASSWORD=a, MYSQL_USER=u, MYSQL_PASSWORD=b, MYSQL_DATABASE=d]}"
    )
    assert node(loaded, "db")["users"] == [
        {"name": "root", "password": "db.mysql_root_password", "superuser": True},
        {"name": "u", "password": "db.mysql_password", "owns": ["d"]},
    ]
    assert node(loaded, "db")["settings"] == {"character-set-server": "utf8mb4", "skip-name-resolve": True}


def test_redis_takes_its_password_out_of_its_command() -> None:
    loaded = imported(
        "kv: {image: redis, command: redis-server --requirepass hidden-text --save 60 1 --appendonly yes}"
    )
    assert node(loaded, "kv")["password"] == "kv.requirepass"
    assert node(loaded, "kv")["settings"] == {"save": "60 1", "appendonly": "yes"}
    assert b"hidden-text" not in loaded.graph.canonical_json()


def test_nats_flags_become_fields() -> None:
    loaded = imported("bus: {image: nats, command: '-js -m 8222 -p 4223 --cluster_name c -sd /data'}")
    bus = node(loaded, "bus")
    assert (bus["jetstream"], bus["monitor_port"], bus["port"], bus["cluster"]) == (
        True,
        8222,
        4223,
        {"name": "c"},
    )
    assert [note.message for note in loaded.notes] == [
        "the argument '--sd' of service 'bus' is not carried over"
    ]


def test_nginx_before_a_service_balances_it_on_its_published_port() -> None:
    loaded = imported(
        "gate: {image: nginx, ports: ['8080:80', '443:443'], depends_on: [web, db], volumes: ['./site:/usr/share/nginx/html']}\n"
        "web: {image: app, expose: ['3000']}\ndb: {image: postgres}"
    )
    assert node(loaded, "gate")["listen"] == [8080]
    balanced = [edge for edge in loaded.graph.to_node_link()["edges"] if edge["kind"] == "load_balances"]
    assert balanced == [{"source": "gate", "target": "web", "kind": "load_balances", "port": 3000}]
    dropped = [note.message for note in loaded.notes if note.place == "gate"]
    assert dropped == [
        "port 443 for TLS is not carried over",
        "what './site' holds for /usr/share/nginx/html in the image is not carried over",
    ]


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ("a: {image: nginx}", "it stands before no service, so it serves files of its own"),
        (
            "a: {image: nginx, depends_on: [b]}\nb: {image: 'php:8-fpm'}",
            "it stands before no service, so it serves files of its own",
        ),
        (
            "a: {image: postgres}\nb: {image: postgres}",
            "a already uses services.postgresql, of which a host has one",
        ),
        ("a: {image: mysql}\nb: {image: mariadb}", "a already uses services.mysql, of which a host has one"),
        ("a: {image: postgres, entrypoint: /x}", "it has an entrypoint of its own"),
        ("a: {image: postgres, build: .}", "its image is built from sources of its own"),
        ("a: {image: redis, scale: 3}", "it runs 3 times"),
        ("a: {image: redis, command: redis-cli ping}", "its command does not start the server"),
        ("a: {image: redis, command: sh -c 'redis-server'}", "its command does not start the server"),
        ("a: {image: redis}\nb: {image: app, ports: ['6379:6379']}", "b publishes port 6379 of the host"),
    ],
)
def test_why_a_known_image_stays_a_container(services: str, reason: str) -> None:
    assert reasons(imported(services)) == [reason]


def test_a_bind_mount_of_data_is_storage() -> None:
    loaded = imported("db: {image: postgres, volumes: ['./pg:/var/lib/postgresql/data']}")
    assert node(loaded, "db-data") == {"id": "db-data", "kind": "storage", "path": "/srv/shop/pg"}


def test_a_script_or_a_setting_that_is_mounted_keeps_a_database_in_its_container() -> None:
    loaded = imported("db: {image: postgres, volumes: ['./i.sql:/docker-entrypoint-initdb.d/i.sql']}")
    assert node(loaded, "db")["kind"] == "service"
    assert [note.message for note in loaded.notes if note.code == "kept-as-container"] == [
        (
            "service 'db' (postgres) stays a container: it mounts /docker-entrypoint-initdb.d/i.sql, "
            "which the native service would not read"
        )
    ]


def test_a_password_file_is_the_secret_it_names() -> None:
    loaded = imported(
        "db: {image: postgres, secrets: [pw], environment: {POSTGRES_PASSWORD_FILE: /run/secrets/pw}}",
        "secrets: {pw: {file: ./pw.txt}}",
    )
    assert node(loaded, "db")["users"] == [{"name": "postgres", "password": "pw", "superuser": True}]


def test_who_uses_a_server_is_assumed_by_network_where_nothing_says_it() -> None:
    loaded = imported(
        "a: {image: app, networks: [x]}\nb: {image: app, networks: [y]}\ndb: {image: postgres, networks: [x]}",
        "networks: {x: , y: }",
    )
    assert [(edge.source, edge.target) for edge in loaded.graph.edges] == [("a", "db")]
    assert "connection-assumed" in [note.code for note in loaded.notes]


SECRETS = [
    "environment: {DB_PASSWORD: hidden-text}",
    "environment: [API_KEY=hidden-text]",
    "environment: {DATABASE_URL: 'postgres://u:hidden-text@db/x'}",
    "environment: {JDBC: 'jdbc:x://db/x?user=u&password=hidden-text'}",
    "environment: {A_TOKEN: hidden-text, OTHER: 'has hidden-text inside'}",
    "command: serve --password hidden-text",
    "command: [serve, --api-key=hidden-text]",
    "command: 'serve mysql://u:hidden-text@db'",
    "labels: {my.token: hidden-text}",
    "environment: {PASSWORD: hidden-text}, healthcheck: {test: 'ping -phidden-text'}",
    "environment: {PASSWORD: hidden-text}, command: 'ping -phidden-text'",
    "build: {context: 'https://u:hidden-text@git.example/x', args: {NPM_TOKEN: hidden-text}}",
]


@pytest.mark.parametrize("service", SECRETS)
def test_no_secret_is_carried_as_text(service: str) -> None:
    loaded = imported(f"web: {{image: app, {service}}}")
    assert b"hidden-text" not in loaded.graph.canonical_json()
    assert any(note.code in {"secret-reference", "not-carried-over"} for note in loaded.notes)
    assert not any("hidden-text" in note.message for note in loaded.notes)


def test_what_only_sounds_secret_stays() -> None:
    loaded = imported(
        "web: {image: app, environment: {TOKEN_TTL_SECONDS: 3600, PASSWORD_FILE: /run/x, ALLOW_EMPTY_PASSWORD: 'yes', "
        "KEYBOARD: de}}"
    )
    assert set(node(loaded, "web")["environment"]) == {
        "TOKEN_TTL_SECONDS",
        "PASSWORD_FILE",
        "ALLOW_EMPTY_PASSWORD",
        "KEYBOARD",
    }


def test_a_variable_is_one_secret_for_all_who_use_it() -> None:
    loaded = imported(
        "web: {image: app, environment: {DB_PASSWORD: '${PW:?set it}', DB_HOST: db}}\n"
        "db: {image: postgres, environment: ['POSTGRES_PASSWORD=${PW}']}"
    )
    assert node(loaded, "web")["secrets"] == [{"name": "shop.pw", "env": "DB_PASSWORD"}]
    assert node(loaded, "db")["users"][0]["password"] == "shop.pw"
