"""What follows from the proposals held and is looked up often; rebuilt on restore. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consensus.record import Proposal
from coordination.runtime.agenda import Agenda
from coordination.runtime.deadlines import Deadlines


class Index:
    """Keeps in step with each record through `update`.

    Complexity: `update` O(log n), plus the electors when a vote that releases electors opens or ends.
    """

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.settled = Agenda()
        """Settled proposals, the longest settled first; of the same instant by number."""
        self.entry_count = 0
        """Events in all trails together."""
        self._open: dict[str, set[str]] = {}
        self._waiting: dict[str, None] = {}
        self._watched: dict[str, dict[str, None]] = {}
        self._watching: set[str] = set()
        self._entries: dict[str, int] = {}

    @property
    def waiting(self) -> Collection[str]:
        """Pending proposals whose electorate is not known, in the order in which they were made."""
        return self._waiting.keys()

    @property
    def watched(self) -> Mapping[str, Collection[str]]:
        """Agent -> active proposals that leave it out while it is offline, in the order of their opening."""
        return self._watched

    def open_of(self, proposer: str) -> Collection[str]:
        """The proposals of `proposer` that are not settled, in no order."""
        return self._open.get(proposer, ())

    def open_count(self, proposer: str) -> int:
        """How many proposals of `proposer` are not settled."""
        return len(self._open.get(proposer, ()))

    def update(self, record: Proposal) -> None:
        """Take over what an event changed."""
        proposal_id = record.proposal_id
        self.entry_count += len(record.trail) - self._entries.get(proposal_id, 0)
        self._entries[proposal_id] = len(record.trail)
        if record.due_ms is not None:
            self.deadlines.set(proposal_id, record.due_ms)
        else:
            self.deadlines.clear(proposal_id)
        proposer = record.created.proposer
        if record.settled_at_ms is None:
            self._open.setdefault(proposer, set()).add(proposal_id)
        else:
            self.settled.put(proposal_id, (record.settled_at_ms, record.created.number))
            of_proposer = self._open.get(proposer, set())
            of_proposer.discard(proposal_id)
            if not of_proposer:
                self._open.pop(proposer, None)
        if record.status == "pending" and not record.created.electorate.is_known:
            self._waiting[proposal_id] = None
        else:
            self._waiting.pop(proposal_id, None)
        self._watch(record)

    def drop(self, record: Proposal) -> None:
        """Forget a settled proposal."""
        proposal_id = record.proposal_id
        self.entry_count -= self._entries.pop(proposal_id)
        self.settled.drop(proposal_id)

    def _watch(self, record: Proposal) -> None:
        proposal_id = record.proposal_id
        is_watching = record.status == "active" and record.rules.offline_voters == "release"
        if is_watching == (proposal_id in self._watching):
            return
        if is_watching:
            self._watching.add(proposal_id)
            for agent in record.weights:
                self._watched.setdefault(agent, {})[proposal_id] = None
            return
        self._watching.remove(proposal_id)
        for agent in record.weights:
            proposals = self._watched[agent]
            del proposals[proposal_id]
            if not proposals:
                del self._watched[agent]
