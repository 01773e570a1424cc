"""The engine survives every change, good or hostile."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from automerge.core import ROOT, Document, ScalarType, extract

from coordination.runtime.errors import RejectedError
from knowledge import engine as engine_module
from knowledge import pending as pending_module
from knowledge.chunk import GENESIS_CHUNK, GENESIS_HASH, Reason, decode_change, encode_change
from knowledge.columns import write_prefixed
from knowledge.engine import AutomergeEngine, Engine, EngineFailedError
from knowledge.facts import Fact
from knowledge.gate import KNOWLEDGE_AGENT
from knowledge.outcome import Applied, Duplicate, Pending, Quarantined

NONCES = (count.to_bytes(8, "big") for count in itertools.count(1))


def replica(agent: str = "a") -> AutomergeEngine:
    return AutomergeEngine(agent, next(NONCES))


def fact(number: int = 0, source: str = "a") -> Fact:
    return Fact.of(subject=f"s{number}", predicate="p", object=number, source=source, asserted_at_ms=number)


def asserted(engine: AutomergeEngine, number: int = 0, source: str = "a") -> bytes:
    change = engine.assert_fact(fact(number, source))
    assert change is not None
    return change


def hash_of(change: bytes) -> str:
    return decode_change(change)[0]


def panicking(change: bytes) -> bytes:
    """The change with an operation on an object of actor 127, and a right checksum: rc1 panics on it."""
    _, decoded = decode_change(change)
    body = encode_change(decoded)[11:].replace(b"\x7f\x01\x7f\x02", b"\x7f\x7f\x7f\x02", 1)
    digest = hashlib.sha256(b"\x01" + write_prefixed(body)).digest()
    return change[:4] + digest[:4] + b"\x01" + write_prefixed(body)


def test_the_engine_satisfies_its_protocol() -> None:
    engine: Engine = replica()
    assert engine.heads() == engine.change_hashes() == (GENESIS_HASH,)
    assert engine.facts() == ()


def test_an_asserted_fact_is_here_and_reaches_a_peer() -> None:
    ours, theirs = replica(), replica("b")
    change = asserted(ours)
    assert ours.get(fact().fact_id) == fact()
    assert theirs.apply(change, "a") == Applied(change_hashes=(hash_of(change),), facts=(fact(),))
    assert theirs.facts() == ours.facts() == (fact(),)
    assert theirs.heads() == ours.heads() == (hash_of(change),)


def test_asserting_what_is_here_already_makes_no_change() -> None:
    engine = replica()
    asserted(engine)
    assert engine.assert_fact(fact()) is None


def test_a_change_that_comes_again_is_a_duplicate() -> None:
    ours, theirs = replica(), replica("b")
    change = asserted(ours)
    theirs.apply(change, "a")
    assert theirs.apply(change, "a") == Duplicate(change_hash=hash_of(change))
    assert ours.apply(change, "a") == Duplicate(change_hash=hash_of(change))


def test_one_fact_asserted_at_two_replicas_at_once_is_one_fact() -> None:
    left, right = replica(), replica()
    changes = [asserted(left), asserted(right)]
    outcome = right.apply(changes[0], "a")
    left.apply(changes[1], "a")
    assert isinstance(outcome, Applied)
    assert left.facts() == right.facts() == (fact(),)
    assert left.heads() == right.heads()


def test_a_change_waits_for_its_dependencies_and_is_released_with_its_followers() -> None:
    ours, theirs = replica(), replica("b")
    changes = [asserted(ours, number) for number in range(4)]
    names = tuple(hash_of(change) for change in changes)
    assert theirs.apply(changes[3], "a") == Pending(change_hash=names[3], missing=(names[2],))
    assert theirs.apply(changes[3], "a") == Pending(change_hash=names[3], missing=(names[2],))
    assert theirs.apply(changes[2], "a") == Pending(change_hash=names[2], missing=(names[1],))
    assert theirs.pending_count == 2
    theirs.apply(changes[0], "a")
    assert theirs.pending_count == 2
    outcome = theirs.apply(changes[1], "a")
    assert isinstance(outcome, Applied)
    assert outcome.change_hashes == names[1:]
    assert outcome.facts == (fact(1), fact(2), fact(3))
    assert (theirs.pending_count, theirs.heads()) == (0, ours.heads())


def test_a_change_with_two_missing_dependencies_waits_for_both() -> None:
    left, right = replica("a"), replica("b")
    first, second = asserted(left, 1), asserted(right, 2, "b")
    left.apply(second, "b")
    joint = asserted(left, 3)
    for order in ([first, second], [second, first]):
        theirs = replica("c")
        assert isinstance(theirs.apply(joint, "a"), Pending)
        assert isinstance(theirs.apply(order[0], "a" if order[0] is first else "b"), Applied)
        assert theirs.pending_count == 1
        assert isinstance(theirs.apply(order[1], "a" if order[1] is first else "b"), Applied)
        assert theirs.heads() == left.heads()


def test_a_waiting_change_that_does_not_fit_is_refused_when_its_dependencies_come() -> None:
    ours, twin, theirs = AutomergeEngine("a", b"same one"), AutomergeEngine("a", b"same one"), replica("b")
    first, second = asserted(ours, 1), asserted(ours, 2)
    theirs.apply(asserted(twin, 3), "a")  # the same actor and sequence as `first`
    assert isinstance(theirs.apply(second, "a"), Pending)
    outcome = theirs.apply(first, "a")
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is Reason.EQUIVOCATION
    assert theirs.facts() == (fact(3),)


def test_the_pending_buffer_is_bounded_per_signer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_module, "MAX_PENDING_CHANGES_PER_SIGNER", 2)
    ours, theirs = replica(), replica("b")
    changes = [asserted(ours, number) for number in range(5)]
    outcomes = theirs.apply_all([(change, "a") for change in changes[:0:-1]])
    assert [type(outcome) for outcome in outcomes] == [Pending, Pending, Quarantined, Quarantined]
    assert isinstance(outcomes[-1], Quarantined)
    assert (outcomes[-1].reason, outcomes[-1].retryable) == (Reason.PENDING_FULL, True)
    theirs.apply_all([(change, "a") for change in changes])
    assert theirs.heads() == ours.heads()


def test_an_agent_asserts_only_its_own_facts_but_the_service_anyones() -> None:
    with pytest.raises(RejectedError, match="foreign_source"):
        replica("b").assert_fact(fact(source="a"))
    change = asserted(replica(KNOWLEDGE_AGENT))
    assert isinstance(replica("b").apply(change, KNOWLEDGE_AGENT), Applied)


def test_a_change_published_by_someone_else_is_quarantined_and_the_true_one_still_taken() -> None:
    ours, theirs = replica(), replica("b")
    change = asserted(ours)
    outcome = theirs.apply(change, "mallory")
    assert outcome == Quarantined(
        change_hash=hash_of(change), reason=Reason.WRONG_ACTOR, detail="the actor is not the signer's"
    )
    assert isinstance(theirs.apply(change, "a"), Applied)


def test_a_full_topic_refuses_to_assert_but_still_converges() -> None:
    left, right = replica("a"), replica("b")
    changes = [(asserted(left, number), "a") for number in range(999)]
    right.apply_all(changes)
    last = [(asserted(left, 999), "a"), (asserted(right, 1000, "b"), "b")]
    for engine in (left, right):
        engine.apply_all(last)
        assert len(engine.facts()) == 1001
    assert left.heads() == right.heads()
    assert left.assert_fact(fact(3)) is None
    with pytest.raises(RejectedError, match="topic_full"):
        left.assert_fact(fact(1001))


def test_a_flood_far_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_REPLICATED_FACTS", 2)
    ours, theirs = replica(), replica("b")
    outcomes = theirs.apply_all([(asserted(ours, number), "a") for number in range(3)])
    assert isinstance(outcomes[2], Quarantined)
    assert outcomes[2].reason is Reason.TOPIC_OVERFLOW
    assert len(theirs.facts()) == 2


def test_a_hostile_change_does_panic_the_bare_engine() -> None:
    """Keeps the next tests honest: what they send is really dangerous."""
    document = Document.load(GENESIS_CHUNK)
    with pytest.raises(BaseException, match=r"index out of bounds|InvalidActorIndex") as panic:
        engine_module._apply_chunks(document, [panicking(asserted(replica()))])
    assert not isinstance(panic.value, Exception)


def test_the_gate_keeps_a_panicking_change_from_the_engine() -> None:
    ours, theirs = replica(), replica("b")
    first = asserted(ours)
    outcome = theirs.apply(panicking(first), "a")
    assert isinstance(outcome, Quarantined)
    assert outcome.reason is Reason.MALFORMED
    assert isinstance(theirs.apply(first, "a"), Applied)


def test_a_panic_past_the_gate_is_quarantined_and_the_topic_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = replica(), replica("b")
    first, second, third = (asserted(ours, number) for number in range(3))
    bad = encode_change(decode_change(second)[1])

    def encode_badly(change: object) -> bytes:
        chunk = encode_change(change)  # type: ignore[arg-type]
        return panicking(chunk) if chunk == bad else chunk

    monkeypatch.setattr(engine_module, "encode_change", encode_badly)
    outcomes = theirs.apply_all([(first, "a"), (second, "a"), (third, "a")])
    assert [type(outcome) for outcome in outcomes] == [Applied, Quarantined, Pending]
    assert isinstance(outcomes[1], Quarantined)
    assert outcomes[1].reason is Reason.ENGINE_FAILED
    assert (theirs.facts(), theirs.heads()) == ((fact(0),), (hash_of(first),))
    monkeypatch.undo()
    assert isinstance(theirs.apply(second, "a"), Applied)
    assert AutomergeEngine.load(theirs.save(), "c", next(NONCES)).heads() == ours.heads()


def test_a_panic_becomes_a_typed_error_without_the_engines_words() -> None:
    document = Document.load(GENESIS_CHUNK)
    chunk = panicking(asserted(replica()))
    with pytest.raises(EngineFailedError) as failure:
        engine_module._call(lambda: engine_module._apply_chunks(document, [chunk]))
    assert str(failure.value) == "automerge failed (PanicException)"


def test_a_write_that_fails_in_the_engine_leaves_the_topic_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = replica()
    asserted(engine)

    class Refusing:
        Str = "no scalar type"

    monkeypatch.setattr(engine_module, "ScalarType", Refusing)
    with pytest.raises(EngineFailedError):
        engine.assert_fact(fact(1))
    monkeypatch.undo()
    assert engine.facts() == (fact(),)
    asserted(engine, 1)
    assert AutomergeEngine.load(engine.save(), "b", next(NONCES)).heads() == engine.heads()


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_the_boundary_lets_the_user_stop_the_process(signal: type[BaseException]) -> None:
    def interrupted() -> None:
        raise signal

    with pytest.raises(signal):
        engine_module._call(interrupted)


def test_a_snapshot_restores_the_topic_and_its_history_goes_on() -> None:
    ours, theirs = replica(), replica("b")
    for number in range(3):
        theirs.apply(asserted(ours, number), "a")
    restored = AutomergeEngine.load(theirs.save(), "b", next(NONCES))
    assert (restored.heads(), set(restored.facts())) == (ours.heads(), set(ours.facts()))
    assert sorted(restored.change_hashes()) == sorted(ours.change_hashes())
    assert isinstance(ours.apply(asserted(restored, 9, "b"), "b"), Applied)
    assert isinstance(restored.apply(asserted(ours, 10), "a"), Applied)
    assert restored.heads() == ours.heads()


def test_the_document_itself_holds_what_the_engine_says() -> None:
    engine = replica()
    for number in range(5):
        asserted(engine, number)
    stored = extract(Document.load(engine.save()))
    assert stored == {"beliefs": {}, "facts": {known.fact_id: known.canonical for known in engine.facts()}}


def test_changes_are_exported_without_what_the_peer_knows() -> None:
    ours, theirs = replica(), replica("b")
    changes = [asserted(ours, number) for number in range(4)]
    theirs.apply_all([(change, "a") for change in changes[:2]])
    assert ours.changes(theirs.change_hashes()) == tuple(changes[2:])
    assert ours.changes() == tuple(changes)
    assert theirs.changes(ours.change_hashes()) == ()


def saved() -> bytes:
    engine = replica()
    asserted(engine)
    return engine.save()


def with_foreign_key() -> bytes:
    document = Document.load(GENESIS_CHUNK)
    document.set_actor(b"a/" + bytes(8))
    with document.transaction() as transaction:
        transaction.put(ROOT, "else", ScalarType.Str, "x")
    return bytes(document.save())


@pytest.mark.parametrize(
    "snapshot",
    [
        b"",
        b"not a snapshot at all",
        GENESIS_CHUNK,
        saved()[:-1],
        saved() + asserted(replica()),
        bytes(Document().save()),
        with_foreign_key(),
    ],
)
def test_what_is_no_snapshot_of_a_topic_is_refused(snapshot: bytes) -> None:
    with pytest.raises(EngineFailedError):
        AutomergeEngine.load(snapshot, "a", next(NONCES))


def test_a_snapshot_that_would_not_load_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = replica()
    asserted(engine)
    other = replica()
    monkeypatch.setattr(engine, "_document", other._document)
    with pytest.raises(EngineFailedError, match="same heads"):
        engine.save()
