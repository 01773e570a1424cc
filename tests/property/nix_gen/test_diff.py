"""Laws of comparing two graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nix_gen import Graph, Severity, check
from nix_gen.diff import Action, Changes, compare, describe
from nix_gen.diff.module import Module
from nix_gen.flake import settle, translate
from nix_gen.nodes import Host
from tests.support.graphs import graphs

SEEN = (
    {"source": "n0", "kind": "manages", "target": "n1"},
    {"source": "n1", "kind": "monitors", "target": "n0"},
    {"source": "n0", "kind": "depends_on", "target": "n1"},
)
REVERSED = {
    Action.CREATE: Action.DESTROY,
    Action.DESTROY: Action.CREATE,
    Action.UPDATE: Action.UPDATE,
    Action.REPLACE: Action.REPLACE,
}


def is_fit(graph: Graph) -> bool:
    return not any(finding.severity is Severity.ERROR for finding in check(graph))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Graph, Graph]:
    """Two graphs; the second is often the first with some of its edges and descriptions changed."""
    old = draw(graphs())
    new = draw(st.one_of(st.just(old), graphs()))
    kept = tuple(edge for edge in new.edges if draw(st.booleans()))
    new = new.model_copy(update={"edges": kept})
    assume(is_fit(old))
    assume(is_fit(new))
    return old, new


def placed_pairs() -> st.SearchStrategy[tuple[Graph, Graph]]:
    """Pairs whose nodes all have a place: else the second graph keeps the places that the first had."""
    return pairs().map(lambda pair: (settle(pair[0]).site.graph, settle(pair[1]).site.graph))


def actions(changes: Changes) -> Counter[tuple[str, str, Action]]:
    nodes = [("node", node.id, node.action) for host in changes.hosts for node in host.nodes]
    edges = [("edge", edge.id, edge.action) for edge in changes.edges]
    units = [("unit", f"{host.id} {unit.unit}", unit.action) for host in changes.hosts for unit in host.units]
    return Counter((*nodes, *edges, *units))


@given(graph=graphs())
@settings(max_examples=25, deadline=None)
def test_a_graph_does_not_differ_from_itself(graph: Graph) -> None:
    assume(is_fit(graph))
    again = Graph.model_validate(graph.to_node_link())
    changes = compare(graph, again)
    assert changes.is_empty
    assert not changes.risks
    assert len(describe(changes)) == 1


@given(pair=placed_pairs())
@settings(max_examples=25, deadline=None)
def test_the_way_back_undoes_the_way_there(pair: tuple[Graph, Graph]) -> None:
    there, back = compare(*pair), compare(pair[1], pair[0])
    undone = Counter(
        {(what, name, REVERSED[action]): n for (what, name, action), n in actions(there).items()}
    )
    assert undone == actions(back)
    opened = {(host.id, rule.allows) for host in there.hosts for rule in host.opened}
    closed = {(host.id, rule.allows) for host in back.hosts for rule in host.closed}
    assert opened == closed
    assert {(host.id, host.secrets_needed) for host in there.hosts if host.secrets_needed} == {
        (host.id, host.secrets_released) for host in back.hosts if host.secrets_released
    }


@given(pair=placed_pairs())
@settings(max_examples=25, deadline=None)
def test_every_field_that_differs_is_named_and_no_other(pair: tuple[Graph, Graph]) -> None:
    old, new = pair
    changes = compare(old, new)
    named = {
        node.id: {field.path.partition(".")[0].partition("[")[0] for field in node.fields}
        for host in changes.hosts
        for node in host.nodes
        if node.action in {Action.UPDATE, Action.REPLACE}
    }
    for name in old.by_id.keys() & new.by_id.keys():
        left, right = old.by_id[name], new.by_id[name]
        if not isinstance(left, Host):
            fields = {*type(left).model_fields, *type(right).model_fields}
            nothing = object()
            differing = {f for f in fields if getattr(left, f, nothing) != getattr(right, f, nothing)}
            assert named.get(name, set()) == differing


@given(pair=placed_pairs())
@settings(max_examples=25, deadline=None)
def test_applying_the_named_changes_leads_from_the_old_nodes_and_edges_to_the_new(
    pair: tuple[Graph, Graph],
) -> None:
    old, new = pair
    changes = compare(old, new)
    nodes = {node.id for node in old.nodes if not isinstance(node, Host)}
    for host in changes.hosts:
        nodes -= {node.id for node in host.nodes if node.action is Action.DESTROY}
        nodes |= {node.id for node in host.nodes if node.action is Action.CREATE}
    assert nodes == {node.id for node in new.nodes if not isinstance(node, Host)}
    edges = Counter(edge.id for edge in old.edges)
    edges.subtract(edge.id for edge in changes.edges if edge.action is Action.DESTROY)
    edges.update(edge.id for edge in changes.edges if edge.action is Action.CREATE)
    assert +edges == Counter(edge.id for edge in new.edges)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[Graph, Graph]:
    """A graph and itself with one thing changed, as people change one thing."""
    old = draw(graphs())
    assume(is_fit(old))
    plain = old.to_node_link()
    nodes, edges = plain["nodes"], plain["edges"]
    match draw(st.sampled_from(["address", "field", "edge", "more edges", "graph"])):
        case "address":
            host = draw(st.sampled_from([node for node in nodes if node["kind"] == "host"]))
            host["addresses"] = draw(st.sampled_from([["10.9.9.9"], ["10.9.9.9", "fd00::9"]]))
        case "field":
            node = draw(st.sampled_from([node for node in nodes if node["kind"] != "host"] or nodes))
            node |= draw(st.sampled_from([{"description": "new words"}, {"aliases": ["other"]}]))
        case "edge" if edges:
            edges.pop(draw(st.integers(0, len(edges) - 1)))
        case "graph":
            plain["graph"] = {**plain.get("graph", {}), "description": "another"}
        case _:
            edges.append(draw(st.sampled_from(SEEN)))
    try:
        new = Graph.model_validate(plain)
    except ValidationError:
        reject()
    assume(is_fit(new))
    return old, new


def files_by_host(graph: Graph, previous: Mapping[str, str] | None) -> dict[str, dict[str, str]]:
    flake = translate(graph, previous=previous)
    return {
        host: {path: text for path, text in flake.files.items() if path.startswith(f"hosts/{host}/")}
        for host in flake.hosts
    }


@given(pair=st.one_of(mutations(), pairs()))
@settings(max_examples=25, deadline=None)
def test_a_host_is_absent_from_the_plan_only_if_all_of_its_files_stay_byte_for_byte(
    pair: tuple[Graph, Graph],
) -> None:
    old, new = pair
    told = {host.id: host for host in compare(old, new).hosts}
    placed = settle(old).site.graph
    before = files_by_host(old, None)
    after = files_by_host(new, {node.id: placed.host_of(node.id) or "" for node in placed.nodes})
    for host in before.keys() | after.keys():
        same = before.get(host) == after.get(host)
        assert same or host in told, f"{host} changes, and the plan is silent"
        if host in before.keys() & after.keys():
            assert same is not (host in told and told[host].rewritten)


@given(pair=mutations())
@settings(max_examples=15, deadline=None)
def test_a_host_of_which_nothing_is_told_differs_in_comments_alone(pair: tuple[Graph, Graph]) -> None:
    old, new = pair
    loud = {
        host.id
        for host in compare(old, new).hosts
        if host.units
        or host.opened
        or host.closed
        or host.secrets_needed
        or host.secrets_released
        or host.configuration
    }
    before, after = ({one.host.id: one for one in settle(graph).modules} for graph in pair)
    for host in (before.keys() & after.keys()) - loud:
        was, will = (Module(side[host].body, side[host].files) for side in (before, after))
        assert was.content(was.body) == will.content(will.body)
        assert was.files == will.files
