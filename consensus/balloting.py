"""How votes are taken: each check in its place, so that each fault gets its own code. Pure."""

from __future__ import annotations

from consensus.ballot import Ballot, Choice, ChoiceError, normalised
from consensus.canonical import canonical
from consensus.change import Change
from consensus.commands import CastVote
from consensus.ending import decide_early
from consensus.events import DeadlineExtended, VoteCast
from consensus.judging import problem_of_artifact
from consensus.limits import (
    MAX_CONDITION_CHARS,
    MAX_CONDITIONS,
    MAX_PROPOSAL_CONDITIONS,
    MAX_PROPOSAL_CONDITIONS_BYTES,
    MAX_VOTES_PER_VOTER,
)
from consensus.record import Proposal, favours
from consensus.refusals import refused
from consensus.signing import signed_bytes, verify
from consensus.views import voted_view
from coordination.runtime.model import Outcome, Rejected


def vote(change: Change, command: CastVote, now_ms: int) -> Outcome | Rejected:
    """Take a vote, and what follows from it: the end of the voting, or more time for it."""
    record = change.record
    refusal = _no_vote_now(record, now_ms) or _no_vote_of(record, command)
    if refusal is not None:
        return refusal
    try:
        choice = normalised(record.rules, command.choice)
    except ChoiceError as error:
        return refused("invalid_choice", f"choice: {error}")
    refusal = _problem_of_conditions(record, command.conditions, choice)
    refusal = refusal or _problem_of_signature(record, command, choice)
    ballot = Ballot(voter=command.voter, choice=choice, scope=command.scope)
    refusal = refusal or _problem_of_ballot(record, ballot)
    if refusal is not None:
        return refusal
    event = _cast(record, command, ballot, now_ms)
    assert record.poll is not None, "an active proposal has a poll"
    prospect = record.poll.after(ballot)
    is_decided = prospect.early_verdict() is not None
    change.add(event)
    trail_hash = change.head
    status = record.status
    if is_decided:
        decide_early(change, now_ms)
        status = change.record.status
    elif record.is_extensible and prospect.is_quorum_reached:
        _extend(change, now_ms)
    return change.outcome(voted_view(event, status, trail_hash))


def _no_vote_now(record: Proposal, now_ms: int) -> Rejected | None:
    if record.status == "active":
        return None
    if record.status != "pending":
        message = f"proposal {record.proposal_id} is {record.status}; no more votes are taken"
        return refused("voting_closed", message, details={"status": record.status})
    if now_ms < record.opens_from_ms:
        return refused(
            "not_active",
            f"voting opens after {record.snapshot_ms} (Unix ms)",
            details={"snapshot_ms": record.snapshot_ms},
        )
    return refused(
        "not_active",
        "voting opens as soon as it is known who votes; try again",
        retryable=True,
        details={"snapshot_ms": record.snapshot_ms},
    )


def _no_vote_of(record: Proposal, command: CastVote) -> Rejected | None:
    if command.voter not in record.weights:
        return refused("not_in_electorate", f"{command.voter} does not vote on this proposal")
    believed = command.artifact_sha256
    if not believed:
        return None
    refusal = problem_of_artifact("artifact_sha256", believed)
    if refusal is not None or believed == record.artifact_sha256:
        return refusal
    return refused(
        "stale_artifact",
        f"the vote is about {believed}, the proposal by now about {record.artifact_sha256}",
        details={"artifact_sha256": record.artifact_sha256},
    )


def _problem_of_conditions(record: Proposal, conditions: tuple[str, ...], choice: Choice) -> Rejected | None:
    if not conditions:
        return None
    if not favours(choice):
        return refused(
            "invalid_conditions", "conditions: only a vote in favour has any; say it in `rationale`"
        )
    if len(conditions) > MAX_CONDITIONS:
        message = f"conditions: a vote names at most {MAX_CONDITIONS}, not {len(conditions)}"
        return refused("invalid_conditions", message)
    for each in conditions:
        if not each.strip() or len(each) > MAX_CONDITION_CHARS:
            message = f"conditions: each has 1 to {MAX_CONDITION_CHARS} characters, not {each!r:.80}"
            return refused("invalid_conditions", message)
    together = tuple(dict.fromkeys((*record.conditions, *conditions)))
    is_too_long = len(canonical(together)) > MAX_PROPOSAL_CONDITIONS_BYTES
    if len(together) > MAX_PROPOSAL_CONDITIONS or is_too_long:
        message = (
            f"conditions: votes on one proposal name at most {MAX_PROPOSAL_CONDITIONS} different ones, "
            f"{MAX_PROPOSAL_CONDITIONS_BYTES} bytes in all; repeat the words of others, or vote against"
        )
        return refused("invalid_conditions", message)
    return None


def _problem_of_signature(record: Proposal, command: CastVote, choice: Choice) -> Rejected | None:
    is_signed = bool(command.public_key or command.signature)
    if is_signed or record.rules.are_signatures_required:
        given = {
            "public_key": command.public_key,
            "signature": command.signature,
            "nonce": command.nonce,
        }
        missing = [name for name, value in given.items() if not value]
        if missing:
            return refused("signature_required", f"the vote is to be signed; missing: {', '.join(missing)}")
    if command.nonce and (command.voter, command.nonce) in record.nonces:
        message = f"nonce: {command.voter} used {command.nonce:.80} before; draw a fresh one for each vote"
        return refused("nonce_reused", message)
    if not is_signed:
        return None
    signed = signed_bytes(
        proposal_id=record.proposal_id,
        artifact_sha256=record.artifact_sha256,
        rules=record.rules,
        voter=command.voter,
        scope=command.scope,
        choice=choice,
        conditions=command.conditions,
        rationale=command.rationale,
        nonce=command.nonce,
    )
    if verify(command.public_key, command.signature, signed):
        return None
    message = "signature: it is not that of public_key over this vote; sign exactly what is sent"
    return refused("bad_signature", message, details={"artifact_sha256": record.artifact_sha256})


def _problem_of_ballot(record: Proposal, ballot: Ballot) -> Rejected | None:
    assert record.poll is not None, "an active proposal has a poll"
    problem = record.poll.problem(ballot)
    if problem is not None:
        code, message = problem
        return refused(code, message)
    if record.vote_counts.get(ballot.voter, 0) >= MAX_VOTES_PER_VOTER:
        message = f"{ballot.voter} has voted {MAX_VOTES_PER_VOTER} times on this proposal; that stands"
        return refused("too_many_votes", message)
    return None


def _cast(record: Proposal, command: CastVote, ballot: Ballot, now_ms: int) -> VoteCast:
    assert record.poll is not None, "an active proposal has a poll"
    return VoteCast(
        proposal_id=record.proposal_id,
        sequence=len(record.votes) + 1,
        voter=command.voter,
        scope=command.scope,
        choice=ballot.choice,
        weight=record.poll.weight_cast_by(ballot),
        conditions=command.conditions,
        rationale=command.rationale,
        nonce=command.nonce,
        public_key=command.public_key,
        signature=command.signature,
        cast_at_ms=now_ms,
    )


def _extend(change: Change, now_ms: int) -> None:
    """Give more time where the quorum was reached late."""
    record = change.record
    deadline_ms = now_ms + record.rules.late_quorum_extension_ms
    if record.deadline_ms is not None and deadline_ms > record.deadline_ms:
        change.add(
            DeadlineExtended(proposal_id=record.proposal_id, deadline_ms=deadline_ms, extended_at_ms=now_ms)
        )
