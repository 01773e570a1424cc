"""How a test on a mesh fails. All of them are assertion errors: something is not as the test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conclave import work
from coordination.tasks.wire import TaskRecord

_MAX_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception that ended nothing: production would have logged it and gone on."""

    agent: str
    """Whose handler raised it; empty for the test's own handlers and for services."""
    event: str
    """What failed, as the log names it."""
    error: Exception
    context: Mapping[str, Any]
    """What was logged with it."""

    def __str__(self) -> str:
        """One line."""
        about = ", ".join(f"{key} {value}" for key, value in self.context.items() if key != "agent")
        where = f"{self.agent}: " if self.agent else ""
        shown = f" ({about})" if about else ""
        return f"{where}{self.event}{shown}: {type(self.error).__name__}: {self.error}"


class StalledError(AssertionError):
    """The test waits for what does not come; the message names what each of its tasks waits for."""


class NotFulfilledError(AssertionError):
    """What `Mesh.until` waited for did not become true in time."""


class TaskFailedError(work.TaskFailedError, AssertionError):
    """A task that `Mesh.run_task` submitted has ended without a result, or not at all.

    It is a `conclave.TaskFailedError`, and an assertion error besides.

    Attributes:
        record: The task as the task service knows it.
        failures: What was raised by the handlers that worked on it.
    """

    def __init__(
        self, message: str, *, record: TaskRecord, why: str, failures: Sequence[Failure] = ()
    ) -> None:
        super().__init__(record.task_id, record.state, why, attempts=len(record.attempts))
        self.args: tuple[Any, ...] = (message,)
        self.record = record
        self.failures: tuple[Failure, ...] = tuple(failures)


class HandlersFailedError(AssertionError):
    """Handlers of agents, or services, raised what the test did not ask about.

    Attributes:
        failures: All of them, in the order in which they came. The first is the cause of this error.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        shown = "\n".join(f"  {failure}" for failure in failures[:_MAX_SHOWN])
        more = len(failures) - _MAX_SHOWN
        what = "an exception was" if len(failures) == 1 else f"{len(failures)} exceptions were"
        super().__init__(
            f"{what} raised beside the test:\n{shown}"
            + (f"\n  and {more} more" if more > 0 else "")
            + "\n(if the test is about them, look at them with mesh.take_failures())"
        )
        self.failures: tuple[Failure, ...] = tuple(failures)
