"""Who may log in to a native database whose port is published."""

import pytest

from tests.support.lowering import Node, options

USERS = [
    {"name": "shop", "password": "pw", "owns": ["shop"]},
    {"name": "local", "owns": ["shop"]},
]


def _database(engine: str, port: int, **binding: object) -> Node:
    ports = [{"port": port, "published": port, **binding}]
    return {
        "kind": "database",
        "id": "db",
        "engine": engine,
        "databases": ["shop"],
        "users": USERS,
        "ports": ports,
    }


@pytest.mark.parametrize(
    ("binding", "networks"),
    [
        ({}, ["0.0.0.0/0", "::/0"]),
        ({"address": "192.0.2.7"}, ["0.0.0.0/0"]),
        ({"address": "2001:db8::7"}, ["::/0"]),
    ],
)
def test_whoever_has_a_password_logs_in_to_a_published_postgresql(binding: Node, networks: list[str]) -> None:
    server = options(_database("postgresql", 5432, **binding))["services"]["postgresql"]
    lines = [f'host "shop" "shop" {network} scram-sha-256\n' for network in networks]
    assert server["authentication"] == "".join(["# db is published\n", *lines])


@pytest.mark.parametrize("binding", [{"address": "127.0.0.1"}, {"published": None}])
def test_a_postgresql_of_its_own_host_alone_lets_in_nobody_else(binding: Node) -> None:
    assert "authentication" not in options(_database("postgresql", 5432, **binding))["services"]["postgresql"]


@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_whoever_has_a_password_logs_in_to_a_published_mysql(engine: str) -> None:
    script = options(_database(engine, 3306))["systemd"]["services"]["shop-users-db"]["script"]
    assert "CREATE USER IF NOT EXISTS 'shop'@'%';" in script
    assert "'local'@'%'" not in script
    bound = options(_database(engine, 3306, address="127.0.0.1"))["systemd"]["services"]["shop-users-db"]
    assert "@'%'" not in bound["script"]
