"""Answers the queries of consensus from the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar, get_args

from pydantic import BaseModel

from consensus import wire
from consensus.canonical import plain
from consensus.limits import MAX_PAGE
from consensus.model import ConsensusModel
from consensus.record import Link, Proposal
from consensus.signing import Signer, attested_bytes
from consensus.views import (
    comment_view,
    delegation_view,
    full_view,
    live_view,
    summary_view,
    vote_view,
)
from coordination.runtime.errors import RejectedError
from coordination.runtime.model import Rejected
from coordination.runtime.service import Call, Query
from coordination.runtime.wire import page

_KINDS: Final = ("", *get_args(wire.Kind))
B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")


class Reading:
    """The queries.

    Args:
        signer: Vouches for the heads of trails; None for nobody.
        waiting: Proposal -> the service that the opening of its vote waits for.
    """

    def __init__(self, signer: Signer | None, waiting: Mapping[str, str]) -> None:
        self._signer = signer
        self._waiting = waiting

    def endpoints(self) -> tuple[Query, ...]:
        """All of them."""
        return (
            Query(
                verb="get",
                description="One proposal with its rules, electorate, tally, decision and approval token.",
                request=wire.GetRequest,
                reply=wire.Proposal,
                answer=self._get,
            ),
            Query(
                verb="tally",
                description="How the vote on one proposal stands; small, for those who look often.",
                request=wire.TallyRequest,
                reply=wire.LiveTally,
                answer=_tally,
            ),
            Query(
                verb="list",
                description="A page of the proposals that meet every filter, ordered by number.",
                request=wire.ListRequest,
                reply=wire.ListReply,
                answer=_list,
            ),
            Query(
                verb="votes",
                description="The votes cast on a proposal, in order, with rationale and signature.",
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
            Query(
                verb="trail",
                description="The hash-chained audit trail of a proposal, in order, with its signed head.",
                request=wire.HistoryRequest,
                reply=wire.TrailReply,
                answer=self._trail,
            ),
            Query(
                verb="delegations",
                description="Whom an agent has chosen to stand in for it, and for whom it stands in.",
                request=wire.DelegationsRequest,
                reply=wire.DelegationsReply,
                answer=_delegations,
            ),
        )

    def _get(self, model: ConsensusModel, _: Call, request: wire.GetRequest, now_ms: int) -> wire.Proposal:
        record = _found(model, request.proposal_id)
        view = full_view(record, waiting_for=self._waiting_for(record, now_ms))
        return wire.Proposal.model_validate(view)

    def _waiting_for(self, record: Proposal, now_ms: int) -> str:
        electorate = record.created.electorate
        if record.status != "pending" or electorate.is_known or now_ms < record.opens_from_ms:
            return ""
        asked_first = "knowledge" if electorate.agents else "registry"
        return self._waiting.get(record.proposal_id, asked_first)

    def _trail(
        self, model: ConsensusModel, _: Call, request: wire.HistoryRequest, now_ms: int
    ) -> wire.TrailReply:
        del now_ms
        record = _found(model, request.proposal_id)
        entries, is_complete = _part(record.trail, request, lambda _, link: _link(link))
        return wire.TrailReply(
            entries=entries,
            is_complete=is_complete,
            head_sequence=len(record.trail),
            head=record.head,
            attestation=self._attestation(record),
        )

    def _attestation(self, record: Proposal) -> wire.Attestation | None:
        signer = self._signer
        if signer is None:
            return None
        public_key = signer.public_key  # first: it decides which key signs
        data = attested_bytes(proposal_id=record.proposal_id, sequence=len(record.trail), head=record.head)
        return wire.Attestation(
            sequence=len(record.trail), hash=record.head, public_key=public_key, signature=signer.sign(data)
        )


def _tally(model: ConsensusModel, _: Call, request: wire.TallyRequest, now_ms: int) -> wire.LiveTally:
    del now_ms
    return wire.LiveTally.model_validate(live_view(_found(model, request.proposal_id)))


def _list(model: ConsensusModel, call: Call, request: wire.ListRequest, now_ms: int) -> wire.ListReply:
    found = islice(_wanted(model, call.caller, request, now_ms), request.limit + 1)
    candidates = tuple(found)
    summaries = (wire.ProposalSummary.model_validate(summary_view(each)) for each in candidates)
    shown = page(islice(summaries, request.limit))
    following = shown[-1].number if len(shown) < len(candidates) else 0
    return wire.ListReply(proposals=shown, next=following)


def _wanted(model: ConsensusModel, caller: str, request: wire.ListRequest, now_ms: int) -> Iterator[Proposal]:
    """The proposals that meet every filter of a request, in its order."""
    for record in model.page(request.after_number, newest_first=request.newest_first):
        if (
            (not request.status or record.status in request.status)
            and request.kind in (None, record.created.kind)
            and request.proposer in (None, record.created.proposer)
            and (not request.to_vote or _is_open_to(record, caller, now_ms))
        ):
            yield record


def _is_open_to(record: Proposal, agent: str, now_ms: int) -> bool:
    """Whether `agent` has a vote on this proposal and has not used it."""
    if record.status != "active" or agent not in record.weights or agent in record.vote_counts:
        return False
    has_given_away = record.rules.is_fractional and agent in record.delegations
    return not has_given_away and record.deadline_ms is not None and now_ms <= record.deadline_ms


def _votes(model: ConsensusModel, _: Call, request: wire.HistoryRequest, now_ms: int) -> wire.VotesReply:
    del now_ms
    record = _found(model, request.proposal_id)
    votes, is_complete = _part(
        record.votes, request, lambda _, vote: wire.Vote.model_validate(vote_view(vote))
    )
    return wire.VotesReply(votes=votes, is_complete=is_complete)


def _comments(
    model: ConsensusModel, _: Call, request: wire.HistoryRequest, now_ms: int
) -> wire.CommentsReply:
    del now_ms
    record = _found(model, request.proposal_id)
    comments, is_complete = _part(
        record.comments,
        request,
        lambda sequence, comment: wire.Comment.model_validate(comment_view(comment, sequence)),
    )
    return wire.CommentsReply(comments=comments, is_complete=is_complete)


def _delegations(
    model: ConsensusModel, call: Call, request: wire.DelegationsRequest, now_ms: int
) -> wire.DelegationsReply:
    del now_ms
    agent = request.agent or call.caller
    given = [each for kind in _KINDS if (each := model.delegations.of(agent, kind)) is not None]
    received = model.delegations.naming(agent)
    shown = page(wire.Delegation.model_validate(delegation_view(each)) for each in received[:MAX_PAGE])
    return wire.DelegationsReply(
        agent=agent,
        given=tuple(wire.Delegation.model_validate(delegation_view(each)) for each in given),
        received=shown,
        received_count=len(received),
    )


def _part(
    items: Sequence[T], request: wire.HistoryRequest, show: Callable[[int, T], B]
) -> tuple[tuple[B, ...], bool]:
    """The items after a sequence that fit into a reply, and whether there are no later ones."""
    first = request.after_sequence
    wanted = islice(items, first, first + request.limit)
    shown = page(show(first + place, item) for place, item in enumerate(wanted, start=1))
    return shown, first + len(shown) >= len(items)


def _link(link: Link) -> wire.TrailLink:
    event = link.event
    return wire.TrailLink(
        sequence=link.sequence, event=type(event).__name__, body=plain(event), hash=link.hash
    )


def _found(model: ConsensusModel, proposal_id: str) -> Proposal:
    found = model.find(proposal_id)
    if isinstance(found, Rejected):
        raise RejectedError(found.code, found.message)
    return found
