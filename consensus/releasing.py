"""What becomes of a vote when electors go offline or come back, where its rules release them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from consensus.change import Change
from consensus.commands import NotePresence
from consensus.ending import decide_early
from consensus.events import ElectorReleased, ElectorRestored
from consensus.index import Index
from consensus.limits import (
    MAX_PRESENCE_EVENTS,
    MAX_PRESENCE_LOAD,
    MAX_RELEASES_PER_ELECTOR,
    MAX_TICK_PROPOSALS,
)
from coordination.runtime.model import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceNoted:
    """Reply to `NotePresence`."""

    is_complete: bool
    """Whether all of it was taken over; otherwise the same command, given again, takes over more."""


@dataclass(slots=True)
class _Notes:
    """What one command leads to, within its bounds."""

    find: Callable[[str], Change | None]
    changes: dict[str, Change] = field(default_factory=dict)
    """By proposal; each with at least one event."""
    event_count: int = 0
    load: int = 0
    is_full: bool = False

    def release(self, proposal_id: str, agent: str, now_ms: int) -> None:
        """Leave `agent` out, unless it takes part already or was left out too often."""
        change = self._change(proposal_id)
        if change is None:
            return
        record = change.record
        is_restless = record.release_counts.get(agent, 0) >= MAX_RELEASES_PER_ELECTOR
        if record.poll is not None and record.poll.is_releasable(agent) and not is_restless:
            self._add(change, ElectorReleased(proposal_id=proposal_id, agent=agent, released_at_ms=now_ms))

    def restore(self, proposal_id: str, agent: str, now_ms: int) -> None:
        """Count `agent` again, if it was left out."""
        change = self._change(proposal_id)
        if change is not None and agent in change.record.released:
            self._add(change, ElectorRestored(proposal_id=proposal_id, agent=agent, restored_at_ms=now_ms))

    def _change(self, proposal_id: str) -> Change | None:
        return self.changes.get(proposal_id) or self.find(proposal_id)

    def _add(self, change: Change, event: ElectorReleased | ElectorRestored) -> None:
        proposal_id = event.proposal_id
        if proposal_id not in self.changes:
            load = self.load + change.record.load
            has_room = load <= MAX_PRESENCE_LOAD and len(self.changes) < MAX_TICK_PROPOSALS
            if self.changes and not has_room:
                self.is_full = True
                return
            self.load = load
            self.changes[proposal_id] = change
        change.add(event)
        self.event_count += 1
        self.is_full = self.event_count >= MAX_PRESENCE_EVENTS


def note_presence(
    command: NotePresence, index: Index, find: Callable[[str], Change | None], now_ms: int
) -> Outcome:
    """Release electors that went offline and restore those that are back, in all votes that care.

    Args:
        command: Who is where.
        index: Of the model.
        find: Gives the change of an active proposal; None once its time to vote is over.
        now_ms: Unix ms.
    """
    notes = _Notes(find)
    for agent, proposal_id in _cases(command.online, index):
        if not notes.is_full:
            notes.restore(proposal_id, agent, now_ms)
    for agent, proposal_id in _cases(command.offline, index):
        if not notes.is_full:
            notes.release(proposal_id, agent, now_ms)
    for change in notes.changes.values():
        decide_early(change, now_ms)
    outcomes = [change.outcome() for change in notes.changes.values()]
    return Outcome(
        events=tuple(event for each in outcomes for event in each.events),
        reply=PresenceNoted(is_complete=not notes.is_full),
        messages=tuple(message for each in outcomes for message in each.messages),
    )


def _cases(agents: tuple[str, ...], index: Index) -> Iterator[tuple[str, str]]:
    """(agent, proposal) of all active votes that care for the presence of one of `agents`."""
    for agent in dict.fromkeys(agents):
        for proposal_id in index.watched.get(agent, ()):
            yield agent, proposal_id
