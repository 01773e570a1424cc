"""What a plan says of options that are no unit, no firewall rule and no secret: nothing is left out."""

from __future__ import annotations

from typing import Any

import pytest

from nix_gen.diff import Changes, HostChange, compare, describe
from nix_gen.diff.configuration import spelled_path
from nix_gen.graph import Graph

A = {"kind": "host", "id": "a", "addresses": ["10.0.0.1"]}
B = {"kind": "host", "id": "b", "addresses": ["10.0.0.2"]}
AGENT = {"kind": "agent", "id": "m", "host": "a", "command": ["/bin/manage"]}
SERVICE = {"kind": "service", "id": "s", "host": "a", "command": ["/bin/serve"]}
GRAFANA = {"kind": "monitoring", "id": "g", "host": "b", "engine": "grafana"}
PROMETHEUS = {"kind": "monitoring", "id": "p", "host": "b", "engine": "prometheus"}
SHOWS = {"source": "g", "kind": "connects_to", "target": "p"}
REDIS = {"kind": "database", "id": "r", "host": "a", "engine": "redis"}
LOKI = {"kind": "monitoring", "id": "l", "host": "a", "engine": "loki"}
WATCHES_B = {"source": "l", "kind": "monitors", "target": "w"}
W: dict[str, Any] = {"kind": "service", "id": "w", "host": "b", "command": ["/bin/serve"]}
STORE = {"kind": "storage", "id": "store", "host": "a", "storage": "nfs"}
MOUNTS = {"source": "w", "kind": "mounts_volume", "target": "store", "path": "/in"}
TO_W = {"source": "gate", "kind": "load_balances", "target": "w", "virtual_host": "shop.example.org"}


def gate(email: str) -> dict[str, Any]:
    tls = {"acme": True, "email": email}
    virtual = {"name": "shop.example.org", "tls": tls}
    return {"kind": "load_balancer", "id": "gate", "host": "a", "listen": [80], "virtual_hosts": [virtual]}


def graph(*parts: dict[str, Any]) -> Graph:
    nodes = [part for part in parts if "source" not in part]
    edges = [part for part in parts if "source" in part]
    return Graph.model_validate({"name": "shop", "nodes": nodes, "edges": edges})


def changes(old: tuple[dict[str, Any], ...], new: tuple[dict[str, Any], ...]) -> Changes:
    return compare(graph(*old), graph(*new))


def host(found: Changes, name: str) -> HostChange:
    return next(one for one in found.hosts if one.id == name)


def test_a_right_to_start_and_stop_is_a_change_of_its_host_and_is_told_as_one() -> None:
    base = (A, AGENT, SERVICE)
    found = changes(base, (*base, {"source": "m", "kind": "manages", "target": "s"}))
    assert host(found, "a").configuration == ("security.polkit",)
    (edge,) = found.edges
    assert edge.meaning == ("m may start, stop and restart shop-app-s.service by a rule of polkit",)
    assert "    ~ changes security.polkit" in [str(line) for line in describe(found)]


def test_a_manager_without_a_right_is_said_to_have_none() -> None:
    base = (A, B, AGENT, W)
    found = changes(base, (*base, {"source": "m", "kind": "manages", "target": "w"}))
    assert found.edges[0].meaning == ("m is responsible for w, and gets no right on its machine",)


def test_another_port_of_loki_changes_the_collector_of_every_host_that_sends_it_logs() -> None:
    base = (A, B, W, WATCHES_B)
    found = changes((*base, LOKI), (*base, {**LOKI, "port": 3111}))
    assert host(found, "b").configuration == ('environment.etc."alloy/config.alloy".text',)


def test_another_address_of_a_file_server_changes_the_file_systems_of_its_clients() -> None:
    base = (B, STORE, W, MOUNTS)
    found = changes((A, *base), ({**A, "addresses": ["10.0.0.9"]}, *base))
    assert [path for path in host(found, "b").configuration if path.startswith("fileSystems.")] == [
        'fileSystems."/var/lib/shop/store".device'
    ]


def test_something_new_to_watch_changes_the_dashboards_and_so_restarts_grafana() -> None:
    base = (A, B, GRAFANA, PROMETHEUS, SHOWS, REDIS)
    found = changes(base, (*base, {"source": "p", "kind": "monitors", "target": "r"}))
    assert [path for path in host(found, "b").configuration if path.startswith("dashboards/")] == [
        "dashboards/redis.json"
    ]
    assert "grafana.service" in [unit.unit for unit in host(found, "b").units]


def test_another_address_for_notices_about_certificates_is_told() -> None:
    parts = (A, B, {**W, "ports": [{"port": 8080}]}, TO_W)
    found = changes((*parts, gate("a@example.org")), (*parts, gate("b@example.org")))
    assert host(found, "a").configuration == ('security.acme.certs."shop.example.org".email',)


def test_a_host_whose_files_differ_in_comments_alone_is_told_as_such() -> None:
    found = changes((A, SERVICE), (A, {**SERVICE, "description": "Serves."}))
    same = "  no option changes: its files differ in comments alone"
    told = [str(line) for line in describe(found)]
    assert host(found, "a").rewritten is (same in told or bool(host(found, "a").units))


@pytest.mark.parametrize(
    ("path", "text"),
    [(("fileSystems", "/mnt"), 'fileSystems."/mnt"'), (("a", 'x"y'), 'a."x\\"y"'), (("a", "or"), 'a."or"')],
)
def test_a_path_of_options_is_spelled_as_nix_spells_it(path: tuple[str, ...], text: str) -> None:
    assert spelled_path(path) == text
