"""Who is here at this moment, kept current by watch events. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import Final

from coordination.registry.wire import AgentRecord, Change

REMEMBERED_CHANGES: Final = 50
_STATUSES: Final = ("online", "suspect", "offline")
_URGENCY: Final = {"suspect": 0, "offline": 1, "online": 2}


class Board:
    """The agents as a watch tells of them, and what changed last."""

    def __init__(self) -> None:
        self.agents: dict[str, AgentRecord] = {}
        self.recent: deque[Change] = deque(maxlen=REMEMBERED_CHANGES)
        """Those worth showing, newest last; whoever takes changes in decides which (`note`)."""
        self._stale: set[str] = set()
        """Those that were offline when we came."""

    def present(self, record: AgentRecord) -> None:
        """Take in an agent that was there before we came."""
        self.agents[record.agent] = record
        if record.status == "offline":
            self._stale.add(record.agent)

    def reset(self) -> None:
        """Forget everybody: the whole state is told anew."""
        self.agents.clear()
        self._stale.clear()

    def change(self, change: Change) -> AgentRecord | None:
        """Take in a change.

        Returns:
            The agent as it is after it, or was before it left; None if nobody knew it.
        """
        self._stale.discard(change.agent)
        known = self.agents.get(change.agent)
        if change.kind in ("deregistered", "expired"):
            return self.agents.pop(change.agent, None)
        if change.record is not None:
            record = change.record
            if known is not None and known.incarnation == record.incarnation:
                heard = {"load": known.load, "last_heard_ms": known.last_heard_ms}
                record = record.model_copy(update=heard)
            elif not record.last_heard_ms:
                record = record.model_copy(update={"last_heard_ms": change.at_ms})
        elif known is not None and known.incarnation == change.incarnation and change.kind in _STATUSES:
            update: dict[str, object] = {"status": change.kind, "status_since_ms": change.at_ms}
            if change.kind == "online":
                update["last_heard_ms"] = change.at_ms
            record = known.model_copy(update=update)
        else:
            return known
        self.agents[change.agent] = record
        return record

    def note(self, change: Change) -> None:
        """Remember a change among the recent ones."""
        self.recent.append(change)

    def hear(self, record: AgentRecord) -> None:
        """Take over load and sign of life, which no change tells, from a record that was asked for."""
        known = self.agents.get(record.agent)
        if known is not None and known.incarnation == record.incarnation:
            heard = {"load": record.load, "last_heard_ms": max(known.last_heard_ms, record.last_heard_ms)}
            self.agents[record.agent] = known.model_copy(update=heard)

    def is_stale(self, agent: str) -> bool:
        """Whether the agent has been offline for as long as we have watched."""
        return agent in self._stale

    def in_order(self) -> list[AgentRecord]:
        """Everybody, those that need attention first, then by name."""
        return sorted(self.agents.values(), key=lambda each: (_URGENCY[each.status], each.agent))
