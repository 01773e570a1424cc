"""What a handler raises, kept within the piece of work it was called for, and told to whoever asked.

A handler is somebody else's code. It may end with what is no `Exception`: argparse and click call `sys.exit`,
which asyncio would pass on to the whole program. It may raise an error whose own text cannot be had. None of
that ends the agent, and none of it leaves whoever asked without an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, NamedTuple

from conclave.agent.errors import TaskFailed
from conclave.agent.results import ResultError
from conclave.work.errors import DagFailedError, TaskFailedError, TasksRefusedError
from coordination.runtime.errors import RejectedError
from coordination.runtime.failures import log_failure

NOT_ITS_OWN: Final = "the handler let through a cancellation that was not its own"
_MAX_NAME_CHARS: Final = 80


class HandlerExitError(Exception):
    """A handler raised what is no `Exception`, such as `SystemExit`.

    Attributes:
        error: What it raised.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error


class contained:  # noqa: N801 - used as `contextlib.suppress` is
    """Call a handler on the event loop in this block: only its task's own cancellation ends the task.

    A class and no generator: it is entered twice for every task that an agent does.

    Raises:
        HandlerExitError: It raised what is no `Exception`.
        RuntimeError: It raised a cancellation although nobody has cancelled its task.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing is kept."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Turn what must not pass into what may."""
        if error is None or isinstance(error, (Exception, KeyboardInterrupt, GeneratorExit)):
            return  # GeneratorExit: the coroutine is closed
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise RuntimeError(NOT_ITS_OWN) from error
            return
        raise HandlerExitError(error) from error


def contained_call(call: Callable[[], Any]) -> Any:
    """``call()``, of a sync handler: no task is cancelled inside it, so nothing passes but an interrupt.

    Raises:
        HandlerExitError: It raised what is no `Exception`.
        RuntimeError: It raised `StopIteration`, which no coroutine may raise.
    """
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise HandlerExitError(error) from error


class Told(NamedTuple):
    """What others may know of a failure."""

    reason: str
    """Not empty; UTF-8 can carry it. Not cut."""
    is_retryable: bool
    retry_after_s: float | None = None
    """The pause before the next attempt, if the handler named one."""


def tell(error: Exception, log: Any, event: str, *, fresh_id: Callable[[], str]) -> Told:
    """Log what a handler raised, and say what others may know of it: always something.

    Args:
        error: A `TaskFailed`, a `ResultError`, the refusal of a service and the end of a task that was
            delegated are meant for others; of anything else they get the class and an id that the log has.
        log: Knows what was worked on.
        event: What the log calls it.
        fresh_id: Gives an id.
    """
    try:
        told = _told(error, log, event, fresh_id)
    except Exception as trouble:  # noqa: BLE001 - such as a TaskFailed without a reason, or a log that is full
        with contextlib.suppress(Exception):
            log_failure(log, "a failure could not be told", trouble)
        told = Told(_name(error), True)
    reason = told.reason.encode(errors="replace").decode() or _name(error)
    return told._replace(reason=reason)


def _told(error: Exception, log: Any, event: str, fresh_id: Callable[[], str]) -> Told:
    match error:
        case TaskFailed():
            log.warning(event, reason=error.reason, details=dict(error.details))
            return Told(str(error.reason), bool(error.retryable), error.retry_after_s)
        case TaskFailedError() | DagFailedError():
            # Of a task that the handler delegated: its reason was meant for others from the start.
            log.warning(event, reason=str(error))
            return Told(str(error), True)
        case RejectedError():
            # What a service says in a refusal is for people, and has nothing secret in it. What it refuses
            # for good it refuses the next attempt, too.
            log.warning(event, reason=str(error))
            return Told(str(error), bool(error.retryable))
        case TasksRefusedError():
            log.warning(event, reason=str(error))
            return Told(str(error), all(each.retryable for each in error.refusals.values()))
        case ResultError():
            log.error(event, reason=str(error))
            return Told(str(error), False)
    correlation_id = fresh_id()
    log_failure(log, event, error, correlation_id=correlation_id)
    return Told(f"{_name(error)} (see the agent's log, {correlation_id})", True)


def _name(error: Exception) -> str:
    raised = error.error if isinstance(error, HandlerExitError) else error
    return type(raised).__name__[:_MAX_NAME_CHARS]
