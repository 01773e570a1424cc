"""Every shape of a message bus is accepted by NixOS's own options, and by nats-server where it is NATS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nix_gen import translate
from nix_gen.graph import Graph
from nix_gen.lower.nats import container_configuration
from nix_gen.lower.site import Site
from nix_gen.nodes import MessageBus
from tests.support.bus_cases import TLS
from tests.support.bus_graphs import ADDRESSES, CLIENTS, mesh
from tests.support.generated_nats import GeneratedServer, on_loopback
from tests.support.nats_users import new_credentials
from tests.support.nix_tools import gather, nixcheck, parse

KEYS = {name: new_credentials().public_key for name in CLIENTS}
USERS = [{"name": "app", "password": "pw", "configure": "^it's ${x} ''", "administrator": True}]
RESOURCES = {"memory_limit_bytes": 2**31, "cpu_limit_milli": 1500}
SETTINGS: dict[str, dict[str, Any]] = {
    "nats": {"jetstream.sync_interval": "always", "max_payload": 2**20, "lame_duck_duration": "30s"},
    "kafka": {"log.retention.hours": 24, "auto.create.topics.enable": False},
    "rabbitmq": {"heartbeat": 30, "vm_memory_high_watermark.relative": "0.5", "loopback_users.guest": True},
}
ENGINES = tuple(SETTINGS)


def _bus(engine: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "message_bus", "id": f"b{number}", "engine": engine, "host": f"h{number}", **fields}


def _graph(*nodes: dict[str, Any], edges: tuple[dict[str, Any], ...] = ()) -> Graph:
    hosts = [{"kind": "host", "id": host, "addresses": [address]} for host, address in ADDRESSES.items()]
    return Graph.model_validate({"name": "shapes", "nodes": [*hosts, *nodes], "edges": list(edges)})


def _alone(engine: str) -> Graph:
    app = {"kind": "service", "id": "app", "host": "h2", "package": "hello"}
    said = {"source": "app", "target": "b1", "kind": "publishes_to", "subjects": ["a"]}
    bus = _bus(engine, 1, monitor_port=8222, resources=RESOURCES, settings=SETTINGS[engine])
    users = {"users": USERS} if engine == "rabbitmq" else {}
    return _graph({**bus, **users}, app, edges=(said,))


def _cluster(engine: str) -> Graph:
    cluster = {"name": "c", **({"cookie": "ck"} if engine == "rabbitmq" else {})}
    users = {"users": USERS} if engine == "rabbitmq" else {}
    return _graph(*(_bus(engine, number, cluster=cluster, **users) for number in (1, 2, 3)))


def _on_disks(engine: str) -> Graph:
    disk = {"kind": "storage", "id": "disk", "host": "h1", "path": "/srv/a b", "size_bytes": 2**40}
    mount = {"source": "b1", "target": "disk", "kind": "mounts_volume", "path": "/data"}
    return _graph(_bus(engine, 1, jetstream=engine == "nats"), disk, edges=(mount,))


def _twice(engine: str) -> Graph:
    second = {**_bus(engine, 1, port=7000), "id": "second", "jetstream": engine == "nats"}
    ports = {} if engine == "nats" else {"cluster": {"name": "x", "port": 7001, "cookie": "ck"}}
    return _graph(_bus(engine, 1), {**second, **ports, "image": f"example/{engine}:1"})


def _shapes() -> dict[str, Graph]:
    shapes = {"mesh": mesh(KEYS), "mesh-tls": mesh(KEYS, tls=TLS)}
    made = {"alone": _alone, "cluster": _cluster, "disk": _on_disks, "twice": _twice}
    return shapes | {f"{engine}-{name}": make(engine) for engine in ENGINES for name, make in made.items()}


@pytest.mark.nix
@pytest.mark.shared
def test_every_shape_of_a_bus_is_a_machine_that_nixos_accepts(nix: str, shared: Path, tmp_path: Path) -> None:
    flakes = {name: translate(graph) for name, graph in _shapes().items()}
    parse(nix, gather(flakes, tmp_path))
    nixcheck(shared, tmp_path)


@pytest.mark.parametrize("tls", [None, TLS], ids=["plain", "certificates"])
def test_nats_server_accepts_the_configuration_of_a_container(
    tls: dict[str, str] | None, tmp_path: Path
) -> None:
    site = Site(mesh(KEYS, **({} if tls is None else {"tls": tls})))
    for host, address in ADDRESSES.items():
        node = site.graph.by_id[f"n{host[1:]}"]
        assert isinstance(node, MessageBus)
        document = json.loads(container_configuration(site, node).text)
        if tls is not None:
            assert set(document["cluster"].pop("tls")) == {"ca_file", "cert_file", "key_file", "verify"}
        moved = on_loopback(dict.fromkeys(ADDRESSES.values(), document), tmp_path)[address]
        assert "is valid" in GeneratedServer(moved, tmp_path / f"{host}.json").check()
