"""Delegations cut down to one vote."""

from __future__ import annotations

import pytest

from consensus.delegations import DelegationError, closes_cycle, from_the_leaves, resolve

ELECTORS = frozenset("abcdef")


@pytest.mark.parametrize(
    ("standing", "held"),
    [
        ({}, {}),
        ({"a": "b", "b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "a"}, {}),
        ({"a": "x", "x": "b"}, {}),
        ({"x": "a"}, {}),
        ({"a": "b", "b": "a"}, {}),
        ({"a": "b", "b": "c", "c": "b"}, {"a": "b"}),
        ({"a": "b", "b": "c", "c": "d", "d": "b", "e": "c", "f": "e"}, {"a": "b", "e": "c", "f": "e"}),
    ],
    ids=[
        "none",
        "a chain",
        "oneself",
        "through an agent that does not vote",
        "from an agent that does not vote",
        "a cycle of two",
        "into a cycle",
        "trees that lead into a cycle",
    ],
)
def test_delegations_hold_between_electors_and_cycles_are_cut(
    standing: dict[str, str], held: dict[str, str]
) -> None:
    assert resolve(ELECTORS, standing) == held


def test_a_chain_of_ten_thousand_is_resolved_without_recursion() -> None:
    chain = {f"a{index}": f"a{index + 1}" for index in range(10_000)}
    electors = {*chain, "a10000"}
    assert resolve(electors, chain) == chain
    assert resolve(electors, {**chain, "a10000": "a0"}) == {}


@pytest.mark.parametrize(
    ("agent", "delegate", "closes"),
    [("c", "a", True), ("b", "a", True), ("a", "a", True), ("c", "d", False), ("d", "a", False)],
)
def test_a_delegation_that_comes_back_is_seen_before_it_is_made(
    agent: str, delegate: str, *, closes: bool
) -> None:
    assert closes_cycle({"a": "b", "b": "c"}, agent, delegate) is closes


def test_a_cycle_that_stands_already_does_not_hold_up_the_search() -> None:
    assert not closes_cycle({"a": "b", "b": "a"}, "c", "a")


def test_every_agent_comes_before_its_delegate() -> None:
    delegations = {"c": "d", "a": "c", "b": "c", "e": "a"}
    order = from_the_leaves(delegations)
    assert sorted(order) == sorted(delegations)
    for agent, delegate in delegations.items():
        assert delegate not in order or order.index(agent) < order.index(delegate)


def test_a_cycle_among_the_delegations_of_a_vote_is_an_error_that_names_an_agent() -> None:
    with pytest.raises(DelegationError, match="the delegation of b comes back to it"):
        from_the_leaves({"a": "b", "b": "c", "c": "b"})
