"""Replicas of one topic beside a reference model, which is nothing but a growing set."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from knowledge.chunk import decode_change, encode_change
from knowledge.columns import Reader, write_prefixed
from knowledge.engine import AutomergeEngine
from knowledge.facts import Fact
from knowledge.outcome import Applied, Duplicate, Pending, Quarantined

AGENTS = ("a", "b", "knowledge")
REPLICAS = st.integers(0, len(AGENTS) - 1)


class Replicas(RuleBasedStateMachine):
    """Replicas assert, exchange changes in any order, restart and are attacked; they must converge."""

    def __init__(self) -> None:
        super().__init__()
        self.nonces = (count.to_bytes(8, "big") for count in itertools.count(1))
        self.replicas = [AutomergeEngine(agent, next(self.nonces)) for agent in AGENTS]
        self.log: list[tuple[bytes, str]] = []
        self.asserted: dict[str, Fact] = {}
        self.known: list[set[str]] = [set() for _ in AGENTS]

    @rule(at=REPLICAS, number=st.integers(0, 5))
    def assert_fact(self, at: int, number: int) -> None:
        source = AGENTS[at] if AGENTS[at] != "knowledge" else "a"
        fact = Fact.of(subject="s", predicate="p", object=number, source=source, asserted_at_ms=0)
        change = self.replicas[at].assert_fact(fact)
        assert (change is None) == (fact.fact_id in self.known[at])
        self.asserted[fact.fact_id] = fact
        self.known[at].add(fact.fact_id)
        if change is not None:
            self.log.append((change, AGENTS[at]))

    @precondition(lambda self: self.log)
    @rule(at=REPLICAS, draw=st.data())
    def deliver_some_in_any_order_and_some_twice(self, at: int, draw: st.DataObject) -> None:
        order = draw.draw(st.permutations(range(len(self.log))))
        count = draw.draw(st.integers(1, len(order)))
        chosen = [self.log[index] for index in [*order[:count], *order[: count // 2]]]
        for outcome in self.replicas[at].apply_all(chosen):
            assert isinstance(outcome, Applied | Pending | Duplicate)
            if isinstance(outcome, Applied):
                assert not outcome.refused
                self.known[at].update(fact.fact_id for fact in outcome.facts)

    @rule(at=REPLICAS)
    def restart_from_a_snapshot(self, at: int) -> None:
        before = self.replicas[at]
        self.replicas[at] = AutomergeEngine.load(before.save(), AGENTS[at], next(self.nonces))
        assert self.replicas[at].heads() == before.heads()

    @precondition(lambda self: self.log)
    @rule(at=REPLICAS, draw=st.data())
    def publish_as_someone_else(self, at: int, draw: st.DataObject) -> None:
        change, signer = draw.draw(st.sampled_from(self.log))
        assert isinstance(self.replicas[at].apply(change, f"not-{signer}"), Quarantined)

    @precondition(lambda self: self.log)
    @rule(at=REPLICAS, draw=st.data())
    def forge_a_change_of_known_history(self, at: int, draw: st.DataObject) -> None:
        """A mutant with a right checksum of a change that the replica holds is never applied.

        Only what stands behind the actor id is mutated: other dependencies would make it wait, and
        another nonce would make it a true change of its signer.
        """
        change, signer = draw.draw(st.sampled_from(self.log))
        change_hash, decoded = decode_change(change)
        if change_hash not in self.replicas[at].change_hashes():
            return
        plain = encode_change(decoded)
        reader = Reader(plain)
        reader.take(9)
        body = bytearray(reader.prefixed(len(plain)))
        start = body.index(decoded.actor) + len(decoded.actor)
        body[draw.draw(st.integers(start, len(body) - 1))] ^= draw.draw(st.integers(1, 255))
        digest = hashlib.sha256(b"\x01" + write_prefixed(bytes(body))).digest()
        forged = plain[:4] + digest[:4] + b"\x01" + write_prefixed(bytes(body))
        assert isinstance(self.replicas[at].apply(forged, signer), Quarantined)

    @invariant()
    def each_replica_holds_exactly_what_reached_it(self) -> None:
        for replica, known in zip(self.replicas, self.known, strict=True):
            assert {fact.fact_id: fact for fact in replica.facts()} == {
                fact_id: self.asserted[fact_id] for fact_id in known
            }

    @rule()
    def all_converge_once_everything_is_delivered(self) -> None:
        for at, replica in enumerate(self.replicas):
            replica.apply_all(self.log[::-1])
            self.known[at] = set(self.asserted)
            assert replica.pending_count == 0
            assert len(replica.change_hashes()) == len(self.log) + 1
        assert len({replica.heads() for replica in self.replicas}) == 1

    def teardown(self) -> None:
        self.all_converge_once_everything_is_delivered()
        self.each_replica_holds_exactly_what_reached_it()
        for replica in self.replicas:
            assert AutomergeEngine.load(replica.save(), "x", next(self.nonces)).heads() == replica.heads()


TestReplicas = pytest.mark.timeout(60)(Replicas.TestCase)
TestReplicas.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
