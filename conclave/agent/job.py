"""One attempt at one task: its handler, what is reported of it, and how it may end before its time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from conclave.agent.alarms import Alarms
from conclave.agent.binding import ContentError
from conclave.agent.cancellation import Cancellation
from conclave.agent.containment import HandlerExitError, Told, contained, tell
from conclave.agent.duty import STOP_GRACE_S, Duty
from conclave.agent.errors import MAX_REASON_CHARS, WorkCancelledError
from conclave.agent.handler import Handler
from conclave.agent.renewal import BEING_CANCELED, LEASE_LOST, Lease
from conclave.agent.reporting import Reports
from conclave.agent.results import TaskOutcome, task_result
from conclave.agent.taskcontext import TaskContext
from conclave.agent.taskhandler import TaskHandler
from conclave.work.large import fetched, stored
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.trace import TraceContext
from coordination.tasks.wire import Reference, StandingReply, TaskOffer

STOPPED: Final = "the agent stops"
CANCELED: Final = "canceled"
STOPPING_REASON: Final = "the agent stopped before it was done"
_STEP_MS: Final = 250
_SHORTEST_MS: Final = 1_000
"""An eager handler counts on its offer for so long, whatever the clock says."""
_ABANDON_S: Final = STOP_GRACE_S / 2
"""How long a handler may ignore that it was cancelled before its task goes to others, if the agent stops."""
_BAD_RESULT: Final = frozenset({"too_large", "too_deep", "invalid_request"})
"""Refusals of a result that no other attempt of the same handler would change."""
_TOLD: Final = {"canceling": CANCELED, "canceled": CANCELED, "expired": "expired"}
"""What a handler is told when its task is taken away, by the state of the task; else the reason given."""


class GivenUpError(Exception):
    """The handler was made to end, or is not waited for any more."""


class Job:
    """One attempt at one task; the handler runs in the same task as everything else about it.

    Args:
        duty: Whose work it is; has a place taken for it.
        reports: Where reports go.
        alarms: What rings when a lease is to be renewed.
        offer: The task.
        chosen: What does it.
    """

    __slots__ = (
        "_abandoning",
        "_cancel_count",
        "_duty",
        "_has_begun",
        "_has_place",
        "_is_handed_back",
        "_is_handling",
        "_is_in_thread",
        "_lease",
        "_log",
        "_loop",
        "_must_confirm",
        "_over",
        "_reports",
        "_started_s",
        "_starting",
        "_still",
        "_task",
        "_trace",
        "_trouble",
        "cancelled",
        "chosen",
        "offer",
    )

    def __init__(
        self, duty: Duty, reports: Reports, alarms: Alarms, offer: TaskOffer, chosen: TaskHandler
    ) -> None:
        self.offer: TaskOffer = offer
        self.chosen: TaskHandler = chosen
        self.cancelled: Cancellation = Cancellation()
        self._duty = duty
        self._reports = reports
        self._loop = asyncio.get_running_loop()
        self._lease = Lease(offer, reports, alarms, on_lost=self._lose, on_trouble=self._fall_ill)
        self._trace: TraceContext | None = None
        self._log: Any = None
        self._task: asyncio.Task[Any] | None = None
        self._started_s = 0.0
        self._over = ""
        """Why the work is not wanted any more; empty while it is."""
        self._must_confirm = False
        """The task service waits to hear that the work has stopped."""
        self._trouble: Exception | None = None
        self._is_handling = False
        """The handler, or what belongs to it, is what this job's task does."""
        self._cancel_count = 0
        """How often we have cancelled it; somebody else may, too."""
        self._abandoning: asyncio.TimerHandle | None = None
        self._is_handed_back = False
        self._has_begun = False
        self._has_place = True
        self._is_in_thread = False
        self._starting = threading.Lock()
        """Whether a thread begins the handler, or it never will: decided once, on whichever side is first."""
        self._still: asyncio.Event | None = None
        """Set when the handler has really ended, in whatever thread; made for whoever waits for that."""

    # --- the work

    async def work(self) -> None:
        """Take the task, have it done, and report what came of it."""
        offer = self.offer
        self._trace = self._duty.enter(offer.traceparent, task=offer.task_id, attempt=offer.attempt)
        try:
            if await self._take():
                await self._attempt()
        except ConclaveError as error:
            # The offer or the lease runs out, and the task is offered again.
            self.logger().warning("task dropped", error=str(error))
        finally:
            self._lease.end()
            if self._abandoning is not None:
                self._abandoning.cancel()
            if not self._has_begun:
                self._leave()

    async def _take(self) -> bool:
        """Take the offer; returns whether it was still there."""
        self._started_s = started_s = self._loop.time()
        offer = self.offer
        if self.chosen.is_eager:
            left_ms = offer.offer_expires_ms - self._duty.session.clock.now_ms()
            # In steps, so that there are few different lengths. Clocks differ: what seems over may not be.
            self._lease.begin(started_s, max(left_ms // _STEP_MS * _STEP_MS, _SHORTEST_MS) / 1000)
            return True
        try:
            await self._reports.put("accept", offer.task_id, offer.fencing_token).answer
        except RejectedError as error:
            self.logger().info("offer gone", code=error.code)
            return False
        self._lease.begin(started_s)
        return True

    async def _attempt(self) -> None:
        """Have the handler do the task, and report what came of it.

        Raises:
            UnavailableError: The lease is over, and nothing could be reported.
        """
        try:
            outcome, reference = await self._handled()
        except GivenUpError:
            await self._stop_short()
        except ContentError as error:
            self.logger().warning("payload not valid", reason=str(error))
            await self._fail(Told(f"invalid payload: {error}", False))
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has failed
            await self._fail(self._told(error))
        else:
            try:
                await self._complete(outcome, reference)
            except UnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - a report that cannot be made is no silence
                await self._fail(self._told(error))

    async def _handled(self) -> tuple[TaskOutcome, Reference | None]:
        """What the handler makes of the payload.

        Raises:
            GivenUpError: The work is not wanted any more; whatever the handler did counts for nothing.
            ContentError: The payload is not what the handler takes.
            ResultError: What it returned is no result.
            Exception: Whatever the handler raises.
        """
        self._require_wanted()
        task = self._task = asyncio.current_task()
        assert task is not None
        self._is_handling = True
        try:
            outcome, reference = await self._called()
        except asyncio.CancelledError:
            if task.cancelling() <= self._cancel_count:  # nobody but us
                self._require_wanted()
            self.cancelled.set(STOPPED)
            raise
        except GeneratorExit as error:
            if asyncio.current_task() is not task:
                raise  # nobody runs it any more: it is closed
            raise HandlerExitError(error) from error
        except Exception:
            self._require_wanted()
            raise
        finally:
            self._is_handling = False
            for _ in range(min(self._cancel_count, task.cancelling())):
                task.uncancel()
        self._require_wanted()
        return outcome, reference

    def _require_wanted(self) -> None:
        if self._over:
            raise GivenUpError

    async def _called(self) -> tuple[TaskOutcome, Reference | None]:
        artifacts = self._duty.session.artifacts
        payload = self.offer.payload
        if self.offer.payload_reference is not None:
            payload = await fetched(artifacts, self.offer.payload_reference)
        chosen = self.chosen
        with contained():  # its types may have validators and serializers of its author's
            arguments = chosen.binding.arguments(payload, self._context() if chosen.takes_context else None)
            outcome = task_result(await self._call(chosen.handler, arguments))
        return outcome, (await stored(artifacts, outcome.content) if outcome.content else None)

    async def _call(self, handler: Handler, arguments: dict[str, Any]) -> Any:
        """Call the handler; its place is free again when it has really ended, in whatever thread."""
        self._has_begun = True
        run_task = self._duty.run_task
        try:
            if handler.is_async:
                return await handler.call(arguments, run_task)
            return await handler.call(arguments, lambda call: run_task(partial(self._in_thread, call)))
        finally:
            with self._starting:
                if not self._is_in_thread:
                    self._leave()

    def _in_thread(self, call: Callable[[], Any]) -> Any:
        with self._starting:
            if not self._has_place:
                return None  # it was given up while it waited for a thread
            self._is_in_thread = True
        try:
            return call()
        finally:
            # On the loop, and before the result arrives there: the next offer finds the place free.
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        if self._has_place:
            self._has_place = False
            self._duty.tasks_held -= 1
            if self._still is not None:
                self._still.set()

    def _context(self) -> TaskContext:
        assert self._trace is not None
        return TaskContext(self._duty.session, trace=self._trace, work=self, cancelled=self.cancelled)

    # --- not wanted any more

    def take_away(self, state: str, reason: str) -> None:
        """The task service says that the work is not wanted any more.

        Args:
            state: Of the task.
            reason: For the handler, unless the state says it.
        """
        self._must_confirm |= state == "canceling"
        self._give_up(_TOLD.get(state) or reason or state)

    def stop(self) -> None:
        """The agent stops, and has waited long enough."""
        self._give_up(STOPPED)

    def _lose(self, why: str) -> None:
        self._must_confirm |= why == BEING_CANCELED
        self._give_up(CANCELED if why == BEING_CANCELED else why)

    def _fall_ill(self, error: Exception) -> None:
        self._trouble = error
        self._give_up(LEASE_LOST)

    def _give_up(self, why: str) -> None:
        if self._over:
            return
        self._over = why
        self._lease.end()
        self.cancelled.set(why)
        # Later: a cancellation in the midst of the handler's own step would reach whatever awaits next.
        self._loop.call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._is_handling and self._task is not None:
            self._cancel_count += 1
            self._task.cancel()
            self._abandoning = self._loop.call_later(_ABANDON_S, self._abandon)

    def _abandon(self) -> None:
        if self._is_handling:
            self.logger().error("the handler ignores that it was cancelled", reason=self._over)
            if self._over == STOPPED:
                self._duty.spawn(self._hand_back())

    async def _stop_short(self) -> None:
        """Say what must be said of an attempt that was given up."""
        if self._trouble is not None:
            await self._fail(self._told(self._trouble))
        elif self._over == STOPPED:
            await self._hand_back()
        else:
            self.logger().warning("task taken away", reason=self._over)
            if self._must_confirm:
                await self._confirm()

    async def _hand_back(self) -> None:
        if not self._is_handed_back:
            self._is_handed_back = True
            if await self._fail(Told(STOPPING_REASON, True)):
                self._duty.handed_back.append(self.offer.task_id)
                self.logger().info("task handed back")

    async def _confirm(self) -> None:
        """Say that the work has stopped, as soon as it has."""
        if self._has_begun and self._has_place:
            self._still = asyncio.Event()
            await self._still.wait()
        try:
            await self._report("confirm")
        except RejectedError as error:
            self.logger().info("confirmation refused", code=error.code)

    # --- reports

    async def _report(self, do: str, text_bytes: int = 0, **said: Any) -> StandingReply:
        self._lease.end()
        offer = self.offer
        report = self._reports.put(
            do, offer.task_id, offer.fencing_token, text_bytes=text_bytes, until_s=self._lease.ends_s, **said
        )
        return await report.answer

    async def _complete(self, outcome: TaskOutcome, reference: Reference | None) -> None:
        said: dict[str, Any] = (
            {"result": outcome.result} if reference is None else {"result_reference": reference}
        )
        if self._lease.spent is not None:
            said["spent"] = self._lease.spent
        try:
            await self._report("complete", outcome.size_bytes if reference is None else 0, **said)
        except RejectedError as error:
            if error.code in _BAD_RESULT:
                await self._fail(Told(f"the result was refused: {error.message}", False))
            elif error.code == BEING_CANCELED:
                await self._confirm()
            else:
                self.logger().warning("result refused", code=error.code)

    async def _fail(self, told: Told) -> bool:
        """Report that the attempt has failed; returns whether the service has taken that down."""
        reason = told.reason.encode(errors="replace").decode()[:MAX_REASON_CHARS]
        said: dict[str, Any] = {"reason": reason, "retryable": told.is_retryable, "spent": self._lease.spent}
        if told.retry_after_s is not None:
            said["retry_after_ms"] = round(told.retry_after_s * 1000)
        try:
            await self._report("fail", len(reason), **said)
        except RejectedError as error:
            if error.code == BEING_CANCELED:
                await self._confirm()
            else:
                self.logger().warning("failure refused", code=error.code)
            return False
        return True

    def _told(self, error: Exception) -> Told:
        log = self.logger().bind(handler=self.chosen.handler.name)
        return tell(error, log, "task failed", fresh_id=self._duty.fresh_id)

    # --- what the handler's context asks

    def logger(self) -> Any:
        """A logger that knows the attempt."""
        if self._log is None:
            assert self._trace is not None
            self._log = self._duty.logger(self._trace, task=self.offer.task_id, attempt=self.offer.attempt)
        return self._log

    async def tell(self, share: float | None, note: str) -> None:
        """See `Lease.tell`."""
        try:
            await self._lease.tell(share, note)
        except WorkCancelledError:
            raise WorkCancelledError(f"the work is not wanted any more: {self._over}") from None

    def tell_soon(self, share: float | None, note: str) -> None:
        """See `Lease.tell_soon`."""
        self._lease.tell_soon(share, note)

    def spend(self, units: int) -> int:
        """See `Lease.spend`."""
        return self._lease.spend(units)

    def remaining_s(self) -> float | None:
        """How long the attempt may still take; None for as long as it likes."""
        offer = self.offer
        left_s = []
        if offer.deadline_ms is not None:
            left_s.append((offer.deadline_ms - self._duty.session.clock.now_ms()) / 1000)
        if offer.timeout_ms is not None:
            left_s.append(self._started_s + offer.timeout_ms / 1000 - self._loop.time())
        return max(min(left_s), 0.0) if left_s else None
