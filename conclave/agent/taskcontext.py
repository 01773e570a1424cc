"""What a task handler gets beside the payload: the task, ways to tell of it, and to hand parts of it on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, Unpack, overload

from conclave.agent.cancellation import Cancellation
from conclave.agent.context import Context
from conclave.agent.errors import WorkCancelledError
from conclave.agent.renewal import Lease
from conclave.session import Session
from conclave.work.fields import TaskFields
from conclave.work.handle import TaskHandle, gather
from coordination.requirements import Requirement
from coordination.runtime.errors import UsageError
from coordination.runtime.trace import TraceContext
from coordination.tasks.limits import MAX_COST
from coordination.tasks.wire import Parent, TaskOffer


class Work(Protocol):
    """The attempt that a context belongs to."""

    @property
    def offer(self) -> TaskOffer:
        """The task as it was offered."""

    def logger(self) -> Any:
        """A logger that knows the attempt."""

    def remaining_s(self) -> float | None:
        """How long the attempt may still take."""


class TaskContext(Context):
    """A task at work.

    Attributes:
        offer: The task as it was offered.
        cancelled: Set when the work is not wanted any more: the task was cancelled or has expired, its lease
            was lost, it took too long, or the agent stops. Async handlers are cancelled besides.
    """

    def __init__(
        self, session: Session, trace: TraceContext, work: Work, lease: Lease, cancelled: Cancellation
    ) -> None:
        super().__init__(session, log=None, trace=trace)
        self.offer: TaskOffer = work.offer
        self.cancelled: Cancellation = cancelled
        self._work = work
        self._lease = lease

    @property
    def log(self) -> Any:
        """A structlog logger that knows agent, task, attempt and trace."""
        if self._log is None:
            self._log = self._work.logger()
        return self._log

    @property
    def task_id(self) -> str:
        """Id of the task."""
        return self.offer.task_id

    @property
    def capability(self) -> str:
        """The capability that the task asks for."""
        return self.offer.capability

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return self.offer.attempt

    @property
    def fencing_token(self) -> int:
        """Larger than that of every earlier attempt at any task: give it to whatever else is written to."""
        return self.offer.fencing_token

    @property
    def chain(self) -> tuple[str, ...]:
        """Ids of the tasks that this one was delegated from, the root first."""
        return self.offer.chain

    @property
    def deadline(self) -> datetime | None:
        """When the task expires; None for never."""
        at_ms = self.offer.deadline_ms
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the task expires or the attempt takes too long, not below 0; None for never."""
        return self._work.remaining_s()

    # --- telling

    async def progress(self, share: float | None = None, note: str = "") -> None:
        """Say how far the work is, durably.

        The lease is renewed with or without it. What cannot be told now, because the service is away, is told
        with the next renewal.

        Args:
            share: Of the work done, 0 to 1.
            note: One line of at most 256 characters.

        Raises:
            UsageError: `share` or `note` is out of bounds.
            WorkCancelledError: The task is not this agent's any more.
        """
        try:
            await self._lease.tell(share, note)
        except WorkCancelledError:
            raise WorkCancelledError(f"the work is not wanted any more: {self.cancelled.reason}") from None

    def progress_soon(self, share: float | None = None, note: str = "") -> None:
        """As `progress`, without waiting; from any thread. Of several in a row only the last may be told."""
        self._lease.tell_soon(share, note)

    def spend(self, units: int) -> int:
        """Note that the attempt has used `units` more, and tell so soon; from any thread.

        More than the budgets of the task, and of those above it, leave ends the attempt for good: the work
        is then not wanted any more.

        Args:
            units: Of cost, not negative.

        Returns:
            Units that this attempt has used in all.

        Raises:
            UsageError: `units` is no such number.
        """
        given: object = units
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= MAX_COST:
            raise UsageError(f"spend: units is {units!r:.40}; it is a whole number from 0 to {MAX_COST}")
        return self._lease.spend(given)

    # --- handing on

    async def delegate(
        self,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None = None,
        **fields: Unpack[TaskFields],
    ) -> TaskHandle:
        """Submit a task as a part of this one.

        It counts against depth and budgets of all tasks above it. Unless ``on_parent_end`` is ``keep``, it is
        canceled when this attempt ends before it, however that ends.

        Args:
            requirement: As for `Session.submit`.
            payload: As for `Session.submit`.
            fields: As for `Session.submit`.

        Raises:
            UsageError: An argument cannot be right.
            RejectedError: ``delegation_cycle``, ``too_deep_delegation``, ``budget_exceeded``,
                ``too_many_children``; ``stale_token``: the task is not this agent's any more; or as for
                `Session.submit`.
        """
        parent = Parent(task_id=self.offer.task_id, fencing_token=self.offer.fencing_token)
        return await self.session.work.submit(requirement, payload, parent=parent, **fields)

    @overload
    async def gather(
        self,
        *handles: TaskHandle,
        return_exceptions: Literal[False] = ...,
        timeout_s: float | None = ...,
    ) -> list[Any]: ...

    @overload
    async def gather(
        self, *handles: TaskHandle, return_exceptions: bool, timeout_s: float | None = ...
    ) -> list[Any]: ...

    async def gather(
        self, *handles: TaskHandle, return_exceptions: bool = False, timeout_s: float | None = None
    ) -> list[Any]:
        """The results of delegated tasks, in the order of their handles.

        Args:
            handles: Of `delegate`.
            return_exceptions: Give errors as results, and wait for all. By default the first error is raised
                at once; a handler that lets it pass fails, and the other children are canceled with it.
            timeout_s: How long to wait for all of them; None for as long as the task has.

        Raises:
            TaskFailedError: One has ended without a result.
            UnavailableError: They have not all ended in time.
        """
        remaining_s = self.remaining_s if timeout_s is None else timeout_s
        return await gather(*handles, return_exceptions=return_exceptions, timeout_s=remaining_s)
