"""The state machine of proposals: discussion, vote, decision.

Who may do what: anybody proposes; electorate and proposer discuss; the electorate votes, once; the
proposer cancels, while the proposal is pending. Everybody may read: votes are public.

Journal time rules: a vote that arrives after the deadline is refused even if the tick that decides the
proposal has not run yet, so that no outcome hangs on how busy the service was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from consensus.limits import (
    MAX_COMMENTS,
    MAX_ELECTORATE,
    MAX_PROPOSALS,
    MAX_TICK_PROPOSALS,
    MAX_TICK_VOTERS,
)
from consensus.proposal import (
    LIFECYCLE,
    CancelProposal,
    CastVote,
    CommentAdded,
    Discuss,
    Proposal,
    ProposalArchived,
    ProposalCanceled,
    ProposalCreated,
    ProposalDecided,
    Propose,
    Status,
    VoteCast,
    VotingOpened,
)
from consensus.tally import Quorum, Result, Tally, open_tally, outlook, verdict
from consensus.views import announcement_view, decision_view, summary_view
from coordination.runtime.deadlines import Deadlines
from coordination.runtime.model import Notice, Outcome, Push, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """Reply to `CastVote`."""

    proposal_id: str
    sequence: int
    weight: int
    status: Status
    """After this vote: the last one that matters settles the proposal."""


@dataclass(slots=True)
class ConsensusState:
    """Everything that survives a restart."""

    proposals: dict[str, Proposal] = field(default_factory=dict)
    """By id, in the order of their numbers."""
    settled: dict[str, int] = field(default_factory=dict)
    """Proposals that are over -> since when (Unix ms), the longest settled first."""
    last_number: int = 0


class ConsensusModel:
    """Decides what is proposed, voted and decided.

    Invariants: a settled proposal never changes; each voter votes at most once; a tally is the count of
    the votes on record; numbers and sequences have no gap.
    """

    event_types: ClassVar[tuple[type, ...]] = (
        ProposalCreated,
        CommentAdded,
        VotingOpened,
        VoteCast,
        ProposalDecided,
        ProposalCanceled,
        ProposalArchived,
    )

    def __init__(self) -> None:
        self.state = ConsensusState()
        self._deadlines = Deadlines()

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What proposing, discussing, voting or canceling leads to."""
        match command:
            case Propose():
                return self._propose(command, now_ms)
            case Discuss():
                return self._discuss(command, now_ms)
            case CastVote():
                return self._vote(command, now_ms)
            case CancelProposal():
                return self._cancel(command, now_ms)
            case _:
                raise AssertionError(f"not a consensus command: {type(command).__name__}")

    def apply(self, event: Any) -> None:
        """Take over what happened."""
        match event:
            case ProposalCreated():
                assert event.proposal_id not in self.state.proposals
                assert event.number == self.state.last_number + 1
                self.state.last_number = event.number
                self.state.proposals[event.proposal_id] = Proposal(created=event)
            case ProposalArchived():
                del self.state.proposals[event.proposal_id]
                del self.state.settled[event.proposal_id]
                return
            case _:
                _evolve(self.state.proposals[event.proposal_id], event)
        self._settle(self.state.proposals[event.proposal_id])

    def next_deadline_ms(self) -> int | None:
        """When voting on some proposal opens or ends."""
        return self._deadlines.next_ms()

    def tick(self, now_ms: int) -> Outcome:
        """Open and decide what is due, within the bounds of one tick."""
        events: list[Any] = []
        messages: list[Push | Notice] = []
        voter_count = 0
        for proposal_id in self._deadlines.due(now_ms)[:MAX_TICK_PROPOSALS]:
            proposal = self.state.proposals[proposal_id]
            voter_count += len(proposal.created.electorate)
            if events and voter_count > MAX_TICK_VOTERS:
                break
            outcome = _due(proposal, now_ms)
            events += outcome.events
            messages += outcome.messages
        return Outcome(events=tuple(events), messages=tuple(messages))

    def snapshot(self) -> ConsensusState:
        """The whole state."""
        return self.state

    def restore(self, state: ConsensusState) -> None:
        """Replace the whole state."""
        self.state = state
        self._deadlines = Deadlines()
        for proposal in state.proposals.values():
            if proposal.due_ms is not None:
                self._deadlines.set(proposal.created.proposal_id, proposal.due_ms)

    def find(self, proposal_id: str) -> Proposal | Rejected:
        """The proposal with this id."""
        proposal = self.state.proposals.get(proposal_id)
        if proposal is None:
            return Rejected(code="unknown_proposal", message=f"there is no proposal {proposal_id}")
        return proposal

    def page(self, after_number: int, status: Status | None) -> Iterator[Proposal]:
        """Proposals with a greater number, ordered by it; with `status` only those in it."""
        for proposal in self.state.proposals.values():
            if proposal.created.number > after_number and status in (None, proposal.status):
                yield proposal

    def _propose(self, command: Propose, now_ms: int) -> Outcome | Rejected:
        refusal = _unfit_electorate(command.electorate) or _unfit_quorum(command)
        if refusal is not None:
            return refusal
        if command.proposal_id in self.state.proposals:
            return Rejected(code="proposal_exists", message="the new id is taken, try again", retryable=True)
        archived: tuple[ProposalArchived, ...] = ()
        if len(self.state.proposals) >= MAX_PROPOSALS:
            oldest = next(iter(self.state.settled), None)
            if oldest is None:
                return Rejected(
                    code="too_many_proposals",
                    message=f"{MAX_PROPOSALS} proposals await their decision",
                    retryable=True,
                )
            archived = (ProposalArchived(proposal_id=oldest),)
        created = _created(command, self.state.last_number + 1, now_ms)
        proposal = Proposal(created=created)
        notice = Notice(event="created", aggregate=created.proposal_id, body=summary_view(proposal))
        if command.voting_delay_ms > 0:
            reply, messages = summary_view(proposal), (notice, *_announce(proposal))
            return Outcome(events=(*archived, created), reply=reply, messages=messages)
        opened = _open(proposal, now_ms)
        return Outcome(
            events=(*archived, created, *opened.events),
            reply=summary_view(proposal),
            messages=(notice, *opened.messages),
        )

    def _discuss(self, command: Discuss, now_ms: int) -> Outcome | Rejected:
        proposal = self.find(command.proposal_id)
        if isinstance(proposal, Rejected):
            return proposal
        created = proposal.created
        if _phase(proposal, now_ms) == "over":
            return Rejected(code="discussion_closed", message=_over(proposal))
        if command.agent != created.proposer and command.agent not in created.electorate:
            return _not_in_electorate(command.agent)
        if len(proposal.comments) >= MAX_COMMENTS:
            return Rejected(
                code="too_many_comments", message=f"a proposal has at most {MAX_COMMENTS} comments"
            )
        event = CommentAdded(
            proposal_id=command.proposal_id,
            sequence=proposal.next_sequence,
            agent=command.agent,
            text=command.text,
            commented_at_ms=now_ms,
        )
        body = {"proposal_id": event.proposal_id, "sequence": event.sequence, "agent": event.agent}
        notice = Notice(event="commented", aggregate=event.proposal_id, body=body)
        return Outcome(events=(event,), reply=event, messages=(notice,))

    def _vote(self, command: CastVote, now_ms: int) -> Outcome | Rejected:
        proposal = self.find(command.proposal_id)
        if isinstance(proposal, Rejected):
            return proposal
        refusal = _no_vote_now(proposal, now_ms) or _no_vote_of(proposal, command.voter)
        if refusal is not None:
            return refusal
        event = VoteCast(
            proposal_id=command.proposal_id,
            sequence=proposal.next_sequence,
            voter=command.voter,
            choice=command.choice,
            weight=proposal.weights[command.voter],
            rationale=command.rationale,
            cast_at_ms=now_ms,
        )
        assert proposal.tally is not None, "an active proposal has a tally"
        tally = proposal.tally.with_vote(event.choice, event.weight)
        decided = _decided(proposal, tally, now_ms, is_over=False)
        reply = Voted(
            proposal_id=event.proposal_id,
            sequence=event.sequence,
            weight=event.weight,
            status=decided.status if decided is not None else proposal.status,
        )
        voted = Notice(event="voted", aggregate=event.proposal_id, body=_vote_body(event))
        if decided is None:
            return Outcome(events=(event,), reply=reply, messages=(voted,))
        return Outcome(events=(event, decided), reply=reply, messages=(voted, *_conclude(proposal, decided)))

    def _cancel(self, command: CancelProposal, now_ms: int) -> Outcome | Rejected:
        proposal = self.find(command.proposal_id)
        if isinstance(proposal, Rejected):
            return proposal
        if command.agent != proposal.created.proposer:
            return Rejected(
                code="not_proposer", message=f"only {proposal.created.proposer}, who proposed it, may cancel"
            )
        if proposal.status != "pending" or _phase(proposal, now_ms) != "pending":
            return Rejected(code="not_pending", message="a proposal can be canceled only before voting opens")
        event = ProposalCanceled(proposal_id=command.proposal_id, agent=command.agent, canceled_at_ms=now_ms)
        reply = decision_view(event, proposal.created.artifact_sha256)
        return Outcome(events=(event,), reply=reply, messages=_conclude(proposal, event))

    def _settle(self, proposal: Proposal) -> None:
        """Keep what is derived from a proposal's status in step with it."""
        proposal_id, due_ms = proposal.created.proposal_id, proposal.due_ms
        if due_ms is not None:
            self._deadlines.set(proposal_id, due_ms)
            return
        self._deadlines.clear(proposal_id)
        since_ms = proposal.canceled_at_ms
        if proposal.decision is not None:
            since_ms = proposal.decision.decided_at_ms
        assert since_ms is not None, "a settled proposal was decided or canceled"
        self.state.settled[proposal_id] = since_ms


def _evolve(proposal: Proposal, event: Any) -> None:
    """Take over what happened to one proposal; the only mutation of its record."""
    match event:
        case CommentAdded():
            proposal.status = LIFECYCLE[proposal.status, "discuss"]
            assert event.sequence == proposal.next_sequence
            proposal.comments.append(event)
        case VotingOpened():
            proposal.status = LIFECYCLE[proposal.status, "open"]
            proposal.weights = event.weights
            proposal.tally = open_tally(event.weights, proposal.created.quorum)
        case VoteCast():
            proposal.status = LIFECYCLE[proposal.status, "vote"]
            assert event.sequence == proposal.next_sequence
            assert event.voter not in proposal.votes
            assert proposal.tally is not None
            proposal.votes[event.voter] = event
            proposal.tally = proposal.tally.with_vote(event.choice, event.weight)
        case ProposalDecided():
            assert event.tally == proposal.tally, "a decision is about the votes on record"
            proposal.status = LIFECYCLE[proposal.status, "win" if event.status == "succeeded" else "lose"]
            proposal.decision = event
        case ProposalCanceled():
            proposal.status = LIFECYCLE[proposal.status, "cancel"]
            proposal.canceled_at_ms = event.canceled_at_ms


def _created(command: Propose, number: int, now_ms: int) -> ProposalCreated:
    snapshot_ms = now_ms + command.voting_delay_ms
    return ProposalCreated(
        proposal_id=command.proposal_id,
        number=number,
        proposer=command.proposer,
        title=command.title,
        kind=command.kind,
        description=command.description,
        artifact_sha256=command.artifact_sha256,
        electorate=command.electorate,
        created_at_ms=now_ms,
        snapshot_ms=snapshot_ms,
        deadline_ms=snapshot_ms + command.voting_period_ms,
        quorum=command.quorum,
        is_early_decision=command.is_early_decision,
        conversation_id=command.conversation_id,
    )


def _due(proposal: Proposal, now_ms: int) -> Outcome:
    """What time alone leads to for a proposal that is due: voting opens, or ends, or both."""
    events: tuple[Any, ...] = ()
    messages: tuple[Push | Notice, ...] = ()
    tally = proposal.tally
    if proposal.status == "pending":
        opening = Proposal(created=proposal.created)
        outcome = _open(opening, now_ms)
        events, messages, tally = outcome.events, outcome.messages, opening.tally
    if now_ms > proposal.created.deadline_ms:
        assert tally is not None
        decided = _decided(proposal, tally, now_ms, is_over=True)
        assert decided is not None
        events, messages = (*events, decided), (*messages, *_conclude(proposal, decided))
    return Outcome(events=events, messages=messages)


def _open(proposal: Proposal, now_ms: int) -> Outcome:
    """Open the vote on `proposal`, which must not be the one in the state: it is changed."""
    # All weights are equal so far; they are on record, so that others may be counted just the same.
    created = proposal.created
    event = VotingOpened(
        proposal_id=created.proposal_id, weights=dict.fromkeys(created.electorate, 1), opened_at_ms=now_ms
    )
    _evolve(proposal, event)
    notice = Notice(event="opened", aggregate=created.proposal_id, body=summary_view(proposal))
    return Outcome(events=(event,), messages=(notice, *_announce(proposal)))


def _decided(proposal: Proposal, tally: Tally, now_ms: int, *, is_over: bool) -> ProposalDecided | None:
    """The decision, if there is one: the deadline has passed, all have voted, or it is certain."""
    created = proposal.created
    if is_over:
        result = verdict(tally)
    elif created.is_early_decision or tally.remaining_votes == 0:
        result = outlook(tally)
    else:
        result = Result.PENDING
    if result is Result.PENDING:
        return None
    return ProposalDecided(
        proposal_id=created.proposal_id,
        status="succeeded" if result is Result.WON else "defeated",
        artifact_sha256=created.artifact_sha256,
        tally=tally,
        is_early=not is_over,
        decided_at_ms=now_ms,
    )


def _announce(proposal: Proposal) -> tuple[Push | Notice, ...]:
    body = announcement_view(proposal)
    return _pushes("proposal", body, proposal.created.electorate)


def _conclude(proposal: Proposal, event: ProposalDecided | ProposalCanceled) -> tuple[Push | Notice, ...]:
    created = proposal.created
    body = decision_view(event, created.artifact_sha256)
    name = "decided" if isinstance(event, ProposalDecided) else "canceled"
    concerned = dict.fromkeys((*created.electorate, created.proposer))
    notice = Notice(event=name, aggregate=created.proposal_id, body=body)
    return (notice, *_pushes("decision", body, concerned))


def _pushes(kind: str, body: dict[str, Any], agents: Iterable[str]) -> tuple[Push | Notice, ...]:
    return tuple(Push(agent=agent, kind=kind, body=body) for agent in agents)


def _vote_body(event: VoteCast) -> dict[str, Any]:
    return {
        "proposal_id": event.proposal_id,
        "sequence": event.sequence,
        "voter": event.voter,
        "choice": event.choice,
        "weight": event.weight,
    }


def _phase(proposal: Proposal, now_ms: int) -> Literal["pending", "active", "over"]:
    """Where a proposal stands by its status and the time: ticks may lag, deadlines do not."""
    if proposal.due_ms is None or now_ms > proposal.created.deadline_ms:
        return "over"
    if proposal.status == "pending" and now_ms <= proposal.created.snapshot_ms:
        return "pending"
    return "active"


def _over(proposal: Proposal) -> str:
    outcome = proposal.status if proposal.due_ms is None else "about to be decided"
    return f"proposal {proposal.created.proposal_id} is {outcome}"


def _not_in_electorate(agent: str) -> Rejected:
    return Rejected(code="not_in_electorate", message=f"{agent} does not vote on this proposal")


def _no_vote_now(proposal: Proposal, now_ms: int) -> Rejected | None:
    phase = _phase(proposal, now_ms)
    if phase == "over":
        return Rejected(code="voting_closed", message=_over(proposal))
    if proposal.status == "active":
        return None
    snapshot_ms = proposal.created.snapshot_ms
    return Rejected(
        code="not_active",
        message=f"voting opens after {snapshot_ms} (Unix ms)",
        retryable=phase == "active",  # the tick that opens it is on its way
        details={"snapshot_ms": snapshot_ms},
    )


def _no_vote_of(proposal: Proposal, voter: str) -> Rejected | None:
    if voter not in proposal.weights:
        return _not_in_electorate(voter)
    cast = proposal.votes.get(voter)
    if cast is None:
        return None
    return Rejected(
        code="already_voted",
        message=f"{voter} has voted {cast.choice} already",
        details={"choice": cast.choice, "sequence": cast.sequence},
    )


def _unfit_electorate(electorate: tuple[str, ...]) -> Rejected | None:
    if not electorate:
        return Rejected(code="empty_electorate", message="name at least one agent that may vote")
    if len(electorate) > MAX_ELECTORATE:
        return Rejected(code="electorate_too_large", message=f"at most {MAX_ELECTORATE} agents may vote")
    if len(set(electorate)) != len(electorate):
        return Rejected(code="duplicate_voter", message="the electorate names an agent twice")
    return None


def _unfit_quorum(command: Propose) -> Rejected | None:
    quorum: Quorum = command.quorum
    if quorum.denominator is None:
        possible = 0 <= quorum.numerator <= len(command.electorate)
    else:
        possible = quorum.denominator >= 1 and 0 <= quorum.numerator <= quorum.denominator
    if possible:
        return None
    return Rejected(
        code="invalid_quorum",
        message="a quorum is a count from 0 to the size of the electorate, or a fraction from 0 to 1",
    )
