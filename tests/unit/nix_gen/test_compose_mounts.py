"""Directories beside a compose file are there when its containers start, and restarts take others along."""

import pytest

from nix_gen import loads, translate
from nix_gen.compose.source import Importing
from nix_gen.compose.syntax import VolumeUse
from nix_gen.compose.workloads import is_directory
from nix_gen.edges import ConnectsTo
from nix_gen.lower.images import image_of
from nix_gen.nodes import Database, MessageBus


@pytest.mark.parametrize(
    ("source", "target", "directory"),
    [
        ("./library", "/data", True),
        ("./library/", "/data", True),
        ("./conf.d", "/etc/app/conf.d", True),
        ("./v1.2/", "/data", True),
        ("./app.conf", "/etc/app.conf", False),
        ("./app", "/etc/app.conf", False),
        ("./Caddyfile", "/etc/caddy/Caddyfile", False),
        ("./.env", "/x", False),
        ("./hosts", "/x", False),
    ],
)
def test_a_source_is_a_directory_by_its_look(source: str, target: str, *, directory: bool) -> None:
    importing = Importing("shop.yaml", {}, {"./hosts": "127.0.0.1 x"}.get)
    assert is_directory(VolumeUse(type="bind", source=source, target=target), importing) is directory


def test_directories_are_made_and_files_are_left_to_the_operator() -> None:
    loaded = loads(
        "services: {web: {image: app, volumes: ['./library:/data', './big.bin:/big.bin', '/mnt/x:/x']}}",
        file="shop.yaml",
    )
    text = translate(loaded.graph).files["hosts/shop/default.nix"]
    assert '"d /srv/shop/library 0755 root root -"' in str(text)
    assert '"d /srv/shop/big.bin' not in str(text)
    assert '"d /mnt/x' not in str(text)
    assert [note.mend for note in loaded.notes if note.code == "file-to-bring"] == [
        "bring it to /srv/shop/big.bin on the host",
        "bring what it holds to /srv/shop/library on the host, which makes it, empty",
    ]


def test_a_container_in_the_network_of_another_ends_and_restarts_with_it() -> None:
    loaded = loads(
        "services: {vpn: {image: vpn}, web: {image: app, network_mode: 'service:vpn'}}", file="shop.yaml"
    )
    text = str(translate(loaded.graph).files["hosts/shop/default.nix"])
    assert 'bindsTo = [ "podman-shop-vpn.service" ];' in text


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ("{DB_URL: 'postgres://app@127.0.0.1:5433/app'}", 5432),
        ("{DB_HOST: localhost, DB_PORT: '5433'}", 5432),
        ("{DB_URL: 'postgres://app@127.0.0.1:5432/app'}", None),
    ],
)
def test_a_container_in_its_host_s_network_reaches_what_is_published_there(
    environment: str, port: int | None
) -> None:
    loaded = loads(
        f"services: {{web: {{image: app, network_mode: host, ports: ['80'], environment: {environment}}}, "
        "db: {image: my/db, ports: ['5433:5432']}}",
        file="shop.yaml",
    )
    ports = [edge.port for edge in loaded.graph.edges if isinstance(edge, ConnectsTo)]
    assert ports == ([] if port is None else [port])


@pytest.mark.parametrize("required", [True, False])
def test_a_required_dependency_restarts_its_dependents_and_another_is_said_not_to(*, required: bool) -> None:
    loaded = loads(
        "services: {db: {image: my/db}, web: {image: app, depends_on: "
        f"{{db: {{condition: service_started, restart: true, required: {str(required).lower()}}}}}}}}}",
        file="shop.yaml",
    )
    text = str(translate(loaded.graph).files["hosts/shop/default.nix"])
    assert ('dependsOn = [ "shop-db" ];' in text) is required
    left = ["'restart' of service 'web', depends_on.db is not carried over"] * (not required)
    assert [note.message for note in loaded.notes] == left


def test_engines_without_a_version_run_a_known_one() -> None:
    assert image_of(Database(id="db", engine="mongodb"), "shop") == "docker.io/library/mongo:8"
    assert image_of(MessageBus(id="bus", engine="kafka"), "shop") == "docker.io/apache/kafka:4.0.0"


def test_a_connection_that_nobody_names_is_a_warning() -> None:
    loaded = loads("services: {web: {image: app}, db: {image: postgres}}", file="shop.yaml")
    assert [note.severity for note in loaded.notes if note.code == "connection-assumed"] == ["warning"]
