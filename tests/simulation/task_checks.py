"""What must be true of tasks, from the bytes of the journal and what agents were told; knows no task model.

Nothing of `coordination.tasks` is imported: an event is a name and a dict, and what may follow on what is
written down here once more.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.task_sightings import SLOTS, Sightings

_HELD = ("offered", "running", "canceling")
_ENDS = {"TaskDeadLettered": "dead_lettered", "CancelConfirmed": "canceled", "TaskSkipped": "skipped"}
_BY_WORKER = frozenset(
    {"OfferAccepted", "OfferRefused", "ProgressReported", "TaskCompleted", "AttemptFailed", "CancelConfirmed"}
)
"""What only who holds the task can do, and in time."""
_HAPPEN = _BY_WORKER | {
    *(
        "DependencyEnded",
        "TaskReleased",
        "TaskDeferred",
        "TaskSkipped",
        "ProposalsCalled",
        "BidMade",
        "NoBids",
    ),
    *("TaskOffered", "OfferTimedOut", "LeaseExpired", "AttemptTimedOut", "WorkerLost", "TaskRequeued"),
    *("TaskDeadLettered", "TaskCanceled", "TaskExpired", "TaskRedriven"),
}
"""What happens to a task."""


@dataclass(slots=True)
class Life:
    """One task as the journal tells it."""

    submitted: dict[str, Any]
    state: str = "waiting"
    agent: str = ""
    token: int = 0
    expires_ms: int = 0
    attempts: int = 0
    """Since it was submitted or redriven."""
    rounds: int = 0
    waits_for: set[str] = field(default_factory=set)
    bidders: set[str] = field(default_factory=set)
    """Agents that bid in the present call."""
    completed: int = 0
    result_by: str = ""
    """Who says in the result that it is its own."""
    confirmed: set[int] = field(default_factory=set)
    """Tokens under which a worker said that it had stopped."""
    is_redriven: bool = False

    @property
    def task_id(self) -> str:
        task_id: str = self.submitted["task_id"]
        return task_id

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.submitted["spec"]
        return spec


def broken_tasks(seen: Sightings, payloads: Sequence[bytes]) -> Iterator[str]:
    """What cannot be."""
    judge = Judge(seen)
    for payload in payloads:
        record = json.loads(payload)
        for event in record["events"]:
            judge.hear(event["type"], event["data"], record["at_ms"])
    judge.conclude()
    yield from judge.problems


class Judge:
    """Reads a journal event by event."""

    def __init__(self, seen: Sightings) -> None:
        self.problems: list[str] = []
        self._seen = seen
        self._lives: dict[str, Life] = {}
        self._last_token = 0
        self._held: Counter[str] = Counter()
        self._dags: dict[str, dict[str, Any]] = {}
        self._done: dict[str, list[str]] = defaultdict(list)
        """Completed tasks with something that undoes them, by DAG, in order of completion."""
        self._undone: dict[str, list[str]] = defaultdict(list)
        self._fired: dict[str, int] = {}
        """The last time of each schedule."""

    def hear(self, kind: str, data: dict[str, Any], at_ms: int) -> None:
        """The next event, and when its record was written."""
        self._seen.met[kind] += 1
        life = self._lives.get(data.get("task_id", ""))
        if life is not None and kind in _HAPPEN:
            if self._is_ended(life) and kind != "TaskRedriven":
                self._say(f"{kind} happened to task {life.task_id} after it was {life.state}")
            if kind in _BY_WORKER:
                self._check_term(kind, life.task_id, life, at_ms)
        if kind in _ENDS:
            assert life is not None
            self._end(kind, life, data)
        elif (handle := getattr(self, f"_{kind}", None)) is not None:
            handle(data, at_ms)

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    # --- what is submitted

    def _TaskSubmitted(self, data: dict[str, Any], _: int) -> None:  # noqa: N802 - the event's name
        task_id = data["task_id"]
        if task_id in self._lives:
            self._say(f"task {task_id} was submitted twice")
        life = Life(data, waits_for=set(data.get("waits_for", ())))
        self._lives[task_id] = life
        for edge in life.spec.get("after", ()):
            awaited = self._lives.get(edge["task_id"])
            if edge["task_id"] not in life.waits_for and awaited is not None and not self._is_ended(awaited):
                self._say(f"task {task_id} does not wait for {edge['task_id']}, which has not ended")

    def _DagSubmitted(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        if data["dag_id"] in self._dags:
            self._say(f"DAG {data['dag_id']} was submitted twice")
        self._dags[data["dag_id"]] = data

    def _ScheduleFired(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        name, time_ms = data["schedule_id"], data["time_ms"]
        if time_ms <= self._fired.get(name, 0):
            self._say(f"schedule {name} fired for {time_ms} after {self._fired[name]}")
        self._fired[name] = time_ms

    # --- who is asked

    def _ProposalsCalled(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        life = self._lives[data["task_id"]]
        life.bidders.clear()
        self._token(data["call"], data["task_id"])

    def _BidMade(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        if not data.get("is_refusal"):
            self._lives[data["task_id"]].bidders.add(data["agent"])

    def _token(self, token: int, task_id: str) -> None:
        if token <= self._last_token:
            self._say(f"task {task_id} has token {token} after {self._last_token}")
        self._last_token = max(self._last_token, token)

    def _TaskOffered(self, data: dict[str, Any], at_ms: int) -> None:  # noqa: N802
        task_id, agent = data["task_id"], data["agent"]
        life = self._lives[task_id]
        self._token(data["fencing_token"], task_id)
        if life.state in _HELD:
            self._say(f"task {task_id} was offered to {agent} while {life.agent} held it")
        if self._is_ended(life):
            self._say(f"task {task_id} was offered to {agent} after it was {life.state}")
        waiting = [each for each in life.waits_for if not self._is_ended(self._lives[each])]
        if waiting:
            self._say(f"task {task_id} was offered to {agent} before {waiting} had ended")
        if life.spec.get("strategy") == "contract_net" and agent not in life.bidders:
            self._say(f"task {task_id} was awarded to {agent}, who did not bid in its last call")
        self._check_orphan(task_id, life)
        if (life.spec.get("deadline_ms") or at_ms + 1) <= at_ms:
            self._say(f"task {task_id} was offered to {agent} after its deadline")
        life.state, life.agent, life.token = "offered", agent, data["fencing_token"]
        life.expires_ms = data["expires_ms"]
        self._held[agent] += 1
        if self._held[agent] > SLOTS[agent]:
            self._say(f"{agent} holds {self._held[agent]} tasks and has {SLOTS[agent]} slots")

    def _check_orphan(self, task_id: str, life: Life) -> None:
        """A child is not begun when what delegated it has ended."""
        chain = life.submitted.get("chain", ())
        if not chain or life.spec.get("on_parent_end") == "keep":
            return
        parent = self._lives[chain[-1]]
        if parent.state != "running" and not life.is_redriven:
            self._say(f"task {task_id} was offered after its parent {chain[-1]} was {parent.state}")

    # --- what becomes of it

    def _DependencyEnded(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        awaited = self._lives[data["dependency"]]
        if not self._is_ended(awaited) and not awaited.is_redriven:
            self._say(f"task {data['task_id']} goes on before {data['dependency']} has ended")
        # What was redriven afterwards is waited for no more.
        self._lives[data["task_id"]].waits_for.discard(data["dependency"])

    def _OfferAccepted(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        life = self._lives[data["task_id"]]
        self._begin(life)
        life.state, life.expires_ms = "running", data["lease_expires_ms"]

    _ProgressReported = _OfferAccepted

    def _OfferRefused(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        self._release(self._lives[data["task_id"]], "waiting")

    _OfferTimedOut = _OfferRefused

    def _ServiceResumed(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        for life in self._lives.values():
            if life.state in ("offered", "running", "canceling"):
                life.expires_ms = max(life.expires_ms, data["until_ms"])

    def _LeaseExpired(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        life = self._lives[data["task_id"]]
        self._release(life, "canceled" if life.state == "canceling" else "waiting")

    _WorkerLost = _AttemptTimedOut = _LeaseExpired

    def _AttemptFailed(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        life = self._lives[data["task_id"]]
        self._begin(life)
        self._release(life, "waiting")

    def _TaskRedriven(self, data: dict[str, Any], at_ms: int) -> None:  # noqa: N802
        life = self._lives[data["task_id"]]
        if life.state != "dead_lettered":
            self._say(f"task {life.task_id} was redriven while it was {life.state}")
        life.state, life.attempts, life.is_redriven = "waiting", 0, True
        for name in ("deadline_ms", "start_by_ms"):  # times that have passed count no more
            if (life.spec.get(name) or at_ms + 1) <= at_ms:
                del life.spec[name]

    def _begin(self, life: Life) -> None:
        if life.state == "offered":
            life.attempts += 1
            life.state = "running"
            if life.attempts > life.spec.get("max_attempts", 3):
                self._say(f"task {life.task_id} has its attempt number {life.attempts}")

    def _check_term(self, kind: str, task_id: str, life: Life, at_ms: int) -> None:
        allowed = ("canceling",) if kind == "CancelConfirmed" else ("offered", "running")
        if life.state not in allowed:
            self._say(f"{kind} happened to task {task_id}, which was {life.state}")
        elif at_ms >= life.expires_ms:
            self._say(f"{kind} happened to task {task_id} when the time of {life.agent} was over")

    def _TaskCompleted(self, data: dict[str, Any], at_ms: int) -> None:  # noqa: N802
        task_id, life = data["task_id"], self._lives[data["task_id"]]
        life.completed += 1
        result, token = data["result"], data["fencing_token"]
        if (result["by"], result["token"]) != (life.agent, life.token) or token != life.token:
            self._say(
                f"task {task_id} was completed by {result} under token {token}, {life.agent} held it under "
                f"{life.token}"
            )
        if (life.spec.get("deadline_ms") or at_ms + 1) <= at_ms:
            self._say(f"task {task_id} was completed after its deadline")
        life.result_by = result["by"]
        self._begin(life)
        self._release(life, "completed")
        dag = life.spec.get("dag")
        if dag and life.spec.get("compensation"):
            self._done[dag].append(task_id)

    def _TaskCanceled(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        task_id, by, life = data["task_id"], data["by"], self._lives[data["task_id"]]
        if not data["reason"]:
            self._say(f"task {task_id} was canceled for no reason")
        is_own = by == "tasks" or task_id in self._seen.asked_to_cancel
        if not is_own and life.spec.get("dag") not in self._seen.asked_to_cancel_dags:
            self._say(f"task {task_id} was canceled by {by}, who never asked for it")
        if life.state == "running":
            life.state = "canceling"
        else:
            self._release(life, "canceled")

    def _TaskExpired(self, data: dict[str, Any], at_ms: int) -> None:  # noqa: N802
        task_id, life = data["task_id"], self._lives[data["task_id"]]
        times = [life.spec[name] for name in ("deadline_ms", "start_by_ms") if name in life.spec]
        if not times or min(times) > at_ms:
            self._say(f"task {task_id} expired at {at_ms}, which is before {times}")
        self._release(life, "expired")

    def _end(self, kind: str, life: Life, data: dict[str, Any]) -> None:
        task_id = life.task_id
        if kind == "CancelConfirmed":
            life.confirmed.add(life.token)
        elif not data.get("reason"):
            self._say(f"task {task_id} ended as {_ENDS[kind]} for no reason")
        if kind == "TaskSkipped" and not life.waits_for and not life.spec.get("after"):
            self._say(f"task {task_id} was skipped, and waited for nothing")
        self._release(life, _ENDS[kind])

    def _release(self, life: Life, state: str) -> None:
        if life.state in _HELD:
            self._held[life.agent] -= 1
        life.state, life.agent = state, ""

    @staticmethod
    def _is_ended(life: Life) -> bool:
        return life.state not in ("waiting", *_HELD)

    # --- DAGs

    def _TaskCompensated(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        self._undone[data["dag_id"]].append(data["task_id"])

    def _DagEnded(self, data: dict[str, Any], _: int) -> None:  # noqa: N802
        dag_id, state = data["dag_id"], data["state"]
        members = [self._lives[each] for each in self._dags[dag_id]["tasks"].values()]
        if not all(map(self._is_ended, members)):
            self._say(f"DAG {dag_id} is {state} before its tasks have ended")
        if state == "completed":
            for each in members:
                policies = {policy for awaited, policy in _edges(members) if awaited == each.task_id}
                if each.state not in ("completed", "skipped") and (not policies or "fail" in policies):
                    self._say(f"DAG {dag_id} is completed, and its task {each.task_id} is {each.state}")
        elif [each for each in self._undone[dag_id] if each in self._done[dag_id]] != self._done[dag_id][
            ::-1
        ]:
            self._say(
                f"DAG {dag_id} is {state}, of {self._done[dag_id]} it undid {self._undone[dag_id]}, in that "
                "order"
            )

    # --- at the end

    def conclude(self) -> None:
        """Compare with what agents were told, and look at how everything ended."""
        seen, lives = self._seen, self._lives
        for task_id in sorted(seen.submitted - lives.keys()):
            self._say(f"task {task_id} was acknowledged and is not in the journal")
        for task_id in sorted(seen.replaced):
            self._say(f"another task was taken under the id of task {task_id}")
        for dag_id in sorted(seen.dags - self._dags.keys()):
            self._say(f"DAG {dag_id} was acknowledged and is not in the journal")
        for task_id in sorted(seen.cancels):
            if lives[task_id].completed and not lives[task_id].is_redriven:
                self._say(f"task {task_id} was canceled, that was acknowledged, and it was completed")
        for task_id, token in sorted(seen.confirmed):
            if token not in lives[task_id].confirmed:
                self._say(f"the stop of {task_id} under {token} was acknowledged and is lost")
        self._conclude_results()

    def _conclude_results(self) -> None:
        seen = self._seen
        for life in self._lives.values():
            if life.completed > 1:
                self._say(f"task {life.task_id} has {life.completed} results")
            if seen.is_over and life.task_id != "probe" and not self._is_ended(life):
                self._say(f"task {life.task_id} never ended, it is {life.state}")
        accepted = {(life.task_id, life.token): life for life in self._lives.values() if life.completed}
        for agent, task_id, token in sorted(seen.completed):
            if (task_id, token) not in accepted:
                self._say(
                    f"the completion of {task_id} by {agent} under {token} was acknowledged and is lost"
                )
        for agent, task_id, token in sorted(seen.refused - seen.completed):
            found = accepted.get((task_id, token))
            if found is not None and found.result_by == agent:
                self._say(f"the completion of {task_id} by {agent} under {token} was refused and counts")


def _edges(members: list[Life]) -> list[tuple[str, str]]:
    """What the members of a DAG wait for, and what happens if that fails."""
    edges = [edge for each in members for edge in each.spec.get("after", ())]
    return [(edge["task_id"], edge.get("on_failure", "fail")) for edge in edges]
