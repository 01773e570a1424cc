"""One command's or tick's effect on one proposal, as it is decided step by step. Pure.

A `Change` sees the proposal as of *now*: what time alone has led to is decided first, whether the tick that
would have done it has run or not. So no outcome hangs on how busy the service was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
from consensus.record import Link, Proposal, created_record, evolve, link_after
from consensus.views import announcement_view, decision_view, execution_view, receipt_view, summary_view
from coordination.runtime.model import Notice, Outcome, Push

_NAMES = {
    ProposalCreated: "created",
    CommentAdded: "commented",
    ProposalAmended: "amended",
    VotingOpened: "opened",
    VoteCast: "voted",
    DeadlineExtended: "extended",
    ElectorReleased: "released",
    ElectorRestored: "restored",
    ProposalDecided: "decided",
    ProposalQueued: "queued",
    ProposalExecuted: "executed",
    ExecutionReported: "reported",
    ProposalExpired: "expired",
    ProposalCanceled: "canceled",
    ProposalVetoed: "vetoed",
}
"""Under which name others are told of an event."""


class Change:
    """Events for one proposal, with the record that they lead to and the messages that follow from them.

    Args:
        record: The proposal in the state, which stays as it is; None for one that is made by the first event.
    """

    def __init__(self, record: Proposal | None) -> None:
        self._base = self._record = record
        self._links: list[Link] = []
        self._taken_count = 0
        self._is_ended = False
        self.events: list[ProposalEvent] = []
        self._messages: list[Push | Notice] = []

    @property
    def record(self) -> Proposal:
        """The proposal with all events so far; only for reading.

        Made when it is asked for: most votes lead to nothing that needs it.
        """
        assert self._record is not None, "the first event makes the proposal"
        if self._taken_count < len(self._links):
            if self._record is self._base:
                self._record = self._record.branch()
            self._record.foreseen = self._links
            for link in self._links[self._taken_count :]:
                evolve(self._record, link.event)
            self._taken_count = len(self._links)
        return self._record

    @property
    def head(self) -> str:
        """Hash of the trail with all events so far."""
        return self._links[-1].hash if self._links else self.record.head

    def add(self, event: ProposalEvent) -> None:
        """Let `event` happen next."""
        if isinstance(event, ProposalCreated):
            assert self._record is None, "a proposal is made once"
            self._record = created_record(event)
        else:
            assert self._record is not None, "the first event makes the proposal"
            trail_of = self._record if self._base is None else self._base
            self._links.append(link_after(trail_of, event, self._links))
            if self._base is not None:
                self._base.foreseen = self._links
        self.events.append(event)
        self._tell(event)

    def outcome(self, reply: Any = None) -> Outcome:
        """All that was decided; whoever was concerned by an end hears of it once."""
        messages = self._messages.copy()
        if self._is_ended:
            body = decision_view(self.record)
            assert body is not None, "it has ended"
            concerned = dict.fromkeys((*self.record.electors, self.record.created.proposer))
            messages += _pushes("decision", body, concerned)
        return Outcome(events=tuple(self.events), reply=reply, messages=tuple(messages))

    def _tell(self, event: ProposalEvent) -> None:
        body = self._voted(event) if isinstance(event, VoteCast) else _body(self.record, event)
        self._messages.append(Notice(event=_NAMES[type(event)], aggregate=event.proposal_id, body=body))
        match event:
            case ProposalCreated():
                # With no discussion period the opening, which follows at once, is announced alone.
                if event.voting_delay_ms:
                    self._announce()
            case ProposalAmended() | VotingOpened():
                self._announce()
            case ProposalDecided() | ProposalQueued() | ProposalCanceled() | ProposalVetoed():
                self._is_ended = True

    def _voted(self, event: VoteCast) -> dict[str, Any]:
        return {
            "proposal_id": event.proposal_id,
            "sequence": event.sequence,
            "voter": event.voter,
            "scope": event.scope,
            "choice": event.choice,
            "weight": event.weight,
            "trail_hash": self.head,
        }

    def _announce(self) -> None:
        """To all electors that are known. Those who delegated hear of it as well: they may override."""
        self._messages += _pushes("proposal", announcement_view(self.record), self.record.electors)


def _body(record: Proposal, event: ProposalEvent) -> dict[str, Any]:
    """What a notice says of an event; small, whatever the electorate."""
    body: dict[str, Any] | None
    match event:
        case CommentAdded():
            body = {
                "proposal_id": event.proposal_id,
                "sequence": len(record.comments),
                "agent": event.agent,
            }
        case ElectorReleased() | ElectorRestored():
            body = {"proposal_id": event.proposal_id, "agent": event.agent}
        case ProposalDecided() | ProposalQueued() | ProposalCanceled() | ProposalVetoed():
            body = decision_view(record)
        case ProposalExecuted():
            body = execution_view(record)
        case ExecutionReported():
            body = receipt_view(record)
        case _:
            body = summary_view(record)
    assert body is not None, "the event has just happened"
    return body


def _pushes(kind: str, body: dict[str, Any], agents: Iterable[str]) -> tuple[Push, ...]:
    return tuple(Push(agent=agent, kind=kind, body=body) for agent in agents)
