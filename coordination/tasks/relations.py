"""What a new task has to do with others: whom it was delegated from, and whom it waits for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coordination.runtime.model import Rejected
from coordination.tasks.commands import SubmitTask
from coordination.tasks.record import Task
from coordination.tasks.spec import OnFailure

if TYPE_CHECKING:
    from coordination.tasks.draft import Draft
    from coordination.tasks.view import View


class Together:
    """Tasks that one command has submitted so far; the state does not know them yet.

    Whoever decides a command of several tasks calls `add` with each record that it has drafted, and passes
    this to `problem` and `beginning` of those that follow.
    """

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}

    def __contains__(self, task_id: object) -> bool:
        """Whether the command has submitted a task of this id."""
        return task_id in self.tasks

    def add(self, task: Task) -> None:
        """Take note of a task, as the command leaves it."""
        self.tasks[task.task_id] = task


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where a new task stands among others."""

    waits_for: tuple[str, ...] = ()
    """Tasks that must end first. With a verdict also the one that it rests on: the task begins blocked."""
    chain: tuple[str, ...] = ()
    """Ids of the tasks that it was delegated from, the root first."""
    parent_attempt: int = 0
    """Number of the parent's attempt that delegates it, from 1."""
    verdict: tuple[OnFailure, str] | None = None
    """What dependencies that had already ended lead to, and why: FAIL (dead-lettered) or SKIP; else None."""


def problem(
    view: View, command: SubmitTask, now_ms: int, together: Together | None = None
) -> Rejected | None:
    """Why a task cannot be submitted with these relations; None if it can."""
    raise NotImplementedError


def beginning(view: View, command: SubmitTask, now_ms: int, together: Together | None = None) -> Beginning:
    """Where a task stands that has no `problem`."""
    raise NotImplementedError


def take_offer(draft: Draft, command: SubmitTask) -> None:
    """Whoever delegates from a task that is only offered to it has begun it: accept that offer."""
    raise NotImplementedError
