"""The state machine of proposals: discussion, vote, decision, execution.

Who may do what: anybody proposes and executes what was approved; electors vote; electors, the proposer and
whoever has powers over a proposal discuss it; the proposer amends and cancels while it is pending; its
guardian cancels and its veto holders veto until it is executed. Everybody may read: votes are public.

It does not know registry and knowledge: `awaiting_snapshot` says whose electorate is to be asked for, and
`OpenVoting` brings it; `watched` says whose presence matters, and `NotePresence` brings that.

A command sees its proposal as of now, whether or not the tick that was due has run (`Change`); what time
has led to is then part of the command's own outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar

from consensus.balloting import vote
from consensus.change import Change
from consensus.charter import Charters
from consensus.commands import (
    Amend,
    CancelProposal,
    CastVote,
    Discuss,
    ExecuteProposal,
    NotePresence,
    OpenVoting,
    Propose,
    ReportExecution,
    SetCharter,
    SetDelegate,
    VetoProposal,
)
from consensus.discussion import amend, discuss, problem_of_proposal, propose
from consensus.ending import cancel, decide_at_deadline, execute, expire, report, veto
from consensus.events import CharterSet, DelegationSet, ProposalArchived, ProposalCreated
from consensus.index import Index
from consensus.lifecycle import SETTLED
from consensus.limits import (
    MAX_ARCHIVED,
    MAX_DELEGATIONS,
    MAX_PROPOSALS,
    MAX_PROPOSALS_PER_PROPOSER,
    MAX_TICK_LOAD,
    MAX_TICK_PROPOSALS,
    MAX_TRAIL_ENTRIES,
)
from consensus.opening import give_up, open_known, open_with_snapshot
from consensus.record import Proposal, created_record, evolve
from consensus.refusals import refused
from consensus.releasing import note_presence
from consensus.standing import StandingDelegations
from consensus.state import EVENT_TYPES, ConsensusState
from consensus.views import delegation_view, summary_view
from coordination.runtime.model import Notice, Outcome, Push, Rejected

_OF_ONE_PROPOSAL: Mapping[type, Callable[[Change, Any, int], Outcome | Rejected]] = {
    Discuss: discuss,
    Amend: amend,
    CastVote: vote,
    CancelProposal: cancel,
    VetoProposal: veto,
    ExecuteProposal: execute,
    ReportExecution: report,
}


class ConsensusModel:
    """Decides what is proposed, voted, decided and executed.

    Invariants: a record is what its trail says; a settled proposal never changes, but for one receipt of an
    execution; weight is counted once; numbers and sequences have no gap.
    """

    event_types: ClassVar[tuple[type, ...]] = (*EVENT_TYPES, ProposalArchived, DelegationSet, CharterSet)

    def __init__(self) -> None:
        self.proposals: dict[str, Proposal] = {}
        """By id, in the order of their numbers."""
        self.delegations = StandingDelegations()
        self.charters = Charters()
        self._last_number = 0
        self._index = Index()

    # --- the machine

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What a command leads to."""
        match command:
            case Propose():
                return self._propose(command, now_ms)
            case OpenVoting():
                change = self._change(command.proposal_id, now_ms)
                if isinstance(change, Rejected):
                    return change
                return open_with_snapshot(change, command, self.delegations, now_ms)
            case SetDelegate() | SetCharter():
                return self._standing(command, now_ms)
            case NotePresence():
                return note_presence(command, self._index, lambda each: self._open(each, now_ms), now_ms)
            case _:
                handle = _OF_ONE_PROPOSAL.get(type(command))
                assert handle is not None, f"not a consensus command: {type(command).__name__}"
                change = self._change(command.proposal_id, now_ms)
                return change if isinstance(change, Rejected) else handle(change, command, now_ms)

    def apply(self, event: Any) -> None:
        """Take over what happened."""
        match event:
            case DelegationSet():
                self.delegations.set(event)
            case CharterSet():
                self.charters.set(event)
            case ProposalArchived():
                self._index.drop(self.proposals.pop(event.proposal_id))
            case ProposalCreated():
                assert event.proposal_id not in self.proposals
                assert event.number == self._last_number + 1
                self._last_number = event.number
                record = self.proposals[event.proposal_id] = created_record(event)
                self._index.update(record)
            case _:
                record = self.proposals[event.proposal_id]
                evolve(record, event)
                self._index.update(record)

    def next_deadline_ms(self) -> int | None:
        """When voting on some proposal opens or ends, or an approval expires."""
        return self._index.deadlines.next_ms()

    def tick(self, now_ms: int) -> Outcome:
        """Open, decide and expire what is due, within the bounds of one tick."""
        events: list[Any] = []
        messages: list[Push | Notice] = []
        load = 0
        for proposal_id in self._index.deadlines.due(now_ms)[:MAX_TICK_PROPOSALS]:
            record = self.proposals[proposal_id]
            load += record.load
            if events and load > MAX_TICK_LOAD:
                break
            outcome = self._lapsed(record, now_ms).outcome()
            events += outcome.events
            messages += outcome.messages
        return Outcome(events=tuple(events), messages=tuple(messages))

    def snapshot(self) -> ConsensusState:
        """The whole state: all trails, from which all else follows."""
        return ConsensusState(
            trails={
                proposal_id: [link.event for link in record.trail]
                for proposal_id, record in self.proposals.items()
            },
            delegations=list(self.delegations),
            charters=self.charters.in_order(),
            last_number=self._last_number,
        )

    def restore(self, state: ConsensusState) -> None:
        """Replace the whole state."""
        self.proposals = {}
        self.delegations = StandingDelegations()
        self.charters = Charters()
        self._index = Index()
        for delegation in state.delegations:
            self.delegations.set(delegation)
        for charter in state.charters:
            self.charters.set(charter)
        for proposal_id, events in state.trails.items():
            created, *later = events
            assert isinstance(created, ProposalCreated), "a trail begins with the proposal"
            record = self.proposals[proposal_id] = created_record(created)
            for event in later:
                evolve(record, event)
            self._index.update(record)
        self._last_number = state.last_number

    # --- what others ask

    def find(self, proposal_id: str) -> Proposal | Rejected:
        """The proposal with this id."""
        record = self.proposals.get(proposal_id)
        if record is None:
            return refused("unknown_proposal", f"there is no proposal {proposal_id}")
        return record

    def page(self, after_number: int, *, newest_first: bool = False) -> Iterator[Proposal]:
        """Proposals ordered by number.

        Args:
            after_number: Begins behind this number, in the order asked for; 0 begins at the end.
            newest_first: Descending instead of ascending.
        """
        if newest_first:
            for record in reversed(self.proposals.values()):
                if not after_number or record.created.number < after_number:
                    yield record
            return
        for record in self.proposals.values():
            if record.created.number > after_number:
                yield record

    def awaiting_snapshot(self, now_ms: int) -> list[Proposal]:
        """Proposals whose discussion is over and whose electorate is to be asked for, oldest first."""
        waiting = (self.proposals[proposal_id] for proposal_id in self._index.waiting)
        return [record for record in waiting if record.opens_from_ms <= now_ms]

    def next_snapshot_ms(self) -> int | None:
        """When the next proposal begins to await its snapshot, or has begun to; None for never."""
        waiting = (self.proposals[proposal_id] for proposal_id in self._index.waiting)
        return min((record.opens_from_ms for record in waiting), default=None)

    @property
    def watched(self) -> Mapping[str, Collection[str]]:
        """Agent -> active proposals in which it is left out while it is offline."""
        return self._index.watched

    # --- commands that concern more than one proposal

    def _propose(self, command: Propose, now_ms: int) -> Outcome | Rejected:
        refusal = problem_of_proposal(command) or self.charters.problem_of(command)
        if refusal is not None:
            return refusal
        if command.proposal_id in self.proposals:
            return refused("proposal_exists", "the new id is taken; try again", retryable=True)
        room = self._room(command, now_ms)
        if isinstance(room, Rejected):
            return room
        change = propose(command, self._last_number + 1, self.delegations, now_ms)
        outcome = change.outcome(summary_view(change.record))
        return Outcome(
            events=(*room.events, *outcome.events),
            reply=outcome.reply,
            messages=(*room.messages, *outcome.messages),
        )

    def _room(self, command: Propose, now_ms: int) -> Outcome | Rejected:
        """What makes room for one more proposal, within the bounds of the service and of its proposer.

        The longest settled go. If that is not enough, the oldest approval of the same proposer that could
        have been executed, and was not, expires before its time: who never executes blocks nobody.
        """
        archived = self._archivable()
        is_full_of_own = self._index.open_count(command.proposer) >= MAX_PROPOSALS_PER_PROPOSER
        if archived is not None and not is_full_of_own:
            return Outcome(events=archived)
        oldest = self._oldest_approval(command.proposer, now_ms)
        if oldest is None:
            return self._no_room(command.proposer, is_full_of_own=is_full_of_own)
        change = self._lapsed(oldest, now_ms)
        if change.record.status not in SETTLED:
            expire(change, now_ms, made_room_for=command.proposal_id)
        expired = change.outcome()
        gone = () if archived is not None else (ProposalArchived(proposal_id=oldest.proposal_id),)
        return Outcome(events=(*(archived or ()), *expired.events, *gone), messages=expired.messages)

    def _archivable(self) -> tuple[ProposalArchived, ...] | None:
        """The longest settled proposals, until both bounds of the service hold; None if they do not then."""
        proposal_count, entry_count = len(self.proposals), self._index.entry_count
        archived: list[ProposalArchived] = []
        for _, proposal_id in self._index.settled.in_order():
            if proposal_count < MAX_PROPOSALS and entry_count < MAX_TRAIL_ENTRIES:
                break
            if len(archived) >= MAX_ARCHIVED:
                break
            archived.append(ProposalArchived(proposal_id=proposal_id))
            proposal_count -= 1
            entry_count -= len(self.proposals[proposal_id].trail)
        is_enough = proposal_count < MAX_PROPOSALS and (entry_count < MAX_TRAIL_ENTRIES or archived)
        return tuple(archived) if is_enough else None

    def _oldest_approval(self, proposer: str, now_ms: int) -> Proposal | None:
        """Of those of `proposer` that may be executed now: one in its timelock nobody could have executed."""
        executable = [
            (record.executable_from_ms, record.created.number, record)
            for record in map(self.proposals.__getitem__, self._index.open_of(proposer))
            if record.executable_from_ms is not None and record.executable_from_ms <= now_ms
        ]
        return min(executable, key=lambda each: each[:2])[2] if executable else None

    def _no_room(self, proposer: str, *, is_full_of_own: bool) -> Rejected:
        if is_full_of_own:
            most = MAX_PROPOSALS_PER_PROPOSER
            full = f"{most} proposals of {proposer} are not settled, the most for one agent"
        else:
            entry_count = self._index.entry_count
            full = f"{len(self.proposals)} proposals with {entry_count} events are all there is room for"
        mend = f"and {proposer} has no approval that could give way; cancel one, or let votes end"
        return refused("too_many_proposals", f"{full}, {mend}", retryable=True)

    def _standing(self, command: SetDelegate | SetCharter, now_ms: int) -> Outcome | Rejected:
        """What holds for proposals to come."""
        if isinstance(command, SetCharter):
            return self.charters.decide(command, now_ms)
        return self._delegate(command, now_ms)

    def _delegate(self, command: SetDelegate, now_ms: int) -> Outcome | Rejected:
        agent, delegate, kind = command.agent, command.delegate, command.kind
        event = DelegationSet(agent=agent, kind=kind, delegate=delegate, set_at_ms=now_ms)
        present = self.delegations.of(agent, kind)
        if delegate == (present.delegate if present is not None else None):
            return Outcome(reply=delegation_view(present or event))
        if delegate is not None:
            if self.delegations.closes_cycle(agent, delegate, kind):
                message = f"{delegate} is {agent} itself, or delegates to it in the end; choose somebody else"
                return refused("delegation_cycle", message)
            if present is None and len(self.delegations) >= MAX_DELEGATIONS:
                message = f"there are {MAX_DELEGATIONS} delegations; no more are taken"
                return refused("too_many_delegations", message, retryable=True)
        return Outcome(events=(event,), reply=delegation_view(event))

    # --- time

    def _change(self, proposal_id: str, now_ms: int) -> Change | Rejected:
        """The proposal as of now."""
        record = self.find(proposal_id)
        return record if isinstance(record, Rejected) else self._lapsed(record, now_ms)

    def _open(self, proposal_id: str, now_ms: int) -> Change | None:
        """An active proposal, unless its time to vote is over."""
        record = self.proposals[proposal_id]
        due_ms = record.due_ms
        return None if due_ms is not None and due_ms <= now_ms else Change(record)

    def _lapsed(self, record: Proposal, now_ms: int) -> Change:
        """What time alone has led to."""
        change = Change(record)
        while (due_ms := change.record.due_ms) is not None and due_ms <= now_ms:
            match change.record.status:
                case "pending" if change.record.created.electorate.is_known:
                    open_known(change, self.delegations, now_ms)
                case "pending":
                    give_up(change, self.delegations, now_ms)
                case "active":
                    decide_at_deadline(change, now_ms)
                case _:
                    expire(change, now_ms)
        return change
