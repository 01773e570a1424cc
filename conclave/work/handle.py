"""A task that was submitted, in the hands of whoever waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conclave.work.errors import failure_of
from conclave.work.large import fetched
from coordination.runtime.errors import UnavailableError
from coordination.tasks.expecting import Expected
from coordination.tasks.lifecycle import ENDED
from coordination.tasks.wire import ExplainReply, TaskRecord, TaskResult

if TYPE_CHECKING:
    from conclave.work.desk import WorkDesk

FOREVER_S = 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task is."""

    state: str
    share: float | None
    """Of the work done, 0 to 1, if its worker says."""
    note: str
    agent: str
    """Who works on it, or did so last; empty before anybody has."""
    attempt: int
    """Number of the attempt, from 1; 0 before the first."""


class TaskHandle:
    """One task. Any number of handles may be for the same one; none needs to be closed.

    Attributes:
        task_id: Id of the task.
        is_duplicate: It had been submitted before, under its id or its key.
    """

    __slots__ = ("_desk", "_expected", "is_duplicate", "task_id")

    def __init__(self, desk: WorkDesk, expected: Expected, *, is_duplicate: bool = False) -> None:
        self.task_id: str = expected.task_id
        self.is_duplicate: bool = is_duplicate
        self._desk = desk
        self._expected = expected

    def __repr__(self) -> str:
        outcome = self._expected.result
        return f"<TaskHandle {self.task_id}: {'open' if outcome is None else outcome.state}>"

    @property
    def is_ended(self) -> bool:
        """Whether this session knows that the task has ended; without asking."""
        return self._expected.result is not None

    async def result(self, *, timeout_s: float | None = None) -> Any:
        """The task's result, as the worker's handler returned it: plain JSON data.

        A large one is fetched from the object store.

        Args:
            timeout_s: How long to wait for the end; None for as long as it takes.

        Raises:
            TaskFailedError: It has ended without a result.
            UnavailableError: It has not ended in time, or nobody can say whether it has.
            RejectedError: There is no such task, or it ended long ago (``unknown_task``).
        """
        outcome = self._expected.result
        if outcome is None:
            outcome = await self._outcome(timeout_s)
        if outcome.state != "completed":
            raise failure_of(outcome)
        if outcome.result_reference is not None:
            return await fetched(self._desk.artifacts, outcome.result_reference)
        return outcome.result

    async def wait(self, *, timeout_s: float | None = None) -> TaskRecord:
        """The record of the task when it has ended, however that is. Other errors are those of `result`."""
        await self._outcome(timeout_s)
        return await self._desk.tasks.get(self.task_id)

    async def record(self) -> TaskRecord:
        """Everything known of the task now.

        Raises:
            RejectedError: There is no such task (``unknown_task``).
            UnavailableError: The task service does not answer.
        """
        return await self._desk.tasks.get(self.task_id)

    async def progress(self) -> AsyncIterator[Progress]:
        """How far the task is: now, after everything that happens to it, and at its end.

        What happens faster than it is looked at may be left out, the end never. Errors as of `record`.
        """
        last: Progress | None = None
        async with contextlib.aclosing(self._desk.tasks.watch(self.task_id)) as notices:
            async for _ in notices:
                record = await self._desk.tasks.get(self.task_id)
                step = _progress_of(record)
                if step != last:
                    last = step
                    yield step
                if record.state in ENDED:
                    return

    async def cancel(
        self, reason: str = "", *, confirmed: bool = False, timeout_s: float | None = None
    ) -> TaskRecord:
        """Stop the task, and everything that was delegated from it.

        Args:
            reason: For its worker, and for the record.
            confirmed: Wait until nobody works on it any more. The record then says whether its worker has
                confirmed that (``is_confirmed``) or its lease has ended.
            timeout_s: How long to wait for that; None for as long as it takes.

        Returns:
            The record: ``canceling`` while its worker has not stopped, else ``canceled``.

        Raises:
            RejectedError: It has ended already (``wrong_state``), or is somebody else's (``not_submitter``).
            UnavailableError: No answer, or not stopped in time; the cancellation goes on.
        """
        await self._desk.tasks.cancel(self.task_id, reason=reason)
        return await (self.wait(timeout_s=timeout_s) if confirmed else self.record())

    async def explain(self) -> ExplainReply:
        """What the task waits for, and for each agent why it was or was not chosen. Errors as of `record`."""
        return await self._desk.tasks.explain(self.task_id)

    async def _outcome(self, timeout_s: float | None) -> TaskResult:
        """How the task has ended, as soon as it has."""
        known = self._expected.result
        if known is not None:
            return known
        outcome = await self._desk.tasks.result(self.task_id, timeout_s=timeout_s)
        if self._expected.result is None:
            self._expected.result = outcome
        return self._expected.result


async def gather(
    *handles: TaskHandle, return_exceptions: bool = False, timeout_s: float | None = None
) -> list[Any]:
    """The results of tasks, in the order of their handles.

    Args:
        handles: The tasks.
        return_exceptions: Give errors as results, and wait for all; else the first error is raised at once.
        timeout_s: How long to wait for all of them.

    Raises:
        TaskFailedError: One has ended without a result.
        UnavailableError: They have not all ended in time.
        RejectedError: One is not known.
    """
    ask: Callable[..., Coroutine[Any, Any, Any]] = TaskHandle.result
    if len({each._desk for each in handles}) == 1:  # noqa: SLF001 - of this module's class
        expected = [each._expected for each in handles]  # noqa: SLF001
        tasks = handles[0]._desk.tasks  # noqa: SLF001
        is_in_time = await tasks.crowd(expected, timeout_s=timeout_s, is_patient=return_exceptions)
        results = [each.result for each in expected if each.result is not None]
        if len(results) == len(handles) and all(map(_is_at_hand, results)):
            return [each.result for each in results]
        if not is_in_time:
            ask = _result_by_now
    waiting = [asyncio.ensure_future(ask(each, timeout_s=timeout_s)) for each in handles]
    try:
        return await asyncio.gather(*waiting, return_exceptions=return_exceptions)
    finally:
        for each in waiting:
            each.cancel()


def _is_at_hand(outcome: TaskResult) -> bool:
    return outcome.state == "completed" and outcome.result_reference is None


async def _result_by_now(handle: TaskHandle, *, timeout_s: float) -> Any:
    """The result of a task that was waited for long enough already."""
    try:
        return await handle.result(timeout_s=0.0)
    except UnavailableError:
        raise UnavailableError(f"task {handle.task_id} has not ended within {timeout_s:g} s") from None


def _progress_of(record: TaskRecord) -> Progress:
    last = record.attempts[-1] if record.attempts else None
    holder = record.holder.agent if record.holder is not None else last.agent if last is not None else ""
    return Progress(
        state=record.state,
        share=record.share,
        note=record.note,
        agent=holder,
        attempt=len(record.attempts),
    )
