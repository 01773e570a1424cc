"""Whether a trail of events is one that the rules of its proposal lead to. Pure.

The events are taken one after the other. What can be computed is computed and compared: nothing that was
recorded is taken for true because it was recorded. Where the record errs, the replay goes on with what the
rules say, and what cannot have happened is left out, so that one fault does not hide the next.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, get_args

from consensus.audit import ballots, beginnings, outcomes
from consensus.audit.findings import Finding, Findings, differences, impossible, shown
from consensus.delegations import DelegationError
from consensus.events import (
    CommentAdded,
    ElectorReleased,
    ElectorRestored,
    ProposalAmended,
    ProposalCreated,
    ProposalDecided,
    ProposalEvent,
    ProposalExpired,
    VoteCast,
    VotingOpened,
)
from consensus.lifecycle import Status, status_after
from consensus.poll import PollError
from consensus.record import Proposal, created_record, evolve

_BY_TIME: Final[dict[Status, type[Any]]] = {"pending": VotingOpened, "active": ProposalDecided}
"""What time alone leads to, by status; to `ProposalExpired` from all others."""
_TIME_NAMES: Final[dict[str, str]] = {
    kind.__name__: [each.name for each in fields(kind) if each.name.endswith("_at_ms")][-1]
    for kind in get_args(ProposalEvent)
}
"""Event -> its field that says when it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in a trail that the rules do not lead to."""

    sequence: int
    """Of the entry; after the last one, of the entry that is missing."""
    finding: Finding


class Verification:
    """The replay of one proposal.

    Args:
        proposal_id: Whose trail it is said to be.
    """

    def __init__(self, proposal_id: str) -> None:
        self.proposal_id = proposal_id
        self.record: Proposal | None = None
        """What the rules make of the events so far; None before the first."""
        self.faults: list[Fault] = []
        self.is_halted = False
        """Whether the rules mean nothing, so that nothing can be judged by them."""
        self._at_ms = 0
        """Of the newest event; `_before_ms` of the one before."""
        self._before_ms = 0
        self._vote_count = 0
        self._due: list[ProposalEvent] = []
        """What must follow the last event within the same step, in order."""

    def take(self, sequence: int, event: ProposalEvent) -> None:
        """Go on with the next event.

        Args:
            sequence: Its place in the trail, for faults.
            event: As recorded.
        """
        if not self.is_halted:
            self.faults += [Fault(sequence=sequence, finding=finding) for finding in self._take(event)]

    def finish(self, sequence: int) -> None:
        """There are no more events.

        Args:
            sequence: Of the entry that would come next.
        """
        record = self.record
        findings = (
            self._omitted(record, None) if record is not None else [Finding("empty", "nothing happened")]
        )
        self.faults += [Fault(sequence=sequence, finding=finding) for finding in findings]

    def _take(self, event: ProposalEvent) -> Findings:
        yield from self._of_any(event)
        if self.record is None:
            if isinstance(event, ProposalCreated):
                findings = list(beginnings.of_creation(event))
                yield from findings
                self.is_halted = any(finding.is_impossible for finding in findings)
                self.record = created_record(event)
            else:
                yield impossible("impossible", f"{_name(event)} of a proposal that was not made yet")
            return
        yield from self._omitted(self.record, event)
        if isinstance(event, VoteCast):
            self._vote_count += 1
        if isinstance(event, ProposalCreated) or not _may_happen(self.record, event):
            yield impossible("impossible", f"{_name(event)} while the proposal is {self.record.status}")
            return
        yield from self._happen(self.record, event)

    def _of_any(self, event: ProposalEvent) -> Findings:
        """What holds for every event."""
        if event.proposal_id != self.proposal_id:
            yield Finding(
                "wrong_value", f"proposal_id is {shown(event.proposal_id)}", shown(self.proposal_id)
            )
        at_ms = time_of(event)
        if at_ms < self._at_ms:
            yield Finding("time", f"{_TIME_NAMES[_name(event)]} is {at_ms}", f"not before {self._at_ms}")
        self._before_ms, self._at_ms = self._at_ms, max(self._at_ms, at_ms)

    def _omitted(self, record: Proposal, event: ProposalEvent | None) -> Findings:
        """What the rules have happen before `event`, and is not there. None for the end of the trail."""
        while self._due and type(event) is not type(self._due[0]):
            expected = self._due.pop(0)
            yield Finding("missing", f"{_name(expected)} does not follow", shown(expected))
            # As if it had been there: else nothing of what follows would make sense.
            evolve(record, expected)
            self._due = outcomes.following(record, expected, had_quorum=True)
        if self._due:
            return
        if not isinstance(event, ProposalDecided) and not self._is_same_presence(event):
            expected_then = outcomes.due_decision(record, self._before_ms)
            if expected_then is not None:
                yield Finding("missing", "ProposalDecided does not follow", shown(expected_then))
                return
        due_ms = record.due_ms
        if event is not None and due_ms is not None and due_ms <= time_of(event):
            overdue = _BY_TIME.get(record.status, ProposalExpired)
            if not isinstance(event, overdue):
                due = f"{overdue.__name__} first, due from {due_ms} on"
                yield Finding("missing", f"{_name(event)} at {time_of(event)}", due)

    def _is_same_presence(self, event: ProposalEvent | None) -> bool:
        """Whether it may be of one look at the registry with the event before: only then it is decided."""
        return isinstance(event, ElectorReleased | ElectorRestored) and time_of(event) == self._before_ms

    def _happen(self, record: Proposal, event: ProposalEvent) -> Findings:
        """Judge `event` and let it happen, as the rules have it."""
        if self._due:
            expected = outcomes.agreeable(self._due.pop(0), event)
            yield from differences(event, expected)
            event = expected
        else:
            findings = list(self._judge(record, event))
            yield from findings
            if any(finding.is_impossible for finding in findings):
                return
            event = _mended(record, event)
        had_quorum = record.was_quorum_reached
        try:
            evolve(record, event)
        except (PollError, DelegationError) as error:
            yield impossible("impossible", f"{_name(event)} cannot have happened: {error!s:.200}")
            return
        if isinstance(event, ProposalDecided):
            yield from outcomes.recounted(record)
        self._due += outcomes.following(record, event, had_quorum=had_quorum)

    def _judge(self, record: Proposal, event: ProposalEvent) -> Findings:
        match event:
            case CommentAdded():
                findings = beginnings.of_comment(record, event)
            case ProposalAmended():
                findings = beginnings.of_amendment(record, event)
            case VotingOpened():
                findings = beginnings.of_opening(record, event)
            case VoteCast():
                findings = ballots.of_vote(record, event, self._vote_count)
            case ElectorReleased() | ElectorRestored():
                findings = ballots.of_presence(record, event)
            case ProposalDecided():
                findings = outcomes.of_decision(record, event)
            case _:
                findings = outcomes.of_end(record, event)
        return findings


def _may_happen(record: Proposal, event: ProposalEvent) -> bool:
    try:
        status_after(record.status, event)
    except KeyError:
        return False
    return True


def _mended(record: Proposal, event: ProposalEvent) -> ProposalEvent:
    """An event that may have happened, with what the rules make of it."""
    match event:
        case ProposalAmended():
            return beginnings.mended_amendment(record, event)
        case VotingOpened():
            return beginnings.mended_opening(record, event)
        case VoteCast():
            return ballots.mended_vote(record, event)
        case ProposalDecided():
            return outcomes.due_decision(record, event.decided_at_ms) or event
        case _:
            return event


def time_of(event: ProposalEvent) -> int:
    """When it happened (Unix ms)."""
    return int(getattr(event, _TIME_NAMES[_name(event)]))


def _name(event: ProposalEvent) -> str:
    return type(event).__name__
