"""What can be said of a task when it is submitted, beside what it needs and its payload.

The names are those of `coordination.tasks.wire.SubmitRequest`; a moment or a duration may be given in seconds
as well, under the name in ``_s``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from pydantic import BaseModel

from coordination.runtime.errors import UsageError
from coordination.tasks.wire import (
    Backoff,
    Bidding,
    Budget,
    Compensation,
    Dependency,
    Edge,
    OnParentEnd,
    Placement,
    Strategy,
)

if TYPE_CHECKING:
    from conclave.work.handle import TaskHandle

    After = Iterable[str | TaskHandle | Dependency | Edge | Mapping[str, Any]]


class TaskFields(TypedDict, total=False):
    """The keyword arguments of everything that submits a task. A mapping stands for a model of its fields."""

    priority: int
    """0 to 9; higher goes first."""
    queue: str
    """``default`` by default."""
    strategy: Strategy | None
    """Which of the agents that could do it is asked; None: as the queue says."""
    fairness_key: str
    """Within one priority, keys share by weight."""
    fairness_weight: int | None
    """1 to 1000; None: that of the queue for the key, else 1."""
    run_in_s: float
    """Not before so many seconds have passed."""
    run_at_ms: int | None
    """Not before then, since the Unix epoch; instead of `run_in_s`."""
    start_by_s: float
    """It expires if no attempt has begun in so many seconds."""
    start_by_ms: int | None
    """The same as a moment."""
    deadline_s: float
    """It expires if it has not ended in so many seconds."""
    deadline_ms: int | None
    """The same as a moment."""
    attempt_timeout_s: float
    """One attempt may take so long, however alive its worker is."""
    timeout_ms: int | None
    """The same."""
    lease_s: float
    """Its worker may be silent for so long; by default as the deployment says (30)."""
    lease_ms: int | None
    """The same."""
    max_attempts: int
    """1 to 20."""
    max_rounds: int
    """Rounds of offers in which everybody who could do it passes on it, before it is given up."""
    backoff: Backoff | Mapping[str, Any] | None
    """Pauses between attempts."""
    placement: Placement | Mapping[str, Any] | None
    """Marks, nearness and stickiness."""
    bidding: Bidding | Mapping[str, Any] | None
    """How bids are gathered, with the strategy ``contract_net``."""
    after: After
    """Tasks that must end first: ids, handles, or ``{"task_id": ..., "on_failure": "skip"}``; in a DAG names,
    or ``{"name": ..., "on_failure": "skip"}``. What if one fails: ``fail``, ``skip`` or ``run``."""
    budget: Budget | Mapping[str, Any] | None
    """Of the task and everything below it."""
    cost: int
    """Units that it may use; reserved out of the budgets above it."""
    max_depth: int
    """Levels of delegation below it, 0 to 32."""
    may_return: bool
    """Whether an agent that holds a task above it may be asked, too."""
    on_parent_end: OnParentEnd
    """What becomes of a delegated task when its parent's attempt ends before it: ``cancel`` or ``keep``."""
    idempotency_key: str
    """Yours: the same task under the same key is added once."""
    task_id: str | None
    """Yours: the same task under the same id is added once."""
    approval: BaseModel | Mapping[str, Any] | None
    """Of a proposal that approved exactly this task: ``proposal.approval``."""
    conditions_met: Iterable[str]
    """Every condition of the approval."""
    compensation: Compensation | Mapping[str, Any] | None
    """Of a task of a DAG: what undoes it."""


_MOMENTS: Final = {"run_in_s": "run_at_ms", "start_by_s": "start_by_ms", "deadline_s": "deadline_ms"}
_DURATIONS: Final = {"attempt_timeout_s": "timeout_ms", "lease_s": "lease_ms"}
_SECONDS: Final = {**_MOMENTS, **_DURATIONS}
_NAMES: Final = frozenset(TaskFields.__annotations__)


def wire_fields(fields: Mapping[str, Any], *, now_ms: int) -> dict[str, Any]:
    """`fields` as the client of the task service takes them.

    Args:
        fields: `TaskFields`.
        now_ms: From when moments in seconds are counted.

    Raises:
        UsageError: There is no such field, one is given twice over, or a number of seconds is none.
    """
    told: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _SECONDS:
            wire_name = _SECONDS[name]
            if fields.get(wire_name) is not None:
                raise UsageError(f"give either {name} or {wire_name}")
            if value is not None:
                told[wire_name] = _milliseconds(name, value) + (now_ms if name in _MOMENTS else 0)
        elif name == "after":
            told[name] = _dependencies(value)
        elif name in _NAMES:
            told.setdefault(name, value)
        else:
            raise UsageError(
                f"a task has no field {str(name)[:40]!r}; there are: {', '.join(sorted(_NAMES))}"
            )
    return told


def _milliseconds(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UsageError(f"{name} is {value!r:.40}; it is a number of seconds, not negative")
    return round(value * 1000)


def _dependencies(after: object) -> list[Any]:
    if isinstance(after, str | Mapping) or not isinstance(after, Iterable):
        raise UsageError(f"after is a list of task ids, handles or mappings, not a {type(after).__name__}")
    return [_dependency(each) for each in after]


def _dependency(given: Any) -> Any:
    if isinstance(given, str | Mapping | BaseModel):
        return given
    task_id = getattr(given, "task_id", None)  # a handle's; its class is made of this module's
    return given if task_id is None else {"task_id": task_id}
