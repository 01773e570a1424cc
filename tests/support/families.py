"""Drives tasks that have to do with one another; who works on them is said here, not allocated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import (
    CancelDag,
    CancelTask,
    CompleteTask,
    ConfirmCancel,
    DeadLetterFilter,
    FailTask,
    RedriveDeadLetters,
    ReportProgress,
    SubmitDag,
    SubmitTask,
    SubmitTasks,
)
from coordination.tasks.dags import Dag
from coordination.tasks.events import OfferAccepted, TaskOffered
from coordination.tasks.families import Families
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_TICK_TASKS, Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.record import Task, TasksState
from coordination.tasks.spec import Dependency, OnFailure, TaskSpec
from tests.support.driving import Driver

SUBMITTER = "ada"
LEASE_MS = 30_000


def edges(after: Iterable[str] | Mapping[str, str]) -> tuple[Dependency, ...]:
    """Dependencies by id; of a mapping the values are their policies."""
    policies = after if isinstance(after, Mapping) else dict.fromkeys(after, "fail")
    return tuple(Dependency(task_id=each, on_failure=OnFailure(policy)) for each, policy in policies.items())


def spec_of(task_id: str, *, after: Iterable[str] | Mapping[str, str] = (), **fields: Any) -> TaskSpec:
    """A spec whose payload is its own."""
    values: dict[str, Any] = {
        "requirement": "python",
        "capability": "python",
        "payload": {"do": task_id},
        "payload_bytes": 9 + len(task_id),
        "after": edges(after),
    }
    return TaskSpec(**(values | fields))


class Kin(Driver[TasksModel]):
    """A task model whose tasks are offered by this driver: to the agent ``on-<task>``, unless it says."""

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__(lambda: TasksModel(policy), TasksState, now_ms=1_000)
        self.largest_tick = 0

    def command(self, task_id: str, *, submitter: str = "", **fields: Any) -> SubmitTask:
        """The submission of a task; of one with a parent by whoever holds that."""
        spec = spec_of(task_id, **fields)
        token = 0
        if spec.parent and (parent := self.model.find(spec.parent)) is not None:
            token = parent.fencing_token
            submitter = submitter or (parent.holder.agent if parent.holder is not None else "nobody")
        return SubmitTask(task_id=task_id, submitter=submitter or SUBMITTER, spec=spec, parent_token=token)

    def submit(self, task_id: str, **fields: Any) -> Task:
        """Submit a task, which must be taken."""
        self.accept(self.command(task_id, **fields))
        return self.task(task_id)

    def submit_many(self, *commands: SubmitTask) -> list[Any]:
        """The answers to tasks submitted together."""
        return list(self.accept(SubmitTasks(tasks=commands)).tasks)

    def dag(self, dag_id: str, tasks: Mapping[str, Mapping[str, Any]]) -> Outcome | Rejected:
        """Submit a DAG; ids and names of its tasks are the same."""
        commands = tuple(
            self.command(each, dag=dag_id, name=each, **fields) for each, fields in tasks.items()
        )
        return self.send(SubmitDag(dag_id=dag_id, submitter=SUBMITTER, tasks=commands))

    def offer(self, task_id: str, agent: str = "") -> Task:
        """Offer a task that waits."""
        token = self.model.state.last_fencing_token + 1
        event = TaskOffered(
            task_id=task_id,
            agent=agent or f"on-{task_id}"[:60],
            fencing_token=token,
            at_ms=self.now_ms,
            expires_ms=self.now_ms + 5_000,
            new_round=False,
        )
        self._take((event,))
        return self.task(task_id)

    def run(self, task_id: str, agent: str = "", *, lease_ms: int = LEASE_MS) -> Task:
        """Let somebody work on a task that waits."""
        self.offer(task_id, agent)
        accepted = OfferAccepted(task_id=task_id, at_ms=self.now_ms, lease_expires_ms=self.now_ms + lease_ms)
        self._take((accepted,))
        return self.task(task_id)

    def complete(self, task_id: str, *, spent: int | None = None) -> Any:
        """Let its holder complete a task."""
        values = self._held(task_id)
        return self.send(CompleteTask(**values, result={"by": task_id}, result_bytes=20, spent=spent))

    def progress(self, task_id: str, *, spent: int | None = None) -> Any:
        """Let its holder say that it is alive."""
        return self.send(ReportProgress(**self._held(task_id), spent=spent))

    def fail(self, task_id: str, *, retryable: bool = False, spent: int | None = None) -> Any:
        """Let its holder fail a task."""
        return self.send(FailTask(**self._held(task_id), reason="broken", retryable=retryable, spent=spent))

    def cancel(self, task_id: str, caller: str = "") -> Any:
        """Cancel a task."""
        return self.send(CancelTask(task_id=task_id, caller=caller or self.task(task_id).submitter))

    def cancel_dag(self, dag_id: str, caller: str = SUBMITTER) -> Outcome | Rejected:
        """Cancel a DAG."""
        return self.send(CancelDag(dag_id=dag_id, caller=caller))

    def confirm(self, task_id: str) -> Any:
        """Let its holder say that it has stopped."""
        return self.accept(ConfirmCancel(**self._held(task_id)))

    def redrive(self, *task_ids: str) -> Any:
        """Bring dead letters back."""
        which = DeadLetterFilter(task_ids=task_ids)
        return self.send(RedriveDeadLetters(caller="operator", which=which, limit=100))

    def settle(self) -> int:
        """Tick until nothing is unsettled; how many ticks that took."""
        count = 0
        while self.model.state.unsettled:
            before = len(self.events)
            self.tick(self.now_ms)
            added = len(self.events) - before
            assert 0 < added <= MAX_TICK_TASKS
            self.largest_tick = max(self.largest_tick, added)
            count += 1
        return count

    def check(self) -> None:
        """The index is that of the state, and journal and snapshot lead to the same state."""
        assert Families(self.model.state) == self.model.view.families
        self.check_replay()
        self.check_snapshot()

    def task(self, task_id: str) -> Task:
        """The record of a task that is known."""
        task = self.model.find(task_id)
        assert task is not None, task_id
        return task

    def state(self, task_id: str) -> State:
        """Where a task stands."""
        return self.task(task_id).state

    def states(self, *task_ids: str) -> list[str]:
        """Where tasks stand."""
        return [self.state(each).value for each in task_ids]

    def dag_of(self, dag_id: str) -> Dag:
        """The record of a DAG that is known."""
        return self.model.state.dags[dag_id]

    def _held(self, task_id: str) -> dict[str, Any]:
        task = self.task(task_id)
        assert task.holder is not None, f"{task_id} is {task.state}"
        return {"task_id": task_id, "agent": task.holder.agent, "fencing_token": task.fencing_token}
