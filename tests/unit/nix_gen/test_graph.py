"""The graph model: spellings, canonical form, placement, limits."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from nix_gen import Graph, graph_json_schema
from nix_gen.edges import EDGE_KINDS
from nix_gen.nodes import NODE_KINDS, HealthCheck, Mount, Service

APP: dict[str, Any] = {"id": "app", "kind": "service", "image": "app:1"}
DB: dict[str, Any] = {"id": "db", "kind": "database", "engine": "postgresql"}


def graph(*nodes: dict[str, Any], edges: tuple[dict[str, Any], ...] = (), **rest: Any) -> Graph:
    return Graph.model_validate({"nodes": list(nodes), "edges": list(edges), **rest})


def test_the_canonical_form_leaves_defaults_out_and_sorts() -> None:
    edges = ({"source": "app", "target": "db", "kind": "depends_on", "condition": "started"},)
    given = graph({**DB, "port": None}, {**APP, "replicas": 1}, edges=edges, name="shop")
    assert given.canonical_json() == (
        b'{"directed":true,"edges":[{"kind":"depends_on","source":"app","target":"db"}],'
        b'"graph":{"name":"shop"},"multigraph":true,"nodes":[{"id":"app","image":"app:1","kind":"service"},'
        b'{"engine":"postgresql","id":"db","kind":"database"}]}'
    )


def test_the_order_of_ports_does_not_change_the_digest() -> None:
    ports = [{"port": 80}, {"port": 443, "published": 8443}]
    assert graph({**APP, "ports": ports}).digest() == graph({**APP, "ports": ports[::-1]}).digest()


def test_links_name_and_key_are_other_spellings_of_node_link_form() -> None:
    edge = {"source": "app", "target": "db", "kind": "depends_on"}
    one = Graph.model_validate(
        {"name": "x", "nodes": [APP, DB], "links": [{**edge, "key": 0}], "multigraph": False}
    )
    assert one.digest() == graph(APP, DB, edges=(edge,), graph={"name": "x"}).digest()


def test_a_graph_without_a_host_has_one_implicit_host_named_after_it() -> None:
    given = graph(APP, DB, name="shop")
    assert [host.id for host in given.hosts] == ["shop"]
    assert given.host_of("app") == "shop"
    assert [node.id for node in given.nodes_on("shop")] == ["app", "db"]


def test_a_node_without_host_stands_on_the_only_host() -> None:
    assert graph(APP, {"id": "h", "kind": "host"}).host_of("app") == "h"


def test_storage_without_host_stands_where_its_first_mounter_stands() -> None:
    hosts = ({"id": "h1", "kind": "host"}, {"id": "h2", "kind": "host"})
    mount = {"source": "app", "target": "data", "kind": "mounts_volume", "path": "/data"}
    given = graph({**APP, "host": "h2"}, DB, {"id": "data", "kind": "storage"}, *hosts, edges=(mount,))
    assert (given.host_of("data"), given.host_of("db"), given.host_of("none")) == ("h2", None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "App"},
        {"id": "-a"},
        {"id": "a" * 64},
        {"ports": [{"port": 0}]},
        {"ports": [{"port": 70_000}]},
        {"ports": [{"port": "80"}]},
        {"ports": [{"port": True}]},
        {"environment": {"A": "\0"}},
        {"environment": {"A=B": "x"}},
        {"environment": {str(index): "x" for index in range(600)}},
        {"working_dir": "relative"},
        {"working_dir": "/a/../b"},
        {"image": "has space"},
        {"replicas": 1001},
        {"unknown": 1},
        {"package": "hello"},
        {"image": None},
        {"image": None, "command": ["relative"]},
    ],
)
def test_a_field_out_of_its_limits_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        graph({**APP, **fields})


def test_two_nodes_of_one_id_are_refused() -> None:
    with pytest.raises(ValidationError, match="two nodes have the id 'app'"):
        graph(APP, APP)


def test_a_health_check_says_one_thing() -> None:
    with pytest.raises(ValidationError, match="exactly one of command and shell"):
        HealthCheck(command=("a",), shell="b")


def test_only_a_bind_mount_has_a_source() -> None:
    with pytest.raises(ValidationError, match="a bind mount needs a source"):
        Mount(target="/x")


def test_a_service_by_absolute_command_is_no_container() -> None:
    assert not Service(id="a", command=("/bin/true",)).is_container


def test_the_schema_names_every_kind() -> None:
    text = json.dumps(graph_json_schema())
    assert all(f'"const": "{kind}"' in text for kind in (*NODE_KINDS, *EDGE_KINDS))


def test_networkx_sees_the_same_graph() -> None:
    edge = {"source": "app", "target": "db", "kind": "depends_on"}
    seen = graph(APP, DB, edges=(edge,)).to_networkx()
    assert dict(seen.nodes["db"]) == {"engine": "postgresql", "kind": "database"}
    assert [attributes["kind"] for *_, attributes in seen.edges(data=True)] == ["depends_on"]
