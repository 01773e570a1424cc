"""Wire contract of consensus: ``conclave.call.consensus.<verb>.<caller>``.

Pushes: ``conclave.inbox.<agent>.proposal`` carries a `ProposalAnnounced` to each elector, when discussion
begins and when voting opens (`status` tells which); ``conclave.inbox.<agent>.decision`` carries a `Decision`
to electorate and proposer.

Notices: ``conclave.event.consensus.<event>.<proposal id>`` with event ``created``, ``opened``,
``commented``, ``voted``, ``decided`` or ``canceled``.

Refusals: ``unknown_proposal``, ``empty_electorate``, ``duplicate_voter``, ``electorate_too_large``,
``invalid_quorum``, ``too_many_proposals`` (retryable), ``proposal_exists`` (retryable), ``not_active``,
``voting_closed``, ``not_in_electorate``, ``already_voted``, ``discussion_closed``, ``too_many_comments``,
``not_proposer``, ``not_pending``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from consensus.limits import (
    MAX_COMMENT_CHARS,
    MAX_DESCRIPTION_CHARS,
    MAX_ELECTORATE,
    MAX_PAGE,
    MAX_QUORUM_TERM,
    MAX_RATIONALE_CHARS,
    MAX_TITLE_CHARS,
    MAX_VOTING_DELAY_MS,
    MAX_VOTING_PERIOD_MS,
)
from coordination.runtime.names import Id
from coordination.runtime.wire import Body

Kind = Literal[
    "infrastructure_change", "task_assignment", "knowledge_validation", "conflict_resolution", "custom"
]
Protocol = Literal["simple_majority"]
"""For > against wins; a tie fails."""
Choice = Literal["for", "against", "abstain"]
Status = Literal["pending", "active", "succeeded", "defeated", "canceled"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS)]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARS)]
Rationale = Annotated[str, StringConstraints(max_length=MAX_RATIONALE_CHARS)]
CommentText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_COMMENT_CHARS)]
Term = Annotated[int, Field(ge=0, le=MAX_QUORUM_TERM)]


class Quorum(Body):
    """How many votes must be for or abstaining: ``count``, or ``numerator/denominator`` of all weight."""

    count: Term | None = None
    numerator: Term | None = None
    denominator: Term | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        fraction = (self.numerator is not None, self.denominator is not None)
        if fraction != ((self.count is None),) * 2:
            raise ValueError("give either count, or numerator and denominator")
        return self


HALF = Quorum(numerator=1, denominator=2)


class ProposeRequest(Body):
    """Put an artifact to the vote."""

    title: Title
    kind: Kind = "custom"
    protocol: Protocol = "simple_majority"
    description: Description = ""
    artifact_sha256: Sha256
    """Hash of exactly what is voted on, in lower-case hex."""
    electorate: tuple[Id, ...] = Field(max_length=MAX_ELECTORATE)
    """Who may vote; each agent has one vote of weight 1."""
    voting_delay_ms: int = Field(default=0, ge=0, le=MAX_VOTING_DELAY_MS)
    """Discussion period before voting opens; 0 opens it at once."""
    voting_period_ms: int = Field(default=60_000, ge=1, le=MAX_VOTING_PERIOD_MS)
    quorum: Quorum = HALF
    early_decision: bool = True
    """End the vote as soon as the outcome is certain; otherwise when all have voted or time is up."""
    conversation_id: Id | None = None
    """The dialog in which it is discussed."""


class ProposalSummary(Body):
    """What identifies a proposal and where it stands."""

    proposal_id: Id
    number: int
    """Counts proposals from 1."""
    status: Status
    proposer: Id
    title: str
    kind: Kind
    artifact_sha256: Sha256
    elector_count: int
    created_at_ms: int
    snapshot_ms: int
    """Last instant before voting opens (Unix time); with a delay of 0 it opens in that very instant."""
    deadline_ms: int
    """Last instant at which votes count."""
    conversation_id: Id | None


class ProposalAnnounced(ProposalSummary):
    """Body of a ``proposal`` push."""

    description: str


class Tally(Body):
    """The count so far; all numbers are sums of weights."""

    eligible_votes: int
    quorum_votes: int
    """For + abstain must reach this."""
    for_votes: int
    against_votes: int
    abstain_votes: int


class Decision(Body):
    """How a proposal ended; body of a ``decision`` push."""

    proposal_id: Id
    status: Literal["succeeded", "defeated", "canceled"]
    artifact_sha256: Sha256
    """What was decided on."""
    tally: Tally | None
    """None if it was canceled."""
    early: bool
    """Before the deadline."""
    decided_at_ms: int


class Proposal(ProposalAnnounced):
    """A proposal without its votes and comments."""

    electorate: tuple[Id, ...]
    quorum: Quorum
    early_decision: bool
    weights: dict[Id, int]
    """Voter -> weight, fixed when voting opened; empty before."""
    tally: Tally | None
    """None before voting opens."""
    comment_count: int
    decision: Decision | None
    """None while it is pending or active."""


class DiscussRequest(Body):
    """Comment on a proposal."""

    proposal_id: Id
    text: CommentText


class Comment(Body):
    """A comment on a proposal."""

    proposal_id: Id
    sequence: int
    """Position among the comments and votes of the proposal, from 1."""
    agent: Id
    text: str
    commented_at_ms: int


class VoteRequest(Body):
    """Vote; once."""

    proposal_id: Id
    choice: Choice
    rationale: Rationale = ""


class VoteReply(Body):
    """The vote counts."""

    proposal_id: Id
    sequence: int
    weight: int
    status: Status
    """After this vote."""


class Vote(Body):
    """A vote on record."""

    proposal_id: Id
    sequence: int
    """Position among the comments and votes of the proposal."""
    voter: Id
    choice: Choice
    weight: int
    rationale: str
    cast_at_ms: int


class CancelRequest(Body):
    """Take a proposal back; only its proposer may, and only before voting opens."""

    proposal_id: Id


class GetRequest(Body):
    """Ask for one proposal."""

    proposal_id: Id


class ListRequest(Body):
    """Ask for a page of all proposals, ordered by number."""

    after_number: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)
    status: Status | None = None


class ListReply(Body):
    """Proposals ordered by number."""

    proposals: tuple[ProposalSummary, ...]


class HistoryRequest(Body):
    """Ask for what was said and voted about a proposal after a sequence."""

    proposal_id: Id
    after_sequence: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class VotesReply(Body):
    """Votes in the order in which they were cast."""

    votes: tuple[Vote, ...]
    is_complete: bool
    """Whether there are no further ones yet; otherwise ask again after the last sequence."""


class CommentsReply(Body):
    """Comments in order."""

    comments: tuple[Comment, ...]
    is_complete: bool
