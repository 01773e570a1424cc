"""The change codec: Automerge change bytes to plain data and back; pure, and safe on hostile bytes.

The engine panics, hangs or takes gigabytes on some changes with a valid checksum, so no byte of a peer
reaches it: a change is decoded here under limits that hold *before* anything is expanded, only the flat
layout of a topic is understood, and what the engine gets is our own encoding of what was understood.
Decoding accepts only bytes that encode back to themselves, so each change has one form.

Layout of a topic (made by the genesis change, the same everywhere): two maps at the root, ``facts`` and
``beliefs``, and every operation sets one text in one of them. Which keys and texts are allowed, and
whether a change fits the history, is the matter of `knowledge.gate`.

Source: automerge.org/automerge-binary-format-spec.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from enum import Enum, StrEnum
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from coordination.runtime.errors import PeerProtocolError
from knowledge.columns import (
    MalformedError,
    Reader,
    read_column,
    read_delta_column,
    write_column,
    write_delta_column,
    write_prefixed,
    write_signed,
    write_unsigned,
)
from knowledge.limits import (
    MAX_CHANGE_BYTES,
    MAX_CHANGE_DEPS,
    MAX_CHANGE_OPS,
    MAX_CHANGE_PREDS,
    MAX_CHANGE_SECONDS,
    MAX_FACT_BYTES,
)

A = TypeVar("A")
B = TypeVar("B")

GENESIS_ACTOR: Final = b"genesis/0"
"""Author of the genesis change; no agent's actor id can be this short."""

GENESIS_CHUNK: Final = bytes.fromhex(
    "856f4a83dec7f0320131000967656e657369732f30010100000005150f34014202560270027e"
    "0762656c6965667305666163747302020002000200"
)
"""The first change of every topic: ``put_object`` of ``beliefs``, then of ``facts``, by `GENESIS_ACTOR`."""

GENESIS_HASH: Final = "dec7f032c69d13ddb60f6e076638ebd6b4f8c2ac68b3ee072d958b4b9b8e26cc"
"""Hash of the genesis change."""

GENESIS_MAX_OP: Final = 2
"""Counter of the last operation of the genesis change."""

_MAGIC: Final = bytes.fromhex("856f4a83")
_PLAIN, _DEFLATED = 1, 2
_SET, _TEXT = 1, 6
_MAX_ACTOR_BYTES: Final = 128
_MAX_KEY_BYTES: Final = 256
_OBJECT_ACTOR, _OBJECT_COUNTER, _KEY, _INSERT, _ACTION = 1, 2, 21, 52, 66
_VALUE_META, _VALUE, _PRED_COUNT, _PRED_ACTOR, _PRED_COUNTER = 86, 87, 112, 113, 115
_COLUMNS: Final = frozenset(
    {_OBJECT_ACTOR, _OBJECT_COUNTER, _KEY, _INSERT, _ACTION}
    | {_VALUE_META, _VALUE, _PRED_COUNT, _PRED_ACTOR, _PRED_COUNTER},
)


class Reason(StrEnum):
    """Why a change was refused. Stable: later these stand in quarantine records."""

    NOT_A_CHANGE = "not_a_change"
    TOO_LARGE = "too_large"
    BAD_HASH = "bad_hash"
    MALFORMED = "malformed"
    NOT_CANONICAL = "not_canonical"
    NOT_FLAT = "not_flat"
    WRONG_ACTOR = "wrong_actor"
    BAD_FACT = "bad_fact"
    FOREIGN_SOURCE = "foreign_source"
    BAD_BELIEF = "bad_belief"
    FOREIGN_BELIEF = "foreign_belief"
    BAD_SEQUENCE = "bad_sequence"
    EQUIVOCATION = "equivocation"
    BAD_START_OP = "bad_start_op"
    UNKNOWN_PREDECESSOR = "unknown_predecessor"
    ENGINE_FAILED = "engine_failed"
    PENDING_FULL = "pending_full"
    TOPIC_OVERFLOW = "topic_overflow"


class ChangeRefusedError(PeerProtocolError):
    """A peer's change is not one that this topic takes; its sender is at fault.

    Attributes:
        reason: Stable code.
        detail: One clause for a person; never the bytes themselves.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Container(Enum):
    """The maps of the flat layout; the value is the counter of the operation that made the map."""

    BELIEFS = 1
    FACTS = 2


class OpId(NamedTuple):
    """Names one operation; orders as the engine does (Lamport: counter, then actor)."""

    counter: int
    """1 to 2**53 - 1."""
    actor: bytes
    """Actor id of the author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """One operation: set a text under a key."""

    container: Container
    """The map it writes to."""
    key: str
    """At most 256 bytes."""
    value: str
    """The text."""
    preds: tuple[OpId, ...] = ()
    """Operations on the same key that this one replaces, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One decoded change."""

    deps: tuple[str, ...]
    """Hashes (hex) of the changes it directly follows, ascending."""
    actor: bytes
    """Actor id of the author."""
    seq: int
    """1 for the actor's first change, then one more each."""
    start_op: int
    """Counter of the first operation."""
    committed_at_s: int = 0
    """Commit time in seconds since the Unix epoch; our engine writes 0."""
    ops: tuple[Put, ...]
    """1 to 512 operations."""

    @property
    def max_op(self) -> int:
        """Counter of the last operation."""
        return self.start_op + len(self.ops) - 1


def decode_change(chunk: bytes) -> tuple[str, Change]:
    """Decode the bytes of one change.

    Returns:
        Its hash (hex), which names it everywhere, and the change.

    Raises:
        ChangeRefusedError: Not exactly one change chunk, over a limit, hash mismatch, malformed, not the
            one form that such a change has, or something else than setting texts in the flat layout.
    """
    if len(chunk) > MAX_CHANGE_BYTES:
        raise ChangeRefusedError(Reason.TOO_LARGE, f"over {MAX_CHANGE_BYTES} bytes")
    try:
        body = _unwrap(chunk)
        digest = _digest(body)
        if chunk[4:8] != digest[:4]:
            raise ChangeRefusedError(Reason.BAD_HASH, "checksum and content differ")
        change = _read_body(Reader(body))
    except MalformedError as problem:
        raise ChangeRefusedError(Reason.MALFORMED, str(problem)) from None
    if _write_body(change) != body:
        raise ChangeRefusedError(Reason.NOT_CANONICAL, "encodes back to other bytes")
    return digest.hex(), change


def encode_change(change: Change) -> bytes:
    """Return the chunk of `change`, uncompressed: what the engine itself would write."""
    body = _write_body(change)
    return _MAGIC + _digest(body)[:4] + bytes([_PLAIN]) + write_prefixed(body)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(bytes([_PLAIN]) + write_prefixed(body)).digest()


def _unwrap(chunk: bytes) -> bytes:
    """Return the inflated body of a chunk that is exactly one change."""
    reader = Reader(chunk)
    if reader.remaining_bytes < 10 or reader.take(4) != _MAGIC:
        raise ChangeRefusedError(Reason.NOT_A_CHANGE, "does not begin as a change does")
    reader.take(4)
    kind = reader.take(1)[0]
    if kind not in (_PLAIN, _DEFLATED):
        raise ChangeRefusedError(Reason.NOT_A_CHANGE, "another type of chunk")
    body = reader.prefixed(MAX_CHANGE_BYTES)
    if reader.remaining_bytes:
        raise MalformedError("bytes after the end")
    return body if kind == _PLAIN else _inflate(body)


def _inflate(deflated: bytes) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        body = inflater.decompress(deflated, MAX_CHANGE_BYTES + 1)
    except zlib.error:
        raise MalformedError("does not inflate") from None
    if len(body) > MAX_CHANGE_BYTES:
        raise ChangeRefusedError(Reason.TOO_LARGE, f"inflates to over {MAX_CHANGE_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("deflate stream of another length")
    return body


def _read_body(reader: Reader) -> Change:
    deps = _read_deps(reader)
    actor = reader.prefixed(_MAX_ACTOR_BYTES)
    seq, start_op, committed_at_s = reader.unsigned(), reader.unsigned(), reader.signed()
    if not 0 <= committed_at_s <= MAX_CHANGE_SECONDS:
        raise MalformedError("commit time out of range")
    reader.prefixed(0)  # the commit message, which nothing of ours writes
    count = reader.unsigned()
    if count > MAX_CHANGE_PREDS:
        raise MalformedError("too many other actors")
    actors = [actor, *(reader.prefixed(_MAX_ACTOR_BYTES) for _ in range(count))]
    ops = _read_ops(_read_columns(reader), actors)
    return Change(deps=deps, actor=actor, seq=seq, start_op=start_op, committed_at_s=committed_at_s, ops=ops)


def _read_deps(reader: Reader) -> tuple[str, ...]:
    count = reader.unsigned()
    if not 1 <= count <= MAX_CHANGE_DEPS:
        raise MalformedError("no dependency, or too many")
    deps = tuple(reader.take(32).hex() for _ in range(count))
    if any(left >= right for left, right in pairwise(deps)):
        raise MalformedError("dependencies out of order")
    return deps


def _read_columns(reader: Reader) -> dict[int, bytes]:
    """Read the columns, still run-length encoded, up to the end of the body."""
    count = reader.unsigned()
    if count > len(_COLUMNS):
        raise ChangeRefusedError(Reason.NOT_FLAT, "too many columns")
    sizes = [(reader.unsigned(), reader.unsigned()) for _ in range(count)]
    if any(column not in _COLUMNS for column, _ in sizes):
        raise ChangeRefusedError(Reason.NOT_FLAT, "a column that setting a text does not have")
    columns = {column: reader.take(size) for column, size in sizes}
    if reader.remaining_bytes:
        raise MalformedError("bytes after the last column")
    return columns


def _read_text(reader: Reader) -> str:
    return _text(reader.prefixed(_MAX_KEY_BYTES))


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MalformedError("text that is not UTF-8") from None


def _read_ops(columns: dict[int, bytes], actors: list[bytes]) -> tuple[Put, ...]:
    """Expand the columns into operations; all columns must have the same number of rows."""

    def rows(column: int) -> list[int]:
        return read_column(columns.get(column, b""), Reader.unsigned, MAX_CHANGE_OPS)

    actions = rows(_ACTION)
    if not actions:
        raise ChangeRefusedError(Reason.NOT_FLAT, "no operation")
    if set(actions) != {_SET} or columns.get(_INSERT) != write_unsigned(len(actions)):
        raise ChangeRefusedError(Reason.NOT_FLAT, "an operation other than setting a key")
    makers = [_at(actors, index) for index in rows(_OBJECT_ACTOR)]
    containers = [_container(*maker) for maker in _zip(makers, rows(_OBJECT_COUNTER))]
    keys = read_column(columns.get(_KEY, b""), _read_text, MAX_CHANGE_OPS)
    values = _read_values(rows(_VALUE_META), Reader(columns.get(_VALUE, b"")))
    preds = _read_preds(columns, rows(_PRED_COUNT), actors)
    if not len(actions) == len(containers) == len(keys) == len(values) == len(preds):
        raise MalformedError("columns of different length")
    return tuple(
        Put(container=container, key=key, value=value, preds=replaced)
        for container, key, value, replaced in zip(containers, keys, values, preds, strict=True)
    )


def _container(actor: bytes, counter: int) -> Container:
    if actor != GENESIS_ACTOR or counter not in (1, 2):
        raise ChangeRefusedError(Reason.NOT_FLAT, "writes outside facts and beliefs")
    return Container(counter)


def _read_values(metas: list[int], reader: Reader) -> list[str]:
    """Read the texts; a value's meta number is its type in the low four bits and its size above."""
    if any(meta & 0xF != _TEXT for meta in metas):
        raise ChangeRefusedError(Reason.NOT_FLAT, "a value that is not text")
    if any(meta >> 4 > MAX_FACT_BYTES for meta in metas):
        raise ChangeRefusedError(Reason.TOO_LARGE, f"a text over {MAX_FACT_BYTES} bytes")
    values = [_text(reader.take(meta >> 4)) for meta in metas]
    if reader.remaining_bytes:
        raise MalformedError("bytes after the last text")
    return values


def _read_preds(columns: dict[int, bytes], counts: list[int], actors: list[bytes]) -> list[tuple[OpId, ...]]:
    indexes = read_column(columns.get(_PRED_ACTOR, b""), Reader.unsigned, MAX_CHANGE_PREDS)
    counters = read_delta_column(columns.get(_PRED_COUNTER, b""), MAX_CHANGE_PREDS)
    pairs = _zip(counters, [_at(actors, index) for index in indexes])
    ids = [OpId(counter, actor) for counter, actor in pairs]
    if sum(counts) != len(ids):
        raise MalformedError("predecessors and their count differ")
    preds, at = [], 0
    for count in counts:
        preds.append(tuple(ids[at : at + count]))
        at += count
    if any(left >= right for group in preds for left, right in pairwise(group)):
        raise MalformedError("predecessors out of order")
    return preds


def _zip(left: list[A], right: list[B]) -> list[tuple[A, B]]:
    if len(left) != len(right):
        raise MalformedError("columns of different length")
    return list(zip(left, right, strict=True))


def _at(actors: list[bytes], index: int) -> bytes:
    if index >= len(actors):
        raise MalformedError("an actor that is not listed")
    return actors[index]


def _write_body(change: Change) -> bytes:
    ids = [pred for op in change.ops for pred in op.preds]
    others = sorted({GENESIS_ACTOR, *(pred.actor for pred in ids)} - {change.actor})
    columns = _write_columns(change, ids, {actor: i for i, actor in enumerate([change.actor, *others])})
    return b"".join(
        [
            write_unsigned(len(change.deps)),
            *(bytes.fromhex(dep) for dep in change.deps),
            write_prefixed(change.actor),
            write_unsigned(change.seq),
            write_unsigned(change.start_op),
            write_signed(change.committed_at_s),
            write_prefixed(b""),
            write_unsigned(len(others)),
            *(write_prefixed(other) for other in others),
            write_unsigned(len(columns)),
            *(write_unsigned(column) + write_unsigned(len(rows)) for column, rows in columns),
            *(rows for _, rows in columns),
        ],
    )


def _write_columns(change: Change, ids: list[OpId], indexes: dict[bytes, int]) -> list[tuple[int, bytes]]:
    """Return the columns that are not empty, ascending, run-length encoded."""
    ops = change.ops
    values = [op.value.encode() for op in ops]

    def rows(numbers: list[int]) -> bytes:
        return write_column(numbers, write_unsigned)

    columns = [
        (_OBJECT_ACTOR, rows([indexes[GENESIS_ACTOR]] * len(ops))),
        (_OBJECT_COUNTER, rows([op.container.value for op in ops])),
        (_KEY, write_column([op.key.encode() for op in ops], write_prefixed)),
        (_INSERT, write_unsigned(len(ops))),
        (_ACTION, rows([_SET] * len(ops))),
        (_VALUE_META, rows([len(value) << 4 | _TEXT for value in values])),
        (_VALUE, b"".join(values)),
        (_PRED_COUNT, rows([len(op.preds) for op in ops])),
        (_PRED_ACTOR, rows([indexes[pred.actor] for pred in ids])),
        (_PRED_COUNTER, write_delta_column([pred.counter for pred in ids])),
    ]
    return [(column, content) for column, content in columns if content]
