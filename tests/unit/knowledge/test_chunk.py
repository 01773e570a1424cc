"""Chunks of a document: read as written, refused when damaged."""

from __future__ import annotations

import dataclasses
import hashlib
import zlib

import pytest
from automerge.core import ROOT, Document, ObjType

from knowledge.chunk import (
    GENESIS_ACTOR,
    GENESIS_CHUNK,
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
from knowledge.columns import write_prefixed, write_signed, write_unsigned

ME = b"a/" + bytes(8)
PUT = Put(container=Container.FACTS, key="k" * 64, value="v")
CHANGE = Change(deps=(GENESIS_HASH,), actor=ME, seq=1, start_op=3, ops=(PUT,))
COLUMNS = {
    1: b"\x7f\x01",
    2: b"\x7f\x02",
    21: b"\x7f\x40" + b"k" * 64,
    52: b"\x01",
    66: b"\x7f\x01",
    86: b"\x7f\x16",
    87: b"v",
    112: b"\x7f\x00",
}


def frame(body: bytes, kind: int = 1) -> bytes:
    """A chunk with a valid checksum."""
    digest = hashlib.sha256(b"\x01" + write_prefixed(body)).digest()
    content = body
    if kind == 2:
        deflater = zlib.compressobj(wbits=-15)
        content = deflater.compress(body) + deflater.flush()
    return bytes.fromhex("856f4a83") + digest[:4] + bytes([kind]) + write_prefixed(content)


def forge(
    columns: dict[int, bytes | None] | None = None,
    *,
    deps: bytes = b"\x01" + bytes.fromhex(GENESIS_HASH),
    time: bytes = b"\x00",
    message: bytes = b"\x00",
    others: bytes = b"\x01" + write_prefixed(GENESIS_ACTOR),
    extra: bytes = b"",
) -> bytes:
    """The chunk of `CHANGE` with parts exchanged; the checksum is always right."""
    merged = {**COLUMNS, **(columns or {})}
    parts = [(column, content) for column, content in sorted(merged.items()) if content is not None]
    head = deps + write_prefixed(ME) + b"\x01\x03" + time + message + others + write_unsigned(len(parts))
    sizes = b"".join(write_unsigned(column) + write_unsigned(len(content)) for column, content in parts)
    return frame(head + sizes + b"".join(content for _, content in parts) + extra)


def refusal(chunk: bytes) -> Reason:
    with pytest.raises(ChangeRefusedError) as refused:
        decode_change(chunk)
    return refused.value.reason


def test_the_engine_itself_makes_the_genesis_change() -> None:
    document = Document(GENESIS_ACTOR)
    with document.transaction() as transaction:
        transaction.put_object(ROOT, "beliefs", ObjType.Map)
        transaction.put_object(ROOT, "facts", ObjType.Map)
    (change,) = document.get_changes([])
    assert bytes(change.bytes) == GENESIS_CHUNK
    assert bytes(change.hash).hex() == GENESIS_HASH


def test_a_change_encodes_to_pinned_bytes_and_decodes_to_itself() -> None:
    assert forge() == encode_change(CHANGE)
    change_hash, change = decode_change(encode_change(CHANGE))
    assert change == CHANGE
    assert change_hash[:8] == encode_change(CHANGE)[4:8].hex()


def test_a_change_of_many_operations_survives_the_round_trip() -> None:
    preds = (OpId(3, b"a/" + b"\x01" * 8), OpId(3, b"a/" + b"\x02" * 8), OpId(9, ME))
    ops = tuple(
        Put(container=Container.BELIEFS, key=f"{n}/a", value="v" * n, preds=preds[: n % 4]) for n in range(40)
    )
    change = dataclasses.replace(CHANGE, ops=(*ops, PUT), committed_at_s=1_700_000_000)
    assert decode_change(encode_change(change))[1] == change
    assert change.max_op == 43


def test_a_deflated_change_has_the_same_hash_as_the_plain_one() -> None:
    plain = encode_change(dataclasses.replace(CHANGE, ops=(dataclasses.replace(PUT, value="v" * 500),)))
    body = plain[11:]
    assert decode_change(frame(body, kind=2)) == decode_change(plain)


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (b"", Reason.NOT_A_CHANGE),
        (b"hello, world", Reason.NOT_A_CHANGE),
        (GENESIS_CHUNK[:8] + b"\x00" + GENESIS_CHUNK[9:], Reason.NOT_A_CHANGE),
        (GENESIS_CHUNK, Reason.MALFORMED),
        (forge()[:-1], Reason.MALFORMED),
        (forge() + b"\x00", Reason.MALFORMED),
        (forge()[:-1] + b"\x01", Reason.BAD_HASH),
        (forge(extra=b"more"), Reason.MALFORMED),
        (forge(message=b"\x02hi"), Reason.MALFORMED),
        (forge(time=b"\x7f"), Reason.MALFORMED),
        (forge(time=write_signed(2**45)), Reason.MALFORMED),
        (forge(deps=b"\x00"), Reason.MALFORMED),
        (forge(deps=b"\x02" + bytes.fromhex(GENESIS_HASH) * 2), Reason.MALFORMED),
        (forge(deps=write_unsigned(2**40)), Reason.MALFORMED),
        (forge(others=b"\x02" + write_prefixed(GENESIS_ACTOR) + write_prefixed(b"z")), Reason.NOT_CANONICAL),
        (forge(others=b"\x00"), Reason.MALFORMED),
        (forge(others=write_unsigned(2**40)), Reason.MALFORMED),
    ],
)
def test_a_frame_that_is_not_exactly_one_change_is_refused(chunk: bytes, reason: Reason) -> None:
    assert refusal(chunk) is reason


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({1: b"\x7f\x7f"}, Reason.MALFORMED),  # the engine panics on this one
        ({1: None, 2: None}, Reason.MALFORMED),  # the root map
        ({1: b"\x7f\x00"}, Reason.NOT_FLAT),
        ({2: b"\x7f\x03"}, Reason.NOT_FLAT),
        ({17: b"\x7f\x01"}, Reason.NOT_FLAT),  # list elements
        ({29: b""}, Reason.NOT_FLAT),  # a deflated column
        ({21: b"\x7f\x02\xff\xfe"}, Reason.MALFORMED),
        ({21: b"\x02\x01a"}, Reason.MALFORMED),
        ({21: None}, Reason.MALFORMED),
        ({52: b"\x00\x01"}, Reason.NOT_FLAT),
        ({66: b"\x7f\x00"}, Reason.NOT_FLAT),  # a new map
        ({66: b"\x7f\x03", 86: b"\x7f\x00", 87: None}, Reason.NOT_FLAT),  # delete
        ({66: b"\x7f\x05"}, Reason.NOT_FLAT),  # increment
        ({66: None}, Reason.NOT_FLAT),
        ({86: b"\x7f\x18"}, Reason.NOT_FLAT),  # a counter: reading it panics
        ({86: b"\x7f\x13"}, Reason.NOT_FLAT),
        ({86: b"\x7f\x26"}, Reason.MALFORMED),
        ({87: b"vv"}, Reason.MALFORMED),
        ({86: b"\x7f" + write_unsigned(20_000 << 4 | 6), 87: b"v" * 20_000}, Reason.TOO_LARGE),
        ({112: b"\x7f\x01"}, Reason.MALFORMED),
        ({112: b"\x7f\x01", 113: b"\x7f\x00"}, Reason.MALFORMED),
        ({112: b"\x7f\x02", 113: b"\x02\x00", 115: b"\x7e\x01\x00"}, Reason.MALFORMED),
        ({112: b"\x7f\x01", 113: b"\x7f\x05", 115: b"\x7f\x01"}, Reason.MALFORMED),
        ({112: b"\x01\x00"}, Reason.NOT_CANONICAL),
        ({66: b"\x7f\x81\x00"}, Reason.NOT_CANONICAL),
    ],
)
def test_columns_that_do_not_set_texts_in_the_flat_layout_are_refused(
    columns: dict[int, bytes | None], reason: Reason
) -> None:
    assert refusal(forge(columns)) is reason


@pytest.mark.parametrize("count", [513, 100_000, 2**50])
def test_a_few_bytes_that_declare_many_operations_are_refused_before_they_are_expanded(count: int) -> None:
    rows = write_signed(count)
    columns = {column: rows + content[1:] for column, content in COLUMNS.items() if column != 87}
    assert refusal(forge({**columns, 52: write_unsigned(count)})) is Reason.MALFORMED
    assert refusal(forge({112: b"\x7f" + write_unsigned(count), 113: rows + b"\x00"})) is Reason.MALFORMED


def test_a_deflate_bomb_is_refused_at_the_limit() -> None:
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(32)) + deflater.flush()
    chunk = bytes.fromhex("856f4a83") + bytes(4) + b"\x02" + write_prefixed(bomb)
    assert refusal(chunk) is Reason.TOO_LARGE


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"\x03\x00junk after the end"])
def test_a_broken_deflate_stream_is_refused(content: bytes) -> None:
    chunk = bytes.fromhex("856f4a83") + bytes(4) + b"\x02" + write_prefixed(content)
    assert refusal(chunk) in {Reason.MALFORMED, Reason.NOT_A_CHANGE}


def test_a_chunk_over_the_size_limit_is_refused_unread() -> None:
    assert refusal(bytes(512 * 1024 + 1)) is Reason.TOO_LARGE


def test_a_refusal_names_its_reason_and_never_the_bytes() -> None:
    with pytest.raises(ChangeRefusedError) as refused:
        decode_change(forge({66: b"\x7f\x03"}))
    assert str(refused.value) == "not_flat: an operation other than setting a key"
