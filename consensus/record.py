"""The record of one proposal, and how each event changes it. Pure.

A record is a function of the events in its trail: `evolve` is its only mutation, so that whoever has the
trail (a restored snapshot, an exported audit) has the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Final

from consensus.ballot import Ballot, Choice, Scope
from consensus.events import (
    CommentAdded,
    DeadlineExtended,
    ElectorReleased,
    ElectorRestored,
    ExecutionReported,
    ProposalAmended,
    ProposalCanceled,
    ProposalCreated,
    ProposalDecided,
    ProposalEvent,
    ProposalExecuted,
    ProposalExpired,
    ProposalQueued,
    ProposalVetoed,
    VoteCast,
    VotingOpened,
)
from consensus.lifecycle import SETTLED, Status, status_after
from consensus.limits import MIN_SNAPSHOT_PATIENCE_MS
from consensus.poll import Poll
from consensus.rules import Rules, Tally
from consensus.trail import first_hash, next_hash

PARTS: Final[Mapping[Scope, tuple[Scope, ...]]] = {
    "all": ("own", "delegated"),
    "own": ("own",),
    "delegated": ("delegated",),
}
"""Which parts of a voter's weight a vote of each scope casts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One event in the trail of a proposal."""

    sequence: int
    """From 1."""
    event: ProposalEvent
    hash: str
    """Head of the trail after it."""


@dataclass(slots=True, kw_only=True)
class Proposal:
    """One proposal as the service holds it; made by `created_record`, changed by `evolve` alone."""

    created: ProposalCreated
    status: Status
    artifact_sha256: str
    """What is voted on at present."""
    description: str
    rules: Rules
    """With the options at present."""
    snapshot_ms: int
    """Last instant of the discussion."""
    deadline_ms: int | None
    """Last instant at which a vote counts; None as long as it depends on when the snapshot comes."""
    head: str
    """Hash of the whole trail."""
    trail: list[Link] = field(default_factory=list)
    foreseen: Sequence[Link] = field(default=(), compare=False, repr=False)
    """What the last decision about it adds to the trail if it comes about: saves hashing the events again."""
    amendments: list[ProposalAmended] = field(default_factory=list)
    comments: list[CommentAdded] = field(default_factory=list)
    opened: VotingOpened | None = None
    poll: Poll | None = None
    """None before voting opens."""
    release_counts: dict[str, int] = field(default_factory=dict)
    """Elector -> how often it has been released."""
    votes: list[VoteCast] = field(default_factory=list)
    """All of them, in the order in which they were cast."""
    latest: dict[tuple[str, Scope], VoteCast] = field(default_factory=dict)
    """(voter, ``own`` or ``delegated``) -> its last vote that cast this part of its weight."""
    vote_counts: dict[str, int] = field(default_factory=dict)
    """Voter -> how many votes it has cast."""
    nonces: set[tuple[str, str]] = field(default_factory=set)
    """(voter, nonce) of all votes."""
    conditions: tuple[str, ...] = ()
    """Named in votes so far, each once, in order; once it has succeeded: those the approval stands under."""
    was_quorum_reached: bool = False
    """Whether it is as of the latest vote; kept only where that extends the deadline, which it does once."""
    is_extended: bool = False
    """Whether the deadline was extended. Before, a quorum may be undone (a vote is changed or overridden) and
    completed again, late: had it been reached for good the first time, nobody would have time to answer."""
    decision: ProposalDecided | None = None
    eta_ms: int | None = None
    """End of the timelock, of a proposal that was queued."""
    approval_hash: str = ""
    """Head of the trail when it was decided or queued: what the approval token names."""
    executed: ProposalExecuted | None = None
    receipt: ExecutionReported | None = None
    expired: ProposalExpired | None = None
    canceled: ProposalCanceled | None = None
    vetoed: ProposalVetoed | None = None

    @property
    def proposal_id(self) -> str:
        """Its id."""
        return self.created.proposal_id

    @property
    def weights(self) -> Mapping[str, int]:
        """Elector -> weight; empty before voting opens."""
        return self.opened.weights if self.opened is not None else {}

    @property
    def delegations(self) -> Mapping[str, str]:
        """Elector -> who stands in for it in this vote; empty before voting opens."""
        return self.opened.delegations if self.opened is not None else {}

    @property
    def electors(self) -> tuple[str, ...]:
        """Who may vote, as far as that is known: before the snapshot only an explicit list is."""
        return tuple(self.weights) if self.opened is not None else self.created.electorate.agents

    @property
    def load(self) -> int:
        """What opening and deciding it writes at most, as a number of electors and options."""
        return len(self.electors) + len(self.rules.options)

    @property
    def released(self) -> tuple[str, ...]:
        """Electors left out at present because they are offline."""
        return self.poll.released if self.poll is not None else ()

    @property
    def tally(self) -> Tally | None:
        """The count so far, or the one that was decided on; None before voting opens."""
        if self.decision is not None:
            return self.decision.tally
        return self.poll.tally() if self.poll is not None else None

    @property
    def opens_from_ms(self) -> int:
        """First instant at which voting may open; without a discussion period at once."""
        return self.snapshot_ms + (self.created.voting_delay_ms > 0)

    @property
    def executable_from_ms(self) -> int | None:
        """First instant at which it may be executed; None unless it succeeded."""
        if self.decision is None or self.decision.status != "succeeded":
            return None
        return self.eta_ms if self.eta_ms is not None else self.decision.decided_at_ms

    @property
    def expires_at_ms(self) -> int | None:
        """Last instant at which it may be executed; None unless it succeeded."""
        begins_ms = self.executable_from_ms
        return begins_ms + self.rules.execution_window_ms if begins_ms is not None else None

    @property
    def due_ms(self) -> int | None:
        """When time alone changes it; None once it is settled."""
        match self.status:
            case "pending":
                if self.created.electorate.is_known:
                    return self.opens_from_ms
                return self.snapshot_ms + max(self.created.voting_period_ms, MIN_SNAPSHOT_PATIENCE_MS) + 1
            case "active":
                assert self.deadline_ms is not None, "an active proposal has a deadline"
                return self.deadline_ms + 1
            case "succeeded" | "queued":
                assert self.expires_at_ms is not None, "a success expires"
                return self.expires_at_ms + 1
            case _:
                return None

    @property
    def settled_at_ms(self) -> int | None:
        """Since when nothing becomes of it any more; None as long as something may."""
        if self.status not in SETTLED:
            return None
        if self.canceled is not None:
            return self.canceled.canceled_at_ms
        if self.vetoed is not None:
            return self.vetoed.vetoed_at_ms
        if self.executed is not None:
            return self.executed.executed_at_ms
        if self.expired is not None:
            return self.expired.expired_at_ms
        assert self.decision is not None, "what else is settled was defeated"
        return self.decision.decided_at_ms

    @property
    def is_extensible(self) -> bool:
        """Whether a vote with which the quorum is reached may give more time: once."""
        is_open = not self.is_extended and not self.was_quorum_reached
        return self.rules.late_quorum_extension_ms > 0 and is_open

    def branch(self) -> Proposal:
        """A record of its own with the same content, on which to try what events would lead to.

        Complexity: linear in votes, comments and electors, by copying references only.
        """
        other = copy(self)
        other.trail = self.trail.copy()
        other.amendments = self.amendments.copy()
        other.comments = self.comments.copy()
        other.poll = self.poll.copy() if self.poll is not None else None
        other.release_counts = self.release_counts.copy()
        other.votes = self.votes.copy()
        other.latest = self.latest.copy()
        other.vote_counts = self.vote_counts.copy()
        other.nonces = self.nonces.copy()
        return other


def created_record(event: ProposalCreated) -> Proposal:
    """The record of a proposal that was just made."""
    is_known = event.electorate.is_known
    record = Proposal(
        created=event,
        status="pending",
        artifact_sha256=event.artifact_sha256,
        description=event.description,
        rules=event.rules,
        snapshot_ms=event.snapshot_ms,
        deadline_ms=event.snapshot_ms + event.voting_period_ms if is_known else None,
        head=first_hash(event.proposal_id),
    )
    _chain(record, event)
    return record


def evolve(record: Proposal, event: ProposalEvent) -> None:
    """Take over what happened to a proposal after it was made; the only mutation of its record.

    Raises:
        KeyError: Nothing of the kind happens to a proposal in its status.
    """
    record.status = status_after(record.status, event)
    _chain(record, event)
    match event:
        case CommentAdded():
            record.comments.append(event)
        case ProposalAmended():
            _amend(record, event)
        case VotingOpened():
            _open(record, event)
        case VoteCast():
            _vote(record, event)
        case DeadlineExtended():
            record.deadline_ms = event.deadline_ms
            record.is_extended = True
        case ElectorReleased():
            _release(record, event.agent)
        case ElectorRestored():
            assert record.poll is not None, "electors are restored while voting is open"
            record.poll.restore(event.agent)
        case _:
            _end(record, event)


def _end(record: Proposal, event: ProposalEvent) -> None:
    match event:
        case ProposalDecided():
            _decide(record, event)
        case ProposalQueued():
            record.eta_ms = event.eta_ms
            record.approval_hash = record.head
        case ProposalExecuted():
            record.executed = event
        case ExecutionReported():
            record.receipt = event
        case ProposalExpired():
            record.expired = event
        case ProposalCanceled():
            record.canceled = event
        case ProposalVetoed():
            record.vetoed = event
        case _:
            raise AssertionError(f"a proposal is made once: {type(event).__name__}")


def _chain(record: Proposal, event: ProposalEvent) -> None:
    link = _foreseen(record, event) or link_after(record, event)
    record.head = link.hash
    record.trail.append(link)


def _foreseen(record: Proposal, event: ProposalEvent) -> Link | None:
    """The link of this very event, if it was made when the event was decided on.

    A trail only grows, so that what was foreseen for a place in it follows the same head.
    """
    for link in record.foreseen:
        if link.event is event and link.sequence == len(record.trail) + 1:
            if link is record.foreseen[-1]:
                record.foreseen = ()
            return link
    return None


def link_after(record: Proposal, event: ProposalEvent, links: Sequence[Link] = ()) -> Link:
    """`event` as the next in the trail of `record`, or after `links` that follow there."""
    last_sequence, head = (links[-1].sequence, links[-1].hash) if links else (len(record.trail), record.head)
    sequence = last_sequence + 1
    return Link(sequence=sequence, event=event, hash=next_hash(head, sequence, event))


def _amend(record: Proposal, event: ProposalAmended) -> None:
    record.amendments.append(event)
    record.artifact_sha256 = event.artifact_sha256
    record.description = event.description
    record.rules = replace(record.rules, options=event.options)
    record.snapshot_ms = event.snapshot_ms
    if record.created.electorate.is_known:
        record.deadline_ms = event.snapshot_ms + record.created.voting_period_ms


def _open(record: Proposal, event: VotingOpened) -> None:
    record.opened = event
    record.deadline_ms = event.deadline_ms
    record.poll = Poll(record.rules, event.weights, event.delegations, record.proposal_id)
    for agent in event.offline:
        if record.poll.is_releasable(agent):
            _release(record, agent)


def _release(record: Proposal, agent: str) -> None:
    assert record.poll is not None, "electors are released while voting is open"
    record.release_counts[agent] = record.release_counts.get(agent, 0) + 1
    record.poll.release(agent)


def _vote(record: Proposal, event: VoteCast) -> None:
    assert record.poll is not None, "votes are cast while voting is open"
    assert event.sequence == len(record.votes) + 1
    record.poll.cast(Ballot(voter=event.voter, choice=event.choice, scope=event.scope))
    record.votes.append(event)
    for part in PARTS[event.scope]:
        record.latest[event.voter, part] = event
    record.vote_counts[event.voter] = record.vote_counts.get(event.voter, 0) + 1
    if event.nonce:
        record.nonces.add((event.voter, event.nonce))
    if event.conditions:
        record.conditions = tuple(dict.fromkeys((*record.conditions, *event.conditions)))
    if record.rules.late_quorum_extension_ms and not record.is_extended:
        record.was_quorum_reached = record.poll.is_quorum_reached


def _decide(record: Proposal, event: ProposalDecided) -> None:
    assert record.poll is not None, "a decision follows a vote"
    record.decision = event
    record.approval_hash = record.head
    favoured = [vote for vote in record.votes if vote.conditions and _is_in_favour(record, vote)]
    named = [condition for vote in favoured for condition in vote.conditions]
    record.conditions = tuple(dict.fromkeys(named)) if event.status == "succeeded" else ()


def _is_in_favour(record: Proposal, vote: VoteCast) -> bool:
    """Whether weight that this vote cast, and no later one of its voter, counts in favour at the end."""
    assert record.poll is not None, "it was voted on"
    if record.rules.is_fractional:
        return record.poll.favours(vote.voter)
    return any(
        record.latest[vote.voter, part] is vote and record.poll.favours(vote.voter, part)
        for part in PARTS[vote.scope]
    )


def favours(choice: Choice) -> bool:
    """Whether a vote may be for something: what conditions may be attached to."""
    if isinstance(choice, str):
        return choice == "for"
    if isinstance(choice, Mapping):
        return any(amount for option, amount in choice.items() if option not in ("against", "abstain"))
    return True
