"""What a new task has to do with others: whom it was delegated from, and whom it waits for. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coordination.runtime.model import Rejected
from coordination.tasks import budgets
from coordination.tasks.commands import SubmitTask
from coordination.tasks.events import OfferAccepted
from coordination.tasks.families import ancestors
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_CHILDREN, MAX_DEPTH, MAX_REASON_CHARS
from coordination.tasks.record import Task
from coordination.tasks.spec import Dependency, OnFailure, OnParentEnd

if TYPE_CHECKING:
    from coordination.tasks.draft import Draft
    from coordination.tasks.view import View


class Together:
    """Tasks that one command has submitted or brought back so far; the state does not know of it yet.

    Whoever decides a command of several tasks calls `add` with each record that it has drafted, and passes
    this to `problem` and `beginning` of those that follow.
    """

    __slots__ = ("_children", "_cost", "_tasks", "tasks")

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        """By id, as the command leaves them."""
        self._children: Counter[str] = Counter()
        self._tasks: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()

    def __contains__(self, task_id: object) -> bool:
        """Whether the command has submitted a task of this id."""
        return task_id in self.tasks

    def add(self, task: Task) -> None:
        """Take note of a new task, as the command leaves it; once."""
        assert task.task_id not in self.tasks, "a command submits a task once"
        self.tasks[task.task_id] = task
        if task.spec.parent:
            self._children[task.spec.parent] += 1
        for ancestor in task.chain:
            self._tasks[ancestor] += 1
            self._cost[ancestor] += budgets.charge(task)

    def bring_back(self, before: Task, after: Task) -> None:
        """Take note of a dead letter that was redriven: it takes again from the budgets above it."""
        self.tasks[after.task_id] = after
        for ancestor in after.chain:
            self._cost[ancestor] += budgets.charge(after) - budgets.charge(before)

    def children_count(self, task_id: str) -> int:
        """Number of new children of a task."""
        return self._children[task_id]

    def used(self, task_id: str) -> tuple[int, int]:
        """How many tasks, and units of cost, the command takes from the budget of a task."""
        return self._tasks[task_id], self._cost[task_id]


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


_ALONE = Beginning()


def problem(
    view: View, command: SubmitTask, now_ms: int, together: Together | None = None
) -> Rejected | None:
    """Why a task cannot be submitted with these relations; None if it can.

    Args:
        view: What is decided on.
        command: The submission; its id is not in use.
        now_ms: Unix ms.
        together: What the same command has submitted before it.
    """
    refused = _wrong_dependency(view, command, together) if command.spec.after else None
    if refused is None and command.spec.parent:
        refused = _not_delegating(view, command, now_ms) or _wrong_child(view, command, together)
    return refused


def beginning(
    view: View,
    command: SubmitTask,
    now_ms: int,  # noqa: ARG001 - decisions have one signature
    together: Together | None = None,
) -> Beginning:
    """Where a task stands that has no `problem`. Arguments as there."""
    spec = command.spec
    if not spec.after and not spec.parent:
        return _ALONE
    waits_for: dict[str, None] = {}
    verdicts: dict[OnFailure, tuple[str, str]] = {}
    for edge in spec.after:
        awaited = _known(view, edge.task_id, together)
        if awaited is None or not awaited.is_ended:
            waits_for[edge.task_id] = None
        elif (reason := judged(edge, awaited)) is not None:
            verdicts.setdefault(edge.on_failure, (edge.task_id, reason))
    verdict = None
    for outcome in (OnFailure.FAIL, OnFailure.SKIP):
        if outcome in verdicts:
            awaited_id, reason = verdicts[outcome]
            waits_for[awaited_id] = None
            verdict = (outcome, reason)
            break
    parent = view.state.open[spec.parent] if spec.parent else None
    return Beginning(
        waits_for=tuple(waits_for),
        chain=() if parent is None else (*parent.chain, parent.task_id),
        parent_attempt=0 if parent is None else len(parent.attempts) + (parent.state is State.OFFERED),
        verdict=verdict,
    )


def judged(edge: Dependency, awaited: Task | None) -> str | None:
    """Why a task does not run because of one that it waited for and that has ended; None if it does.

    Args:
        edge: What was said of it; its policy says what then becomes of the task.
        awaited: Its record; None if it is not known any more.
    """
    if edge.on_failure is OnFailure.RUN or (awaited is not None and awaited.state is State.COMPLETED):
        return None
    found = "gone" if awaited is None else f"{awaited.state}: {awaited.reason}"
    return f"task {edge.task_id}, which it waits for, is {found}"[:MAX_REASON_CHARS]


def take_offer(draft: Draft, command: SubmitTask) -> None:
    """Whoever delegates from a task that is only offered to it has begun it: accept that offer.

    An attempt begins, so that the children of an offer that is void later are not those of the next attempt.
    Of several submissions in one draft the first accepts.
    """
    parent = draft.task(command.spec.parent) if command.spec.parent else None
    if parent is not None and parent.state is State.OFFERED:
        lease_ms = parent.spec.lease_ms
        expires_ms = draft.now_ms + (draft.view.policy.lease_ms if lease_ms is None else lease_ms)
        accepted = OfferAccepted(task_id=parent.task_id, at_ms=draft.now_ms, lease_expires_ms=expires_ms)
        draft.add(parent, accepted)


def _known(view: View, task_id: str, together: Together | None) -> Task | None:
    new = together.tasks.get(task_id) if together is not None else None
    return new if new is not None else view.state.find(task_id)


def _wrong_dependency(view: View, command: SubmitTask, together: Together | None) -> Rejected | None:
    """Why it cannot wait for what it is to wait for; None if it can."""
    spec = command.spec
    for edge in spec.after:
        if edge.task_id == command.task_id:
            return _circle(command, f"{edge.task_id} -> {edge.task_id}: a task cannot wait for itself")
        if edge.task_id == spec.parent and spec.on_parent_end is OnParentEnd.CANCEL:
            return _circle(
                command,
                f"{command.task_id} -> {spec.parent}: it would be canceled with the end of its parent, which "
                "it waits for; delegate it with on_parent_end=keep",
            )
        if _known(view, edge.task_id, together) is None:
            return Rejected(
                code="unknown_dependency",
                message=f"task {command.task_id} is to wait for {edge.task_id}, but there is no such task, "
                "or it ended long ago; submit that one first",
                details={"task_id": edge.task_id},
            )
    return None


def _circle(command: SubmitTask, text: str) -> Rejected:
    return Rejected(code="dependency_cycle", message=text, details={"task_id": command.task_id})


def _not_delegating(view: View, command: SubmitTask, now_ms: int) -> Rejected | None:
    """Why the submitter may not delegate from the parent that it names; None if it may."""
    parent_id, token = command.spec.parent, command.parent_token
    parent = view.state.find(parent_id)
    if parent is None:
        return Rejected(
            code="unknown_task",
            message=f"there is no task {parent_id} to delegate from, or it ended long ago",
        )
    holder = parent.holder
    if holder is None or token != parent.fencing_token or holder.expires_ms <= now_ms:
        return Rejected(
            code="stale_token",
            message=f"fencing token {token} of task {parent_id} is not, or no longer, valid; that task is "
            f"{parent.state}: nothing can be delegated from it under that token, drop the work",
            details={"task_id": parent_id, "state": parent.state.value},
        )
    if holder.agent != command.submitter:
        return Rejected(
            code="not_holder",
            message=f"only {holder.agent}, who works on task {parent_id}, may delegate from it",
            details={"task_id": parent_id},
        )
    if parent.state is State.CANCELING:
        return Rejected(
            code="being_canceled",
            message=f"task {parent_id} is being canceled: {parent.reason}; stop, and confirm that you did",
            details={"task_id": parent_id, "state": parent.state.value},
        )
    return None


def _wrong_child(view: View, command: SubmitTask, together: Together | None) -> Rejected | None:
    """Why a parent may not have this child; None if it may."""
    spec = command.spec
    parent = view.state.open[spec.parent]
    above = [*ancestors(view.state, parent), parent]
    refused = _too_deep(command, parent, above) or _same_again(command, parent, above)
    if refused is not None:
        return refused
    count = view.families.open_children_count(parent.task_id)
    if together is not None:
        count += together.children_count(parent.task_id)
    if count >= MAX_CHILDREN:
        return Rejected(
            code="too_many_children",
            message=f"task {parent.task_id} has {count} open children, and may have {MAX_CHILDREN}; wait for "
            "some of them to end, or delegate in levels",
            retryable=True,
            details={"task_id": parent.task_id, "limit": MAX_CHILDREN},
        )
    return budgets.refusal(above, spec, together)


def _too_deep(command: SubmitTask, parent: Task, above: list[Task]) -> Rejected | None:
    depth = len(parent.chain) + 1
    strictest = min(above, key=lambda each: len(each.chain) + each.spec.max_depth)
    limit = min(MAX_DEPTH, len(strictest.chain) + strictest.spec.max_depth)
    if depth <= limit:
        return None
    return Rejected(
        code="too_deep_delegation",
        message=f"task {command.task_id} would be {depth} levels below {(*parent.chain, parent.task_id)[0]}; "
        f"task {strictest.task_id} allows {strictest.spec.max_depth} below itself: do the work here, or "
        "submit the root with a larger max_depth",
        details={"task_id": strictest.task_id, "depth": depth, "limit": limit},
    )


def _same_again(command: SubmitTask, parent: Task, above: list[Task]) -> Rejected | None:
    """Refuse the same work below itself: it would be delegated for ever."""
    spec = command.spec
    for ancestor in above:
        known = ancestor.spec
        if (
            known.requirement == spec.requirement
            and known.payload_bytes == spec.payload_bytes
            and known.payload_reference == spec.payload_reference
            and known.payload == spec.payload
        ):
            path = " -> ".join((*parent.chain, parent.task_id, command.task_id))
            return Rejected(
                code="delegation_cycle",
                message=f"task {command.task_id} asks for the same as {ancestor.task_id}, below which it is: "
                f"{path}; change its payload or its requirement, or do the work here",
                details={"task_id": ancestor.task_id, "chain": [*parent.chain, parent.task_id]},
            )
    return None
