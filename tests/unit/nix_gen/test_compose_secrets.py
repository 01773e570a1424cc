"""What counts as a secret in a compose file, and what keeps working without its text."""

from typing import Any

import pytest

from nix_gen import loads
from nix_gen.concealment import looks_secret, secret_arguments

CASES = [
    ("APP_KEY", "base64:c29tZXRoaW5n", True),
    ("AIRFLOW__CORE__FERNET_KEY", "abc", True),
    ("MEILI_MASTER_KEY", "abc", True),
    ("RABBITMQ_ERLANG_COOKIE", "abc", True),
    ("NEO4J_AUTH", "neo4j/abc", True),
    ("NEO4J_AUTH", "none", False),
    ("HASH_SALT", "abc", True),
    ("ANY", "-----BEGIN RSA PRIVATE KEY-----\nx", True),
    ("ANY", "eyJhbGciOiJI.eyJyb2xlIjoi.c2lnbmF0", True),
    ("ANY", "AKIA" + "A" * 16, True),
    ("ANY", "ghp_" + "a" * 36, True),
    ("users", "admin:$apr1$H6$Ig", True),
    ("users", "admin:$2y$05$H6", True),
    ("OPTIONS", "--password=hunter", True),
    ("OPTIONS", "--password=$PASSWORD --password='$(cat /x)'", False),
    ("PARTITION_KEY", "user", False),
    ("MYSQL_ALLOW_EMPTY_PASSWORD", "1", False),
    ("KEYCLOAK_ADMIN", "admin", False),
    ("MONKEY", "banana", False),
    ("PASSWORD_RESET_URL", "https://example.org/reset", False),
]


@pytest.mark.parametrize(("key", "value", "secret"), CASES)
def test_a_secret_is_known_by_its_name_or_its_form(key: str, value: str, *, secret: bool) -> None:
    assert looks_secret(key, value) is secret


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--password", "text"), [(1, "text")]),
        (("--token=text",), [(0, "text")]),
        (("--password-file", "/run/secrets/x"), []),
        (("--token-path=/run/secrets/x",), []),
        (("--password", "$PASSWORD"), []),
        (('--password="${PASSWORD}"',), []),
        (("--password=$(cat /run/x)",), []),
    ],
)
def test_a_flag_that_says_where_a_secret_lies_holds_none(
    arguments: tuple[str, ...], found: list[tuple[int, str]]
) -> None:
    assert secret_arguments(arguments) == found


def check_of(test: str, variables: str = "{DB_PASSWORD: hidden-text}") -> Any:
    loaded = loads(
        f"services:\n  db: {{image: app, environment: {variables}, healthcheck: {{test: {test}}}}}\n"
    )
    assert b"hidden-text" not in loaded.graph.canonical_json()
    return loaded.graph.to_node_link()["nodes"][0].get("health_check")


@pytest.mark.parametrize("environment", [{}, {"PW": "hidden-text"}])
def test_a_password_in_a_command_is_the_secret_of_its_variable(environment: dict[str, str]) -> None:
    text = """
services:
  kv: {image: redis, command: 'redis-server --requirepass ${PW}'}
  web: {image: app, environment: {REDIS_PASSWORD: '${PW}', REDIS_HOST: kv}}
"""
    nodes = {
        one["id"]: one
        for one in loads(text, file="shop.yaml", environment=environment).graph.to_node_link()["nodes"]
    }
    assert nodes["kv"]["password"] == nodes["web"]["secrets"][0]["name"] == "shop.pw"


@pytest.mark.parametrize(
    ("test", "check"),
    [
        ("'ping -phidden-text || exit 1'", {"shell": 'ping -p"${DB_PASSWORD}" || exit 1'}),
        ("[CMD, ping, '-phidden-text', 'a b']", {"shell": "ping \"-p${DB_PASSWORD}\" 'a b'"}),
        ("[CMD, ping, --pass, 'hidden-text$']", {"shell": 'ping --pass "${DB_PASSWORD}\\$"'}),
        ("""'ping "hidden-text"'""", {"shell": 'ping "${DB_PASSWORD}"'}),
        ("\"ping -p'hidden-text'\"", {"shell": "ping -p''\"${DB_PASSWORD}\"''"}),
        ("'ping --password=$$DB_PASSWORD'", {"shell": "ping --password=$DB_PASSWORD"}),
    ],
)
def test_a_health_check_takes_its_secret_from_the_variable(test: str, check: object) -> None:
    assert check_of(test) == check


def test_a_check_whose_secret_no_variable_holds_gets_one_unless_it_is_too_short_to_be_found() -> None:
    said = {"shell": 'ping --password="${SECRET_DB_ARGUMENT_1}"'}
    assert check_of("ping --password=hidden-text", "{A: b}") == said
    assert check_of("ping --password=abc", "{A: b}") is None
    assert check_of("ping PASSWORD", "{PASSWORD: PASSWORD}") is None
