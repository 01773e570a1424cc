"""Decisions and what may follow them: what the rules have each entry say. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from consensus import choosing
from consensus.audit import recount
from consensus.audit.findings import Finding, Findings, differences, impossible, must_be, shown
from consensus.ballot import Ballot
from consensus.casting import key_of
from consensus.events import (
    DeadlineExtended,
    ExecutionReported,
    ProposalCanceled,
    ProposalDecided,
    ProposalEvent,
    ProposalExecuted,
    ProposalExpired,
    ProposalQueued,
    ProposalVetoed,
    VoteCast,
    VotingOpened,
)
from consensus.executors import executors_text, may_execute
from consensus.record import Proposal
from consensus.rules import Verdict

_NO_VOTE: Final = ("empty_electorate", "no_snapshot", "electorate_too_small", "electorate_too_large")
"""Reasons of a defeat without a vote."""


def following(record: Proposal, event: ProposalEvent, *, had_quorum: bool) -> list[ProposalEvent]:
    """What must happen at once after `event`, in order.

    Args:
        record: With `event` in it.
        event: What happened last.
        had_quorum: Whether the quorum had been reached before.
    """
    match event:
        case VotingOpened():
            return _after_opening(record, event)
        case VoteCast():
            return _after_vote(record, event, had_quorum=had_quorum)
        case ProposalDecided():
            return _after_decision(record, event)
        case _:
            return []


def _after_opening(record: Proposal, event: VotingOpened) -> list[ProposalEvent]:
    if not event.weights:
        return [decision(record, Verdict(is_won=False, reason="empty_electorate"), event.opened_at_ms)]
    if len(event.weights) < record.rules.minimum_electorate:
        return [decision(record, Verdict(is_won=False, reason="electorate_too_small"), event.opened_at_ms)]
    decided = due_decision(record, event.opened_at_ms)
    return [decided] if decided is not None and decided.is_early else []


def agreeable(expected: ProposalEvent, recorded: ProposalEvent) -> ProposalEvent:
    """`expected`, with what is left open taken from the record.

    That an electorate was found to be too large, or not found in time, of which then nothing is kept, only
    the record says.
    """
    if (
        isinstance(expected, ProposalDecided)
        and isinstance(recorded, ProposalDecided)
        and expected.reason == "empty_electorate"
        and recorded.reason in ("electorate_too_large", "no_snapshot")
    ):
        return replace(expected, reason=recorded.reason)
    return expected


def _after_vote(record: Proposal, event: VoteCast, *, had_quorum: bool) -> list[ProposalEvent]:
    assert record.poll is not None, "voting is open"
    assert record.deadline_ms is not None, "voting is open"
    verdict = record.poll.early_verdict()
    if verdict is not None:
        return [decision(record, verdict, event.cast_at_ms)]
    extended_ms = event.cast_at_ms + record.rules.late_quorum_extension_ms
    if had_quorum or not record.was_quorum_reached or extended_ms <= record.deadline_ms:
        return []
    return [
        DeadlineExtended(
            proposal_id=record.proposal_id, deadline_ms=extended_ms, extended_at_ms=event.cast_at_ms
        )
    ]


def _after_decision(record: Proposal, event: ProposalDecided) -> list[ProposalEvent]:
    at_ms, timelock_ms = event.decided_at_ms, record.rules.timelock_ms
    if event.status != "succeeded" or timelock_ms is None:
        return []
    return [ProposalQueued(proposal_id=record.proposal_id, eta_ms=at_ms + timelock_ms, queued_at_ms=at_ms)]


def decision(record: Proposal, verdict: Verdict, at_ms: int) -> ProposalDecided:
    """What is decided at `at_ms` when the vote comes to `verdict`."""
    assert record.poll is not None, "voting is open"
    assert record.deadline_ms is not None, "voting is open"
    winner = verdict.winner if verdict.is_won else None
    own = [each.artifact_sha256 for each in record.rules.options if each.option == winner]
    return ProposalDecided(
        proposal_id=record.proposal_id,
        status="succeeded" if verdict.is_won else "defeated",
        reason=verdict.reason,
        winner=winner,
        artifact_sha256=(own[0] if own else "") or record.artifact_sha256,
        tally=record.poll.tally(),
        is_early=at_ms <= record.deadline_ms,
        decided_at_ms=at_ms,
    )


def due_decision(record: Proposal, at_ms: int) -> ProposalDecided | None:
    """The decision that is to be taken at `at_ms`; None if the vote goes on."""
    if record.status != "active" or record.poll is None or record.deadline_ms is None:
        return None
    is_over = at_ms > record.deadline_ms
    verdict = record.poll.verdict() if is_over else record.poll.early_verdict()
    return decision(record, verdict, at_ms) if verdict is not None else None


def of_decision(record: Proposal, event: ProposalDecided) -> Findings:
    """What is wrong with a decision that no other entry has brought about."""
    due = due_decision(record, event.decided_at_ms)
    if due is not None:
        yield from differences(event, due)
        return
    yield impossible(
        "not_certain",
        f"decided at {event.decided_at_ms}, while votes could still change the result",
        f"after the deadline {record.deadline_ms}",
    )


def of_end(record: Proposal, event: ProposalEvent) -> Findings:
    """What is wrong with an entry that follows the decision, or stops the proposal."""
    match event:
        case ProposalExecuted():
            yield from _of_execution(record, event)
        case ExecutionReported():
            assert record.executed is not None, "it was executed"
            yield from must_be("executor", event.executor, record.executed.executor)
            if record.receipt is not None:
                yield impossible("already_reported", "there is a receipt already")
        case ProposalExpired():
            begins_ms, ends_ms = record.executable_from_ms, record.expires_at_ms
            if event.made_room_for:
                # Whether there was no room left is nothing that one trail could tell.
                if begins_ms is None or event.expired_at_ms < begins_ms:
                    yield impossible("time", f"expired_at_ms is {event.expired_at_ms}", f"from {begins_ms}")
            elif ends_ms is None or event.expired_at_ms <= ends_ms:
                yield impossible("time", f"expired_at_ms is {event.expired_at_ms}", f"after {ends_ms}")
        case ProposalCanceled() | ProposalVetoed():
            yield from _of_stop(record, event)
        case _:
            yield impossible("impossible", f"nothing leads to {type(event).__name__} here")


def _of_stop(record: Proposal, event: ProposalCanceled | ProposalVetoed) -> Findings:
    if isinstance(event, ProposalCanceled):
        is_proposer = event.agent == record.created.proposer and record.status == "pending"
        if not is_proposer and event.agent != record.rules.guardian:
            yield impossible("not_guardian", f"{event.agent:.80} may not cancel it here")
        return
    if event.agent not in record.rules.veto_holders:
        yield impossible("not_veto_holder", f"{event.agent:.80} holds no veto")
    if not event.reason.strip():
        yield Finding("reason_required", "the veto gives no reason")


def _of_execution(record: Proposal, event: ProposalExecuted) -> Findings:
    if not may_execute(record, event.executor):
        due = f"one of {executors_text(record):.400}"
        yield impossible("may_not_execute", f"{event.executor:.80} may not execute it", due)
    begins_ms, ends_ms = record.executable_from_ms, record.expires_at_ms
    if begins_ms is None or ends_ms is None or not begins_ms <= event.executed_at_ms <= ends_ms:
        yield impossible(
            "time", f"executed_at_ms is {event.executed_at_ms}", f"from {begins_ms} to {ends_ms}"
        )
    for each in record.conditions:
        if each not in event.conditions_met:
            yield Finding("conditions_unmet", f"not confirmed: {each:.200}")


# --- the second count


def recounted(record: Proposal) -> Findings:
    """How the decision of `record` differs from a count straight from its votes."""
    decided, opened = record.decision, record.opened
    assert decided is not None, "it was decided"
    assert opened is not None, "it was opened"
    ballots = [Ballot(voter=each.voter, choice=each.choice, scope=each.scope) for each in record.votes]
    parts = recount.attributed(record.rules, opened.weights, opened.delegations, ballots)
    for_votes, against_votes, abstain_votes = recount.sides(parts)
    tally, eligible_votes = decided.tally, sum(opened.weights.values())
    present_votes = eligible_votes - tally.released_votes
    counted = {
        "eligible_votes": eligible_votes,
        "for_votes": for_votes,
        "against_votes": against_votes,
        "abstain_votes": abstain_votes,
        "counted_votes": recount.quorum_counted(record.rules, for_votes, against_votes, abstain_votes),
        "quorum_votes": recount.quorum_needed(record.rules.quorum, present_votes),
    }
    for name, value in counted.items():
        if getattr(tally, name) != value:
            yield Finding("recount", f"tally: {name} is {getattr(tally, name)}", f"{value}, counted anew")
    if decided.reason in _NO_VOTE:
        return
    if not record.rules.is_binary:
        yield from _recounted_options(record, decided, parts)
        return
    # A decision before all have voted was certain then; that it holds for these votes is what is seen here.
    is_won = tally.is_quorum_reached and recount.is_carried(
        record.rules, for_votes, against_votes, present_votes
    )
    if decided.status == "succeeded" and not is_won:
        yield Finding("recount", "status is succeeded", "defeated, counted anew")
    if decided.status == "defeated" and is_won and not decided.is_early:
        yield Finding("recount", "status is defeated", "succeeded, counted anew")


def _recounted_options(record: Proposal, decided: ProposalDecided, parts: recount.Attributed) -> Findings:
    votes = [(key_of(choice), weight) for choice, weight in parts if weight]
    counted = choosing.count(record.rules, votes, record.proposal_id)
    scores = choosing.scores(counted)
    if decided.tally.scores != scores:
        yield Finding("recount", f"tally: scores are {shown(decided.tally.scores)}", shown(scores))
    winner = None if counted.winner is None else counted.options[counted.winner]
    if decided.winner is not None and decided.winner != winner:
        yield Finding("recount", f"winner is {shown(decided.winner)}", f"{shown(winner)}, counted anew")
