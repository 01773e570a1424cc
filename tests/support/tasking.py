"""Brings tasks of the task model into any state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from coordination.tasks.commands import (
    AcceptOffer,
    CancelTask,
    Candidate,
    CompleteTask,
    FailTask,
    OfferTasks,
    RefuseOffer,
    ReportProgress,
    SubmitTask,
)
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.record import Task, TasksState
from tests.support.driving import Driver

SUBMITTER: Final = "ada"
AGENT: Final = "bob"
CAPABILITY: Final = "python"

WORKER_COMMANDS: Final[dict[Input, Callable[[str, str, int], Any]]] = {
    Input.ACCEPT: lambda task, agent, token: AcceptOffer(task_id=task, agent=agent, fencing_token=token),
    Input.REFUSE: lambda task, agent, token: RefuseOffer(
        task_id=task, agent=agent, fencing_token=token, reason="busy"
    ),
    Input.PROGRESS: lambda task, agent, token: ReportProgress(
        task_id=task, agent=agent, fencing_token=token, share=0.5, note="half"
    ),
    Input.COMPLETE: lambda task, agent, token: CompleteTask(
        task_id=task, agent=agent, fencing_token=token, result={"by": agent}, result_bytes=12
    ),
    Input.FAIL: lambda task, agent, token: FailTask(
        task_id=task, agent=agent, fencing_token=token, reason="broken"
    ),
}
"""(task id, agent, fencing token) -> the command that is this input."""


def candidate(
    agent: str,
    *,
    incarnation: int = 1,
    max_tasks: int = 1,
    status: str = "online",
    load: float = 0.0,
    score: float = 1.0,
) -> Candidate:
    """An agent as the registry would describe it."""
    return Candidate(
        agent=agent, incarnation=incarnation, max_tasks=max_tasks, status=status, load=load, score=score
    )


class Tasking(Driver[TasksModel]):
    """A task model with short commands; `deadline_ms` is that of the tasks submitted."""

    def __init__(self, *, deadline_ms: int | None = None, policy: Policy | None = None) -> None:
        super().__init__(lambda: TasksModel(policy), TasksState, now_ms=1_000)
        self.deadline_ms = deadline_ms

    def submit(self, task_id: str = "t", **changed: Any) -> Any:
        """Submit a task; returns the outcome."""
        values: dict[str, Any] = {
            "submitter": SUBMITTER,
            "capability": CAPABILITY,
            "requirement": changed.get("capability", CAPABILITY),
            "payload": {"do": task_id},
            "payload_bytes": 10,
            "deadline_ms": self.deadline_ms,
        }
        return self.send(SubmitTask(task_id=task_id, **(values | changed)))

    def offer(self, *agents: str | Candidate, requirement: str = CAPABILITY) -> int:
        """Offer what waits to `agents`; a bare id has one slot. Returns how many offers were made."""
        candidates = tuple(candidate(each) if isinstance(each, str) else each for each in agents)
        count: int = self.accept(OfferTasks(requirement=requirement, candidates=candidates)).count
        return count

    def work(self, happened: Input, task_id: str = "t") -> Any:
        """Let whoever holds the task do something with it; it must be taken."""
        task = self.task(task_id)
        assert task.holder is not None
        return self.accept(WORKER_COMMANDS[happened](task_id, task.holder.agent, task.fencing_token))

    def task(self, task_id: str = "t") -> Task:
        """The record of a task that exists."""
        task = self.model.find(task_id)
        assert task is not None
        return task

    def bring_to(self, state: State) -> Task:
        """Submit task ``t`` and lead it into `state`."""
        self.submit(deadline_ms=5_000 if state is State.EXPIRED else self.deadline_ms)
        path: dict[State, tuple[Input, ...]] = {
            State.OFFERED: (),
            State.RUNNING: (Input.ACCEPT,),
            State.FAILED: (Input.ACCEPT, Input.FAIL),
            State.COMPLETED: (Input.ACCEPT, Input.COMPLETE),
            State.DEAD_LETTERED: (Input.ACCEPT,),
        }
        if state in path:
            self.offer(AGENT)
            for happened in path[state]:
                self.work(happened)
        if state is State.DEAD_LETTERED:
            token = self.task().fencing_token
            self.accept(FailTask(task_id="t", agent=AGENT, fencing_token=token, reason="no", retryable=False))
        elif state is State.CANCELED:
            self.accept(CancelTask(task_id="t", caller=SUBMITTER))
        elif state is State.EXPIRED:
            self.tick(5_000)
        assert self.task().state is state
        return self.task()
