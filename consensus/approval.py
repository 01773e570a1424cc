"""What a success entitles to: the approval token. Pure.

The token is not secret and needs no signature of its own: whoever is shown one compares it with the record
(`ExecuteProposal` does), or with a trail that was exported and verified.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.record import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The approval of one proposal; a function of its record."""

    proposal_id: str
    kind: str
    artifact_sha256: str
    """The only bytes that may be executed: the winning option's own artifact, if it has one."""
    winner: str | None
    """The winning option, of a choice among options."""
    conditions: tuple[str, ...]
    """What the votes in favour asked for; whoever executes confirms each."""
    not_before_ms: int
    """First instant at which it may be executed (Unix ms)."""
    expires_at_ms: int
    """Last instant at which it may be executed (Unix ms)."""
    trail_hash: str
    """Head of the audit trail at the decision; of one with a timelock, when it was queued."""


def approval_of(record: Proposal) -> Approval | None:
    """The approval of a proposal; None unless it succeeded. It says nothing about later events."""
    decision = record.decision
    if decision is None or decision.status != "succeeded":
        return None
    not_before_ms, expires_at_ms = record.executable_from_ms, record.expires_at_ms
    assert not_before_ms is not None
    assert expires_at_ms is not None
    return Approval(
        proposal_id=record.proposal_id,
        kind=record.created.kind,
        artifact_sha256=decision.artifact_sha256,
        winner=decision.winner,
        conditions=record.conditions,
        not_before_ms=not_before_ms,
        expires_at_ms=expires_at_ms,
        trail_hash=record.approval_hash,
    )
