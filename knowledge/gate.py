"""The gate: which decoded changes a topic takes. Pure; stands between the codec and the engine.

Two checks. `check_author` looks at the change alone: who may write what. `Ledger` knows the history and
says whether the change fits it. Every rule depends only on the change and its ancestors, so replicas that
received the same changes in different orders decide alike. The one exception is a signer that writes two
different changes with one actor and sequence (`Reason.EQUIVOCATION`): the first one seen wins, so replicas
should apply in stream order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coordination.runtime.errors import RejectedError
from coordination.runtime.names import is_id
from knowledge.chunk import (
    GENESIS_ACTOR,
    GENESIS_HASH,
    GENESIS_MAX_OP,
    Change,
    ChangeRefusedError,
    Container,
    OpId,
    Put,
    Reason,
)
from knowledge.facts import Fact, parse_fact, text_id
from knowledge.limits import ACTOR_NONCE_BYTES, MAX_BELIEF_BYTES

KNOWLEDGE_AGENT: Final = "knowledge"
"""Agent id of the knowledge service. It alone may assert facts on behalf of other sources, for callers
that speak plain NATS; the registry must never give this id to anyone else."""

_FACT_ID: Final = re.compile(r"[0-9a-f]{64}")


def make_actor(agent_id: str, nonce: bytes) -> bytes:
    """Return the actor id of one engine of `agent_id`.

    Args:
        agent_id: The agent that will sign the changes.
        nonce: 8 random bytes, drawn anew for every engine: an actor id used twice, by two processes or
            after restoring an old copy, makes histories that can never be merged again.
    """
    if not is_id(agent_id) or len(nonce) != ACTOR_NONCE_BYTES:
        raise ValueError(f"an actor is an agent id and {ACTOR_NONCE_BYTES} random bytes")
    return agent_id.encode() + b"/" + nonce


def actor_agent(actor: bytes) -> str | None:
    """Return the agent id in front of an actor id, or None if the actor id is not of our form."""
    if len(actor) <= ACTOR_NONCE_BYTES + 1 or actor[-ACTOR_NONCE_BYTES - 1] != ord("/"):
        return None
    try:
        agent_id = actor[: -ACTOR_NONCE_BYTES - 1].decode("ascii")
    except UnicodeDecodeError:
        return None
    return agent_id if is_id(agent_id) else None


def check_author(change: Change, signer: str) -> tuple[Fact, ...]:
    """Check what can be known from the change alone: that `signer` may write all of it.

    Returns:
        The facts it asserts.

    Raises:
        ChangeRefusedError: The actor is not the signer's, a fact is no fact or not under its own hash, a
            fact's source is not the signer, or a belief is not the signer's own.
    """
    if actor_agent(change.actor) != signer:
        raise ChangeRefusedError(Reason.WRONG_ACTOR, "the actor is not the signer's")
    if len({(op.container, op.key) for op in change.ops}) != len(change.ops):
        raise ChangeRefusedError(Reason.MALFORMED, "one key set twice")
    facts = []
    for op in change.ops:
        if op.container is Container.FACTS:
            facts.append(_check_fact(op, signer))
        else:
            _check_belief(op, signer)
    return tuple(facts)


def _check_fact(op: Put, signer: str) -> Fact:
    if op.preds:
        raise ChangeRefusedError(Reason.BAD_FACT, "facts are never replaced")
    if op.key != text_id(op.value):
        raise ChangeRefusedError(Reason.BAD_FACT, "key is not the hash of the value")
    try:
        fact = parse_fact(op.value)
    except RejectedError as problem:
        raise ChangeRefusedError(Reason.BAD_FACT, problem.message) from None
    if signer not in (fact.source, KNOWLEDGE_AGENT):
        raise ChangeRefusedError(Reason.FOREIGN_SOURCE, "the fact's source is not the signer")
    return fact


def _check_belief(op: Put, signer: str) -> None:
    fact_id, slash, agent_id = op.key.partition("/")
    if not slash or _FACT_ID.fullmatch(fact_id) is None:
        raise ChangeRefusedError(Reason.BAD_BELIEF, "key is not a fact id and an agent id")
    if agent_id != signer:
        raise ChangeRefusedError(Reason.FOREIGN_BELIEF, "the belief is not the signer's own")
    if not op.value or len(op.value.encode()) > MAX_BELIEF_BYTES:
        raise ChangeRefusedError(Reason.BAD_BELIEF, f"empty, or over {MAX_BELIEF_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class _Entry:
    deps: tuple[str, ...]
    seq: int
    max_op: int


class Ledger:
    """The history of one topic: which changes are in, and what the next ones may rest on.

    Invariants:
        Closed under dependencies; begins with the genesis change. `heads` are the entries that no entry
        depends on.
    """

    __slots__ = ("_beliefs", "_entries", "_heads", "_last")

    def __init__(self) -> None:
        self._entries = {GENESIS_HASH: _Entry((), 1, GENESIS_MAX_OP)}
        self._heads = {GENESIS_HASH}
        self._last = {GENESIS_ACTOR: GENESIS_HASH}
        self._beliefs: dict[OpId, tuple[str, str]] = {}

    def __contains__(self, change_hash: str) -> bool:
        return change_hash in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Hashes of all changes, each after those it depends on."""
        return tuple(self._entries)

    @property
    def heads(self) -> tuple[str, ...]:
        """Hashes that no other change depends on, ascending."""
        return tuple(sorted(self._heads))

    def missing(self, change: Change) -> tuple[str, ...]:
        """Return the dependencies of `change` that are not here yet."""
        return tuple(dep for dep in change.deps if dep not in self._entries)

    def check(self, change: Change) -> None:
        """Check that `change`, whose dependencies are all here, continues the history.

        Raises:
            ChangeRefusedError: Its sequence, first operation or predecessors do not fit.

        Complexity:
            Grows with the number of changes since the actor's last one, not with the whole history.
        """
        assert not self.missing(change)
        last = self._last.get(change.actor)
        expected = self._entries[last].seq + 1 if last else 1
        if change.seq != expected:
            reason = Reason.EQUIVOCATION if 0 < change.seq < expected else Reason.BAD_SEQUENCE
            raise ChangeRefusedError(reason, f"sequence {change.seq} instead of {expected}")
        if change.start_op != 1 + max(self._entries[dep].max_op for dep in change.deps):
            raise ChangeRefusedError(Reason.BAD_START_OP, "operations do not follow the dependencies")
        origins = self._origins(change)
        if last and not self._are_ancestors({last}, change.deps):
            raise ChangeRefusedError(Reason.EQUIVOCATION, "does not follow the actor's last change")
        if not self._are_ancestors(origins, change.deps):
            raise ChangeRefusedError(Reason.UNKNOWN_PREDECESSOR, "replaces what it cannot have seen")

    def record(self, change_hash: str, change: Change) -> None:
        """Enter a change that `check` has passed."""
        self._entries[change_hash] = _Entry(change.deps, change.seq, change.max_op)
        self._heads.difference_update(change.deps)
        self._heads.add(change_hash)
        self._last[change.actor] = change_hash
        for at, op in enumerate(change.ops):
            if op.container is Container.BELIEFS:
                self._beliefs[OpId(change.start_op + at, change.actor)] = (op.key, change_hash)

    def heads_after(self, change_hash: str, change: Change) -> tuple[str, ...]:
        """Return what `heads` would be with `change` entered."""
        return tuple(sorted((self._heads - set(change.deps)) | {change_hash}))

    def _origins(self, change: Change) -> set[str]:
        """Return the changes that hold the predecessors; each must set the same key."""
        origins = set()
        for op in change.ops:
            for pred in op.preds:
                key, origin = self._beliefs.get(pred, ("", ""))
                if key != op.key:
                    raise ChangeRefusedError(Reason.UNKNOWN_PREDECESSOR, "no such operation on this key")
                origins.add(origin)
        return origins

    def _are_ancestors(self, wanted: set[str], deps: Iterable[str]) -> bool:
        """Whether all `wanted` are among `deps` and their ancestors.

        A change's counters are above those of its ancestors, so the walk stops below the oldest wanted one.
        """
        left = set(wanted)
        floor = min((self._entries[change_hash].max_op for change_hash in left), default=0)
        stack, seen = list(deps), set(deps)
        while left and stack:
            at = stack.pop()
            left.discard(at)
            above = [dep for dep in self._entries[at].deps if dep not in seen]
            above = [dep for dep in above if self._entries[dep].max_op >= floor]
            seen.update(above)
            stack.extend(above)
        return not left
