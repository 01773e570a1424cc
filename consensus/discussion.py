"""How proposals begin: they are made, discussed and amended. Pure."""

from __future__ import annotations

from consensus.change import Change
from consensus.commands import Amend, Discuss, Propose
from consensus.events import CommentAdded, ProposalAmended, ProposalCreated
from consensus.judging import most_amendments, problem_of, problem_of_amended, problem_of_artifact
from consensus.limits import (
    MAX_COMMENTS,
    MAX_COMMENTS_PER_AGENT,
    MAX_DISCUSSION_BYTES,
    MAX_IMMEDIATE_ELECTORATE,
)
from consensus.opening import open_known
from consensus.record import Proposal
from consensus.refusals import refused
from consensus.standing import StandingDelegations
from consensus.views import comment_view, summary_view
from coordination.runtime.model import Outcome, Rejected


def problem_of_proposal(command: Propose) -> Rejected | None:
    """What is wrong with a new proposal, whatever else there is."""
    return problem_of(
        command.rules, command.electorate, command.voting_delay_ms, command.voting_period_ms
    ) or problem_of_artifact("artifact_sha256", command.artifact_sha256)


def propose(command: Propose, number: int, standing: StandingDelegations, now_ms: int) -> Change:
    """Make a proposal without a problem, and open its vote if there is nothing to wait for."""
    change = Change(None)
    change.add(
        ProposalCreated(
            proposal_id=command.proposal_id,
            number=number,
            proposer=command.proposer,
            title=command.title,
            kind=command.kind,
            description=command.description,
            artifact_sha256=command.artifact_sha256,
            electorate=command.electorate,
            rules=command.rules,
            voting_delay_ms=command.voting_delay_ms,
            voting_period_ms=command.voting_period_ms,
            conversation_id=command.conversation_id,
            created_at_ms=now_ms,
            snapshot_ms=now_ms + command.voting_delay_ms,
        )
    )
    electorate = command.electorate
    is_immediate = command.voting_delay_ms == 0 and electorate.is_known
    if is_immediate and len(electorate.agents) <= MAX_IMMEDIATE_ELECTORATE:
        open_known(change, standing, now_ms)
    return change


def discuss(change: Change, command: Discuss, now_ms: int) -> Outcome | Rejected:
    """Comment on a proposal, until voting ends."""
    record = change.record
    if record.status not in ("pending", "active"):
        return refused(
            "discussion_closed",
            f"proposal {record.proposal_id} is {record.status}; it is discussed until voting ends",
            details={"status": record.status},
        )
    if not _may_discuss(record, command.agent):
        message = f"{command.agent} has no say in this proposal: electors and its proposer discuss it"
        return refused("not_in_electorate", message)
    if len(record.comments) >= MAX_COMMENTS:
        message = f"a proposal has at most {MAX_COMMENTS} comments; go on in a dialog"
        return refused("too_many_comments", message)
    if sum(each.agent == command.agent for each in record.comments) >= MAX_COMMENTS_PER_AGENT:
        message = f"an agent comments on a proposal at most {MAX_COMMENTS_PER_AGENT} times; go on in a dialog"
        return refused("too_many_comments", message)
    size_bytes = sum(len(text.encode()) for text in (command.text, *(each.text for each in record.comments)))
    if size_bytes > MAX_DISCUSSION_BYTES:
        message = f"the comments on a proposal have at most {MAX_DISCUSSION_BYTES} bytes; go on in a dialog"
        return refused("too_many_comments", message)
    event = CommentAdded(
        proposal_id=record.proposal_id, agent=command.agent, text=command.text, commented_at_ms=now_ms
    )
    change.add(event)
    return change.outcome(comment_view(event, len(change.record.comments)))


def _may_discuss(record: Proposal, agent: str) -> bool:
    """Electors and all with powers of their own; anybody as long as nobody can tell who will vote."""
    rules = record.rules
    if agent in (record.created.proposer, rules.guardian, *rules.veto_holders):
        return True
    if record.opened is not None:
        return agent in record.weights
    agents = record.created.electorate.agents
    return not agents or agent in agents


def amend(change: Change, command: Amend, now_ms: int) -> Outcome | Rejected:
    """Put another artifact in the place of the present one; the discussion begins anew."""
    record = change.record
    refusal = _not_amendable(record, command.agent)
    refusal = refusal or problem_of_artifact("artifact_sha256", command.artifact_sha256)
    options = record.rules.options if command.options is None else command.options
    refusal = refusal or problem_of_amended(options, record.rules.options)
    if refusal is not None:
        return refusal
    change.add(
        ProposalAmended(
            proposal_id=record.proposal_id,
            artifact_sha256=command.artifact_sha256,
            description=record.description if command.description is None else command.description,
            options=options,
            reason=command.reason,
            amended_at_ms=now_ms,
            snapshot_ms=now_ms + record.created.voting_delay_ms,
        )
    )
    return change.outcome(summary_view(change.record))


def _not_amendable(record: Proposal, agent: str) -> Rejected | None:
    if agent != record.created.proposer:
        return refused("not_proposer", f"only {record.created.proposer}, who proposed it, may amend it")
    if record.status != "pending":
        message = f"it is {record.status}: a proposal is amended only before voting opens"
        return refused("not_pending", message, details={"status": record.status})
    if record.created.voting_delay_ms == 0:
        return refused("not_pending", "it has no discussion (voting_delay_ms is 0), so it cannot be amended")
    if len(record.amendments) >= most_amendments(len(record.electors)):
        message = f"it was amended {len(record.amendments)} times; cancel it and propose anew"
        return refused("too_many_amendments", message)
    return None
