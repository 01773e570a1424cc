"""Laws of comparing two graphs."""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nix_gen import Graph, Severity, check
from nix_gen.diff import Action, Changes, compare, describe
from nix_gen.nodes import Host
from tests.support.graphs import graphs

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


@given(pair=pairs())
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


@given(pair=pairs())
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


@given(pair=pairs())
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
