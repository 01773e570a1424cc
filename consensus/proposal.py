"""What a proposal is: its commands, its events, its lifecycle. Plain data. Pure.

Terms and order of states are OpenZeppelin Governor's. Times are Unix ms. The instant `snapshot_ms` is
still pending, the instant `deadline_ms` still active. With no discussion period voting opens in the very
command that proposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from consensus.tally import Choice, Quorum, Tally

Status = Literal["pending", "active", "succeeded", "defeated", "canceled"]
Input = Literal["discuss", "cancel", "open", "vote", "win", "lose"]

LIFECYCLE: Final[Mapping[tuple[Status, Input], Status]] = {
    ("pending", "discuss"): "pending",
    ("pending", "cancel"): "canceled",
    ("pending", "open"): "active",
    ("active", "discuss"): "active",
    ("active", "vote"): "active",
    ("active", "win"): "succeeded",
    ("active", "lose"): "defeated",
}
"""What may happen to a proposal, and what it becomes; any other pair is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Command: put an artifact to the vote."""

    proposal_id: str
    proposer: str
    title: str
    kind: str
    description: str
    artifact_sha256: str
    electorate: tuple[str, ...]
    voting_delay_ms: int
    voting_period_ms: int
    quorum: Quorum
    is_early_decision: bool = True
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discuss:
    """Command: comment on a proposal."""

    proposal_id: str
    agent: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote:
    """Command: vote."""

    proposal_id: str
    voter: str
    choice: Choice
    rationale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelProposal:
    """Command: take a proposal back."""

    proposal_id: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalCreated:
    """Event, and what never changes about a proposal."""

    proposal_id: str
    number: int
    """Counts proposals from 1."""
    proposer: str
    title: str
    kind: str
    description: str
    artifact_sha256: str
    """What is voted on: the decision is about exactly these bytes."""
    electorate: tuple[str, ...]
    created_at_ms: int
    snapshot_ms: int
    """Voting opens after this instant and electorate and weights are fixed then."""
    deadline_ms: int
    """Last instant at which a vote counts."""
    quorum: Quorum
    is_early_decision: bool
    """Whether the vote ends as soon as the outcome is certain, rather than when all have voted."""
    conversation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentAdded:
    """Event, and the comment's record."""

    proposal_id: str
    sequence: int
    """Position among the comments and votes of the proposal, from 1."""
    agent: str
    text: str
    commented_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingOpened:
    """Event: who votes with what weight is fixed from here on."""

    proposal_id: str
    weights: dict[str, int]
    opened_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCast:
    """Event, and the vote's record."""

    proposal_id: str
    sequence: int
    """Position among the comments and votes of the proposal."""
    voter: str
    choice: Choice
    weight: int
    rationale: str
    cast_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalDecided:
    """Event, and the decision: it binds the artifact and the count that led to it."""

    proposal_id: str
    status: Literal["succeeded", "defeated"]
    artifact_sha256: str
    tally: Tally
    is_early: bool
    """Before the deadline had passed."""
    decided_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalCanceled:
    """Event: its proposer took it back before voting opened."""

    proposal_id: str
    agent: str
    canceled_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalArchived:
    """Event: a settled proposal made room; from now on it is in the journal only."""

    proposal_id: str


@dataclass(slots=True, kw_only=True)
class Proposal:
    """One proposal as the service holds it."""

    created: ProposalCreated
    status: Status = "pending"
    weights: dict[str, int] = field(default_factory=dict)
    """Voter -> weight; empty before voting opens."""
    tally: Tally | None = None
    """None before voting opens."""
    votes: dict[str, VoteCast] = field(default_factory=dict)
    """Voter -> vote, in the order in which they were cast."""
    comments: list[CommentAdded] = field(default_factory=list)
    decision: ProposalDecided | None = None
    canceled_at_ms: int | None = None

    @property
    def next_sequence(self) -> int:
        """Sequence of the next comment or vote."""
        return len(self.votes) + len(self.comments) + 1

    @property
    def due_ms(self) -> int | None:
        """When time alone changes it; None once it is settled."""
        match self.status:
            case "pending":
                return self.created.snapshot_ms + 1
            case "active":
                return self.created.deadline_ms + 1
            case _:
                return None
