"""Secrets written into a graph are found wherever they stand, and no finding repeats one."""

from __future__ import annotations

from typing import Any

import pytest

from nix_gen import Graph, validate
from nix_gen.concealment import looks_secret

MEND = "name a secret in its place, and change this one: it has been written down"
APP: dict[str, Any] = {"kind": "service", "id": "app", "image": "app:1"}
DATABASE: dict[str, Any] = {"kind": "database", "id": "app", "engine": "mongodb"}
CASES: list[tuple[dict[str, Any], str]] = [
    ({**APP, "environment": {"DB_PASSWORD": "hunter2"}}, "the variable DB_PASSWORD"),
    ({**APP, "environment": {"URL": "postgres://u:hunter2@db/x"}}, "the variable URL"),
    ({**APP, "labels": {"api.token": "hunter2"}}, "the label api.token"),
    ({**APP, "command": ["run", "--password=hunter2"]}, "word 2 of its command"),
    ({**APP, "entrypoint": ["run", "--token", "hunter2"]}, "word 3 of its entrypoint"),
    ({**APP, "health_check": {"shell": "ping --password hunter2"}}, "word 3 of its health check"),
    ({**APP, "files": [{"path": "/a.ini", "text": "password = hunter2\n"}]}, "a line of the file /a.ini"),
    ({**APP, "build": {"args": {"NPM_TOKEN": "hunter2"}}}, "the build argument NPM_TOKEN"),
    ({**APP, "container": {"annotations": {"secret": "hunter2"}}}, "the annotation secret"),
    ({**DATABASE, "settings": {"net.tls.clusterPassword": "hunter2"}}, "the setting net.tls.clusterPassword"),
    ({"kind": "storage", "id": "app", "labels": {"password": "hunter2"}}, "the label password"),
]  # fmt: skip


def _found(node: dict[str, Any]) -> list[str]:
    graph = Graph.model_validate({"nodes": [node]})
    return [str(one) for one in validate(graph) if one.code == "secret-in-graph"]


@pytest.mark.parametrize(("node", "where"), CASES)
def test_a_secret_in_a_graph_is_named_by_its_place_and_never_by_its_text(
    node: dict[str, Any], where: str
) -> None:
    assert _found(node) == [f"warning secret-in-graph: app: {where} looks like a secret; {MEND}"]
    assert "hunter2" not in " ".join(map(str, validate(Graph.model_validate({"nodes": [node]}))))


@pytest.mark.parametrize(
    "variables",
    [
        {"DB_PASSWORD_FILE": "/run/secrets/db"},
        {"DB_PASSWORD": "/run/secrets/db"},
        {"DB_PASSWORD": "$OTHER"},
        {"TOKEN_TTL": "3600", "PASSWORD_MIN_LENGTH": "12"},
        {"URL": "postgres://u@db/x"},
    ],
)
def test_a_variable_that_says_where_a_secret_lies_is_none(variables: dict[str, str]) -> None:
    assert _found({**APP, "environment": variables}) == []


RANDOM = "q7Zt0Xb93LmPw2Ks8Rv1"


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("STRIPE_KEY", "sk_" + "live_" + "4eC39HqLyjWD", True),
        ("STRIPE", "rk_" + "live_" + "4eC39HqLyjWD", True),
        ("ANY", "ghp_" + "a" * 36, True),
        ("ANY", "xoxb-" + "123456789012", True),
        ("ANY", "AKIA" + "A" * 16, True),
        ("DATADOG_KEY", RANDOM, True),
        ("dd.key", RANDOM, True),
        ("PUBLIC_KEY", RANDOM, False),
        ("RECAPTCHA_SITE_KEY", RANDOM, False),
        ("CACHE_KEY", RANDOM, False),
        ("KEY_PREFIX", RANDOM, False),
        ("SORT_KEY", "created_at", False),
        ("MESSAGE_KEY", "order-created-event", False),
        ("TLS_KEY", "/etc/tls/server2.key", False),
        ("SOME_KEY", "a1a1a1a1a1a1a1a1", False),
        ("MONKEY", RANDOM, False),
    ],
)
def test_a_key_is_a_secret_if_its_value_was_drawn_and_is_for_nobody_else(
    key: str, value: str, *, secret: bool
) -> None:
    assert looks_secret(key, value) is secret
