"""How proposals end: decision, timelock, execution, expiry, cancellation, veto. Pure.

Each function takes the `Change` of one proposal, which stands as of now, and either adds what follows or
returns why it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from consensus.approval import Approval, approval_of
from consensus.change import Change
from consensus.commands import CancelProposal, ExecuteProposal, ReportExecution, VetoProposal
from consensus.events import (
    ExecutionReported,
    ProposalCanceled,
    ProposalDecided,
    ProposalExecuted,
    ProposalExpired,
    ProposalQueued,
    ProposalVetoed,
)
from consensus.executors import executors_text, may_execute
from consensus.judging import problem_of_artifact
from consensus.lifecycle import SETTLED
from consensus.record import Proposal
from consensus.refusals import refused
from consensus.rules import DecisionReason, Tally, Verdict
from consensus.views import decision_view, execution_view, receipt_view
from coordination.runtime.model import Outcome, Rejected


def decide_early(change: Change, now_ms: int) -> None:
    """End the vote if the rules end it here, before its deadline."""
    poll = change.record.poll
    verdict = poll.early_verdict() if poll is not None and change.record.status == "active" else None
    if verdict is not None:
        _decide(change, verdict, now_ms)


def decide_at_deadline(change: Change, now_ms: int) -> None:
    """End the vote by the votes that were cast."""
    assert change.record.poll is not None, "a vote that ends was opened"
    _decide(change, change.record.poll.verdict(), now_ms)


def defeat(change: Change, reason: DecisionReason, now_ms: int) -> None:
    """End a vote that cannot take place."""
    _decide(change, Verdict(is_won=False, reason=reason), now_ms)


def _decide(change: Change, verdict: Verdict, now_ms: int) -> None:
    record = change.record
    assert record.deadline_ms is not None, "a vote has a deadline"
    change.add(
        ProposalDecided(
            proposal_id=record.proposal_id,
            status="succeeded" if verdict.is_won else "defeated",
            reason=verdict.reason,
            winner=verdict.winner if verdict.is_won else None,
            artifact_sha256=_decided_artifact(record, verdict),
            tally=_tally(record),
            is_early=now_ms <= record.deadline_ms,
            decided_at_ms=now_ms,
        )
    )
    timelock_ms = record.rules.timelock_ms
    if verdict.is_won and timelock_ms is not None:
        change.add(
            ProposalQueued(proposal_id=record.proposal_id, eta_ms=now_ms + timelock_ms, queued_at_ms=now_ms)
        )


def _tally(record: Proposal) -> Tally:
    tally = record.tally
    assert tally is not None, "a vote that was opened has a tally"
    return tally


def _decided_artifact(record: Proposal, verdict: Verdict) -> str:
    """The winning option's own artifact, if it has one."""
    chosen = (each.artifact_sha256 for each in record.rules.options if each.option == verdict.winner)
    return (next(chosen, "") if verdict.is_won else "") or record.artifact_sha256


def expire(change: Change, now_ms: int, *, made_room_for: str = "") -> None:
    """Nobody executed it in time, or before there had to be room for another one."""
    proposal_id = change.record.proposal_id
    change.add(ProposalExpired(proposal_id=proposal_id, made_room_for=made_room_for, expired_at_ms=now_ms))


def cancel(change: Change, command: CancelProposal, now_ms: int) -> Outcome | Rejected:
    """Take a proposal back as its proposer, while it is pending, or stop it as its guardian."""
    record = change.record
    proposer, guardian = record.created.proposer, record.rules.guardian
    if command.agent not in (proposer, guardian):
        if guardian is None:
            return refused(
                "not_proposer", f"only {proposer}, who proposed it, may cancel, while it is pending"
            )
        message = f"only its guardian {guardian}, or while it is pending its proposer {proposer}, may cancel"
        return refused("not_guardian", message)
    if record.status in SETTLED:
        return _already_settled(record)
    if command.agent != guardian and record.status != "pending":
        message = f"it is {record.status}: its proposer may cancel it only before voting opens"
        return refused("not_pending", message)
    change.add(
        ProposalCanceled(
            proposal_id=record.proposal_id, agent=command.agent, reason=command.reason, canceled_at_ms=now_ms
        )
    )
    return change.outcome(decision_view(change.record))


def veto(change: Change, command: VetoProposal, now_ms: int) -> Outcome | Rejected:
    """Stop a proposal as one of its veto holders."""
    record = change.record
    if command.agent not in record.rules.veto_holders:
        holders = ", ".join(record.rules.veto_holders) or "nobody"
        return refused("not_veto_holder", f"{command.agent} holds no veto here; who does: {holders:.400}")
    if not command.reason.strip():
        return refused("reason_required", "reason: a veto says why, so that another proposal can do better")
    if record.status in SETTLED:
        return _already_settled(record)
    change.add(
        ProposalVetoed(
            proposal_id=record.proposal_id, agent=command.agent, reason=command.reason, vetoed_at_ms=now_ms
        )
    )
    return change.outcome(decision_view(change.record))


def _already_settled(record: Proposal) -> Rejected:
    return refused(
        "already_settled",
        f"proposal {record.proposal_id} is {record.status} already; nothing can stop it any more",
        details={"status": record.status, "settled_at_ms": record.settled_at_ms},
    )


def execute(change: Change, command: ExecuteProposal, now_ms: int) -> Outcome | Rejected:
    """Redeem the approval; who did so may ask the same again under the same id, and gets the same answer."""
    record = change.record
    # Before all else: of an approval that is none of its business an agent learns what `get` shows, no more.
    if not may_execute(record, command.executor):
        message = f"{command.executor} may not execute it; who may: {executors_text(record):.400}"
        return refused("may_not_execute", message, details={"executors": list(record.rules.executors)})
    approval = approval_of(record)
    if record.executed is not None:
        executed = record.executed
        if _is_same(executed, command):
            assert approval is not None, "what was executed was approved"
            # Else an executor that was killed could, by its own id, be made to act on something else.
            return _misfit(approval, command) or Outcome(reply=execution_view(record))
        return refused(
            "already_executed",
            f"{executed.executor} executed it at {executed.executed_at_ms} (Unix ms); "
            "an approval is good for one execution",
            details={"executor": executed.executor, "executed_at_ms": executed.executed_at_ms},
        )
    refusal = _not_executable(record, approval, now_ms)
    if refusal is not None:
        return refusal
    assert approval is not None, "what is executable was approved"
    refusal = _misfit(approval, command)
    if refusal is not None:
        return refusal
    change.add(
        ProposalExecuted(
            proposal_id=record.proposal_id,
            executor=command.executor,
            execution_id=command.execution_id,
            conditions_met=approval.conditions,
            executed_at_ms=now_ms,
        )
    )
    return change.outcome(execution_view(change.record))


def _is_same(executed: ProposalExecuted, command: ExecuteProposal) -> bool:
    return (executed.executor, executed.execution_id) == (command.executor, command.execution_id)


def _not_executable(record: Proposal, approval: Approval | None, now_ms: int) -> Rejected | None:
    if record.expired is not None:
        expired = record.expired
        expires_at_ms = expired.expired_at_ms if expired.made_room_for else record.expires_at_ms
        why = f" to make room for {expired.made_room_for}" if expired.made_room_for else ""
        return refused(
            "approval_expired",
            f"its approval expired at {expires_at_ms} (Unix ms){why}; propose anew",
            details={"expires_at_ms": expires_at_ms},
        )
    if approval is None or record.status not in ("succeeded", "queued"):
        message = f"proposal {record.proposal_id} is {record.status}; only what succeeded may be executed"
        return refused("not_succeeded", message, details={"status": record.status})
    if now_ms < approval.not_before_ms:
        return refused(
            "timelock_pending",
            f"it is queued; it may be executed from {approval.not_before_ms} (Unix ms) on",
            details={"eta_ms": approval.not_before_ms},
        )
    return None


def _misfit(approval: Approval, command: ExecuteProposal) -> Rejected | None:
    """Why what is to be executed is not what was approved."""
    refusal = problem_of_artifact("artifact_sha256", command.artifact_sha256)
    if refusal is not None:
        return refusal
    if command.artifact_sha256 != approval.artifact_sha256:
        return refused(
            "wrong_artifact",
            f"approved is {approval.artifact_sha256}, not {command.artifact_sha256}",
            details={"artifact_sha256": approval.artifact_sha256},
        )
    differing = _difference(approval, command.token)
    if differing is not None:
        return refused(
            "token_mismatch",
            f"token: {differing:.80} is not that of the approval; present the token unchanged",
            details={"field": differing},
        )
    unmet = [each for each in approval.conditions if each not in command.conditions_met]
    if unmet:
        return refused(
            "conditions_unmet",
            f"{len(unmet)} of {len(approval.conditions)} conditions are not confirmed; the first is: "
            f"{unmet[0]:.200}",
            details={"conditions": unmet},
        )
    return None


def _difference(approval: Approval, token: Mapping[str, Any]) -> str | None:
    """The first field presented that is not the approval's; None if all are."""
    fields = asdict(approval)
    for name, presented in token.items():
        value = tuple(presented) if isinstance(presented, list) else presented
        if name not in fields or type(value) is not type(fields[name]) or value != fields[name]:
            return name
    return None


def report(change: Change, command: ReportExecution, now_ms: int) -> Outcome | Rejected:
    """Say what came of the execution."""
    record = change.record
    executed = record.executed
    if executed is None:
        message = f"proposal {record.proposal_id} is {record.status}; report once it was executed"
        return refused("not_executed", message, details={"status": record.status})
    if command.executor != executed.executor:
        return refused("not_executor", f"only {executed.executor}, who executed it, reports")
    if record.receipt is not None:
        return refused(
            "already_reported",
            f"there is a receipt of {record.receipt.reported_at_ms} (Unix ms); the first one stands",
            details={"reported_at_ms": record.receipt.reported_at_ms},
        )
    if command.result_sha256:
        refusal = problem_of_artifact("result_sha256", command.result_sha256)
        if refusal is not None:
            return refusal
    change.add(
        ExecutionReported(
            proposal_id=record.proposal_id,
            executor=command.executor,
            is_success=command.is_success,
            note=command.note,
            result_sha256=command.result_sha256,
            reported_at_ms=now_ms,
        )
    )
    return change.outcome(receipt_view(change.record))
