"""Handing work out: tasks and DAGs that were submitted, and what came of them."""

from conclave.work.dag import DagHandle
from conclave.work.desk import WorkDesk
from conclave.work.errors import DagFailedError, TaskFailedError, TasksRefusedError
from conclave.work.fields import TaskFields
from conclave.work.handle import Progress, TaskHandle, gather

__all__ = [
    "DagFailedError",
    "DagHandle",
    "Progress",
    "TaskFailedError",
    "TaskFields",
    "TaskHandle",
    "TasksRefusedError",
    "WorkDesk",
    "gather",
]
