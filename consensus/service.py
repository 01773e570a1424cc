"""Binds the endpoints of consensus to commands."""

from __future__ import annotations

from itertools import islice
from typing import Final

from consensus import wire
from consensus.model import ConsensusModel
from consensus.proposal import CancelProposal, CastVote, Discuss, Proposal, Propose
from consensus.tally import Quorum
from consensus.views import full_view, summary_view
from coordination.runtime.errors import RejectedError
from coordination.runtime.model import Rejected
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Endpoint, Query, ServiceDefinition
from coordination.runtime.wire import page

NAME: Final = "consensus"


def define(shell: Shell) -> ServiceDefinition:  # noqa: ARG001
    """The consensus service; `shell` is its outside world."""
    return ServiceDefinition(
        name=NAME,
        version="0.1.0",
        description="Proposals, discussed and voted on, and what was decided.",
        model=ConsensusModel,
        endpoints=(*_commands(), *_queries()),
    )


def _commands() -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="propose",
            description="Put an artifact, named by its hash, to the vote of an electorate.",
            request=wire.ProposeRequest,
            reply=wire.ProposalSummary,
            build=_propose,
        ),
        Command(
            verb="discuss",
            description="Comment on a proposal that is not settled yet.",
            request=wire.DiscussRequest,
            reply=wire.Comment,
            build=lambda call, request: Discuss(
                proposal_id=request.proposal_id, agent=call.caller, text=request.text
            ),
        ),
        Command(
            verb="vote",
            description="Vote for, against or abstain; once.",
            request=wire.VoteRequest,
            reply=wire.VoteReply,
            build=_vote,
        ),
        Command(
            verb="cancel",
            description="Take back a proposal of the caller's before voting opens.",
            request=wire.CancelRequest,
            reply=wire.Decision,
            build=lambda call, request: CancelProposal(proposal_id=request.proposal_id, agent=call.caller),
        ),
    )


def _queries() -> tuple[Endpoint, ...]:
    return (
        Query(
            verb="get",
            description="One proposal with its electorate, tally and decision.",
            request=wire.GetRequest,
            reply=wire.Proposal,
            answer=_get,
        ),
        Query(
            verb="list",
            description="A page of all proposals, ordered by number.",
            request=wire.ListRequest,
            reply=wire.ListReply,
            answer=_list,
        ),
        Query(
            verb="votes",
            description="The votes cast on a proposal, in order, with their rationale.",
            request=wire.HistoryRequest,
            reply=wire.VotesReply,
            answer=_votes,
        ),
        Query(
            verb="comments",
            description="The comments on a proposal, in order.",
            request=wire.HistoryRequest,
            reply=wire.CommentsReply,
            answer=_comments,
        ),
    )


def _propose(call: Call, request: wire.ProposeRequest) -> Propose:
    return Propose(
        proposal_id=call.fresh_id,
        proposer=call.caller,
        title=request.title,
        kind=request.kind,
        description=request.description,
        artifact_sha256=request.artifact_sha256,
        electorate=request.electorate,
        voting_delay_ms=request.voting_delay_ms,
        voting_period_ms=request.voting_period_ms,
        quorum=_quorum(request.quorum),
        is_early_decision=request.early_decision,
        conversation_id=request.conversation_id,
    )


def _quorum(quorum: wire.Quorum) -> Quorum:
    if quorum.count is not None:
        return Quorum(numerator=quorum.count)
    assert quorum.numerator is not None, "the contract demands one of the two forms"
    return Quorum(numerator=quorum.numerator, denominator=quorum.denominator)


def _vote(call: Call, request: wire.VoteRequest) -> CastVote:
    return CastVote(
        proposal_id=request.proposal_id,
        voter=call.caller,
        choice=request.choice,
        rationale=request.rationale,
    )


def _get(model: ConsensusModel, call: Call, request: wire.GetRequest, now_ms: int) -> wire.Proposal:
    del call, now_ms
    return wire.Proposal.model_validate(full_view(_found(model, request.proposal_id)))


def _list(model: ConsensusModel, call: Call, request: wire.ListRequest, now_ms: int) -> wire.ListReply:
    del call, now_ms
    proposals = islice(model.page(request.after_number, request.status), request.limit)
    return wire.ListReply(proposals=page(wire.ProposalSummary(**summary_view(each)) for each in proposals))


def _votes(model: ConsensusModel, call: Call, request: wire.HistoryRequest, now_ms: int) -> wire.VotesReply:
    del call, now_ms
    proposal = _found(model, request.proposal_id)
    later = [vote for vote in proposal.votes.values() if vote.sequence > request.after_sequence]
    votes = page(wire.Vote.model_validate(vote, from_attributes=True) for vote in later[: request.limit])
    return wire.VotesReply(votes=votes, is_complete=len(votes) == len(later))


def _comments(
    model: ConsensusModel, call: Call, request: wire.HistoryRequest, now_ms: int
) -> wire.CommentsReply:
    del call, now_ms
    proposal = _found(model, request.proposal_id)
    later = [comment for comment in proposal.comments if comment.sequence > request.after_sequence]
    shown = page(wire.Comment.model_validate(each, from_attributes=True) for each in later[: request.limit])
    return wire.CommentsReply(comments=shown, is_complete=len(shown) == len(later))


def _found(model: ConsensusModel, proposal_id: str) -> Proposal:
    found = model.find(proposal_id)
    if isinstance(found, Rejected):
        raise RejectedError(found.code, found.message)
    return found
