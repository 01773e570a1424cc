"""How proposals and decisions look from outside (`consensus.wire`). Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from consensus.proposal import Proposal, ProposalCanceled, ProposalDecided
from consensus.tally import Quorum


def summary_view(proposal: Proposal) -> dict[str, Any]:
    """What identifies a proposal and where it stands; small, whatever the electorate."""
    created = proposal.created
    return {
        "proposal_id": created.proposal_id,
        "number": created.number,
        "status": proposal.status,
        "proposer": created.proposer,
        "title": created.title,
        "kind": created.kind,
        "artifact_sha256": created.artifact_sha256,
        "elector_count": len(created.electorate),
        "created_at_ms": created.created_at_ms,
        "snapshot_ms": created.snapshot_ms,
        "deadline_ms": created.deadline_ms,
        "conversation_id": created.conversation_id,
    }


def announcement_view(proposal: Proposal) -> dict[str, Any]:
    """What a voter is told."""
    return summary_view(proposal) | {"description": proposal.created.description}


def full_view(proposal: Proposal) -> dict[str, Any]:
    """Everything but the votes and comments."""
    created = proposal.created
    decision: dict[str, Any] | None = None
    if proposal.decision is not None:
        decision = decision_view(proposal.decision, created.artifact_sha256)
    elif proposal.canceled_at_ms is not None:
        canceled = ProposalCanceled(
            proposal_id=created.proposal_id, agent=created.proposer, canceled_at_ms=proposal.canceled_at_ms
        )
        decision = decision_view(canceled, created.artifact_sha256)
    return announcement_view(proposal) | {
        "electorate": created.electorate,
        "quorum": _quorum_view(created.quorum),
        "early_decision": created.is_early_decision,
        "weights": dict(proposal.weights),
        "tally": asdict(proposal.tally) if proposal.tally is not None else None,
        "comment_count": len(proposal.comments),
        "decision": decision,
    }


def decision_view(event: ProposalDecided | ProposalCanceled, artifact_sha256: str) -> dict[str, Any]:
    """How a proposal ended; a canceled one has no tally."""
    if isinstance(event, ProposalCanceled):
        return {
            "proposal_id": event.proposal_id,
            "status": "canceled",
            "artifact_sha256": artifact_sha256,
            "tally": None,
            "early": False,
            "decided_at_ms": event.canceled_at_ms,
        }
    return {
        "proposal_id": event.proposal_id,
        "status": event.status,
        "artifact_sha256": event.artifact_sha256,
        "tally": asdict(event.tally),
        "early": event.is_early,
        "decided_at_ms": event.decided_at_ms,
    }


def _quorum_view(quorum: Quorum) -> dict[str, int]:
    if quorum.denominator is None:
        return {"count": quorum.numerator}
    return {"numerator": quorum.numerator, "denominator": quorum.denominator}
