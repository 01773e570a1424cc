"""Which of its addresses a host is reached at: one of a family that whoever comes has as well."""

from __future__ import annotations

from typing import Any

import pytest

from nix_gen import Severity, check
from nix_gen.flake import translate
from nix_gen.graph import Graph

BOTH = ["fd00::1", "10.0.0.1"]
APP: dict[str, Any] = {"kind": "service", "id": "app", "host": "here", "command": ["/bin/app"]}
BOXED: dict[str, Any] = {"kind": "service", "id": "app", "host": "here", "image": "a/app:1"}
SERVER: dict[str, Any] = {
    "kind": "service", "id": "web", "host": "there", "command": ["/bin/web"], "ports": [{"port": 8080}],
}  # fmt: skip
GATE: dict[str, Any] = {"kind": "load_balancer", "id": "app", "host": "here", "listen": [80]}
PROMETHEUS: dict[str, Any] = {"kind": "monitoring", "id": "app", "host": "here", "engine": "prometheus"}
STORE: dict[str, Any] = {"kind": "storage", "id": "web", "host": "there", "storage": "nfs"}
REDIS: dict[str, Any] = {"kind": "database", "engine": "redis"}
POSTGRES: dict[str, Any] = {"kind": "database", "engine": "postgresql", "version": "16"}
NATS: dict[str, Any] = {"kind": "message_bus", "engine": "nats", "cluster": {"name": "c"}}


def graph(
    source: dict[str, Any], target: dict[str, Any], here: list[str], there: list[str], **edge: Any
) -> Graph:
    hosts = [
        {"kind": "host", "id": "here", "addresses": here},
        {"kind": "host", "id": "there", "addresses": there},
    ]
    stated = {"source": "app", "target": "web", **edge}
    return Graph.model_validate({"name": "shop", "nodes": [*hosts, source, target], "edges": [stated]})


def text(found: Graph) -> str:
    return translate(found).files["hosts/here/default.nix"]


def pair(kind: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {**kind, "id": "app", "host": "here"}, {**kind, "id": "web", "host": "there"}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "hosts entry": (APP, SERVER, {"kind": "connects_to"}, '"10.0.0.1" = ['),
    "container": (BOXED, SERVER, {"kind": "connects_to"}, "--add-host=web:10.0.0.1"),
    "wait unit": (APP, SERVER, {"kind": "depends_on"}, "/dev/tcp/10.0.0.1/8080"),
    "upstream": (GATE, SERVER, {"kind": "load_balances"}, "10.0.0.1:8080"),
    "scrape": (PROMETHEUS, SERVER, {"kind": "monitors"}, "10.0.0.1:8080"),
    "nfs": (APP, STORE, {"kind": "mounts_volume", "path": "/in"}, "10.0.0.1:/"),
    "redis": (*pair(REDIS), {"kind": "replicates"}, 'ip = "10.0.0.1"'),
    "postgres": (*pair(POSTGRES), {"kind": "replicates"}, "host=10.0.0.1"),
    "nats": (*pair(NATS), {"kind": "replicates"}, "nats://10.0.0.1:6222"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_host_is_reached_at_an_address_of_a_family_the_source_has(name: str) -> None:
    source, target, edge, said = CASES[name]
    found = text(graph(source, target, ["10.0.0.2"], BOTH, **edge))
    assert said in found
    assert not [line for line in found.splitlines() if "fd00::1" in line and "saddr" not in line]


def test_who_has_both_families_comes_to_the_first_address() -> None:
    source, target, edge, _ = CASES["upstream"]
    assert "[fd00::1]:8080" in text(graph(source, target, ["10.0.0.2", "fd00::2"], BOTH, **edge))


def test_a_container_comes_by_ipv4_even_where_its_host_has_both() -> None:
    found = text(graph(BOXED, SERVER, ["fd00::2", "10.0.0.2"], BOTH, kind="connects_to"))
    assert "--add-host=web:10.0.0.1" in found


def test_a_container_and_a_program_that_wait_for_one_node_share_one_unit() -> None:
    other = {**BOXED, "id": "boxed"}
    both = ["fd00::2", "10.0.0.2"]
    one = graph(APP, SERVER, both, BOTH, kind="depends_on").to_node_link()
    one["nodes"].append(other)
    one["edges"].append({"source": "boxed", "target": "web", "kind": "depends_on"})
    assert text(Graph.model_validate(one)).count("/dev/tcp/fd00::1/8080") == 1


def test_two_hosts_without_a_family_in_common_are_an_error() -> None:
    source, target, edge, _ = CASES["upstream"]
    errors = [
        one
        for one in check(graph(source, target, ["10.0.0.2"], ["fd00::1"], **edge))
        if one.severity is Severity.ERROR
    ]
    assert [(one.code, one.place, one.message, one.mend) for one in errors] == [
        (
            "host-without-address",
            "there",
            "app and web on it have no address of one family; containers speak IPv4 alone",
            "give the hosts of both an IPv4 address",
        )
    ]
