"""One task at work: its handler, its lease, and the ways in which it is not wanted any more."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn

from conclave.agent.containment import NOT_ITS_OWN, HandlerExitError
from conclave.agent.context import TaskContext
from conclave.agent.duty import STOP_GRACE_S, Duty
from conclave.agent.errors import WorkCancelledError
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from coordination.runtime.trace import TraceContext
from coordination.tasks.limits import MAX_NOTE_CHARS
from coordination.tasks.wire import TaskOffer

RENEWALS_PER_LEASE: Final = 3
"""How often a running task's lease is renewed within its length."""
RETRY_S: Final = 0.5
"""Between two renewals, or two reports, while the service is away."""
STOPPED: Final = "the agent stops"
LEASE_LOST: Final = "lease lost"


class TakenAwayError(Exception):
    """The attempt is no longer ours; what the handler does has no effect any more."""


class StoppedError(Exception):
    """The agent stops before the handler was done."""


class Job:
    """One attempt at one task, accepted.

    Args:
        duty: Whose work it is.
        offer: The task.
        accepted_s: When the acceptance was sent, by the event loop's clock: the lease runs from then.
        trace: The span of the work.
        log: Knows the task.
    """

    def __init__(
        self, duty: Duty, offer: TaskOffer, *, accepted_s: float, trace: TraceContext, log: Any
    ) -> None:
        self._duty = duty
        self._offer = offer
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._renewed_s = accepted_s
        self._share: float | None = None
        self._note = ""
        self._telling = asyncio.Lock()
        self._nudge = asyncio.Event()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        """Why the work is not wanted any more."""
        self.context: TaskContext = TaskContext(
            duty.session,
            log=log,
            trace=trace,
            offer=offer,
            tell=self._tell,
            tell_soon=self._tell_soon,
        )

    @property
    def lease_ends_s(self) -> float:
        """Until when, by the event loop's clock, the lease surely holds."""
        return self._renewed_s + self._offer.lease_ms / 1000

    def take_away(self, reason: str) -> None:
        """Say that the work is not wanted any more."""
        if not self._lost.done():
            self._lost.set_result(reason)

    async def run(self, handler: Callable[[], Awaitable[Any]]) -> Any:
        """What the handler returns, while the lease is renewed.

        Raises:
            TakenAwayError: The task was cancelled, has expired, or is somebody else's by now.
            StoppedError: The agent stops and has waited long enough.
            Exception: Whatever the handler raises.
        """
        working = asyncio.ensure_future(handler())
        keeping = asyncio.ensure_future(self._keep_lease())
        stopping = asyncio.ensure_future(self._duty.over.wait())
        try:
            await asyncio.wait({working, keeping, stopping, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                self._give_up(keeping)
            return _outcome(working)
        except asyncio.CancelledError:
            self.context.cancelled.set(STOPPED)
            raise
        finally:
            await self._end(working, keeping, stopping)

    def _give_up(self, keeping: asyncio.Future[None]) -> NoReturn:
        """Say why the handler is not waited for, to the handler and to whoever runs the job."""
        if self._lost.done():
            reason = self._lost.result()
            self.context.cancelled.set(reason)
            raise TakenAwayError(reason)
        if keeping.done():
            self.context.cancelled.set(LEASE_LOST)
            keeping.result()  # raises: nothing but a mistake of ours ends it before the lease
        self.context.cancelled.set(STOPPED)
        raise StoppedError

    async def _end(self, *tasks: asyncio.Future[Any]) -> None:
        """Cancel what still runs; a handler that does not end is left behind, and said so."""
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=STOP_GRACE_S)
        if late:
            self._log.error("the handler ignores that it was cancelled")
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # looked at: what comes after the cancellation concerns nobody

    # --- the lease

    async def _keep_lease(self) -> None:
        """Renew the lease, and tell of progress, until nobody wants the work any more."""
        interval_s = self._offer.lease_ms / 1000 / RENEWALS_PER_LEASE
        is_renewed = True
        while not self._lost.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s if is_renewed else min(interval_s, RETRY_S)):
                    await self._nudge.wait()
            with contextlib.suppress(WorkCancelledError):
                is_renewed = await self._renew()

    async def _renew(self) -> bool:
        """Tell how far the work is, which renews the lease; returns whether the service has heard it.

        Raises:
            WorkCancelledError: There is none any more.
        """
        offer = self._offer
        async with self._telling:
            if self._lost.done():
                raise WorkCancelledError(self._lost.result())
            self._nudge.clear()
            sent_s = self._loop.time()
            try:
                async with asyncio.timeout_at(self.lease_ends_s):
                    await self._duty.session.tasks.progress(
                        offer.task_id, offer.fencing_token, share=self._share, note=self._note
                    )
            except (UnavailableError, RejectedError) as error:
                if isinstance(error, UnavailableError) or error.retryable:
                    return False  # the lease may still hold, and there is a next time
                self.take_away(LEASE_LOST)
            except TimeoutError:
                self.take_away(LEASE_LOST)
            else:
                self._renewed_s = sent_s
                return True
            raise WorkCancelledError(LEASE_LOST)

    async def _tell(self, share: float | None, note: str) -> None:
        self._note_down(*_checked(share, note))
        await self._renew()

    def _tell_soon(self, share: float | None, note: str) -> None:
        progress = _checked(share, note)
        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody listens
            self._loop.call_soon_threadsafe(self._note_down, *progress)

    def _note_down(self, share: float | None, note: str) -> None:
        self._share, self._note = share, note
        self._nudge.set()


def _checked(share: float | None, note: str) -> tuple[float | None, str]:
    if share is not None and (math.isnan(share) or not 0 <= share <= 1):
        raise UsageError(f"progress: share is {share}; it is between 0 and 1")
    try:
        note.encode()
    except UnicodeEncodeError:
        raise UsageError("progress: the note holds half a surrogate pair, which cannot be sent") from None
    return share, note if len(note) <= MAX_NOTE_CHARS else f"{note[: MAX_NOTE_CHARS - 1]}…"


def _outcome(working: asyncio.Future[Any]) -> Any:
    """The result of a handler that has ended.

    Raises:
        RuntimeError: It ended as if cancelled, though nobody but itself had cancelled it.
        HandlerExitError: It raised what would end whoever raises it again.
        Exception: Whatever else it raised.
    """
    if working.cancelled():
        raise RuntimeError(NOT_ITS_OWN)
    error = working.exception()
    if error is not None and not isinstance(error, Exception):
        raise HandlerExitError(error)
    return working.result()
