"""What a change must be before it reaches the engine."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from knowledge.chunk import (
    GENESIS_HASH,
    Change,
    ChangeRefusedError,
    Container,
    OpId,
    Put,
    Reason,
    decode_change,
    encode_change,
)
from knowledge.facts import Fact
from knowledge.gate import KNOWLEDGE_AGENT, Ledger, actor_agent, check_author, make_actor

NONCE = b"/" * 8
FACT = Fact.of(subject="s", predicate="p", object=1, source="a", asserted_at_ms=1)


def put_fact(fact: Fact = FACT) -> Put:
    return Put(container=Container.FACTS, key=fact.fact_id, value=fact.canonical)


def put_belief(value: str = "{}", *, agent: str = "a", preds: tuple[OpId, ...] = ()) -> Put:
    return Put(container=Container.BELIEFS, key=f"{FACT.fact_id}/{agent}", value=value, preds=preds)


def write(
    *ops: Put,
    agent: str = "a",
    nonce: bytes = NONCE,
    deps: tuple[str, ...] = (GENESIS_HASH,),
    seq: int = 1,
    start: int = 3,
) -> tuple[str, Change]:
    change = Change(
        deps=tuple(sorted(deps)),
        actor=make_actor(agent, nonce),
        seq=seq,
        start_op=start,
        ops=ops or (put_fact(),),
    )
    return decode_change(encode_change(change))


def author_refusal(change: Change, signer: str) -> Reason:
    with pytest.raises(ChangeRefusedError) as refused:
        check_author(change, signer)
    return refused.value.reason


def history_refusal(ledger: Ledger, change: Change) -> Reason:
    with pytest.raises(ChangeRefusedError) as refused:
        ledger.check(change)
    return refused.value.reason


def enter(ledger: Ledger, written: tuple[str, Change]) -> str:
    ledger.check(written[1])
    ledger.record(*written)
    return written[0]


@pytest.mark.parametrize("agent", ["a", "agent-1", "z" * 63])
def test_an_actor_names_its_agent_even_if_the_nonce_has_slashes(agent: str) -> None:
    assert actor_agent(make_actor(agent, NONCE)) == agent


@pytest.mark.parametrize(
    "actor", [b"", b"genesis/0", b"a" * 30, b"/" + NONCE, b"A/" + NONCE, b"\xff/" + NONCE]
)
def test_an_actor_of_another_form_has_no_agent(actor: bytes) -> None:
    assert actor_agent(actor) is None


@pytest.mark.parametrize(("agent", "nonce"), [("A", NONCE), ("", NONCE), ("a", b""), ("a", bytes(9))])
def test_an_actor_is_not_made_of_anything_else(agent: str, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="actor"):
        make_actor(agent, nonce)


def test_an_agent_asserts_its_own_facts() -> None:
    assert check_author(write()[1], "a") == (FACT,)


def test_a_change_under_another_agents_actor_is_refused() -> None:
    assert author_refusal(write()[1], "b") is Reason.WRONG_ACTOR
    assert author_refusal(write(agent="b")[1], "a") is Reason.WRONG_ACTOR


def test_an_agent_cannot_assert_for_another_source() -> None:
    assert author_refusal(write(agent="b")[1], "b") is Reason.FOREIGN_SOURCE


def test_the_knowledge_service_asserts_for_callers() -> None:
    assert check_author(write(agent=KNOWLEDGE_AGENT)[1], KNOWLEDGE_AGENT) == (FACT,)


@pytest.mark.parametrize(
    "op",
    [
        dataclasses.replace(put_fact(), key="0" * 64),
        dataclasses.replace(put_fact(), preds=(OpId(3, b"x"),)),
        Put(container=Container.FACTS, key=hashlib.sha256(b"{}").hexdigest(), value="{}"),
    ],
)
def test_a_fact_must_be_one_and_stand_under_its_own_hash_for_good(op: Put) -> None:
    assert author_refusal(write(op)[1], "a") is Reason.BAD_FACT


def test_a_belief_is_written_only_by_the_agent_it_names() -> None:
    assert check_author(write(put_belief())[1], "a") == ()
    assert author_refusal(write(put_belief(agent="b"))[1], "a") is Reason.FOREIGN_BELIEF
    knowledge = write(put_belief(), agent=KNOWLEDGE_AGENT)[1]
    assert author_refusal(knowledge, KNOWLEDGE_AGENT) is Reason.FOREIGN_BELIEF


@pytest.mark.parametrize("key", ["", "a", "/a", "0" * 63 + "/a", "G" * 64 + "/a", "0" * 64])
def test_a_belief_key_is_a_fact_id_and_an_agent(key: str) -> None:
    assert author_refusal(write(dataclasses.replace(put_belief(), key=key))[1], "a") is Reason.BAD_BELIEF


@pytest.mark.parametrize("value", ["", "x" * 1025])
def test_a_belief_is_bounded(value: str) -> None:
    assert author_refusal(write(put_belief(value))[1], "a") is Reason.BAD_BELIEF


def test_one_change_sets_a_key_once() -> None:
    assert author_refusal(write(put_belief(), put_belief())[1], "a") is Reason.MALFORMED


def test_a_ledger_begins_with_the_genesis_change() -> None:
    ledger = Ledger()
    assert ledger.heads == ledger.hashes == (GENESIS_HASH,)
    assert GENESIS_HASH in ledger
    assert len(ledger) == 1


def test_changes_chain_and_the_heads_follow() -> None:
    ledger = Ledger()
    first = enter(ledger, write())
    other = enter(ledger, write(agent="b"))
    assert ledger.heads == tuple(sorted([first, other]))
    last = write(deps=(first, other), seq=2, start=4)
    assert ledger.heads_after(*last) == (last[0],)
    enter(ledger, last)
    assert ledger.heads == (last[0],)


def test_missing_dependencies_are_named() -> None:
    assert Ledger().missing(write(deps=("0" * 64, GENESIS_HASH))[1]) == ("0" * 64,)


@pytest.mark.parametrize(
    ("seq", "reason"), [(0, Reason.BAD_SEQUENCE), (2, Reason.BAD_SEQUENCE), (5, Reason.BAD_SEQUENCE)]
)
def test_an_actor_begins_with_sequence_one(seq: int, reason: Reason) -> None:
    assert history_refusal(Ledger(), write(seq=seq)[1]) is reason


def test_two_changes_under_one_sequence_are_equivocation() -> None:
    ledger = Ledger()
    enter(ledger, write())
    assert history_refusal(ledger, write(put_belief())[1]) is Reason.EQUIVOCATION


def test_a_change_that_does_not_follow_its_actors_last_one_is_equivocation() -> None:
    ledger = Ledger()
    enter(ledger, write())
    other = enter(ledger, write(agent="b"))
    assert history_refusal(ledger, write(deps=(other,), seq=2, start=4)[1]) is Reason.EQUIVOCATION


@pytest.mark.parametrize("start", [0, 2, 4, 2**40])
def test_operations_are_numbered_after_the_dependencies(start: int) -> None:
    assert history_refusal(Ledger(), write(start=start)[1]) is Reason.BAD_START_OP


def test_a_belief_replaces_what_its_author_has_seen() -> None:
    ledger = Ledger()
    first = enter(ledger, write(put_belief("1")))
    restarted = enter(ledger, write(put_belief("2"), nonce=bytes(8)))
    preds = (OpId(3, make_actor("a", bytes(8))), OpId(3, make_actor("a", NONCE)))
    enter(ledger, write(put_belief("3", preds=preds), nonce=b"3" * 8, deps=(first, restarted), start=4))


@pytest.mark.parametrize(
    "pred", [OpId(9, make_actor("a", NONCE)), OpId(3, make_actor("z", NONCE)), OpId(2, b"genesis/0")]
)
def test_a_belief_that_replaces_an_unknown_operation_is_refused(pred: OpId) -> None:
    ledger = Ledger()
    first = enter(ledger, write(put_belief("1")))
    change = write(put_belief("2", preds=(pred,)), deps=(first,), seq=2, start=4)[1]
    assert history_refusal(ledger, change) is Reason.UNKNOWN_PREDECESSOR


def test_a_belief_cannot_replace_an_operation_that_its_author_has_not_seen() -> None:
    ledger = Ledger()
    enter(ledger, write(put_belief("1")))
    pred = OpId(3, make_actor("a", NONCE))
    side = enter(ledger, write(put_fact(), agent="a", nonce=b"1" * 8))
    change = write(put_belief("2", preds=(pred,)), nonce=bytes(8), deps=(side,), start=4)[1]
    assert history_refusal(ledger, change) is Reason.UNKNOWN_PREDECESSOR


def test_the_ancestor_walk_reaches_far_back() -> None:
    ledger = Ledger()
    mine = enter(ledger, write())
    tip, start = mine, 4
    for seq in range(1, 200):
        tip = enter(
            ledger, write(put_belief(f"{seq}", agent="b"), agent="b", deps=(tip,), seq=seq, start=start)
        )
        start += 1
    enter(ledger, write(put_belief(), deps=(tip,), seq=2, start=start))
    assert ledger.heads != (tip,)
