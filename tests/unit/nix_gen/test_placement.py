"""Where nodes stand: what the graph says always holds, and the search does the rest as documented."""

from __future__ import annotations

from typing import Any

import pytest

from nix_gen import Graph, place, previous_hosts, translate
from nix_gen.placement import Placed

Part = dict[str, Any]
MIB = 2**20


def host(name: str, **fields: Any) -> Part:
    number = int(name.strip("abcdefghijklmnopqrstuvwxyz") or 0)
    return {"id": name, "kind": "host", "addresses": [f"10.0.0.{number + 1}"], **fields}


def app(name: str, **fields: Any) -> Part:
    return {"id": name, "kind": "service", "image": "app:1", **fields}


def sized(name: str, cpu_milli: int, memory_mib: int = 64, **fields: Any) -> Part:
    resources = {"cpu_limit_milli": cpu_milli, "memory_limit_bytes": memory_mib * MIB}
    return app(name, resources=resources, **fields)


def edge(source: str, kind: str, target: str, **fields: Any) -> Part:
    return {"source": source, "kind": kind, "target": target, **fields}


def placed(*parts: Part, previous: dict[str, str] | None = None) -> Placed:
    nodes = [part for part in parts if "source" not in part]
    edges = [part for part in parts if "source" in part]
    return place(Graph.model_validate({"nodes": nodes, "edges": edges}), previous=previous)


def where(*parts: Part, previous: dict[str, str] | None = None) -> dict[str, str]:
    found = placed(*parts, previous=previous)
    assert [finding for finding in found.findings if finding.severity == "error"] == []
    return {decision.node: decision.host for decision in found.decisions}


SMALL = {"cpu_milli": 1000, "memory_bytes": 1024 * MIB}


def test_a_graph_with_nothing_left_to_decide_is_given_back_as_it_is() -> None:
    graph = Graph.model_validate({"nodes": [host("h1"), host("h2"), app("a", host="h1")]})
    assert place(graph).graph is graph
    alone = Graph.model_validate({"nodes": [app("a"), app("b")]})
    assert place(alone).graph is alone
    assert [str(one) for one in place(alone).decisions] == [
        "a stands on deployment: the only host",
        "b stands on deployment: the only host",
    ]


def test_an_explicit_host_wins_over_everything() -> None:
    assert where(host("h1", capacity=SMALL), host("h2"), sized("a", 4000, host="h1"))["a"] == "h1"


def test_large_nodes_come_first_and_fill_the_fullest_host_that_takes_them() -> None:
    nodes = [sized("a", 300), sized("b", 700), sized("c", 600), sized("d", 400)]
    found = where(host("h1", capacity=SMALL), host("h2", capacity=SMALL), *nodes)
    assert found == {"b": "h1", "a": "h1", "c": "h2", "d": "h2"}


def test_memory_counts_where_it_is_the_scarcer() -> None:
    nodes = [sized("a", 100, 700), sized("b", 100, 700)]
    found = where(host("h1", capacity=SMALL), host("h2", capacity=SMALL), *nodes)
    assert sorted(found.values()) == ["h1", "h2"]


def test_a_reservation_counts_before_the_limit() -> None:
    resources = {"memory_limit_bytes": 900 * MIB, "memory_reservation_bytes": 300 * MIB}
    nodes = [app(name, resources=resources) for name in "abc"]
    assert set(where(host("h1", capacity=SMALL), host("h2", capacity=SMALL), *nodes).values()) == {"h1"}


def test_what_belongs_together_stands_together() -> None:
    parts = [
        *(host("h1"), host("h2"), app("a", placement={"together_with": ["b"]}), app("b", host="h2")),
        *(app("c"), {"id": "data", "kind": "storage"}, edge("c", "mounts_volume", "data", path="/d")),
        *(app("d"), edge("d", "mounts_volume", "data", path="/d")),
        *(app("e"), {"id": "file", "kind": "database", "engine": "sqlite"}, edge("e", "connects_to", "file")),
    ]
    found = where(*parts)
    assert found["a"] == found["b"] == "h2"
    assert found["c"] == found["data"] == found["d"]
    assert found["e"] == found["file"]


def test_what_must_stand_apart_does() -> None:
    parts = [host("h1"), host("h2"), app("a", placement={"apart_from": ["b"]}), app("b")]
    found = where(*parts, edge("a", "connects_to", "b"))
    assert found["a"] != found["b"]


def test_only_named_hosts_and_fitting_platforms_are_taken() -> None:
    hosts = [host("h1"), host("h2", system="aarch64-linux"), host("h3")]
    arm = app("arm", container={"platform": "linux/arm64"})
    found = where(*hosts, app("a", placement={"hosts": ["h3"]}), arm)
    assert found == {"a": "h3", "arm": "h2"}


@pytest.mark.parametrize(
    "pair",
    [
        [app("a", ports=[{"port": 80, "published": 80}]), app("b", ports=[{"port": 81, "published": 80}])],
        [
            {"id": "a", "kind": "database", "engine": "postgresql"},
            {"id": "b", "kind": "database", "engine": "postgresql", "port": 5433},
        ],
        [{"id": "a", "kind": "message_bus"}, {"id": "b", "kind": "message_bus", "port": 4223}],
    ],
    ids=["one published port", "one PostgreSQL a host", "one NATS a host"],
)
def test_two_that_need_one_port_or_module_of_a_host_get_two_hosts(pair: list[Part]) -> None:
    found = where(host("h1"), host("h2"), *pair)
    assert found["a"] != found["b"]


def test_a_port_on_two_addresses_is_two_ports() -> None:
    nodes = [
        app(name, ports=[{"port": 80, "published": 80, "address": address}], placement={"hosts": ["h1"]})
        for name, address in (("a", "10.0.0.2"), ("b", "127.0.0.1"))
    ]
    assert where(host("h1"), host("h2"), *nodes) == {"a": "h1", "b": "h1"}


def test_copies_of_data_stand_in_zones_of_their_own_then_on_hosts_of_their_own() -> None:
    hosts = [host("h1", zone="z1"), host("h2", zone="z1"), host("h3", zone="z2"), host("h4", zone="z2")]
    caches = [{"id": name, "kind": "database", "engine": "redis"} for name in "abc"]
    edges = [edge("b", "replicates", "a"), edge("c", "replicates", "a")]
    found = where(*hosts, *caches, *edges)
    zones = [{"h1": 1, "h2": 1, "h3": 2, "h4": 2}[place] for place in found.values()]
    assert len(set(found.values())) == 3
    assert set(zones) == {1, 2}


def test_members_of_a_cluster_and_upstreams_of_a_balancer_stand_apart() -> None:
    buses = [{"id": f"n{i}", "kind": "message_bus", "cluster": {"name": "c"}} for i in range(3)]
    balanced = [app("x", ports=[{"port": 80}]), app("y", ports=[{"port": 80}])]
    edges = [edge("lb", "load_balances", "x"), edge("lb", "load_balances", "y")]
    hosts = [host("h1"), host("h2"), host("h3")]
    found = where(*hosts, *buses, *balanced, {"id": "lb", "kind": "load_balancer"}, *edges)
    assert len({found["n0"], found["n1"], found["n2"]}) == 3
    assert found["x"] != found["y"]


def test_replicas_that_spread_become_nodes_that_keep_the_name_and_the_edges() -> None:
    parts = [
        *(host("h1"), host("h2"), host("h3"), {"id": "lb", "kind": "load_balancer"}, app("db", host="h1")),
        app("web", replicas=3, placement={"spread": "host"}, aliases=["www"], ports=[{"port": 80}]),
        *(edge("lb", "load_balances", "web"), edge("web", "connects_to", "db")),
    ]
    graph = placed(*parts).graph
    copies = [node for node in graph.nodes if node.id.startswith("web-")]
    assert [node.id for node in copies] == ["web-1", "web-2", "web-3"]
    assert {graph.host_of(node.id) for node in copies} == {"h1", "h2", "h3"}
    assert all(node.aliases == ("web", "www") and node.replicas == 1 for node in copies)  # type: ignore[union-attr]
    assert sorted(one.id for one in graph.edges) == [
        *(f"lb -load_balances-> web-{number}" for number in (1, 2, 3)),
        *(f"web-{number} -connects_to-> db" for number in (1, 2, 3)),
    ]


def test_replicas_of_a_graph_with_one_host_stay_one_service() -> None:
    graph = placed(app("web", replicas=3, placement={"spread": "host"})).graph
    assert [node.id for node in graph.nodes] == ["web"]


def test_a_node_stands_near_what_it_talks_to() -> None:
    parts = [host("h1"), host("h2"), app("db", host="h2"), app("web"), app("other", host="h1")]
    assert where(*parts, edge("web", "connects_to", "db"))["web"] == "h2"


def test_two_containers_of_one_port_that_others_reach_stand_apart() -> None:
    nodes = [app(name, ports=[{"port": 8080}]) for name in "ab"]
    edges = [edge("c", "connects_to", "a"), edge("c", "connects_to", "b")]
    found = where(host("h1"), host("h2"), *nodes, app("c"), *edges)
    assert found["a"] != found["b"]


def test_nodes_stay_where_they_were_when_one_more_comes() -> None:
    hosts = [host(f"h{index}", capacity=SMALL) for index in (1, 2, 3)]
    nodes = [sized(f"n{index}", 400) for index in range(6)]
    before = where(*hosts, *nodes)
    after = where(*hosts, *nodes, sized("big", 200), previous=before)
    assert {name: after[name] for name in before} == before
    moved = where(*hosts, *nodes, previous={**before, "n0": "gone"})
    assert {name: moved[name] for name in before if name != "n0"} == {
        name: place for name, place in before.items() if name != "n0"
    }


def test_a_node_moves_when_its_place_has_become_impossible() -> None:
    node = app("a", placement={"hosts": ["h2"]})
    assert where(host("h1"), host("h2"), node, previous={"a": "h1"}) == {"a": "h2"}


def test_the_search_moves_others_where_best_fit_alone_fails() -> None:
    picky = [
        sized("a", 600, placement={"hosts": ["h1", "h2"]}),
        sized("b", 500, placement={"hosts": ["h1", "h3"]}),
    ]
    parts = [*(host(f"h{i}", capacity=SMALL) for i in (1, 2, 3)), *picky]
    others = [
        sized("c", 500, placement={"hosts": ["h1", "h2"]}),
        sized("d", 600, placement={"hosts": ["h2", "h3"]}),
    ]
    found = where(*parts, *others)
    assert found == {"a": "h2", "b": "h1", "c": "h1", "d": "h3"}


def test_the_record_of_a_deployment_says_where_nodes_stood() -> None:
    import json

    graph = Graph.model_validate({"nodes": [host("h1"), host("h2"), app("a"), app("b", host="h2")]})
    record = json.loads(translate(graph).files["deployment.json"])
    assert previous_hosts(record) == {"a": place(graph).decisions[0].host, "b": "h2"}
    assert previous_hosts({"hosts": {"h": {"nodes": [1, {"id": 2}]}, "g": 3}}) == {}
    assert previous_hosts({}) == {}


def test_decisions_say_why() -> None:
    reasons = {
        one.node: one.reason
        for one in placed(
            *(host("h1"), host("h2"), app("db", host="h2"), app("web"), edge("web", "connects_to", "db")),
            *(app("a", placement={"hosts": ["h1"], "together_with": ["b"]}), app("b")),
        ).decisions
    }
    assert reasons == {
        "a": "with b; its placement names h1; h1 is 5 % full",
        "b": "with a; its placement names h1; h1 is 5 % full",
        "db": "its host field says so",
        "web": "near db; h2 is 5 % full",
    }
