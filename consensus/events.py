"""What happened to proposals, as the journal keeps it and the audit trail chains it. Plain data. Pure.

Every event of a proposal carries its `proposal_id`; the trail of a proposal is all of them in order
(`consensus.trail`). Times are Unix ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from consensus.ballot import Choice, Scope
from consensus.rules import Charter, DecisionReason, ElectorateSpec, Option, Rules, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalCreated:
    """A proposal was made; what never changes about it, and its first artifact."""

    proposal_id: str
    number: int
    """Counts proposals from 1."""
    proposer: str
    title: str
    kind: str
    description: str
    artifact_sha256: str
    """What is voted on: the decision is about exactly these bytes."""
    electorate: ElectorateSpec
    rules: Rules
    voting_delay_ms: int
    """Length of the discussion; an amendment begins it anew."""
    voting_period_ms: int
    conversation_id: str | None
    """The dialog in which it is discussed."""
    created_at_ms: int
    snapshot_ms: int
    """Last instant of the discussion: after it electorate and weights are fixed and voting opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentAdded:
    """Somebody of the electorate, or the proposer, said something."""

    proposal_id: str
    agent: str
    text: str
    commented_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalAmended:
    """The proposer put another artifact in the place of the first; the discussion begins anew."""

    proposal_id: str
    artifact_sha256: str
    description: str
    options: tuple[Option, ...]
    reason: str
    amended_at_ms: int
    snapshot_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingOpened:
    """The snapshot: who votes with what weight, and who stands in for whom, is fixed from here on."""

    proposal_id: str
    weights: dict[str, int]
    """Elector -> weight, at least 0."""
    delegations: dict[str, str]
    """Elector -> the elector that stands in for it; no cycles."""
    offline: tuple[str, ...]
    """Electors that were offline then; left out at once where the rules release them."""
    source_revision: int | None
    """Of the registry, for an electorate that came from there."""
    opened_at_ms: int
    deadline_ms: int
    """Last instant at which a vote counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCast:
    """A vote, signed by its voter."""

    proposal_id: str
    sequence: int
    """Position among the votes of the proposal, from 1."""
    voter: str
    scope: Scope
    choice: Choice
    weight: int
    """What it cast at that moment; a later vote of somebody who delegated may take from it."""
    conditions: tuple[str, ...]
    """What must be met for the approval to stand; whoever executes confirms each."""
    rationale: str
    nonce: str
    public_key: str
    """The voter's nkey, ``U…``; empty without a signature."""
    signature: str
    """Ed25519 over `consensus.signing.signed_bytes`, base64url without padding."""
    cast_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineExtended:
    """The quorum was reached late, so there is more time to vote."""

    proposal_id: str
    deadline_ms: int
    extended_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectorReleased:
    """An elector went offline before it voted: its weight is left out for now."""

    proposal_id: str
    agent: str
    released_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectorRestored:
    """A released elector is back: its weight counts toward the electorate again."""

    proposal_id: str
    agent: str
    restored_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalDecided:
    """The decision: it binds the artifact and the count that led to it."""

    proposal_id: str
    status: Literal["succeeded", "defeated"]
    reason: DecisionReason
    winner: str | None
    """The winning option, of a choice among options that succeeded."""
    artifact_sha256: str
    """What was approved: the winning option's own artifact, if it has one."""
    tally: Tally
    is_early: bool
    """Before the deadline had passed."""
    decided_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalQueued:
    """A success waits for its timelock."""

    proposal_id: str
    eta_ms: int
    """From then on it may be executed."""
    queued_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalExecuted:
    """The approval was redeemed, once and for all."""

    proposal_id: str
    executor: str
    execution_id: str
    """Chosen by the executor: with the same id it may ask again and gets the same answer."""
    conditions_met: tuple[str, ...]
    executed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReported:
    """The receipt: what came of the execution."""

    proposal_id: str
    executor: str
    is_success: bool
    note: str
    result_sha256: str
    """Of what was made, if anything was; else empty."""
    reported_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalExpired:
    """Nobody executed it in time, or before its proposer needed the room."""

    proposal_id: str
    made_room_for: str = ""
    """The next proposal of a proposer that had no room left; empty if its execution window ended."""
    expired_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalCanceled:
    """Its proposer took it back before voting opened, or its guardian stopped it."""

    proposal_id: str
    agent: str
    reason: str
    canceled_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalVetoed:
    """A veto holder stopped it."""

    proposal_id: str
    agent: str
    reason: str
    vetoed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalArchived:
    """A settled proposal made room; from now on it is in the journal only."""

    proposal_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationSet:
    """An agent chose who stands in for it, or nobody any more. Counts for votes that open later."""

    agent: str
    kind: str
    """Of the proposals concerned; empty for all kinds without a delegation of their own."""
    delegate: str | None
    set_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CharterSet:
    """The operator said what new proposals of a kind must satisfy, or that they need nothing any more."""

    kind: str
    charter: Charter | None
    agent: str
    set_at_ms: int


ProposalEvent = (
    ProposalCreated
    | CommentAdded
    | ProposalAmended
    | VotingOpened
    | VoteCast
    | DeadlineExtended
    | ElectorReleased
    | ElectorRestored
    | ProposalDecided
    | ProposalQueued
    | ProposalExecuted
    | ExecutionReported
    | ProposalExpired
    | ProposalCanceled
    | ProposalVetoed
)
"""What stands in the trail of a proposal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """One link of a proposal's audit trail."""

    sequence: int
    """From 1."""
    event: str
    """Name of the event's class."""
    body: Mapping[str, object] = field(default_factory=dict)
    """The event as JSON."""
    hash: str = ""
    """SHA-256 of the previous hash and the canonical form of this entry, as hex."""
