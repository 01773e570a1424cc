"""The engine of one topic: a replicated set of facts, kept as an Automerge document.

The only module that imports `automerge`. What the binding does wrong is dealt with here and nowhere else
(all measured):

- A panic is a ``BaseException`` without a public name and may poison the document for good. So each change
  is tried on a fork, and the fork becomes the document only when the heads are what they must be.
- A change whose dependencies are missing is queued silently inside the engine. So it waits outside.
- Many hostile changes are accepted and only break a later ``load``. So the gate stands before the engine,
  and `save` gives bytes out only after loading them.
- An open transaction outlives its document as a dangling pointer. So it is a ``with`` block without await.

An engine has one owner: it is not for use by several threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Protocol, TypeVar

from automerge.core import ROOT, Document, Message, ScalarType, SyncState

from coordination.runtime.errors import ConclaveError, RejectedError
from knowledge.chunk import (
    GENESIS_CHUNK,
    GENESIS_HASH,
    Change,
    ChangeRefusedError,
    Reason,
    decode_change,
    encode_change,
)
from knowledge.columns import MalformedError, Reader, write_prefixed, write_unsigned
from knowledge.facts import Fact
from knowledge.gate import KNOWLEDGE_AGENT, Ledger, actor_agent, check_author, make_actor
from knowledge.limits import (
    MAX_REPLICATED_FACTS,
    MAX_SNAPSHOT_BYTES,
    MAX_TOPIC_CHANGES,
    MAX_TOPIC_FACTS,
)
from knowledge.outcome import Applied, Duplicate, Outcome, Pending, Quarantined
from knowledge.pending import PendingBuffer, Waiting

# A backtrace per refused change would cost more than refusing it.
os.environ["RUST_BACKTRACE"] = "0"

T = TypeVar("T")

_DOCUMENT_HEADER: Final = bytes.fromhex("856f4a83")
_DOCUMENT_TYPE: Final = 0
_SYNC_ONLY_CHANGES: Final = b"\x42\0\0\0"
"""Sync message: no heads, no needs, no have; the count of changes follows."""

_ABANDONED: Final[list[Any]] = []
"""Documents whose transaction failed inside the engine and may still be open. Dropping one would free what
the transaction points to (heap corruption, measured), so they stay. None is known to get here: a fact is
checked before it is written."""


class EngineFailedError(ConclaveError):
    """Automerge panicked, refused what it must take, or saved what it cannot load; the topic is unharmed."""


class Engine(Protocol):
    """One replica of one topic. Its state is a set of changes; merging is set union."""

    def assert_fact(self, fact: Fact) -> bytes | None:
        """Add `fact`; return the change to publish, or None if the fact is here already.

        Raises:
            RejectedError: ``topic_full`` or ``foreign_source``.
        """
        ...

    def apply(self, change: bytes, signer: str) -> Outcome:
        """Take a change of a peer, published by the authenticated `signer`. Never raises for bad bytes."""
        ...

    def apply_all(self, changes: Sequence[tuple[bytes, str]]) -> tuple[Outcome, ...]:
        """As `apply` for each (change, signer), cheaper than one by one; for catching up."""
        ...

    def facts(self) -> tuple[Fact, ...]:
        """All facts, in no particular order."""
        ...

    def get(self, fact_id: str) -> Fact | None:
        """The fact of this id, if it is here."""
        ...

    def heads(self) -> tuple[str, ...]:
        """Hashes (hex) of the latest changes, ascending; equal heads mean equal topics."""
        ...

    def change_hashes(self) -> tuple[str, ...]:
        """Hashes (hex) of all changes, each after those it depends on; the first is the genesis change."""
        ...

    def changes(self, known: Collection[str] = ()) -> tuple[bytes, ...]:
        """The changes whose hashes are not in `known`, dependencies first, without the genesis change."""
        ...

    def save(self) -> bytes:
        """A snapshot that is proven to load.

        Raises:
            EngineFailedError: It does not load to the same heads; keep the previous one.
        """
        ...


class AutomergeEngine:
    """`Engine` on an Automerge document; see the module for what it defends against.

    Args:
        agent_id: Whose replica it is; its changes carry this id.
        nonce: 8 random bytes, new for every engine ever made (see `make_actor`).
    """

    def __init__(self, agent_id: str, nonce: bytes) -> None:
        self._agent_id = agent_id
        self._actor = make_actor(agent_id, nonce)
        self._document = _call(lambda: _new_document([GENESIS_CHUNK]))
        self._ledger = Ledger()
        self._facts: dict[str, Fact] = {}
        self._pending = PendingBuffer()

    @classmethod
    def load(cls, snapshot: bytes, agent_id: str, nonce: bytes) -> AutomergeEngine:
        """Restore a topic from what `save` gave.

        Every change in the snapshot passes the gate again. The container around them is the engine's own
        format and is not gated: load only snapshots from a store that only services write.

        Raises:
            EngineFailedError: It is no snapshot of a topic, or holds a change that the gate refuses.
        """
        _require_one_document(snapshot)
        document = _call(lambda: Document.load(snapshot))
        engine = cls(agent_id, nonce)
        for change in _call(lambda: _read_changes(document, known=())):
            engine._enter_stored(change)
        if _call(lambda: _read_heads(document)) != engine.heads():
            raise EngineFailedError("snapshot: heads differ from those of its changes")
        engine._document = document
        return engine

    def assert_fact(self, fact: Fact) -> bytes | None:
        """See `Engine.assert_fact`."""
        if self._agent_id not in (fact.source, KNOWLEDGE_AGENT):
            raise RejectedError("foreign_source", f"{self._agent_id} cannot assert for {fact.source}")
        if fact.fact_id in self._facts:
            return None
        if len(self._facts) >= MAX_TOPIC_FACTS or len(self._ledger) >= MAX_TOPIC_CHANGES:
            raise RejectedError("topic_full", f"the topic has {len(self._facts)} facts: begin another")
        fork = _call(self._document.fork)
        chunk = _call(lambda: _write_fact(fork, self._actor, fact))
        change_hash, change, facts = _check_stored(chunk, self._ledger)
        if _call(lambda: _read_heads(fork)) != self._ledger.heads_after(change_hash, change):
            raise EngineFailedError("assert: heads differ from what they must be")
        self._document = fork
        self._enter(change_hash, change, facts)
        return chunk

    def apply(self, change: bytes, signer: str) -> Outcome:
        """See `Engine.apply`."""
        return self.apply_all([(change, signer)])[0]

    def apply_all(self, changes: Sequence[tuple[bytes, str]]) -> tuple[Outcome, ...]:
        """See `Engine.apply_all`."""
        trial = _Trial(self._document)
        try:
            return tuple(self._take(trial, change, signer) for change, signer in changes)
        finally:
            self._document = trial.document

    def facts(self) -> tuple[Fact, ...]:
        """See `Engine.facts`."""
        return tuple(self._facts.values())

    def get(self, fact_id: str) -> Fact | None:
        """See `Engine.get`."""
        return self._facts.get(fact_id)

    def heads(self) -> tuple[str, ...]:
        """See `Engine.heads`."""
        return self._ledger.heads

    def change_hashes(self) -> tuple[str, ...]:
        """See `Engine.change_hashes`."""
        return self._ledger.hashes

    def changes(self, known: Collection[str] = ()) -> tuple[bytes, ...]:
        """See `Engine.changes`."""
        return tuple(_call(lambda: _read_changes(self._document, known={GENESIS_HASH, *known})))

    @property
    def pending_count(self) -> int:
        """How many changes wait for a dependency."""
        return len(self._pending)

    def save(self) -> bytes:
        """See `Engine.save`."""
        snapshot: bytes = _call(lambda: bytes(self._document.save()))
        if _call(lambda: _read_heads(Document.load(snapshot))) != self.heads():
            raise EngineFailedError("save: the snapshot does not load to the same heads")
        return snapshot

    def _take(self, trial: _Trial, chunk: bytes, signer: str) -> Outcome:
        """Gate one change, then apply it or let it wait."""
        change_hash = None
        try:
            change_hash, change = decode_change(chunk)
            facts = check_author(change, signer)
            if change_hash in self._ledger:
                return Duplicate(change_hash=change_hash)
            missing = self._ledger.missing(change)
            if not missing:
                self._admit(trial, change_hash, change, facts)
                return self._release(trial, change_hash, facts)
            if change_hash not in self._pending:
                waiting = Waiting(change, signer, facts, len(chunk))
                self._pending.add(change_hash, waiting, missing[0])
            return Pending(change_hash=change_hash, missing=missing)
        except ChangeRefusedError as refusal:
            return Quarantined(change_hash=change_hash, reason=refusal.reason, detail=refusal.detail)

    def _admit(self, trial: _Trial, change_hash: str, change: Change, facts: tuple[Fact, ...]) -> None:
        """Apply a change whose dependencies are here.

        Raises:
            ChangeRefusedError: It does not fit, there is no room, or the engine failed on it.
        """
        self._ledger.check(change)
        if len(self._ledger) >= MAX_TOPIC_CHANGES or len(self._facts) + len(facts) > MAX_REPLICATED_FACTS:
            raise ChangeRefusedError(Reason.TOPIC_OVERFLOW, "the topic is far over its limit")
        trial.apply(encode_change(change), self._ledger.heads_after(change_hash, change))
        self._enter(change_hash, change, facts)

    def _release(self, trial: _Trial, change_hash: str, facts: tuple[Fact, ...]) -> Applied:
        """Apply what waited for `change_hash`, and what waited for that, and so on."""
        applied, new_facts, refused = [change_hash], list(facts), []
        for arrived in applied:  # grows while it is walked
            for name, waiting in self._pending.release(arrived):
                missing = self._ledger.missing(waiting.change)
                try:
                    if missing:
                        self._pending.add(name, waiting, missing[0])
                        continue
                    self._admit(trial, name, waiting.change, waiting.facts)
                except ChangeRefusedError as refusal:
                    refused.append(
                        Quarantined(change_hash=name, reason=refusal.reason, detail=refusal.detail)
                    )
                else:
                    applied.append(name)
                    new_facts.extend(waiting.facts)
        return Applied(change_hashes=tuple(applied), facts=tuple(new_facts), refused=tuple(refused))

    def _enter(self, change_hash: str, change: Change, facts: tuple[Fact, ...]) -> None:
        self._ledger.record(change_hash, change)
        self._facts.update((fact.fact_id, fact) for fact in facts)

    def _enter_stored(self, chunk: bytes) -> None:
        """Enter one change of a loaded document, which must pass the gate like any other."""
        if chunk == GENESIS_CHUNK:
            return
        self._enter(*_check_stored(chunk, self._ledger))


class _Trial:
    """A fork on which changes are tried; `document` is always whole and holds what was applied."""

    __slots__ = ("_applied", "_base", "_fork")

    def __init__(self, base: Any) -> None:
        self._base = base
        self._fork: Any = None
        self._applied: list[bytes] = []

    @property
    def document(self) -> Any:
        """The document with all changes that were applied, and nothing of those that failed."""
        if self._fork is None and self._applied:
            self._fork = self._rebuild()
        return self._base if self._fork is None else self._fork

    def apply(self, chunk: bytes, heads_after: tuple[str, ...]) -> None:
        """Apply one change.

        Raises:
            ChangeRefusedError: The engine failed, or the heads are not `heads_after`; the change is gone.
        """
        try:
            if self._fork is None:
                self._fork = self._rebuild()
            _call(lambda: _apply_chunks(self._fork, [chunk]))
            if _call(lambda: _read_heads(self._fork)) != heads_after:
                raise EngineFailedError("heads differ from what they must be")
        except EngineFailedError as failure:
            self._fork = None  # it may be poisoned
            raise ChangeRefusedError(Reason.ENGINE_FAILED, str(failure)) from None
        self._applied.append(chunk)

    def _rebuild(self) -> Any:
        fork = _call(self._base.fork)
        if self._applied:
            _call(lambda: _apply_chunks(fork, self._applied))
        return fork


def _call(work: Callable[[], T]) -> T:
    """Run `work` inside the engine: the boundary that no panic passes.

    Raises:
        EngineFailedError: Anything at all went wrong in there.
    """
    try:
        return work()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as problem:  # noqa: BLE001 - a PanicException is no Exception and has no public name
        raise EngineFailedError(f"automerge failed ({type(problem).__name__})") from None


def _check_stored(chunk: bytes, ledger: Ledger) -> tuple[str, Change, tuple[Fact, ...]]:
    """Gate a change from our own engine, signed by whom its actor names.

    Raises:
        EngineFailedError: The gate refuses it, so every peer would.
    """
    try:
        change_hash, change = decode_change(chunk)
        facts = check_author(change, actor_agent(change.actor) or "")
        if ledger.missing(change):
            raise EngineFailedError("own change: stands before its dependencies")
        ledger.check(change)
    except ChangeRefusedError as refusal:
        raise EngineFailedError(f"own change: {refusal}") from None
    return change_hash, change, facts


def _new_document(chunks: Sequence[bytes]) -> Any:
    document = Document()
    _apply_chunks(document, chunks)
    return document


def _apply_chunks(document: Any, chunks: Sequence[bytes]) -> None:
    """Apply changes by way of a sync message: the binding has no other way in."""
    body = write_unsigned(len(chunks)) + b"".join(write_prefixed(chunk) for chunk in chunks)
    document.receive_sync_message(SyncState(), Message.decode(_SYNC_ONLY_CHANGES + body))


def _write_fact(document: Any, actor: bytes, fact: Fact) -> bytes:
    """Write one fact in one transaction and return the change."""
    before = document.get_heads()
    document.set_actor(actor)
    _, facts = document.get(ROOT, "facts")
    try:
        with document.transaction() as transaction:
            transaction.put(facts, fact.fact_id, ScalarType.Str, fact.canonical)
    except BaseException:
        _ABANDONED.append(document)
        raise
    (change,) = document.get_changes(before)
    return bytes(change.bytes)


def _read_heads(document: Any) -> tuple[str, ...]:
    return tuple(sorted(bytes(head).hex() for head in document.get_heads()))


def _read_changes(document: Any, known: Collection[str]) -> list[bytes]:
    """Return the changes that are not known, dependencies first."""
    return [
        bytes(change.bytes) for change in document.get_changes([]) if bytes(change.hash).hex() not in known
    ]


def _require_one_document(snapshot: bytes) -> None:
    """Refuse what is not exactly one document chunk: others could hide changes that wait inside."""
    reader = Reader(snapshot)
    try:
        if len(snapshot) > MAX_SNAPSHOT_BYTES or reader.take(4) != _DOCUMENT_HEADER:
            raise EngineFailedError("snapshot: not a saved topic")
        reader.take(4)
        if reader.take(1)[0] != _DOCUMENT_TYPE:
            raise EngineFailedError("snapshot: not a saved topic")
        reader.prefixed(MAX_SNAPSHOT_BYTES)
    except MalformedError:
        raise EngineFailedError("snapshot: cut off") from None
    if reader.remaining_bytes:
        raise EngineFailedError("snapshot: bytes after its end")
