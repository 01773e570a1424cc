"""What one decision about tasks leads to, gathered step by step; nothing of it has happened yet. Pure."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from coordination.runtime.model import NOTHING, Notice, Outcome, Push
from coordination.tasks import messages
from coordination.tasks.events import (
    ProposalsCalled,
    ScheduleFired,
    TaskCompleted,
    TaskOffered,
    TaskSubmitted,
    Transition,
)
from coordination.tasks.limits import MAX_TICK_BYTES, MAX_TICK_TASKS
from coordination.tasks.record import Task
from coordination.tasks.spec import TaskSpec
from coordination.tasks.transitions import evolve, submitted
from coordination.tasks.view import View

_CHAR_BYTES = 6
"""A character that somebody chose, as it is written at most: a control character is ``\\u0001``."""
_NOTED_BYTES = 384
"""The rest of an event that is no transition: ids, names and numbers."""
_SPEC_BYTES = 1_536
"""The rest of a submission."""
_EDGE_BYTES = 128
"""A task to wait for: its id, and what becomes of the one that waits."""

Mark = tuple[int, int, int]
"""Number of events and of messages, and size, of a draft at some moment."""


def weight_bytes(event: Any) -> int:
    """What an event carries of reasons, as they are written; the rest of it is small."""
    reason = event.problem if isinstance(event, ScheduleFired) else getattr(event, "reason", "")
    return len(to_json(reason)) if reason else 0


def spec_bytes(spec: TaskSpec) -> int:
    """What a submission weighs as it is written, or more.

    A compensation is left out: only commands submit one, and those the kernel weighs.
    """
    placement = spec.placement
    chars = len(spec.requirement) + len(spec.fairness_key) + len(spec.idempotency_key)
    chars += len(placement.sticky_key)
    edges = len(placement.near) + len(spec.after)
    if placement.marks or placement.near:
        chars += sum(map(len, placement.marks)) + sum(len(each.mark) for each in placement.near)
    return spec.payload_bytes + _CHAR_BYTES * chars + _EDGE_BYTES * edges + _SPEC_BYTES


class Draft:
    """Events and messages of one decision, and the records as they would leave them.

    Args:
        view: What is decided on; only read.
        now_ms: Unix ms.
    """

    __slots__ = (
        "_events",
        "_messages",
        "_size_bytes",
        "_submitted",
        "_tasks",
        "charged",
        "last_token",
        "now_ms",
        "offered_to",
        "view",
    )

    def __init__(self, view: View, now_ms: int) -> None:
        self.view = view
        self.now_ms = now_ms
        self.last_token = view.state.last_fencing_token
        """The last fencing token or call given, those of this draft included: the next one is one more."""
        self.offered_to: set[str] = set()
        """Agents that are offered something: slots that are as good as taken."""
        self.charged: dict[str, int] = {}
        """Units of budgets that it takes beyond what the records say, by task: see `budgets.note`."""
        self._tasks: dict[str, Task] = {}
        self._events: list[Any] = []
        self._messages: list[Push | Notice] = []
        self._submitted = 0
        self._size_bytes = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing would happen."""
        return not self._events

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self._events)

    @property
    def size_bytes(self) -> int:
        """What its events carry of payloads, results and reasons."""
        return self._size_bytes

    @property
    def is_full(self) -> bool:
        """Whether one tick should do no more; what is left stays due, and the kernel ticks again."""
        return len(self._events) >= MAX_TICK_TASKS or self._size_bytes >= MAX_TICK_BYTES

    def task(self, task_id: str) -> Task | None:
        """The record as the draft would leave it; None if there is none, or it was forgotten."""
        return self._tasks.get(task_id) or self.view.state.find(task_id)

    def add(self, task: Task, *transitions: Transition) -> Task:
        """Let `transitions` happen to `task`, and tell whom they concern.

        Args:
            task: The record as the draft would leave it before them.
            transitions: Of this task, in order.

        Returns:
            The record afterwards.

        Raises:
            IllegalTransitionError: The lifecycle has no such step (a bug of ours).
        """
        view = self.view
        for event in transitions:
            after = evolve(task, event)
            view.foreseen.note(event, task, after)
            if isinstance(event, TaskCompleted):
                self._size_bytes += event.result_bytes
            elif isinstance(event, TaskOffered):
                self.last_token = event.fencing_token
                self.offered_to.add(event.agent)
            elif isinstance(event, ProposalsCalled):
                self.last_token = event.call
            else:
                self._size_bytes += weight_bytes(event)
            self._events.append(event)
            messages.tell(self._messages, task, event, after, view.policy)
            task = after
        self._tasks[task.task_id] = task
        return task

    def note(self, *events: Any) -> None:
        """Let something happen that is no transition; a task submitted so can be asked for from then on."""
        for event in events:
            if isinstance(event, TaskSubmitted):
                self.submit(event)
            else:
                self._events.append(event)
                self._size_bytes += _NOTED_BYTES + weight_bytes(event)

    def submit(self, event: TaskSubmitted) -> Task:
        """Let a task be submitted; its record."""
        view = self.view
        self._events.append(event)
        self._submitted += 1
        self._tasks[event.task_id] = task = submitted(event, view.state.last_sequence + self._submitted)
        view.foreseen.note(event, None, task)
        self._size_bytes += spec_bytes(event.spec)
        return task

    def mark(self) -> Mark:
        """Where it stands now, for `undo`."""
        return len(self._events), len(self._messages), self._size_bytes

    def undo(self, mark: Mark, task_id: str) -> None:
        """Let nothing happen of what was added since `mark`: transitions of one task, and no offers."""
        event_count, message_count, self._size_bytes = mark
        del self._events[event_count:], self._messages[message_count:]
        self._tasks.pop(task_id, None)

    def tell(self, *told: Push | Notice) -> None:
        """Send something that no transition says, after the record is durable."""
        self._messages += told

    def outcome(self, reply: Any = None) -> Outcome:
        """All of it, with the reply to whoever asked."""
        if reply is None and not self._events and not self._messages:
            return NOTHING
        return Outcome(events=tuple(self._events), reply=reply, messages=tuple(self._messages))
