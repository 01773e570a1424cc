"""Copies of a task's record that can be changed until they are sealed. Pure.

A record is never changed: whatever happens makes a new one. Some thirty fields are copied for that several
times per task, and ``dataclasses.replace`` would take twenty times as long as what is done here: a twin of
the record's class that is not frozen is filled field by field, and then declared to be a record.
"""

from __future__ import annotations

from typing import Any

from coordination.tasks.record import Task


class _Editable:
    """A record in the making: the same slots, not frozen."""

    __slots__ = Task.__slots__


def edit(task: Task) -> Any:
    """A copy of the record that can be changed until it is sealed; a test holds that no field is left out."""
    new: Any = _Editable()
    new.task_id = task.task_id
    new.sequence = task.sequence
    new.submitter = task.submitter
    new.spec = task.spec
    new.seed = task.seed
    new.submitted_at_ms = task.submitted_at_ms
    new.state = task.state
    new.waits_for = task.waits_for
    new.chain = task.chain
    new.parent_attempt = task.parent_attempt
    new.queued_at_ms = task.queued_at_ms
    new.fencing_token = task.fencing_token
    new.holder = task.holder
    new.call = task.call
    new.attempts = task.attempts
    new.first_attempt = task.first_attempt
    new.refusals = task.refusals
    new.rounds = task.rounds
    new.pauses = task.pauses
    new.retry_at_ms = task.retry_at_ms
    new.share = task.share
    new.note = task.note
    new.result = task.result
    new.result_bytes = task.result_bytes
    new.result_reference = task.result_reference
    new.reason = task.reason
    new.canceled_by = task.canceled_by
    new.is_confirmed = task.is_confirmed
    new.finished_at_ms = task.finished_at_ms
    new.redrives = task.redrives
    new.used_tasks = task.used_tasks
    new.used_cost = task.used_cost
    return new


def sealed(new: Any) -> Task:
    """The record that `new` has become; it must not be changed any more."""
    new.__class__ = Task
    assert isinstance(new, Task)
    return new
