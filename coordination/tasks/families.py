"""Which tasks wait for which, and which were delegated from which. Pure; follows from the state.

An id may be used again once the task that had it is forgotten. A task is therefore somebody's child only if
it was submitted later (``sequence``) than whoever has the parent's id now.
"""

from __future__ import annotations

from collections.abc import Iterable

from coordination.tasks.dags import ENDED_DAGS
from coordination.tasks.lifecycle import ENDED, State
from coordination.tasks.record import Task, TasksState


class Families:
    """The relations among the tasks of a state, by id.

    Args:
        state: Read whenever something is asked; whoever changes a record says so with `replace` or `forget`.

    Invariants: equal to one that is built anew from the state.
    """

    __slots__ = ("_children", "_dependents", "_open_below", "_open_children", "_state")

    def __init__(self, state: TasksState) -> None:
        self._state = state
        self._children: dict[str, dict[str, None]] = {}
        """Known children, by parent."""
        self._open_children: dict[str, dict[str, None]] = {}
        """Open ones, oldest first, by parent."""
        self._dependents: dict[str, dict[str, None]] = {}
        """Open tasks that wait for one, oldest first, by the one."""
        self._open_below: dict[str, int] = {}
        """Number of open descendants, by ancestor."""
        for ended in (state.finished, state.dead_letters):
            for task in ended.values():
                if task.spec.parent:
                    self._children.setdefault(task.spec.parent, {})[task.task_id] = None
        for task in state.open.values():
            self.replace(None, task)

    def __eq__(self, other: object) -> bool:
        """Whether both know the same relations."""
        if not isinstance(other, Families):
            return NotImplemented
        return (self._children, self._open_children, self._dependents, self._open_below) == (
            other._children,
            other._open_children,
            other._dependents,
            other._open_below,
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def replace(self, before: Task | None, after: Task | None) -> None:
        """Take note of how an open task changed.

        Args:
            before: As it was; None if it was not open: it is new, or was redriven.
            after: As it is; None if it is open no longer, though it may still be known.
        """
        if before is None and after is not None:
            self._add(after)
        elif before is not None and after is None:
            self._remove(before)
        elif before is not None and after is not None and before.waits_for != after.waits_for:
            self._wait_no_longer(before, kept=after.waits_for)

    def forget(self, task: Task) -> None:
        """Take note that an ended task is not known any more: it was forgotten or purged."""
        if task.spec.parent:
            _discard(self._children, task.spec.parent, task.task_id)

    def children(self, task_id: str) -> tuple[str, ...]:
        """Ids of the known children of a task, open or ended and not forgotten, oldest first."""
        parent = self._state.find(task_id)
        known = (self._state.find(each) for each in self._children.get(task_id, ()))
        children = [
            each for each in known if each is not None and (parent is None or each.sequence > parent.sequence)
        ]
        return tuple(each.task_id for each in sorted(children, key=lambda each: each.sequence))

    def open_children(self, task_id: str) -> Iterable[str]:
        """Ids of the open children of a task, oldest first; not to be held on to."""
        return self._open_children.get(task_id, {}).keys()

    def open_children_count(self, task_id: str) -> int:
        """Number of open children of a task."""
        return len(self._open_children.get(task_id, ()))

    def dependents(self, task_id: str) -> Iterable[str]:
        """Ids of the open tasks that wait for a task, oldest first; not to be held on to."""
        return self._dependents.get(task_id, {}).keys()

    def concerns(self, task: Task) -> bool:
        """Whether something may follow from the end of a task: see `unsettles`."""
        return bool(
            task.spec.dag
            or task.spec.compensates
            or task.task_id in self._dependents
            or task.task_id in self._open_children
        )

    def unsettles(self, before: Task, after: Task) -> bool:
        """Whether a change of a record belongs into ``state.unsettled``.

        That is so if the task has ended, or if its attempt has: what was delegated from an attempt ends with
        it, and when its worker is told to stop, too.
        """
        if after.state in ENDED:
            return before.state not in ENDED and self.concerns(after)
        return (
            before.state is State.RUNNING
            and after.state is not State.RUNNING
            and after.task_id in self._open_children
        )

    def is_pinned(self, task_id: str) -> bool:
        """Whether the record of an ended task may be neither forgotten nor purged yet.

        It is kept as long as something is to be done that follows from its end, its DAG has not ended, or
        tasks below it are open: they count against its budget and its depth.
        """
        if task_id in self._state.unsettled or task_id in self._open_below:
            return True
        task = self._state.find(task_id)
        if task is None or not task.spec.dag:
            return False
        dag = self._state.dags.get(task.spec.dag)
        return dag is not None and dag.state not in ENDED_DAGS

    def _add(self, task: Task) -> None:
        if task.spec.parent:
            self._children.setdefault(task.spec.parent, {})[task.task_id] = None
            self._open_children.setdefault(task.spec.parent, {})[task.task_id] = None
        for ancestor in task.chain:
            self._open_below[ancestor] = self._open_below.get(ancestor, 0) + 1
        for awaited in task.waits_for:
            self._dependents.setdefault(awaited, {})[task.task_id] = None

    def _remove(self, task: Task) -> None:
        if task.spec.parent:
            _discard(self._open_children, task.spec.parent, task.task_id)
        for ancestor in task.chain:
            count = self._open_below.pop(ancestor) - 1
            if count:
                self._open_below[ancestor] = count
        if task.waits_for:
            self._wait_no_longer(task)

    def _wait_no_longer(self, task: Task, kept: Iterable[str] = ()) -> None:
        for awaited in set(task.waits_for).difference(kept):
            _discard(self._dependents, awaited, task.task_id)


def ancestors(state: TasksState, task: Task) -> list[Task]:
    """The records of the tasks that one was delegated from, as far as they are known, the root first."""
    known = (state.find(each) for each in task.chain)
    return [each for each in known if each is not None and each.sequence < task.sequence]


def _discard(groups: dict[str, dict[str, None]], key: str, member: str) -> None:
    """Take `member` out of the group of `key`; empty groups are not kept."""
    group = groups.get(key)
    if group is None:
        return
    group.pop(member, None)
    if not group:
        del groups[key]
