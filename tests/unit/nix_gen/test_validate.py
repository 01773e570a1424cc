"""Every code of the validator, with its exact message; and that it stays fast."""

from typing import Any

import pytest

from nix_gen import Graph, validate
from nix_gen.codes import VALIDATION
from tests.support.balancer_cases import BALANCER_CASES
from tests.support.bus_cases import BUS_CASES
from tests.support.monitoring_cases import MONITORING_CASES
from tests.support.replication_cases import REPLICATION_CASES
from tests.support.translation_cases import CASES as GOLDEN_CASES

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
HEALTHY = {"command": ["true"]}
APP: dict[str, Any] = {"id": "app", "kind": "service", "image": "app:1", "health_check": HEALTHY}
API = {**APP, "id": "api"}
DB: dict[str, Any] = {"id": "db", "kind": "database", "engine": "postgresql"}
LB: dict[str, Any] = {"id": "lb", "kind": "load_balancer"}
BUS: dict[str, Any] = {"id": "bus", "kind": "message_bus"}
DATA: dict[str, Any] = {"id": "data", "kind": "storage"}
H1: dict[str, Any] = {"id": "h1", "kind": "host", "addresses": ["10.0.0.1"]}
H2: dict[str, Any] = {"id": "h2", "kind": "host"}


def edge(source: str, kind: str, target: str, **fields: Any) -> dict[str, Any]:
    return {"source": source, "kind": kind, "target": target, **fields}


def published(node: dict[str, Any], port: int, **fields: Any) -> dict[str, Any]:
    return {**node, "ports": [{"port": 80, "published": port, **fields}]}


MOUNT = edge("db", "mounts_volume", "data", path="/d")
STORED = [DB, DATA]
CASES: list[tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = [
    (
        [{**H1, "interfaces": [{"name": "e", "address": "10.0.0.2", "prefix_length": 24}]}, APP],
        [],
        "warning address-of-no-interface: h1: no interface of it has its address 10.0.0.1; add it to `interfaces` or remove it",
    ),
    (
        [H1, {**H2, "addresses": ["10.0.0.9", "10.0.0.1"]}],
        [],
        "error address-twice: h2: its address 10.0.0.1 is that of h1; give each host addresses of its own",
    ),
    (
        [{**H1, "machine": "vm", "ssh": {}, "users": [{"name": "ann", "admin": True}]}],
        [],
        "warning nobody-logs-in: h1: it has an SSH server, which asks for a key, and no admin has one; give it a user with `admin` and `keys`",
    ),
    ([LB], [], "error balancer-without-upstream: lb: it balances nothing; add a load_balances edge"),
    (
        [{**APP, "environment": {"DB_PASSWORD": "hunter2"}}],
        [],
        "warning secret-in-graph: app: the variable DB_PASSWORD looks like a secret; name a secret in its place, and change this one: it has been written down",
    ),
    (
        [H1, H2, {**APP, "host": "h1"}, {**DATA, "host": "h2"}],
        [edge("app", "mounts_volume", "data", path="/d")],
        "error cross-host-mount: app -mounts_volume-> data: app on h1 cannot mount local storage of h2; place both on one host, or use nfs or s3",
    ),
    (
        [APP],
        [edge("app", "depends_on", "no")],
        "error dangling-edge: app -depends_on-> no: there is no node 'no'; add the node or remove the edge",
    ),
    (
        [DB],
        [],
        "info database-without-volume: db: no storage is mounted, so its data lies in the module's own directory; add a storage node and a mounts_volume edge",
    ),
    (
        [APP, API],
        [edge("app", "depends_on", "api"), edge("api", "depends_on", "app")],
        "error dependency-cycle: api: start-up dependencies form a cycle: api -> app -> api; remove one of these depends_on edges",
    ),
    (
        [APP],
        [edge("app", "depends_on", "app")],
        "error dependency-cycle: app: start-up dependencies form a cycle: app -> app; remove one of these depends_on edges",
    ),
    (
        [APP, API],
        [edge("app", "connects_to", "api")] * 2,
        "warning duplicate-edge: app -connects_to-> api: another edge says exactly the same; remove one",
    ),
    (
        [{**LB, "virtual_hosts": [{"name": "x"}, {"name": "y", "aliases": ["x"]}]}, published(APP, 1)],
        [edge("lb", "load_balances", "app")],
        "error duplicate-virtual-host: lb: the virtual host x is there 2 times on port 80; keep one",
    ),
    (
        [APP, DB],
        [edge("app", "mounts_volume", "db", path="/d")],
        "error edge-pairing: app -mounts_volume-> db: a service cannot be joined to a database by mounts_volume; mounts_volume leads from agent, database, load_balancer, message_bus, monitoring, service to storage",
    ),
    (
        [DB, {**DB, "id": "kv", "engine": "redis"}],
        [edge("kv", "replicates", "db")],
        "error engine-mismatch: kv -replicates-> db: kv is redis and db is postgresql; join nodes of the same kind and engine",
    ),
    (
        [DB, {**DB, "id": "db2", "port": 5433}],
        [],
        "warning engine-twice: db2: db already uses services.postgresql of host deployment, so db2 runs as a container; place them on different hosts",
    ),
    (
        [{**DB, "ports": [{"port": 5432, "published": 5432}]}],
        [],
        "warning exposed-database: db: port 5432 of the postgresql is published on every address; publish it on 127.0.0.1 or not at all",
    ),
    (
        [{**APP, "health_check": None}],
        [],
        "info missing-health-check: app: the container has no health check; add health_check",
    ),
    (
        [{**APP, "mounts": [{"kind": "tmpfs", "target": "/d"}]}, DATA],
        [edge("app", "mounts_volume", "data", path="/d")],
        "error mount-path-twice: app: 2 mounts at /d; use different paths",
    ),
    (
        [APP, DB],
        [edge("app", "depends_on", "db", condition="completed")],
        "warning never-completes: app -depends_on-> db: app waits until db has completed, and it runs for ever; use the condition started or healthy",
    ),
    (
        [APP, {**API, "health_check": None}],
        [edge("app", "depends_on", "api", condition="healthy")],
        "warning no-health-check: app -depends_on-> api: app waits until api is healthy, and api states no health check; add health_check to api or use the condition started",
    ),
    (
        [{**DB, "users": [{"name": "u"}]}],
        [],
        "warning password-missing: db: the user u has no password; name a secret as its password",
    ),
    (
        [{**published(DB, 6379), "engine": "redis"}],
        [],
        "warning password-missing: db: redis is published without a password; name a secret as its password",
    ),
    (
        [published(APP, 80), published(API, 80)],
        [],
        "error port-clash: app: port 80/tcp of host deployment is already taken by api; give app or api another port",
    ),
    (
        [published(APP, 80, address="10.0.0.1"), published(API, 80, address="0.0.0.0")],
        [],
        "error port-clash: app: port 80/tcp of host deployment is already taken by api; give app or api another port",
    ),
    (
        [published(APP, 5432), DB],
        [],
        "error port-clash: db: port 5432/tcp of host deployment is already taken by app; give db or app another port",
    ),
    (
        [{**published(APP, 80), "replicas": 2}],
        [],
        "warning replicas-share-port: app: 2 replicas publish the same host port; publish through a load balancer instead",
    ),
    (
        [{"id": "sshd", "kind": "service", "package": "hello"}],
        [],
        "error reserved-name: sshd: NixOS has a unit sshd.service of its own; rename the node",
    ),
    (
        [{"id": "localhost", "kind": "host"}],
        [],
        "error reserved-name: localhost: 'localhost' is not the name of a machine; rename the host",
    ),
    (
        [APP],
        [edge("app", "connects_to", "app")],
        "error self-edge: app -connects_to-> app: the edge leads from app to itself; remove it",
    ),
    (
        [{**BUS, "cluster": {"name": "c"}}],
        [],
        "warning small-cluster: bus: the cluster c has 1 members, which cannot outlive a loss; use three or five members",
    ),
    (
        [{**DB, "users": [{"name": "u", "password": "s", "owns": ["d"]}]}],
        [],
        "error unknown-database: db: the user u owns the database d, which the node does not have; add it to databases",
    ),
    ([{**APP, "host": "no"}], [], "error unknown-host: app: there is no host 'no'; add a node of kind host"),
    (
        [LB, published(APP, 1)],
        [edge("lb", "load_balances", "app", virtual_host="x")],
        "error unknown-virtual-host: lb -load_balances-> app: lb has no virtual host x; add it or mend the name",
    ),
    ([DATA], [], "info unmounted-storage: data: nothing mounts it; mount it or remove it"),
    (
        [H1, H2, {**APP, "host": "h1"}, {**API, "host": "h2"}],
        [edge("app", "connects_to", "api")],
        "error unreachable-dependency: app -connects_to-> api: app on h1 needs api on h2, which listens on no port; add the port to the target",
    ),
    (
        [H1, H2, {**APP, "host": "h2"}, {**DB, "host": "h1"}],
        [edge("app", "connects_to", "db", port=1)],
        "error unreachable-dependency: app -connects_to-> db: app on h2 needs db on h1, which listens not on 1/tcp; add the port to the target",
    ),
    (
        [H1, H2, {**APP, "host": "h1"}, {**DB, "host": "h2"}],
        [edge("app", "connects_to", "db")],
        "error unreachable-dependency: app -connects_to-> db: app on h1 connects to db on h2, which has no address; give the host h2 an address",
    ),
    (
        [LB, APP],
        [edge("lb", "load_balances", "app")],
        "error upstream-without-port: lb -load_balances-> app: app listens on no port and the edge names none; set port on the edge",
    ),
]


def findings(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> list[str]:
    return [str(finding) for finding in validate(Graph.model_validate({"nodes": nodes, "edges": edges}))]


@pytest.mark.parametrize(("nodes", "edges", "expected"), CASES)
def test_each_fault_is_found_with_place_and_mend(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]], expected: str
) -> None:
    assert expected in findings(nodes, edges)


def test_every_code_has_a_case() -> None:
    tables = (CASES, BUS_CASES, BALANCER_CASES, MONITORING_CASES, REPLICATION_CASES)
    exact = {expected.split()[1].rstrip(":") for table in tables for *_, expected in table}
    assert sorted(VALIDATION.keys() - exact - GOLDEN_CASES.keys()) == []
    assert sorted(exact - VALIDATION.keys()) == []


def test_a_sound_graph_has_no_findings() -> None:
    nodes = [{**APP, "ports": [{"port": 80}]}, LB, *STORED]
    edges = [MOUNT, edge("lb", "load_balances", "app"), edge("app", "depends_on", "db")]
    assert findings(nodes, edges) == []


def test_a_port_on_two_addresses_or_protocols_does_not_clash() -> None:
    nodes = [published(APP, 80, address="10.0.0.1"), published(API, 80, address="10.0.0.2")]
    assert findings([*nodes, {**published(APP, 80, protocol="udp"), "id": "x"}], []) == []


def test_errors_come_first() -> None:
    severities = [
        line.split()[0] for line in findings([LB, DB, {**APP, "health_check": None}, published(API, 80)], [])
    ]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)


def test_a_shortest_cycle_of_each_knot_is_named() -> None:
    names = "abcdefg"
    nodes = [{**APP, "id": name} for name in names]
    pairs = ["ab", "bc", "cd", "da", "ca", "ef", "fe", "gg"]
    lines = findings(nodes, [edge(pair[0], "depends_on", pair[1]) for pair in pairs])
    assert [line.split("a cycle: ")[1].split(";")[0] for line in lines] == [
        "a -> b -> c -> a",
        "e -> f -> e",
        "g -> g",
    ]


def test_dense_and_large_graphs_are_judged() -> None:
    nodes = [{**APP, "id": f"n{index}"} for index in range(10_000)]
    edges = [
        edge(f"n{i}", "depends_on", f"n{(i + step) % 10_000}") for i in range(10_000) for step in (1, 7, 11)
    ]
    found = validate(Graph.model_validate({"nodes": nodes, "edges": edges}))
    assert [finding.code for finding in found] == ["dependency-cycle"]
