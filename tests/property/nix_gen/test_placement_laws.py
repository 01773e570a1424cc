"""Laws of placement, for any graph: rules hold, order does not matter, and what can be placed is placed."""

from __future__ import annotations

import itertools
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nix_gen import Graph, place
from nix_gen.nodes import Host, Service
from nix_gen.placement.bundles import module_of, need_of
from nix_gen.rules.ports import claims
from tests.property.nix_gen.strategies import node_links

MIB = 2**20
HOSTS = ("h1", "h2", "h3")
IDS = ("a", "b", "c", "d", "e")
_CAPACITIES = st.sampled_from([None, {"cpu_milli": 1000, "memory_bytes": 512 * MIB}])
_RULES = st.fixed_dictionaries(
    {},
    optional={
        "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2),
        "apart_from": st.lists(st.sampled_from(IDS), max_size=2),
        "together_with": st.lists(st.sampled_from(IDS), max_size=1),
    },
)


@st.composite
def crowds(draw: st.DrawFn, *, uniform: bool = False) -> dict[str, Any]:
    """A few nodes with rules, ports and sizes on up to three hosts of limited capacity."""
    hosts = [
        {"id": name, "kind": "host", "addresses": [f"10.0.0.{index}"], "capacity": draw(_CAPACITIES),
         "zone": draw(st.sampled_from([None, "z1", "z2"]))}
        for index, name in enumerate(HOSTS[: draw(st.integers(2, 3))], start=1)
    ]  # fmt: skip
    nodes: list[dict[str, Any]] = []
    for name in IDS[: draw(st.integers(1, 5))]:
        asked: dict[str, Any] = draw(_RULES)
        rules = {key: [one for one in ids if one != name] for key, ids in asked.items()}
        node: dict[str, Any] = {"id": name, "kind": "service", "image": "x", "placement": rules,
                "resources": {"cpu_limit_milli": 400 if uniform else draw(st.integers(1, 900))}}  # fmt: skip
        port = draw(st.sampled_from([None, 80, 81]))
        nodes.append(node if port is None else {**node, "ports": [{"port": 1, "published": port}]})
    known = {node["id"] for node in (*hosts, *nodes)}
    for node in nodes:
        node["placement"] = {
            key: [one for one in ids if one in known] for key, ids in node["placement"].items()
        }
    ends = st.sampled_from([node["id"] for node in nodes])
    edges = [
        {"source": source, "target": target, "kind": "connects_to"}
        for source, target in draw(st.lists(st.tuples(ends, ends), max_size=4))
        if source != target
    ]
    return {"nodes": [*hosts, *nodes], "edges": edges}


def broken(graph: Graph, where: dict[str, str]) -> list[str]:
    """Rules that an assignment of nodes to hosts breaks: the naive statement of what placement promises."""
    faults: list[str] = []
    running = [node for node in graph.nodes if not isinstance(node, Host) and node.id in where]
    for node in running:
        rules, here = node.placement, where[node.id]
        if rules is None:
            continue
        faults += [f"{node.id} on {here}"] if rules.hosts and here not in rules.hosts else []
        faults += [f"{node.id} with {other}" for other in rules.apart_from if where.get(other) == here]
        faults += [
            f"{node.id} apart from {other}" for other in rules.together_with if where.get(other, here) != here
        ]
    for host in graph.hosts:
        here_nodes = [node for node in running if where[node.id] == host.id]
        for one, other in itertools.combinations(here_nodes, 2):
            ports = [{(port, protocol) for port, protocol, _ in claims(node)} for node in (one, other)]
            faults += [f"{one.id} and {other.id} share a port"] if ports[0] & ports[1] else []
            if module_of(one) is not None and module_of(one) == module_of(other):
                faults.append(f"{one.id} and {other.id} share a module")
        if host.capacity is not None:
            needs = [need_of(graph, node) for node in here_nodes]
            fits = sum(need.cpu_milli for need in needs) <= host.capacity.cpu_milli
            fits = fits and sum(need.memory_bytes for need in needs) <= host.capacity.memory_bytes
            faults += [] if fits else [f"{host.id} is too full"]
    return faults


@settings(deadline=None, max_examples=150)
@given(crowds())
def test_no_rule_is_broken_by_what_was_placed(data: dict[str, Any]) -> None:
    graph = Graph.model_validate(data)
    found = place(graph)
    where = {decision.node: decision.host for decision in found.decisions}
    unfit = {
        finding.place for finding in found.findings if finding.code in {"does-not-fit", "placement-unmet"}
    }
    impossible = [fault for fault in broken(graph, where) if not any(name in fault.split() for name in unfit)]
    assert impossible == []
    assert set(where) | {one for one in unfit if one not in where} <= {node["id"] for node in data["nodes"]}


@settings(deadline=None, max_examples=100)
@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_and_edges_does_not_matter(data: dict[str, Any], chance: random.Random) -> None:
    mixed = {part: chance.sample(entries, len(entries)) for part, entries in data.items()}
    one, other = place(Graph.model_validate(data)), place(Graph.model_validate(mixed))
    assert one.decisions == other.decisions
    assert one.findings == other.findings
    assert one.graph.digest() == other.graph.digest()


def _can_be_placed(graph: Graph) -> bool:
    ids = [node.id for node in graph.nodes if not isinstance(node, Host)]
    hosts = [host.id for host in graph.hosts]
    return any(
        not broken(graph, dict(zip(ids, chosen, strict=True)))
        for chosen in itertools.product(hosts, repeat=len(ids))
    )


@settings(deadline=None, max_examples=100)
@given(st.booleans().flatmap(lambda uniform: crowds(uniform=uniform)))
def test_whatever_an_exhaustive_search_can_place_is_placed(data: dict[str, Any]) -> None:
    graph = Graph.model_validate(data)
    found = place(graph)
    refused = [finding for finding in found.findings if finding.severity == "error"]
    assert (refused == []) == _can_be_placed(graph), [str(one) for one in refused]


@settings(deadline=None, max_examples=100)
@given(crowds())
def test_a_placement_found_once_stays_when_it_is_given_as_the_earlier_one(data: dict[str, Any]) -> None:
    graph = Graph.model_validate(data)
    before = {decision.node: decision.host for decision in place(graph).decisions}
    after = {decision.node: decision.host for decision in place(graph, previous=before).decisions}
    assert after == before


@settings(deadline=None, max_examples=60)
@given(node_links())
def test_placing_is_total_and_leaves_nothing_to_place_twice(data: dict[str, Any]) -> None:
    for node in data["nodes"][::2]:
        node.pop("host", None)
    found = place(Graph.model_validate(data))
    again = place(found.graph)
    first, second = ({one.node: one.host for one in each.decisions} for each in (found, again))
    assert first.items() <= second.items()
    # Copies that could not be placed are plain nodes by now, which nothing keeps apart any more.
    if not any(one.code == "does-not-fit" for one in found.findings):
        assert again.graph.digest() == found.graph.digest()


def test_rules_that_name_a_spread_node_name_its_copies_afterwards() -> None:
    hosts = [{"id": f"h{n}", "kind": "host", "addresses": [f"10.0.0.{n}"]} for n in (1, 2, 3)]
    spread = {"id": "web", "kind": "service", "image": "web", "replicas": 2, "placement": {"spread": "host"}}
    alone = {"id": "job", "kind": "service", "image": "job", "placement": {"apart_from": ["web"]}}
    found = place(Graph.model_validate({"nodes": [*hosts, spread, alone], "edges": []}))
    job = found.graph.by_id["job"]
    assert isinstance(job, Service)
    assert job.placement is not None
    assert job.placement.apart_from == ("web-1", "web-2")
    assert len({one.host for one in found.decisions}) == 3
