"""What each kind of node becomes, and what is said when it cannot."""

from typing import Any

import pytest

from nix_gen.render import render
from tests.support.lowering import Node, codes, lowered, options

APP: Node = {"kind": "service", "id": "app", "image": "example/app"}


def _container(*parts: Node, name: str = "shop-app") -> dict[str, Any]:
    found: dict[str, Any] = options(*parts)["virtualisation"]["oci-containers"]["containers"][name]
    return found


def _unit(*parts: Node, name: str = "shop-app-app") -> dict[str, Any]:
    found: dict[str, Any] = options(*parts)["systemd"]["services"][name]
    return found


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("redis", "docker.io/library/redis"),
        ("redis:7", "docker.io/library/redis:7"),
        ("dpage/pgadmin4:latest", "docker.io/dpage/pgadmin4:latest"),
        ("ghcr.io/x/y@sha256:00", "ghcr.io/x/y@sha256:00"),
        ("localhost:5000/y", "localhost:5000/y"),
    ],
)
def test_an_image_name_means_one_registry(image: str, full: str) -> None:
    assert _container({**APP, "image": image})["image"] == full


def test_an_image_to_build_is_local_and_never_pulled() -> None:
    built = _container({"kind": "service", "id": "app", "build": {"context": "."}})
    assert built["image"] == "localhost/shop-app:latest"
    assert built["pull"] == "never"


def test_volumes_of_containers_are_podman_s_and_others_are_directories() -> None:
    store = {"kind": "storage", "id": "store"}
    edge = {"kind": "mounts_volume", "source": "app", "target": "store", "path": "/data"}
    assert _container(APP, store, edge)["volumes"] == ["shop_store:/data"]
    assert _container(APP, {**store, "path": "/big"}, edge)["volumes"] == ["/big:/data"]
    program = {"kind": "service", "id": "app", "package": "hello"}
    host = options(program, store, edge)
    assert host["systemd"]["services"]["shop-app-app"]["serviceConfig"]["BindPaths"] == [
        "/var/lib/shop/store:/data"
    ]
    assert host["systemd"]["tmpfiles"]["rules"] == ["d /var/lib/shop/store 2770 root conclave-data -"]


def test_a_secret_in_a_variable_is_read_at_start_and_stands_nowhere_in_the_text() -> None:
    secrets = [{"name": "token", "env": "TOKEN"}, {"name": "key", "path": "/etc/key"}]
    host = options({**APP, "secrets": secrets})
    container = host["virtualisation"]["oci-containers"]["containers"]["shop-app"]
    assert container["environmentFiles"] == ["/run/shop-env-app/env"]
    assert container["volumes"] == ["/run/secrets/key:/etc/key:ro"]
    unit = host["systemd"]["services"]["shop-env-app"]
    assert unit["before"] == unit["requiredBy"] == ["podman-shop-app.service"]
    assert unit["serviceConfig"]["LoadCredential"] == ["token:/run/secrets/token"]
    assert "put TOKEN token" in unit["script"]


def test_a_program_runs_in_a_sandbox_with_its_words_quoted_for_systemd() -> None:
    unit = _unit(
        {"kind": "service", "id": "app", "package": "hello", "command": ["50%", "$x", "a b", '"', "\n", ""]}
    )
    assert unit["serviceConfig"]["ExecStart"] == (
        '"${lib.getExe pkgs.hello} \\"50%%\\" \\"$$x\\" \\"a b\\" \\"\\\\\\"\\" \\"\\\\n\\" \\"\\""'
    )
    assert unit["serviceConfig"]["ProtectSystem"] == "strict"
    assert unit["serviceConfig"]["DynamicUser"] is True
    assert unit["serviceConfig"]["CapabilityBoundingSet"] == ""


def test_a_low_port_gets_the_one_capability_it_needs() -> None:
    unit = _unit({"kind": "service", "id": "app", "package": "hello", "ports": [{"port": 80}]})
    assert unit["serviceConfig"]["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]
    assert unit["serviceConfig"]["PrivateUsers"] is False


def test_limits_reach_containers_and_native_services() -> None:
    resources = {"cpu_limit_milli": 1500, "memory_limit_bytes": 1024, "pids_limit_count": 9}
    assert {"--cpus=1.500", "--memory=1024b", "--pids-limit=9"} <= set(
        _container({**APP, "resources": resources})["extraOptions"]
    )
    database = {"kind": "database", "id": "db", "engine": "redis", "resources": resources}
    assert _unit(database, name="redis-db")["serviceConfig"] == {
        "CPUQuota": "150%",
        "MemoryMax": 1024,
        "TasksMax": 9,
    }


def test_jetstream_is_off_only_when_forced() -> None:
    bus = {"kind": "message_bus", "id": "bus"}
    assert options(bus)["services"]["nats"]["settings"]["jetstream"] is False
    assert "jetstream" not in options({**bus, "jetstream": True})["services"]["nats"]["settings"]


def test_a_second_server_of_an_engine_that_nixos_has_once_is_a_container() -> None:
    two = [{"kind": "database", "id": name, "engine": "postgresql"} for name in ("a", "b")]
    host = options(*two)
    assert host["services"]["postgresql"]["enable"] is True
    assert list(host["virtualisation"]["oci-containers"]["containers"]) == ["shop-b"]


def test_upstreams_carry_weight_backup_and_websockets() -> None:
    parts: list[Node] = [{"kind": "load_balancer", "id": "lb", "virtual_hosts": [{"name": "a.example"}]}]
    for name, more in (("one", {"weight": 3, "websockets": True}), ("two", {"backup": True})):
        parts.append(
            {"kind": "service", "id": name, "package": "hello", "ports": [{"port": 8000 + len(parts)}]}
        )
        parts.append({"kind": "load_balances", "source": "lb", "target": name, **more})
    nginx = options(*parts)["services"]["nginx"]
    assert nginx["upstreams"] == {
        "lb": {"servers": {"127.0.0.1:8001": {"weight": 3}, "127.0.0.1:8003": {"backup": True}}}
    }
    assert nginx["virtualHosts"]["a.example"]["locations"] == {
        "/": {"proxyPass": "http://lb", "proxyWebsockets": True}
    }


def test_a_balancer_whose_backends_do_not_run_answers_503() -> None:
    idle = {**APP, "replicas": 0, "ports": [{"port": 80}]}
    balancer = {"kind": "load_balancer", "id": "lb"}
    edge = {"kind": "load_balances", "source": "lb", "target": "app"}
    nginx = options(idle, balancer, edge)["services"]["nginx"]
    assert nginx["virtualHosts"]["_"]["locations"] == {"/": {"return": "503"}}
    assert "upstreams" not in nginx


@pytest.mark.parametrize(
    ("given", "option", "settings"),
    [
        ("yes", True, None),
        ("no", False, None),
        (True, True, None),
        (False, False, None),
        ("often", None, {"appendonly": "often"}),
    ],
)
def test_appendonly_is_the_redis_module_s_own_option(given: object, option: object, settings: object) -> None:
    redis = {"kind": "database", "id": "db", "engine": "redis", "settings": {"appendonly": given}}
    server = options(redis)["services"]["redis"]["servers"]["db"]
    assert (server.get("appendOnly"), server.get("settings")) == (option, settings)


def test_a_container_host_has_no_boot_loader_and_a_machine_has_defaults() -> None:
    assert options(APP)["boot"] == {"isContainer": True}
    machine = options({"kind": "host", "id": "m", "machine": "by-label"}, host="m")
    assert machine["fileSystems"]["/"] == {"device": "/dev/disk/by-label/nixos", "fsType": "ext4"}
    assert machine["system"]["stateVersion"] == "25.11"


@pytest.mark.parametrize("machine", ["container", "by-label"])
def test_every_host_takes_in_the_operator_s_hardware_module_and_yields_to_it(machine: str) -> None:
    (module,) = lowered({"kind": "host", "id": "m", "machine": machine}).modules
    text = render(module.body)
    assert "imports = lib.optional (builtins.pathExists ./hardware.nix) ./hardware.nix;" in text
    assert ("boot.isContainer = lib.mkDefault true;" in text) == (machine == "container")


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("no-form", [{"kind": "database", "id": "k", "engine": "sqlite", "mounts": [
            {"kind": "bind", "source": "/a", "target": "/b"}]}]),
        ("unsafe-name", [{"kind": "database", "id": "d", "engine": "postgresql", "databases": ['a";drop']}]),
        ("unsafe-name", [{"kind": "database", "id": "d", "engine": "mysql", "databases": ["a`b"]}]),
        ("unsafe-name", [{"kind": "service", "id": "s", "package": "hello", "user": "Bad$"}]),
        ("unsafe-name", [{"kind": "load_balancer", "id": "l", "virtual_hosts": [{"name": "a;b"}]}]),
        ("reserved-name", [{**APP, "environment": {"_type": "if"}}]),
        ("reserved-name", [{**APP, "labels": {"outPath": "x"}}]),
        ("reserved-name", [{"kind": "service", "id": "s", "package": "hello", "user": "_module"}]),
        ("nfs-without-export", [{"kind": "storage", "id": "s", "storage": "nfs"}]),
        ("block-without-device", [{"kind": "storage", "id": "s", "storage": "block"}]),
        ("replication-by-hand", [
            {"kind": "storage", "id": "a"},
            {"kind": "storage", "id": "b"},
            {"kind": "replicates", "source": "a", "target": "b"},
        ]),
        ("alias-not-used", [APP, {**APP, "id": "b", "aliases": ["a:b"]},
            {"kind": "connects_to", "source": "app", "target": "b"}]),
    ],
)  # fmt: skip
def test_what_cannot_be_done_as_the_graph_says_is_a_finding(code: str, parts: list[Node]) -> None:
    assert code in codes(*parts)
