"""Faulty replicas and refused settings, with the exact message of each."""

from typing import Any

import pytest

from nix_gen import Graph, validate
from nix_gen.findings import Severity
from tests.support.replication_cases import REPLICATION_CASES


def _found(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> list[str]:
    return [str(one) for one in validate(Graph.model_validate({"nodes": nodes, "edges": edges}))]


@pytest.mark.parametrize(("nodes", "edges", "expected"), REPLICATION_CASES)
def test_each_fault_of_a_replica_is_found_with_place_and_mend(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]], expected: str
) -> None:
    assert expected in _found(nodes, edges)


@pytest.mark.parametrize("engine", ["postgresql", "mysql", "mariadb", "redis", "mongodb"])
def test_a_sound_replica_has_no_error(engine: str) -> None:
    hosts = [{"kind": "host", "id": name, "addresses": [f"10.0.0.{name[1]}"]} for name in ("h1", "h2", "h3")]
    nodes = [
        {"kind": "database", "id": name, "engine": engine, "host": host}
        for name, host in (("a", "h1"), ("b", "h2"), ("c", "h3"))
    ]
    edges = [
        {"kind": "replicates", "source": "b", "target": "a"},
        {"kind": "replicates", "source": "c", "target": "b"},
    ]
    graph = Graph.model_validate({"nodes": [*hosts, *nodes], "edges": edges})
    assert [str(one) for one in validate(graph) if one.severity is Severity.ERROR] == []


def test_a_container_may_set_what_a_native_server_may_not() -> None:
    mount = {"kind": "bind", "source": "/etc/a", "target": "/etc/a"}
    node = {"kind": "database", "id": "a", "engine": "postgresql", "settings": {"hba_file": "/etc/a"}}
    assert any("setting-refused" in one for one in _found([node], []))
    assert not any("setting-refused" in one for one in _found([{**node, "mounts": [mount]}], []))
