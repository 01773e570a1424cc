"""Ports that two nodes of a host take: what runs as a container has ports of its own."""

from typing import Any

import pytest

from nix_gen import check
from tests.support.lowering import Node, graph_of

CLASH = "port-clash"
HOSTS: list[Node] = [
    {"kind": "host", "id": "a", "addresses": ["10.0.0.1"]},
    {"kind": "host", "id": "b", "addresses": ["10.0.0.2"]},
]


def _bus(name: str, engine: str, **more: Any) -> Node:
    return {"kind": "message_bus", "id": name, "engine": engine, "host": "a", **more}


def _clashes(*parts: Node) -> list[str]:
    return [finding.message for finding in check(graph_of(*HOSTS, *parts)) if finding.code == CLASH]


@pytest.mark.parametrize("engine", ["kafka", "rabbitmq", "nats"])
def test_a_second_bus_of_a_host_runs_as_a_container_with_ports_of_its_own(engine: str) -> None:
    first, second = _bus("bus", engine), _bus("later", engine)
    assert _clashes(first, second) == []
    assert _clashes(first, {**second, "port": 9192}) == []
    published = {**second, "ports": [{"port": 9192, "published": 9192}], "port": 9192}
    assert _clashes(first, published) == []


def test_a_second_bus_clashes_where_it_is_published_on_a_port_of_the_first() -> None:
    second = _bus("later", "kafka", ports=[{"port": 9192, "published": 9093}], port=9192)
    assert _clashes(_bus("bus", "kafka"), second) == ["port 9093/tcp of host a is already taken by bus"]


def test_a_second_bus_clashes_in_the_network_of_its_host() -> None:
    second = _bus("later", "kafka", port=9192, container={"network": "host"})
    assert _clashes(_bus("bus", "kafka"), second) == ["port 9093/tcp of host a is already taken by bus"]


@pytest.mark.parametrize(("port", "clashes"), [(None, 1), (9192, 0)])
def test_other_hosts_reach_a_second_bus_under_a_number_that_is_free(port: int | None, clashes: int) -> None:
    client = {"kind": "service", "id": "client", "package": "hello", "host": "b"}
    edges = [{"kind": "connects_to", "source": "client", "target": name} for name in ("bus", "later")]
    second = _bus("later", "kafka") | ({} if port is None else {"port": port})
    assert len(_clashes(client, _bus("bus", "kafka"), second, *edges)) == clashes


def test_a_kafka_clashes_with_what_takes_the_port_of_its_controller() -> None:
    alert = {"kind": "monitoring", "id": "alert", "engine": "alertmanager", "host": "a"}
    assert _clashes(_bus("bus", "kafka"), alert) == ["port 9093/tcp of host a is already taken by alert"]
    assert _clashes(_bus("bus", "kafka"), _bus("later", "kafka"), alert) == [
        "port 9093/tcp of host a is already taken by alert"
    ]
