"""What a graph asks for and a host could fail to do in silence: it is done, or a finding says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conclave.cli import cli
from nix_gen import check, load
from nix_gen.flake import translate
from nix_gen.graph import Graph

HOSTS = tuple(
    {"kind": "host", "id": name, "addresses": [address]}
    for name, address in (("a", "10.0.0.1"), ("b", "10.0.0.2"))
)
INNER = {"networks": [{"name": "inner", "internal": True}]}
BOX: dict[str, Any] = {
    "kind": "service", "id": "box", "host": "a", "image": "x/y:1", "container": INNER,
    "ports": [{"port": 80}],
}  # fmt: skip
APP: dict[str, Any] = {"kind": "service", "id": "app", "host": "b", "image": "x/y:1"}
SPREAD: dict[str, Any] = {
    "kind": "service", "id": "w", "image": "x/y:1", "replicas": 2, "placement": {"spread": "host"},
}  # fmt: skip


def graph(*parts: dict[str, Any]) -> Graph:
    nodes = [part for part in parts if "source" not in part]
    edges = [part for part in parts if "source" in part]
    return Graph.model_validate({"name": "shop", "nodes": [*HOSTS, *nodes], "edges": edges})


def found(code: str, *parts: dict[str, Any]) -> list[str]:
    return [str(one) for one in check(graph(*parts)) if one.code == code]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (({**BOX, "ports": [{"port": 80, "published": 8080}]},), "it is published on 8080"),
        (
            (BOX, APP, {"source": "app", "target": "box", "kind": "connects_to"}),
            "app on another host connects to it",
        ),
        (
            (BOX, {**APP, "ports": [{"port": 1}]}, {"source": "box", "target": "app", "kind": "connects_to"}),
            "it connects to app on another host",
        ),
    ],
)
def test_a_container_cut_off_from_what_it_is_asked_for_is_an_error(
    parts: tuple[dict[str, Any], ...], why: str
) -> None:
    (said,) = found("internal-network-only", *parts)
    assert said == (
        "error internal-network-only: box: all of its networks are internal, which nothing enters or leaves, "
        f"and {why}; put it into one more network, which is not internal"
    )


def test_a_container_with_one_more_network_is_reached() -> None:
    open_too = {"networks": [{"name": "inner", "internal": True}, {"name": "default"}]}
    box = {**BOX, "ports": [{"port": 80, "published": 8080}], "container": open_too}
    assert found("internal-network-only", box) == []


def test_another_number_on_the_loopback_leads_to_the_service() -> None:
    binding = {"port": 5432, "published": 5433, "address": "127.0.0.1"}
    base = {"kind": "database", "id": "db", "host": "a", "engine": "postgresql", "version": "16"}
    text = translate(graph({**base, "ports": [binding]})).files["hosts/a/default.nix"]
    assert "type nat hook output priority -100;" in text
    assert 'ip daddr 127.0.0.1 tcp dport 5433 redirect to :5432 comment "db published"' in text
    same = translate(graph({**base, "ports": [{**binding, "published": 5432}]})).files["hosts/a/default.nix"]
    assert "hook output" not in same


@pytest.mark.parametrize(("acme", "ports"), [(True, "[443 80]"), (False, "[443]")])
def test_the_port_an_acme_authority_asks_at_is_open_whatever_else_is_published(
    *, acme: bool, ports: str
) -> None:
    tls = {"acme": True, "email": "a@example.org"} if acme else {"certificate": "c", "key": "k"}
    gate = {
        "kind": "load_balancer", "id": "gate", "host": "a", "ports": [{"port": 443, "published": 443}],
        "virtual_hosts": [{"name": "shop.example.org", "tls": tls, "listen": [443]}],
    }  # fmt: skip
    server = {**APP, "ports": [{"port": 8080}]}
    edge = {"source": "gate", "target": "app", "kind": "load_balances", "virtual_host": "shop.example.org"}
    text = translate(graph(gate, server, edge)).files["hosts/a/default.nix"]
    opened = text[text.index("allowedTCPPorts") :].split(";")[0]
    assert opened.split("=")[1].split() == ports.replace("[", "[ ").replace("]", " ]").split()


def test_replicas_that_a_volume_holds_together_are_a_finding() -> None:
    store = {"kind": "storage", "id": "store", "path": "/d"}
    mount = {"source": "w", "target": "store", "kind": "mounts_volume", "path": "/in"}
    (said,) = found("spread-narrow", SPREAD, store, mount)
    assert said.endswith(
        "replicas of w: w-1, w-2; several of them stand on a, for they mount store, which is local storage "
        "of one host; let it be nfs or s3 storage, or give each copy its own"
    )
    assert found("spread-narrow", SPREAD) == []


def test_the_network_of_a_node_of_which_every_host_has_another_is_not_to_be_shared() -> None:
    sharer = {**APP, "container": {"network": "node:w"}}
    (said,) = found("unknown-container", SPREAD, sharer)
    assert said == (
        "error unknown-container: app: shares the network of 'w', whose replicas stand apart, "
        "as w-1 and w-2; name one other container of the same host"
    )


def test_a_storage_that_holds_backups_is_of_use_without_a_mount() -> None:
    base = {"kind": "database", "id": "db", "host": "a", "engine": "postgresql", "version": "16"}
    store = {"kind": "storage", "id": "store", "host": "a", "path": "/d"}
    assert found("unmounted-storage", {**base, "backup": {"to": "store"}}, store) == []
    assert len(found("unmounted-storage", {**base, "backup": {}}, store)) == 1


def test_a_new_node_moves_no_other_when_a_flake_is_generated_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    nodes = [{"kind": "service", "id": name, "image": "x/y:1"} for name in ("m", "n")]

    def places(*more: dict[str, Any]) -> dict[str, str | None]:
        file = tmp_path / "graph.json"
        file.write_bytes(graph(*nodes, *more).canonical_json())
        ran = CliRunner().invoke(cli, ["nix", "generate", str(file), "-o", str(out)])
        assert ran.exit_code == 0, ran.output
        files = {host: (out / "hosts" / host / "default.nix").read_text(encoding="utf-8") for host in "ab"}
        assert load(out / "graph.json").graph.by_id.keys() >= {"m", "n"}
        return {name: next((h for h in "ab" if f"shop-{name}" in files[h]), None) for name in "lmn"}

    before = places()
    heavy = {"kind": "service", "id": "l", "image": "x/y:1", "resources": {"memory_limit_bytes": 2**33}}
    after = places(heavy)
    assert {name: after[name] for name in "mn"} == {name: before[name] for name in "mn"}
    assert after["l"] is not None
