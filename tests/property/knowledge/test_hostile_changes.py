"""Whatever bytes come: a typed refusal, and a topic that is whole and can be saved and loaded."""

from __future__ import annotations

import contextlib
import hashlib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from knowledge.chunk import (
    GENESIS_CHUNK,
    GENESIS_HASH,
    Change,
    ChangeRefusedError,
    Container,
    OpId,
    Put,
    decode_change,
    encode_change,
)
from knowledge.columns import write_prefixed
from knowledge.engine import AutomergeEngine
from knowledge.facts import Fact
from knowledge.gate import check_author
from knowledge.outcome import Pending, Quarantined

FIRST, SECOND = (
    Fact.of(subject="s", predicate="p", object=number, source="a", asserted_at_ms=0) for number in (1, 2)
)


def history() -> tuple[bytes, bytes]:
    """Two changes of agent a, the second on top of the first."""
    engine = AutomergeEngine("a", bytes(8))
    changes = engine.assert_fact(FIRST), engine.assert_fact(SECOND)
    assert changes[0] is not None
    assert changes[1] is not None
    return changes[0], changes[1]


CHANGES = history()
BODY = encode_change(decode_change(CHANGES[1])[1])[11:]


def frame(body: bytes) -> bytes:
    digest = hashlib.sha256(b"\x01" + write_prefixed(body)).digest()
    return GENESIS_CHUNK[:4] + digest[:4] + b"\x01" + write_prefixed(body)


def cut(body: bytes, start: int, size: int, replacement: bytes) -> bytes:
    at = start % (len(body) + 1)
    return body[:at] + replacement + body[at + size :]


EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 4), st.binary(max_size=6)), min_size=1, max_size=3
)


@given(EDITS)
@example([(44, 1, b"\x05")])  # sequence 5 without 1 to 4: the bare engine saves what it cannot load
@settings(max_examples=400, deadline=None)
def test_a_mutated_change_never_takes_the_topic_down(edits: list[tuple[int, int, bytes]]) -> None:
    body = BODY
    for start, size, replacement in edits:
        body = cut(body, start, size, replacement)
    engine = AutomergeEngine("b", bytes(8))
    engine.apply(CHANGES[0], "a")
    outcome = engine.apply(frame(body), "a")
    assert (
        body == BODY or isinstance(outcome, Quarantined | Pending) or set(engine.facts()) == {FIRST, SECOND}
    )
    restored = AutomergeEngine.load(engine.save(), "b", b"restored")
    assert restored.heads() == engine.heads()
    assert set(restored.facts()) == set(engine.facts()) >= {FIRST}


@given(EDITS)
@settings(max_examples=400, deadline=None)
def test_reading_a_mutated_change_raises_only_the_typed_refusal(edits: list[tuple[int, int, bytes]]) -> None:
    chunk = CHANGES[0]
    for start, size, replacement in edits:
        chunk = cut(chunk, start, size, replacement)
    with contextlib.suppress(ChangeRefusedError):
        decode_change(chunk)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_reading_any_body_raises_only_the_typed_refusal(body: bytes) -> None:
    for chunk in (body, frame(body), frame(BODY[:44] + body)):
        with contextlib.suppress(ChangeRefusedError):
            decode_change(chunk)


OP_IDS = st.builds(OpId, st.integers(0, 2**53 - 1), st.binary(max_size=20))
PUTS = st.builds(
    Put,
    container=st.sampled_from(Container),
    key=st.text(max_size=60),
    value=st.text(max_size=60),
    preds=st.sets(OP_IDS, max_size=4).map(lambda ids: tuple(sorted(ids))),
)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex) | st.just(GENESIS_HASH)


@given(
    st.builds(
        Change,
        deps=st.sets(HASHES, min_size=1, max_size=4).map(lambda deps: tuple(sorted(deps))),
        actor=st.binary(max_size=20),
        seq=st.integers(0, 2**53 - 1),
        start_op=st.integers(0, 2**53 - 1),
        committed_at_s=st.integers(0, 10**11),
        ops=st.lists(PUTS, min_size=1, max_size=12).map(tuple),
    ),
    st.sampled_from(["a", "knowledge"]),
)
@settings(max_examples=200, deadline=None)
def test_every_well_formed_change_survives_the_codec_and_is_judged(change: Change, signer: str) -> None:
    assert decode_change(encode_change(change))[1] == change
    with contextlib.suppress(ChangeRefusedError):
        check_author(change, signer)
