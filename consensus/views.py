"""How proposals and what becomes of them look from outside (`consensus.replies`). Pure.

Every view is of a record with all events applied that the answer or push is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from consensus.approval import approval_of
from consensus.events import CommentAdded, DelegationSet, VoteCast
from consensus.lifecycle import Status
from consensus.limits import MAX_SHOWN_AMENDMENTS
from consensus.record import Proposal
from consensus.rules import Level, Rules, Tally


def summary_view(record: Proposal) -> dict[str, Any]:
    """What identifies a proposal and where it stands; small, whatever the electorate."""
    created = record.created
    return {
        "proposal_id": created.proposal_id,
        "number": created.number,
        "status": record.status,
        "proposer": created.proposer,
        "title": created.title,
        "kind": created.kind,
        "artifact_sha256": record.artifact_sha256,
        "rules": rules_view(record.rules),
        "elector_count": _elector_count(record),
        "created_at_ms": created.created_at_ms,
        "snapshot_ms": record.snapshot_ms,
        "deadline_ms": record.deadline_ms,
        "conversation_id": created.conversation_id,
        "trail_hash": record.head,
    }


def _elector_count(record: Proposal) -> int:
    return len(record.weights if record.opened is not None else record.created.electorate.agents)


def announcement_view(record: Proposal) -> dict[str, Any]:
    """What a voter is told."""
    return summary_view(record) | {"description": record.description}


def full_view(record: Proposal, *, waiting_for: str = "") -> dict[str, Any]:
    """Everything but votes, comments and trail.

    Args:
        record: The proposal.
        waiting_for: The service whose answer the opening of the vote waits for; empty for none.
    """
    created = record.created
    return announcement_view(record) | {
        "electorate": electorate_view(record),
        "voting_delay_ms": created.voting_delay_ms,
        "voting_period_ms": created.voting_period_ms,
        "waiting_for": waiting_for,
        "opened_at_ms": record.opened.opened_at_ms if record.opened is not None else None,
        "weights": dict(record.weights),
        "delegations": dict(record.delegations),
        "released": record.released,
        "tally": tally_view(record.tally),
        "count": count_view(record),
        "vote_count": len(record.votes),
        "comment_count": len(record.comments),
        "amendment_count": len(record.amendments),
        "amendments": amendment_views(record),
        "conditions": record.conditions,
        "decision": decision_view(record),
        "approval": approval_view(record),
        "execution": execution_view(record),
        "receipt": receipt_view(record),
    }


def rules_view(rules: Rules) -> dict[str, Any]:
    """The rules, by the names of the request that made them."""
    threshold = rules.threshold
    return {
        "protocol": rules.protocol,
        "options": tuple(
            {"option": each.option, "title": each.title, "artifact_sha256": each.artifact_sha256}
            for each in rules.options
        ),
        "threshold": None
        if threshold is None
        else {
            "numerator": threshold.numerator,
            "denominator": threshold.denominator,
            "inclusive": threshold.is_inclusive,
            "of": threshold.of,
        },
        "quorum": _level_view(rules.quorum),
        "quorum_counts": rules.quorum_counts,
        "super_quorum": None if rules.super_quorum is None else _level_view(rules.super_quorum),
        "late_quorum_extension_ms": rules.late_quorum_extension_ms,
        "early_decision": rules.is_early_decision,
        "vote_changes": rules.may_change_vote,
        "fractional": rules.is_fractional,
        "tie_rule": rules.tie_rule,
        "credits": rules.credits,
        "minimum_electorate": rules.minimum_electorate,
        "offline_voters": rules.offline_voters,
        "veto_holders": rules.veto_holders,
        "guardian": rules.guardian,
        "executors": rules.executors,
        "timelock_ms": rules.timelock_ms,
        "execution_window_ms": rules.execution_window_ms,
        "signatures": "required" if rules.are_signatures_required else "optional",
    }


def _level_view(level: Level) -> dict[str, int]:
    if level.denominator is None:
        return {"count": level.numerator}
    return {"numerator": level.numerator, "denominator": level.denominator}


def electorate_view(record: Proposal) -> dict[str, Any]:
    """Who may vote, as proposed. Weights that were given are told as those of the electors."""
    electorate = record.created.electorate
    return {
        "agents": electorate.agents,
        "requirement": electorate.requirement,
        "role": electorate.role,
        "weights": electorate.weights,
        "trust_topic": electorate.trust_topic,
    }


def tally_view(tally: Tally | None) -> dict[str, Any] | None:
    """A count; None for none."""
    if tally is None:
        return None
    return {
        "eligible_votes": tally.eligible_votes,
        "released_votes": tally.released_votes,
        "quorum_votes": tally.quorum_votes,
        "counted_votes": tally.counted_votes,
        "for_votes": tally.for_votes,
        "against_votes": tally.against_votes,
        "abstain_votes": tally.abstain_votes,
        "remaining_votes": tally.remaining_votes,
        "scores": dict(tally.scores),
        "quorum_reached": tally.is_quorum_reached,
    }


def count_view(record: Proposal) -> dict[str, Any] | None:
    """How a choice among options is counted so far; None of others, and before voting opens."""
    if record.poll is None or record.rules.is_binary:
        return None
    counted = record.poll.count()
    names = counted.options
    return {
        "options": names,
        "rounds": tuple(
            {
                "scores": tuple(None if score is None else str(score) for score in each.scores),
                "exhausted": str(each.exhausted),
                "eliminated": tuple(names[option] for option in each.eliminated),
            }
            for each in counted.rounds
        ),
        "pairwise": None
        if counted.pairwise is None
        else tuple(tuple(str(weight) for weight in row) for row in counted.pairwise),
        "ties": tuple(
            {
                "purpose": tie.purpose,
                "options": tuple(names[option] for option in tie.options),
                "rule": str(tie.rule),
                "chosen": tuple(names[option] for option in tie.chosen),
                "round": tie.round_number,
            }
            for tie in counted.ties
        ),
    }


def amendment_views(record: Proposal) -> tuple[dict[str, Any], ...]:
    """The latest amendments, each with the artifact that it replaced."""
    former = (record.created.artifact_sha256, *(each.artifact_sha256 for each in record.amendments))
    pairs = tuple(zip(former, record.amendments, strict=False))
    return tuple(
        {"artifact_sha256": before, "reason": each.reason, "amended_at_ms": each.amended_at_ms}
        for before, each in pairs[-MAX_SHOWN_AMENDMENTS:]
    )


def live_view(record: Proposal) -> dict[str, Any]:
    """How the vote stands; small, whatever the electorate."""
    tally = record.tally
    standing: dict[str, Any] | None = None
    if record.decision is not None:
        decision = record.decision
        standing = {
            "won": decision.status == "succeeded",
            "reason": decision.reason,
            "winner": decision.winner,
        }
    elif record.poll is not None:
        verdict = record.poll.verdict()
        standing = {"won": verdict.is_won, "reason": verdict.reason, "winner": verdict.winner}
    return {
        "proposal_id": record.proposal_id,
        "status": record.status,
        "deadline_ms": record.deadline_ms,
        "elector_count": _elector_count(record),
        "voter_count": len(record.vote_counts),
        "tally": tally_view(tally),
        "quorum_reached": tally is not None and tally.is_quorum_reached,
        "leading": _leading(tally, standing or {}),
        "standing": standing,
        "trail_hash": record.head,
    }


def _leading(tally: Tally | None, standing: Mapping[str, Any]) -> str:
    """Who would be ahead, quorum or not; empty for nobody, or for several."""
    if tally is None:
        return ""
    if standing.get("winner"):
        return str(standing["winner"])
    if not tally.scores:
        ahead = tally.for_votes - tally.against_votes
        return "for" if ahead > 0 else "against" if ahead < 0 else ""
    scores = {option: Fraction(score) for option, score in tally.scores}
    best = [option for option, score in scores.items() if score == max(scores.values()) > 0]
    return best[0] if len(best) == 1 else ""


def decision_view(record: Proposal) -> dict[str, Any] | None:
    """How a proposal ended; None while it is pending or active.

    A success that was stopped later is told as what it was stopped by, with the count that it had.
    """
    decision = record.decision
    view: dict[str, Any] = {
        "proposal_id": record.proposal_id,
        "artifact_sha256": record.artifact_sha256,
        "tally": tally_view(record.tally),
        "early": False,
    }
    if record.vetoed is not None:
        vetoed = record.vetoed
        return view | {
            "status": "vetoed",
            "reason": vetoed.reason,
            "agent": vetoed.agent,
            "decided_at_ms": vetoed.vetoed_at_ms,
        }
    if record.canceled is not None:
        canceled = record.canceled
        return view | {
            "status": "canceled",
            "reason": canceled.reason,
            "agent": canceled.agent,
            "decided_at_ms": canceled.canceled_at_ms,
        }
    if decision is None:
        return None
    return view | {
        "status": decision.status,
        "reason": decision.reason,
        "agent": None,
        "winner": decision.winner,
        "artifact_sha256": decision.artifact_sha256,
        "conditions": record.conditions,
        "early": decision.is_early,
        "decided_at_ms": decision.decided_at_ms,
        "eta_ms": record.eta_ms,
    }


def approval_view(record: Proposal) -> dict[str, Any] | None:
    """What a success entitles to; None unless it was executed, or still can be, now or later."""
    approval = approval_of(record) if record.status in ("succeeded", "queued", "executed") else None
    return None if approval is None else asdict(approval)


def execution_view(record: Proposal) -> dict[str, Any] | None:
    """Who redeemed the approval; None for nobody."""
    executed = record.executed
    if executed is None:
        return None
    return {
        "proposal_id": executed.proposal_id,
        "executor": executed.executor,
        "execution_id": executed.execution_id,
        "conditions_met": executed.conditions_met,
        "executed_at_ms": executed.executed_at_ms,
    }


def receipt_view(record: Proposal) -> dict[str, Any] | None:
    """What came of the execution; None while nobody has said."""
    receipt = record.receipt
    if receipt is None:
        return None
    return {
        "proposal_id": receipt.proposal_id,
        "executor": receipt.executor,
        "success": receipt.is_success,
        "note": receipt.note,
        "result_sha256": receipt.result_sha256,
        "reported_at_ms": receipt.reported_at_ms,
    }


def comment_view(comment: CommentAdded, sequence: int) -> dict[str, Any]:
    """A comment; `sequence` is its position among the comments, from 1."""
    return {
        "proposal_id": comment.proposal_id,
        "sequence": sequence,
        "agent": comment.agent,
        "text": comment.text,
        "commented_at_ms": comment.commented_at_ms,
    }


def vote_view(vote: VoteCast) -> dict[str, Any]:
    """A vote on record, with what proves it."""
    return {
        "proposal_id": vote.proposal_id,
        "sequence": vote.sequence,
        "voter": vote.voter,
        "scope": vote.scope,
        "choice": vote.choice,
        "weight": vote.weight,
        "conditions": vote.conditions,
        "rationale": vote.rationale,
        "nonce": vote.nonce,
        "public_key": vote.public_key,
        "signature": vote.signature,
        "cast_at_ms": vote.cast_at_ms,
    }


def voted_view(vote: VoteCast, status: Status, trail_hash: str) -> dict[str, Any]:
    """The voter's receipt.

    Args:
        vote: The vote.
        status: Of the proposal, with all that the vote led to.
        trail_hash: Head of the trail with the vote as its last entry.
    """
    return {
        "proposal_id": vote.proposal_id,
        "sequence": vote.sequence,
        "weight": vote.weight,
        "status": status,
        "trail_hash": trail_hash,
    }


def delegation_view(event: DelegationSet) -> dict[str, Any]:
    """Whom an agent has chosen."""
    return {
        "agent": event.agent,
        "kind": event.kind,
        "delegate": event.delegate,
        "set_at_ms": event.set_at_ms,
    }
