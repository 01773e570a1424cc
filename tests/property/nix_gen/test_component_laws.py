"""Circles and groups of ids are those that networkx finds, whether it was needed or not."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from nix_gen.components import circles, groups

IDS = st.sampled_from("abcdef")
PAIRS = st.lists(st.tuples(IDS, IDS), max_size=12)


@given(PAIRS)
def test_circles_are_the_components_that_hold_a_cycle(pairs: list[tuple[str, str]]) -> None:
    waits: dict[str, set[str]] = {}
    for one, other in pairs:
        waits.setdefault(one, set()).add(other)
    order: nx.DiGraph[str] = nx.DiGraph(pairs)
    on_cycles = {one for one in order for other in order[one] if nx.has_path(order, other, one)}
    found = circles(waits)
    assert set().union(*found) == on_cycles
    assert sum(map(len, found)) == len(on_cycles)
    assert all(nx.is_strongly_connected(order.subgraph(circle)) for circle in found)


@given(st.lists(IDS), PAIRS)
def test_groups_are_apart_and_joined_within(ids: list[str], pairs: list[tuple[str, str]]) -> None:
    found = groups(ids, pairs)
    known = {*ids, *(one for pair in pairs for one in pair)}
    assert sorted(one for group in found for one in group) == sorted(known)
    group_of = {one: number for number, group in enumerate(found) for one in group}
    assert all(group_of[one] == group_of[other] for one, other in pairs)
    joined: nx.Graph[str] = nx.Graph(pairs)
    joined.add_nodes_from(ids)
    assert len(found) == nx.number_connected_components(joined)
