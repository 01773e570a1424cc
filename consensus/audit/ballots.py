"""Votes and who is there to cast them: what the rules have each entry say. Pure."""

from __future__ import annotations

from dataclasses import replace

from consensus.audit.findings import Finding, Findings, impossible, must_be
from consensus.ballot import Ballot, ChoiceError, normalised
from consensus.events import ElectorReleased, ElectorRestored, VoteCast
from consensus.limits import MAX_RELEASES_PER_ELECTOR, MAX_VOTES_PER_VOTER
from consensus.record import Proposal, favours
from consensus.signing import signed_bytes, verify


def of_vote(record: Proposal, event: VoteCast, sequence: int) -> Findings:
    """What is wrong with a vote.

    Args:
        record: As of before it.
        event: The vote.
        sequence: Its place among the votes on record, good or bad.
    """
    assert record.poll is not None, "voting is open"
    yield from must_be("sequence", event.sequence, sequence)
    yield from _of_signature(record, event)
    if record.deadline_ms is not None and event.cast_at_ms > record.deadline_ms:
        yield impossible(
            "voting_closed",
            f"cast_at_ms is {event.cast_at_ms}",
            f"at most {record.deadline_ms}, the deadline",
        )
    try:
        choice = normalised(record.rules, event.choice)
    except ChoiceError as error:
        yield impossible("invalid_choice", f"choice: {error!s:.200}")
        return
    yield from must_be("choice", event.choice, choice)
    if event.conditions and not favours(event.choice):
        yield Finding("invalid_conditions", "conditions of a vote that is not in favour")
    if record.vote_counts.get(event.voter, 0) >= MAX_VOTES_PER_VOTER:
        yield Finding("too_many_votes", f"{event.voter:.80} has voted {MAX_VOTES_PER_VOTER} times already")
    ballot = Ballot(voter=event.voter, choice=choice, scope=event.scope)
    problem = record.poll.problem(ballot)
    if problem is not None:
        yield impossible(*problem)
        return
    yield from must_be("weight", event.weight, record.poll.weight_cast_by(ballot))


def mended_vote(record: Proposal, event: VoteCast) -> VoteCast:
    """A vote that counts, as the rules have it: next in order, its choice in normal form."""
    choice = normalised(record.rules, event.choice)
    return replace(event, sequence=len(record.votes) + 1, choice=choice)


def _of_signature(record: Proposal, event: VoteCast) -> Findings:
    """How a vote is signed: over the artifact that was voted on at that moment."""
    if event.nonce and (event.voter, event.nonce) in record.nonces:
        yield Finding("nonce_reused", f"{event.voter:.80} used the nonce {event.nonce:.64} before")
    is_signed = bool(event.public_key or event.signature)
    if not is_signed or not event.nonce:
        if is_signed or record.rules.are_signatures_required:
            yield Finding("signature_required", f"the vote of {event.voter:.80} is not signed with a nonce")
        return
    data = signed_bytes(
        proposal_id=event.proposal_id,
        artifact_sha256=record.artifact_sha256,
        rules=record.rules,
        voter=event.voter,
        scope=event.scope,
        choice=event.choice,
        conditions=event.conditions,
        rationale=event.rationale,
        nonce=event.nonce,
    )
    if not verify(event.public_key, event.signature, data):
        key = event.public_key or "nobody"
        yield Finding("bad_signature", f"{key:.56} has not signed this vote of {event.voter:.80}")


def of_presence(record: Proposal, event: ElectorReleased | ElectorRestored) -> Findings:
    """What is wrong with an elector that is left out, or counted again."""
    assert record.poll is not None, "voting is open"
    if isinstance(event, ElectorRestored):
        if event.agent not in record.released:
            yield impossible("impossible", f"{event.agent:.80} is not released")
    elif not record.poll.is_releasable(event.agent):
        yield impossible("impossible", f"{event.agent:.80} cannot be released here")
    elif record.release_counts.get(event.agent, 0) >= MAX_RELEASES_PER_ELECTOR:
        yield Finding(
            "impossible", f"{event.agent:.80} was released {MAX_RELEASES_PER_ELECTOR} times already"
        )
