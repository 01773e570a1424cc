"""Brings tasks of the task model into any state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from coordination.runtime.model import Notice, Rejected
from coordination.tasks.commands import (
    AcceptOffer,
    CancelTask,
    CompleteTask,
    ConfirmCancel,
    FailTask,
    RefuseOffer,
    ReportProgress,
    SubmitTask,
)
from coordination.tasks.draft import Draft
from coordination.tasks.events import ProposalsCalled, TaskOffered, TaskSkipped, Transition
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.record import Task, TasksState
from coordination.tasks.roster import Roster
from coordination.tasks.spec import Dependency, TaskSpec
from tests.support.driving import Driver

SUBMITTER: Final = "ada"
AGENT: Final = "bob"
CAPABILITY: Final = "python"
START_MS: Final = 1_000
LATER_MS: Final = 100_000
"""Of tasks that are scheduled."""

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
    Input.CONFIRM: lambda task, agent, token: ConfirmCancel(task_id=task, agent=agent, fencing_token=token),
}
"""(task id, agent, fencing token) -> the command that is this input."""


class Tasking(Driver[TasksModel]):
    """A task model with short commands. Without agents in its roster, offers are made by hand.

    Args:
        policy: Of the model.
        roster: Of the model; it survives a restart.
        fields: Of the spec of every task that is submitted.
    """

    def __init__(self, *, policy: Policy | None = None, roster: Roster | None = None, **fields: Any) -> None:
        self.roster = roster or Roster()
        super().__init__(lambda: TasksModel(policy, self.roster), TasksState, now_ms=START_MS)
        self.fields = fields

    def command(self, task_id: str = "t", *, submitter: str = SUBMITTER, **fields: Any) -> SubmitTask:
        """The submission of a task."""
        values: dict[str, Any] = {
            "capability": CAPABILITY,
            "requirement": fields.get("capability", CAPABILITY),
            "payload": {"do": task_id},
            "payload_bytes": 10,
        }
        return SubmitTask(
            task_id=task_id, submitter=submitter, spec=TaskSpec(**(values | self.fields | fields))
        )

    def submit(self, task_id: str = "t", *, submitter: str = SUBMITTER, **fields: Any) -> Any:
        """Submit a task; returns the outcome."""
        return self.send(self.command(task_id, submitter=submitter, **fields))

    def refused(self, task_id: str = "t", *, submitter: str = SUBMITTER, **fields: Any) -> Rejected:
        """Why a task is not taken."""
        outcome = self.submit(task_id, submitter=submitter, **fields)
        assert isinstance(outcome, Rejected), outcome
        assert outcome.events == ()
        return outcome

    def happen(self, *transitions: Transition) -> Task:
        """Let something happen to a task that nobody decided; returns the record."""
        draft = Draft(self.model.view, self.now_ms)
        task = self.task(transitions[0].task_id)
        draft.add(task, *transitions)
        outcome = draft.outcome()
        self.messages += outcome.messages
        self._take(outcome.events)
        return self.task(task.task_id)

    def offer(self, agent: str = AGENT, task_id: str = "t", *, incarnation: int = 1, **changed: Any) -> Task:
        """Offer a task that waits to `agent`."""
        values: dict[str, Any] = {
            "fencing_token": self.model.state.last_fencing_token + 1,
            "at_ms": self.now_ms,
            "expires_ms": self.now_ms + self.model.policy.offer_timeout_ms,
            "new_round": False,
            "why": "it is free",
        }
        event = TaskOffered(task_id=task_id, agent=agent, incarnation=incarnation, **(values | changed))
        return self.happen(event)

    def call(self, *agents: str, task_id: str = "t", new_round: bool = False) -> int:
        """Call agents for proposals; returns the token of the call."""
        call = self.model.state.last_fencing_token + 1
        self.happen(
            ProposalsCalled(
                task_id=task_id,
                agents=agents,
                incarnations=(1,) * len(agents),
                call=call,
                bids_until_ms=self.now_ms + 1_000,
                new_round=new_round,
            )
        )
        return call

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

    def notices(self, event: str) -> list[Any]:
        """Bodies of all notices so far of one kind."""
        return [each.body for each in self.messages if isinstance(each, Notice) and each.event == event]

    def bring_to(self, state: State) -> Task:
        """Submit task ``t`` and lead it into `state`."""
        if state in (State.BLOCKED, State.SKIPPED):
            self.submit("first")
            self.submit(after=(Dependency(task_id="first"),))
        elif state is State.SCHEDULED:
            self.submit(run_at_ms=LATER_MS)
        else:
            self.submit(deadline_ms=5_000 if state is State.EXPIRED else self.fields.get("deadline_ms"))
        if state is State.SKIPPED:
            self.happen(TaskSkipped(task_id="t", reason="first was canceled", at_ms=self.now_ms))
        elif state is State.ANNOUNCED:
            self.call(AGENT, "cy")
        path: dict[State, tuple[Input, ...]] = {
            State.OFFERED: (),
            State.RUNNING: (Input.ACCEPT,),
            State.CANCELING: (Input.ACCEPT,),
            State.FAILED: (Input.ACCEPT, Input.FAIL),
            State.COMPLETED: (Input.ACCEPT, Input.COMPLETE),
            State.DEAD_LETTERED: (Input.ACCEPT,),
        }
        if state in path:
            self.offer()
            for happened in path[state]:
                self.work(happened)
        if state is State.DEAD_LETTERED:
            token = self.task().fencing_token
            self.accept(FailTask(task_id="t", agent=AGENT, fencing_token=token, reason="no", retryable=False))
        elif state in (State.CANCELED, State.CANCELING):
            self.accept(CancelTask(task_id="t", caller=SUBMITTER))
        elif state is State.EXPIRED:
            self.tick(5_000)
        assert self.task().state is state
        return self.task()

    def _check_equal(self, again: TasksModel) -> None:
        # A model that has not looked yet whether something can be allocated says that it is due at once.
        assert again.tick(self.now_ms) == self.model.tick(self.now_ms)
        super()._check_equal(again)
