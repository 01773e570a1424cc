"""Several compose files as one: `-f a -f b`, the override beside, `!reset`, `!override`, include lists."""

from pathlib import Path
from typing import Any

import pytest

from nix_gen import GraphFileError, load, loads

BASE = """
services:
  web:
    image: app:1
    command: [serve]
    environment: {A: '1', B: '2'}
    ports: ['80:80']
    volumes: ['data:/data', './a:/etc/a']
    healthcheck: {test: [CMD, a], retries: 5}
    dns: 1.1.1.1
    extra_hosts: {one: 10.0.0.1}
    logging: {driver: journald, options: {tag: x}}
    deploy: {resources: {limits: {cpus: '1'}}}
  test: {image: t, command: a}
volumes: {data: }
"""


def web(*overrides: str, node: str = "web", base: str = BASE) -> dict[str, Any]:
    named = [(f"{index}.yaml", text) for index, text in enumerate(overrides)]
    loaded = loads(base, file="shop.yaml", overrides=named)
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == node)


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("image: app:2", "image", "app:2"),
        ("command: [other, words]", "command", ["other", "words"]),
        ("environment: [B=3, C=4]", "environment", {"A": "1", "B": "3", "C": "4"}),
        ("environment: !override {C: '4'}", "environment", {"C": "4"}),
        ("environment: !reset {}", "environment", None),
        (
            "ports: ['81:81']",
            "ports",
            [{"port": 80, "published": 80}, {"port": 81, "published": 81}],
        ),
        ("ports: !override ['81:81']", "ports", [{"port": 81, "published": 81}]),
        ("ports: !reset null", "ports", None),
        (
            "volumes: ['./b:/etc/a']",
            "mounts",
            [{"source": "/srv/shop/b", "target": "/etc/a", "directory": True}],
        ),
        ("healthcheck: {test: [CMD, b]}", "health_check", {"command": ["b"], "retries": 5}),
        ("deploy: {replicas: 3}", "resources", {"cpu_limit_milli": 1000}),
        ("deploy: {replicas: 3}", "replicas", 3),
        ("build: .", "build", {}),
    ],
)
def test_an_override_merges_by_the_rules_of_the_specification(
    override: str, field: str, value: object
) -> None:
    assert web(f"services: {{web: {{{override}}}}}").get(field) == value


@pytest.mark.parametrize(
    ("override", "option", "value"),
    [
        ("dns: [8.8.8.8]", "dns", ["1.1.1.1", "8.8.8.8"]),
        (
            "extra_hosts: ['two:10.0.0.2']",
            "extra_hosts",
            [{"name": "one", "address": "10.0.0.1"}, {"name": "two", "address": "10.0.0.2"}],
        ),
        ("logging: {driver: none}", "logging", {"driver": "none"}),
        (
            "logging: {options: {label: y}}",
            "logging",
            {"driver": "journald", "options": {"label": "y", "tag": "x"}},
        ),
    ],
)
def test_container_options_merge_too(override: str, option: str, value: object) -> None:
    found = web(f"services: {{web: {{{override}}}}}")["container"][option]
    assert found == (value if isinstance(value, list) else {**found, **dict(value)})  # type: ignore[call-overload]


def test_overrides_apply_in_order_and_may_add_services_and_volumes() -> None:
    first = "services: {web: {image: app:2}, extra: {image: e, volumes: ['more:/m']}}\nvolumes: {more: }"
    second = "name: named\nservices: {web: {image: app:3}}"
    assert web(first, second)["image"] == "app:3"
    assert web(first, second, node="extra")["image"] == "e"
    loaded = loads(BASE, file="shop.yaml", overrides=[("o.yaml", second)])
    assert loaded.graph.name == "named"


def test_a_service_named_like_a_key_is_merged_as_any_other() -> None:
    assert web("services: {test: {user: me}}", node="test")["command"] == ["a"]


def test_the_override_beside_a_usual_name_is_taken_by_itself(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: a}}")
    (tmp_path / "compose.override.yaml").write_text("services: {web: {image: b}}")
    other = tmp_path / "shop.yaml"
    other.write_text("services: {web: {image: a}}")
    images = [
        load(tmp_path / "compose.yaml").graph.nodes[0],
        load(tmp_path / "compose.yaml", overrides=[]).graph.nodes[0],
        load(other).graph.nodes[0],
        load(other, overrides=[tmp_path / "compose.override.yaml"]).graph.nodes[0],
    ]
    assert [getattr(node, "image", None) for node in images] == ["b", "a", "a", "b"]


def test_a_missing_or_broken_override_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("services: {web: {image: a}}")
    with pytest.raises(GraphFileError, match=r"gone.yaml: does not exist; check the path"):
        load(file, overrides=[tmp_path / "gone.yaml"])
    with pytest.raises(GraphFileError, match=r"the override 'o.yaml' is no mapping; write a compose file"):
        loads("services: {web: {image: a}}", overrides=[("o.yaml", "- a")])
    with pytest.raises(GraphFileError, match=r"is a graph, which no file overrides; change the graph itself"):
        loads("nodes: []", overrides=[("o.yaml", "services: {}")])


def test_profiles_may_be_named_by_the_caller() -> None:
    text = "services: {web: {image: a}, debug: {image: d, profiles: [debug]}, x: {image: x, profiles: [x]}}"
    assert [node.id for node in loads(text, profiles=["debug"]).graph.nodes] == ["web", "debug"]
    both = loads(text, environment={"COMPOSE_PROFILES": "x"}, profiles=["debug"])
    assert [node.id for node in both.graph.nodes] == ["web", "debug", "x"]


def test_the_files_of_one_include_override_each_other() -> None:
    files = {
        "a.yaml": "services: {db: {image: x:1, environment: {A: '1'}}}",
        "b.yaml": "services: {db: {image: x:2}}",
    }
    loaded = loads("include: [{path: [a.yaml, b.yaml]}]", reader=files.get)
    (node,) = loaded.graph.to_node_link()["nodes"]
    assert (node["image"], node["environment"]) == ("x:2", {"A": "1"})
