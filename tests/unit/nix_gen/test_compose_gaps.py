"""Compose files without the `.env` they were written for: what an unset variable leaves open."""

from typing import Any

import pytest

from nix_gen import Loaded, loads


def imported(keys: str, rest: str = "", **environment: str) -> Loaded:
    return loads(
        f"services:\n  web: {{image: app, {keys}}}\n{rest}", file="shop.yaml", environment=environment
    )


def web(loaded: Loaded) -> dict[str, Any]:
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == "web")


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("ports: ['${A}:${B}', '${A}:80']", "ports", [{"port": 80}]),
        ("ports: ['${IP}:${A}:80/TCP', 90:90/sctp]", "ports", [{"port": 80}]),
        ("expose: ['${A}', '81']", "ports", [{"port": 81}]),
        ("user: '${A}:${B}'", "user", None),
        ("user: '1000:${B}'", "user", "1000:"),
        ("healthcheck: {test: x, retries: '$A', interval: '$B'}", "health_check", {"shell": "x"}),
        ("deploy: {replicas: '$A'}, mem_limit: '$B', cpus: $C", "resources", None),
        ("volumes: ['${A}:${B}', 'x:${C}'], tmpfs: '$D'", "mounts", None),
        (
            "volumes: ['${UPLOADS}:/data']",
            "mounts",
            [{"source": "/srv/shop/uploads", "target": "/data", "directory": True}],
        ),
        (
            "volumes: [{type: bind, source: '$UPLOADS', target: /data}]",
            "mounts",
            [{"source": "/srv/shop/uploads", "target": "/data", "directory": True}],
        ),
        ("tmpfs: '/t:mode=755,size=1m'", "mounts", [{"kind": "tmpfs", "target": "/t", "size_bytes": 2**20}]),
        (
            "volumes: ['$PWD/x:/data']",
            "mounts",
            [{"source": "/srv/shop/x", "target": "/data", "directory": True}],
        ),
        (
            "volumes: ['${HOME}/x:/data']",
            "mounts",
            [{"source": "/srv/shop/home/x", "target": "/data", "directory": True}],
        ),
        ("container_name: '${COMPOSE_PROJECT_NAME}_1'", "aliases", ["shop_1"]),
    ],
)
def test_an_unset_variable_leaves_out_no_more_than_it_must(keys: str, field: str, value: object) -> None:
    assert web(imported(keys)).get(field) == value


def test_a_port_or_volume_that_lacks_a_value_is_told() -> None:
    loaded = imported("ports: ['${A}:${B}'], volumes: ['x:${C}']")
    assert [note.message for note in loaded.notes if note.code == "not-carried-over"] == [
        "the ports entry ':', which lacks the value of A, B, is not carried over",
        "the volumes entry 'x:', which lacks the value of C, is not carried over",
    ]


def test_a_required_variable_of_a_service_is_left_to_the_host() -> None:
    loaded = imported("environment: {DOMAIN: '${SITE:?which one}', OTHER: plain}")
    assert web(loaded)["secrets"] == [{"name": "shop.site", "env": "DOMAIN"}]
    assert web(loaded)["environment"] == {"OTHER": "plain"}
    assert "unset-variable" in [note.code for note in loaded.notes]


def test_the_project_is_named_by_its_environment_first() -> None:
    assert imported("restart: always", COMPOSE_PROJECT_NAME="mine").graph.name == "mine"
    assert imported("restart: always", "name: ${X:-yours}").graph.name == "yours"


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("o: 'addr=10.0.0.9,rw', device: ':/x'", {"storage": "nfs", "server": "10.0.0.9", "path": "/x"}),
        ("o: 'addr=${NAS}', device: 'nas.lan:/x'", {"storage": "nfs", "server": "nas.lan", "path": "/x"}),
        ("o: 'addr=${NAS}', device: ':/x'", {}),
    ],
)
def test_an_nfs_volume_needs_a_server_and_a_path(options: str, fields: dict[str, str]) -> None:
    rest = f"volumes: {{v: {{driver_opts: {{type: nfs4, {options}}}}}}}"
    nodes = imported("volumes: ['v:/v']", rest).graph.to_node_link()["nodes"]
    assert {"id": "v", "kind": "storage", **fields} in nodes
