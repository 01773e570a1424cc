"""What the journal says of every task, read event by event and without a line of the task service's code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

_LOSSES: Final = {
    "OfferRefused": "offers refused",
    "OfferTimedOut": "offers unanswered",
    "LeaseExpired": "leases lost",
    "WorkerLost": "taken from the dead",
    "AttemptFailed": "attempts failed",
    "AttemptTimedOut": "attempts too long",
}
"""Events after which what the agent held is not its own any more, and what they are counted as."""
_DEAD_ENDS: Final = frozenset({"TaskDeadLettered", "TaskExpired", "TaskCanceled", "TaskSkipped"})
_MAX_PROBLEMS: Final = 100


@dataclass(slots=True)
class Life:
    """One task, as far as it was read."""

    number: int
    """That its payload names, and its result must name."""
    submitted_ms: int
    agent: str = ""
    """Whose offer or lease stands; empty for nobody's."""
    token: int = 0
    has_begun: bool = False
    expires_ms: int = 0
    attempts: int = 0
    end: str = ""
    """The event that ended it."""
    ended_ms: int = 0
    result: Any = None
    winner: int = 0
    """The token under which it was completed."""


class Ledger:
    """Reads the journal of a storm, in which every task has the payload ``{"n": number}``.

    Whoever completes a task says in its result ``n``, who it is (``by``) and its fencing token (``token``),
    as its handler knew them. What cannot be is in `problems`.
    """

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        """What happened, in words."""
        self.ended = 0
        """Tasks."""
        self._held: dict[str, Life] = {}
        self._last_token = 0

    @property
    def retried(self) -> int:
        """Tasks with more than one attempt."""
        return sum(life.attempts > 1 for life in self.lives.values())

    @property
    def longest_ms(self) -> int:
        """From the submission of a task to its end, at most."""
        return max((each.ended_ms - each.submitted_ms for each in self.lives.values() if each.end), default=0)

    def open(self) -> list[str]:
        """Ids of the tasks that have not ended."""
        return [task_id for task_id, life in self.lives.items() if not life.end]

    def held_by(self, agents: Container[str]) -> set[tuple[str, int]]:
        """Task and token of the offers and leases of `agents` that stand."""
        return {(task_id, life.token) for task_id, life in self._held.items() if life.agent in agents}

    def judge(self, acknowledged: set[str]) -> list[str]:
        """Everything that is wrong, when it is all over; `acknowledged` were to be done."""
        found = list(self.problems)
        for task_id in sorted(acknowledged):
            life = self.lives.get(task_id)
            if life is None:
                found.append(f"{task_id} was acknowledged, and is not in the journal")
            elif life.end != "TaskCompleted":
                found.append(f"{task_id} was acknowledged, and its end is {life.end or 'none'}")
        found += [f"{task_id} was never acknowledged" for task_id in self.lives.keys() - acknowledged]
        return found

    def hear(self, kind: str, data: dict[str, Any], at_ms: int) -> None:
        """The next event, and when its record was written."""
        if kind == "ServiceResumed":
            self.counts["times that the service resumed"] += 1
            for life in self._held.values():
                life.expires_ms = max(life.expires_ms, data["until_ms"])
            return
        task_id = data.get("task_id", "")
        life_or_none = self.lives.get(task_id)
        if kind == "TaskSubmitted":
            self._submitted(task_id, life_or_none, data)
        elif life_or_none is not None:
            if life_or_none.end:
                self._say(f"{kind} happened to {task_id} after {life_or_none.end}")
            self._happened(kind, task_id, life_or_none, data, at_ms)

    def _submitted(self, task_id: str, known: Life | None, data: dict[str, Any]) -> None:
        if known is not None:
            self._say(f"{task_id} was submitted twice")
            return
        self.lives[task_id] = Life(data["spec"]["payload"]["n"], data["at_ms"])

    def _happened(self, kind: str, task_id: str, life: Life, data: dict[str, Any], at_ms: int) -> None:
        if kind == "TaskOffered":
            self._offered(task_id, life, data)
        elif kind in ("OfferAccepted", "ProgressReported"):
            self._begin(kind, task_id, life, at_ms)
            life.expires_ms = data["lease_expires_ms"]
        elif kind == "TaskCompleted":
            self._completed(task_id, life, data, at_ms)
        elif kind in _LOSSES:
            self.counts[_LOSSES[kind]] += 1
            if kind in ("OfferTimedOut", "LeaseExpired") and at_ms < life.expires_ms:
                self._say(f"{kind} happened to {task_id} before the time of {life.agent} was over")
            self._release(task_id, life)
        elif kind in _DEAD_ENDS:
            self.counts["ended without a result"] += 1
            self._end(kind, task_id, life, at_ms)

    def _offered(self, task_id: str, life: Life, data: dict[str, Any]) -> None:
        if life.agent:
            self._say(f"{task_id} was offered to {data['agent']} while {life.agent} held it")
        if data["fencing_token"] <= self._last_token:
            self._say(f"{task_id} was offered under token {data['fencing_token']} after {self._last_token}")
        self._last_token = life.token = data["fencing_token"]
        life.agent, life.expires_ms = data["agent"], data["expires_ms"]
        self._held[task_id] = life

    def _begin(self, kind: str, task_id: str, life: Life, at_ms: int) -> None:
        if not life.agent:
            self._say(f"{kind} happened to {task_id}, which nobody held")
        elif at_ms >= life.expires_ms:
            self._say(f"{kind} happened to {task_id} when the time of {life.agent} was over")
        if not life.has_begun:
            life.has_begun = True
            life.attempts += 1

    def _completed(self, task_id: str, life: Life, data: dict[str, Any], at_ms: int) -> None:
        self._begin("TaskCompleted", task_id, life, at_ms)
        said, told = data["result"], {"n": life.number, "by": life.agent, "token": life.token}
        if said != told or data["fencing_token"] != life.token:
            self._say(f"{task_id} was completed by {said} under token {data['fencing_token']}, not by {told}")
        life.result, life.winner = said, data["fencing_token"]
        self._end("TaskCompleted", task_id, life, at_ms)

    def _release(self, task_id: str, life: Life) -> None:
        life.agent, life.has_begun = "", False
        self._held.pop(task_id, None)

    def _end(self, kind: str, task_id: str, life: Life, at_ms: int) -> None:
        self._release(task_id, life)
        self.ended += not life.end
        life.end, life.ended_ms = kind, at_ms

    def _say(self, problem: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)
