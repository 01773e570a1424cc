"""Compose services that stay containers: every key, and what is said about what is left behind."""

import textwrap
from typing import Any

import pytest

from nix_gen import GraphFileError, Loaded, loads


def imported(text: str, **environment: str) -> Loaded:
    return loads(textwrap.dedent(text), file="shop.yaml", environment=environment)


def node(loaded: Loaded, name: str) -> dict[str, Any]:
    return next(one for one in loaded.graph.to_node_link()["nodes"] if one["id"] == name)


def edges(loaded: Loaded) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.kind, edge.target) for edge in loaded.graph.edges}


def codes(loaded: Loaded) -> list[str]:
    return [note.code for note in loaded.notes]


def test_a_container_keeps_what_it_says() -> None:
    loaded = imported("""
        services:
          web:
            image: app:1
            command: serve --name "a b"
            entrypoint: [/bin/entry, x]
            user: "1000:1000"
            working_dir: /srv
            hostname: web1
            restart: on-failure
            stop_signal: SIGINT
            scale: 2
            labels: [a=b, c]
            environment: {A: 1, B: true, C: x}
            mem_limit: 64m
            healthcheck: {test: curl -f http://localhost, interval: 1m30s, retries: 5}
    """)
    assert node(loaded, "web") == {
        "id": "web",
        "kind": "service",
        "image": "app:1",
        "command": ["serve", "--name", "a b"],
        "entrypoint": ["/bin/entry", "x"],
        "user": "1000:1000",
        "working_dir": "/srv",
        "hostname": "web1",
        "aliases": ["web1"],
        "restart": "on-failure",
        "stop_signal": "SIGINT",
        "replicas": 2,
        "labels": {"a": "b", "c": ""},
        "environment": {"A": "1", "B": "true", "C": "x"},
        "resources": {"memory_limit_bytes": 2**26},
        "health_check": {"shell": "curl -f http://localhost", "interval_ms": 90_000, "retries": 5},
    }
    assert loaded.notes == ()


def test_long_syntaxes_say_the_same_as_short_ones() -> None:
    loaded = imported("""
        services:
          web:
            image: app
            ports: [{target: 80, published: "8080", host_ip: 127.0.0.1, protocol: udp}]
            volumes:
              - {type: volume, source: data, target: /data, read_only: true}
              - {type: bind, source: /etc/x, target: /x}
              - {type: tmpfs, target: /t, tmpfs: {size: 10m}}
        volumes: {data: }
    """)
    assert node(loaded, "web")["ports"] == [
        {"port": 80, "published": 8080, "address": "127.0.0.1", "protocol": "udp"}
    ]
    assert node(loaded, "web")["mounts"] == [
        {"source": "/etc/x", "target": "/x"},
        {"kind": "tmpfs", "target": "/t", "size_bytes": 10 * 2**20},
    ]
    assert ("web", "mounts_volume", "data") in edges(loaded)


def test_merge_keys_extends_and_extensions_are_resolved() -> None:
    loaded = imported("""
        x-env: &env {A: "1", B: "1"}
        services:
          base: {image: app, environment: [C=1], ports: ["1:1"], command: one, depends_on: [other]}
          web:
            extends: {service: base}
            environment: {<<: *env, B: "2"}
            ports: ["2:2"]
            command: two
          other: {image: app}
    """)
    web = node(loaded, "web")
    assert web["environment"] == {"A": "1", "B": "2", "C": "1"}
    assert [one["port"] for one in web["ports"]] == [1, 2]
    assert web["command"] == ["two"]
    assert ("web", "depends_on", "other") not in edges(loaded)


def test_extends_in_a_circle_is_refused() -> None:
    with pytest.raises(GraphFileError, match="goes in a circle or too far: a -> b -> a"):
        imported("services: {a: {image: x, extends: b}, b: {image: x, extends: a}}")


def test_dependencies_keep_their_conditions() -> None:
    loaded = imported("""
        services:
          a:
            image: app
            depends_on:
              b: {condition: service_healthy}
              c: {condition: service_completed_successfully, required: false}
          b: {image: app, depends_on: [c]}
          c: {image: app}
    """)
    assert [
        (edge["target"], edge.get("condition", "started"), edge.get("required", True))
        for edge in loaded.graph.to_node_link()["edges"]
        if edge["source"] == "a"
    ] == [("b", "healthy", True), ("c", "completed", False)]


def test_cycles_and_self_dependencies_are_imported_as_they_are() -> None:
    loaded = imported("services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a, b]}}")
    assert edges(loaded) == {("a", "depends_on", "b"), ("b", "depends_on", "a"), ("b", "depends_on", "b")}


@pytest.mark.parametrize(
    ("variable", "port"),
    [
        ("API_HOST: api", 8080),
        ("API: http://api:9000/x", 9000),
        ("LIST: other:1,api:9001", 9001),
        ("U: amqp://user@api/x", 8080),
        ("JDBC: jdbc:mysql://api:3306/x", 3306),
        ("DSN: user@tcp(api:3307)/x", 3307),
        ("NAME: api", None),
        ("X: my-api:80", None),
        ("X: api.example:80", None),
        ("X: capi", None),
    ],
)
def test_a_host_in_a_value_is_a_connection(variable: str, port: int | None) -> None:
    loaded = imported(f"""
        services:
          web: {{image: app, environment: {{{variable.replace(": ", ': "', 1)}"}}}}
          api: {{image: app, expose: ["8080"]}}
    """)
    found = [edge.get("port") for edge in loaded.graph.to_node_link()["edges"]]
    assert found == ([] if port is None else [port])


def test_a_host_may_be_named_by_any_of_its_names() -> None:
    loaded = imported("""
        services:
          web:
            image: app
            links: ["d.b:database"]
            environment: {X_HOST: the-db, X_PORT: "1234", Y: "database:1", Z: "d.b:2"}
          d.b: {image: app, container_name: the-db}
    """)
    assert node(loaded, "d-b")["aliases"] == ["d.b", "database", "the-db"]
    assert {
        edge["port"] for edge in loaded.graph.to_node_link()["edges"] if edge["kind"] == "connects_to"
    } == {1234, 1, 2}


def test_services_of_disabled_profiles_are_left_out_with_a_note() -> None:
    text = """
        services:
          web: {image: app, depends_on: [tools]}
          tools: {image: app, profiles: [debug]}
    """
    loaded = imported(text)
    assert [one.id for one in loaded.graph.nodes] == ["web"]
    assert codes(loaded) == ["not-carried-over", "profile-not-enabled"]
    assert len(imported(text, COMPOSE_PROFILES="debug").graph.nodes) == 2


NOTES = [
    ("image: a, isolation: hyperv", "not-carried-over", "'isolation' of service 'web' is not carried over"),
    (
        "image: a, restart: 'always:3'",
        "not-carried-over",
        "the limit of '3' restarts is not carried over",
    ),
    ("image: a, env_file: x.env", "file-not-read", "the env_file 'x.env' is not below this file's folder"),
    ("image: a, ports: ['80']", "port-decided", "leaves the host port to docker; it is not published"),
    ("image: a, ports: ['50000-60000:50000-60000/udp']", "not-carried-over", "(10001 ports in one range)"),
    (
        "image: a, volumes: ['./x:/x']",
        "file-to-bring",
        "'./x' beside the compose file is mounted from /srv/shop/x",
    ),
    ("image: 'a:${TAG}'", "image-decided", "the image 'a:' lacks the value of TAG; 'a' is used"),
    (
        "image: a, environment: [FOO]",
        "unset-variable",
        "the variable 'FOO' takes its value from whoever starts",
    ),
    ("image: a, environment: ['FOO=$BAR']", "unset-variable", "the variable BAR is not set"),
    ("build: ./dir", "image-to-build", "the image of service 'web' is built from './dir'"),
    (
        "image: registry.example/postgres",
        "kept-as-container",
        "it is not the official image and may hold anything",
    ),
    ("image: a, deploy: {placement: {}}", "not-carried-over", "'deploy.placement' is not carried over"),
    ("image: a, working_dir: x", "not-carried-over", "the relative working_dir 'x' is not carried over"),
    (
        "image: a, volumes: ['/x:/x:nocopy']",
        "not-carried-over",
        "the mount option nocopy of /x is not carried over",
    ),
]


@pytest.mark.parametrize(("service", "code", "message"), NOTES)
def test_what_is_decided_or_left_behind_becomes_a_note(service: str, code: str, message: str) -> None:
    loaded = imported(f"services:\n  web: {{{service}}}\n")
    assert any(note.code == code and message in note.message and note.line == 2 for note in loaded.notes), (
        loaded.notes
    )


def test_top_level_keys_without_a_place_become_notes() -> None:
    loaded = imported("""
        include: [x.yaml]
        networks: {front: , back: }
        services: {web: {image: app, networks: [front]}}
        volumes: {unused: }
    """)
    assert sorted(codes(loaded)) == ["file-not-read", "not-carried-over"]


def test_reset_and_override_are_applied() -> None:
    loaded = imported("services: {web: {image: app, ports: !reset ['80:80'], expose: !override ['81']}}")
    assert node(loaded, "web")["ports"] == [{"port": 81}]
    assert codes(loaded) == ["tag-applied", "tag-applied"]


def test_volumes_may_be_nfs_or_directories() -> None:
    loaded = imported("""
        services: {web: {image: app, volumes: ["far:/far", "near:/near"]}}
        volumes:
          far: {driver_opts: {type: nfs, o: "addr=10.0.0.9,rw", device: ":/export"}}
          near: {driver_opts: {type: none, o: bind, device: /mnt/near}}
    """)
    assert node(loaded, "far") == {
        "id": "far",
        "kind": "storage",
        "storage": "nfs",
        "server": "10.0.0.9",
        "path": "/export",
    }
    assert node(loaded, "near") == {"id": "near", "kind": "storage", "path": "/mnt/near"}


def test_a_volume_and_a_service_of_one_name_get_different_ids() -> None:
    loaded = imported("services: {data: {image: app, volumes: ['data:/d']}}\nvolumes: {data: }")
    assert len({one.id for one in loaded.graph.nodes}) == 2


@pytest.mark.parametrize(
    ("file", "folder", "stated", "name"),
    [
        ("compose.yaml", "My Shop", "", "my-shop"),
        ("docker-compose.yml", "data", "", "docker-compose"),
        ("gitea-postgres.yaml", "compose", "", "gitea-postgres"),
        ("x.yaml", "y", "name: the_name\n", "the_name"),
    ],
)
def test_the_project_has_the_most_telling_name(file: str, folder: str, stated: str, name: str) -> None:
    assert (
        loads(f"{stated}services: {{a: {{image: x}}}}", file=f"/p/{file}", folder=folder).graph.name == name
    )
