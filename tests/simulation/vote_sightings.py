"""What the agents of a simulated vote did and saw: all that the service may be held to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from consensus import wire
from consensus.ballot import Choice
from coordination.runtime.errors import RejectedError

FORBIDDEN = frozenset({"altered", "borrowed key", "stolen", "stale", "unsigned"})
"""Kinds of votes that must never be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to vote, and what came of it as far as its voter knows."""

    kind: str
    label: str
    """Stands in the rationale; an attempt that repeats another one has the same."""
    proposal_id: str
    voter: str
    choice: Choice
    """In its normal form."""
    scope: str
    conditions: tuple[str, ...]
    body: wire.VoteRequest | None = None
    """As sent, where the voter made it itself."""
    command_id: str = ""
    reply: wire.VoteReply | None = None
    refusal: RejectedError | None = None

    @property
    def is_refused(self) -> bool:
        """Whether it is certain that it does not count."""
        return self.refusal is not None and not self.refusal.retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """One attempt to execute an approval."""

    kind: str
    proposal_id: str
    executor: str
    execution_id: str
    reply: wire.Execution | None = None
    refusal: RejectedError | None = None


@dataclass(slots=True)
class Sightings:
    """Of one run."""

    proposals: dict[str, wire.ProposalSummary] = field(default_factory=dict)
    """As each was last seen."""
    open: dict[str, None] = field(default_factory=dict)
    """Proposals that nobody has heard to have ended."""
    before_amendment: dict[str, wire.ProposalSummary] = field(default_factory=dict)
    """As each was made, of those of which an amendment was acknowledged."""
    attempts: list[Attempt] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)
    decisions: list[tuple[str, wire.Decision]] = field(default_factory=list)
    """(who saw it, how; what was seen)."""
    receipts: list[wire.Receipt] = field(default_factory=list)
    endings: list[wire.Decision] = field(default_factory=list)
    """Vetoes and cancellations that were acknowledged."""
    heads: list[tuple[str, str]] = field(default_factory=list)
    """(proposal, head of its trail) of all answers."""
    votes: list[wire.Vote] = field(default_factory=list)
    """As shown to whoever asked for them."""
    final: dict[str, tuple[wire.Proposal, bytes]] = field(default_factory=dict)
    """Proposal -> what is said of it after all faults, and its audit."""
    met: Counter[str] = field(default_factory=Counter)
    """What happened how often, to tell a run in which nothing happens."""

    def see(self, summary: wire.ProposalSummary) -> None:
        """Somebody was told of a proposal."""
        self.heads.append((summary.proposal_id, summary.trail_hash))
        if summary.proposal_id not in self.proposals:
            self.open[summary.proposal_id] = None
        self.proposals[summary.proposal_id] = summary

    def ended(self, how: str, decision: wire.Decision) -> None:
        """Somebody was told how a proposal ended."""
        self.decisions.append((how, decision))
        self.open.pop(decision.proposal_id, None)

    def attempted(self, attempt: Attempt) -> None:
        """Somebody has tried to vote."""
        self.attempts.append(attempt)
        self.met[f"vote: {attempt.kind}"] += 1
        if attempt.reply is not None:
            self.met["vote: taken"] += 1
            self.heads.append((attempt.proposal_id, attempt.reply.trail_hash))
        elif attempt.refusal is not None:
            self.met[f"vote: {attempt.refusal.code}"] += 1

    def redeemed(self, redemption: Redemption) -> None:
        """Somebody has tried to execute."""
        self.redemptions.append(redemption)
        what = "taken" if redemption.reply is not None else "lost"
        self.met[f"execute: {redemption.refusal.code if redemption.refusal is not None else what}"] += 1
