"""DAGs: tasks submitted together that wait for one another, and their undoing. Plain data, pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DagState(StrEnum):
    """Where a DAG stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    """Every task has completed, or was skipped."""
    FAILED = "failed"
    """A task has failed, and there was nothing to undo."""
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    """A task has failed, and everything that was done is undone."""
    COMPENSATION_FAILED = "compensation_failed"
    """A task has failed, and so has undoing another one; the dead letters say which."""
    CANCELED = "canceled"


ENDED_DAGS = frozenset(DagState) - {DagState.RUNNING, DagState.COMPENSATING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """One DAG as it stands."""

    dag_id: str
    submitter: str
    tasks: dict[str, str]
    """Task id by name, in topological order."""
    submitted_at_ms: int
    state: DagState = DagState.RUNNING
    reason: str = ""
    """Why it failed: the first task that did, and how."""
    canceled_by: str = ""
    """Who canceled it, if that is why it was undone."""
    completed: tuple[str, ...] = ()
    """Ids of its tasks that completed, in order; compensated from the end."""
    open_count: int
    """Tasks of it that have not ended; no longer counted once it has ended itself."""
    compensating: str = ""
    """The compensation task under way."""
    compensated: tuple[str, ...] = ()
    """Tasks undone, in order."""
    not_compensated: tuple[str, ...] = ()
    """Tasks whose compensation failed."""
    finished_at_ms: int | None = None


@dataclass(slots=True)
class DagCounts:
    """How much there is of DAGs, against the bounds."""

    tasks: int = 0
    """Of all DAGs that are known."""
    open_dags: int = 0
    """DAGs that have not ended."""
    open_tasks: int = 0
    """All tasks of these; their records are kept."""
