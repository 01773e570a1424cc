"""The lattice laws: the state of a replica is a set of changes, and merging is set union."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunk import decode_change
from knowledge.engine import AutomergeEngine
from knowledge.facts import Fact
from knowledge.gate import actor_agent

NONCES = (count.to_bytes(8, "big") for count in itertools.count(1))
AGENTS = ("a", "b", "c")


def merge(*replicas: AutomergeEngine) -> AutomergeEngine:
    """A fresh replica that took all changes of each, one replica after the other."""
    merged = AutomergeEngine("x", next(NONCES))
    for replica in replicas:
        merged.apply_all([(change, signer(change)) for change in replica.changes()])
    return merged


def signer(change: bytes) -> str:
    return actor_agent(decode_change(change)[1].actor) or ""


def state(replica: AutomergeEngine) -> tuple[tuple[str, ...], frozenset[Fact], frozenset[str]]:
    assert replica.pending_count == 0
    return replica.heads(), frozenset(replica.facts()), frozenset(replica.change_hashes())


@st.composite
def three_replicas(draw: st.DrawFn) -> list[AutomergeEngine]:
    """Three replicas that asserted facts, some the same, and talked to each other in between."""
    replicas = [AutomergeEngine(agent, next(NONCES)) for agent in AGENTS]
    steps = st.tuples(st.integers(0, 2), st.integers(0, 4), st.none() | st.integers(0, 2))
    for at, number, peer in draw(st.lists(steps, max_size=12)):
        fact = Fact.of(subject="s", predicate="p", object=number, source=AGENTS[at], asserted_at_ms=0)
        replicas[at].assert_fact(fact)
        if peer is not None:
            replicas[peer].apply_all([(change, signer(change)) for change in replicas[at].changes()])
    return replicas


@given(three_replicas())
@settings(max_examples=60, deadline=None)
def test_merging_is_idempotent_commutative_and_associative(replicas: list[AutomergeEngine]) -> None:
    a, b, c = replicas
    assert state(merge(a, a)) == state(merge(a)) == state(a)
    assert state(merge(a, b)) == state(merge(b, a))
    assert state(merge(merge(a, b), c)) == state(merge(a, merge(b, c)))


@given(three_replicas())
@settings(max_examples=60, deadline=None)
def test_merging_is_the_union_and_never_loses_anything(replicas: list[AutomergeEngine]) -> None:
    merged = merge(*replicas)
    assert set(merged.facts()) == {fact for replica in replicas for fact in replica.facts()}
    assert set(merged.change_hashes()) == {name for replica in replicas for name in replica.change_hashes()}


@given(three_replicas())
@settings(max_examples=40, deadline=None)
def test_a_snapshot_of_one_order_of_arrival_equals_a_replica_of_another(
    replicas: list[AutomergeEngine],
) -> None:
    a, b, c = replicas
    loaded = AutomergeEngine.load(merge(c, b, a).save(), "y", next(NONCES))
    assert state(loaded) == state(merge(a, b, c))
