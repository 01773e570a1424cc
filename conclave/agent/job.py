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
from conclave.agent.errors import MAX_REASON_CHARS
from conclave.agent.handler import Handler
from conclave.agent.renewal import BEING_CANCELED, LEASE_LOST, Lease, end_s, first_renewal_s
from conclave.agent.reporting import Reports
from conclave.agent.results import task_result
from conclave.agent.taskcontext import TaskContext
from conclave.agent.taskhandler import TaskHandler
from conclave.work.large import fetched, stored
from coordination.runtime.asking import payload_of
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.trace import TraceContext
from coordination.tasks.limits import MAX_RESULT_BYTES
from coordination.tasks.wire import Reference, TaskOffer

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
    """One attempt at one task, from its offer until what came of it is reported.

    The handler runs in a task of its own, which ends with it: nobody waits for the answer to a report that
    is taken down, as nearly all are.

    Args:
        duty: Whose work it is; has a place taken for it.
        reports: Where reports go.
        alarms: What rings when a lease is to be renewed.
        offer: The task.
        chosen: What does it.
        on_end: Called once when nothing more is to be said of it.
    """

    __slots__ = (
        "_abandoning",
        "_alarms",
        "_cancel_count",
        "_cancelled",
        "_duty",
        "_has_begun",
        "_has_place",
        "_is_handed_back",
        "_is_handling",
        "_is_in_thread",
        "_lease",
        "_length_s",
        "_log",
        "_loop",
        "_must_confirm",
        "_on_end",
        "_over",
        "_reports",
        "_started_s",
        "_starting",
        "_still",
        "_task",
        "_trace",
        "_trouble",
        "chosen",
        "offer",
    )

    def __init__(
        self,
        duty: Duty,
        reports: Reports,
        alarms: Alarms,
        offer: TaskOffer,
        chosen: TaskHandler,
        on_end: Callable[[Job], None],
    ) -> None:
        self.offer: TaskOffer = offer
        self.chosen: TaskHandler = chosen
        self._duty = duty
        self._reports = reports
        self._alarms = alarms
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._trace: TraceContext | None = None
        self._log: Any = None
        self._task: asyncio.Task[Any] | None = None
        self._started_s = self._loop.time()
        self._length_s = 0.0
        """From `_started_s` on: of the lease, or of the offer that was not accepted; 0 before."""
        self._lease: Lease | None = None
        """Made for whoever tells of the work, or when it is to be renewed."""
        self._cancelled: Cancellation | None = None
        """Made for whoever has a context."""
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
        self._starting: threading.Lock | None = None
        """Whether a thread begins the handler, or it never will: decided once, on whichever side is first."""
        self._still: asyncio.Event | None = None
        """Set when the handler has really ended, in whatever thread; made for whoever waits for that."""

    # --- taking the task

    def begin(self) -> None:
        """Take the task, and have it done; returns at once."""
        offer = self.offer
        if self.chosen.is_eager:
            left_ms = offer.offer_expires_ms - self._duty.session.clock.now_ms()
            # In steps, so that there are few different lengths. Clocks differ: what seems over may not be.
            self._hold(max(left_ms // _STEP_MS * _STEP_MS, _SHORTEST_MS) / 1000)
            self._start()
        else:
            self._reports.put(offer.task_id, self._written(b"accept"), self._hear_of_lease)

    def _hear_of_lease(self, error: BaseException | None) -> None:
        if error is None:
            self._hold(self.offer.lease_ms / 1000)
            self._start()
            return
        if isinstance(error, RejectedError):
            self.logger().info("offer gone", code=error.code)
        elif isinstance(error, Exception):
            self._drop(error)
        self._end()

    def _hold(self, length_s: float) -> None:
        if not self._over:
            self._length_s = length_s
            self._alarms.set(self._ring, self._started_s, first_renewal_s(length_s))

    def _ring(self) -> None:
        if self._lease is None:
            self._lease = self._new_lease()
        self._lease.begin_renewing()

    def _new_lease(self) -> Lease:
        since_s, length_s = self._started_s, self._length_s
        return Lease(self.offer, self._reports, since_s, length_s, self._lose, self._fall_ill)

    def _let_go(self) -> None:
        """Renew the lease no more; idempotent."""
        self._alarms.take_back(self._ring, first_renewal_s(self._length_s))
        if self._lease is not None:
            self._lease.end()

    def _start(self) -> None:
        self._reports.starting += 1
        self._task = self._duty.spawn(self._work())

    def _end(self) -> None:
        """Nothing more is to be said of it."""
        self._let_go()
        if self._abandoning is not None:
            self._abandoning.cancel()
        if not self._has_begun:
            self._leave()
        self._on_end(self)

    def _drop(self, error: Exception) -> None:
        """Nothing could be said: the offer or the lease runs out, and the task is offered again."""
        self.logger().warning("task dropped", error=str(error))

    # --- the work

    async def _work(self) -> None:
        """Have the handler do the task, and put on its way what is to be said of it."""
        offer = self.offer
        self._reports.starting -= 1
        self._duty.enter(self._span(), task=offer.task_id, attempt=offer.attempt)
        is_said = True
        try:
            self._complete(*await self._handled())
            is_said = False
        except GivenUpError:
            await self._stop_short()
        except ContentError as error:
            self.logger().warning("payload not valid", reason=str(error))
            await self._fail(Told(f"invalid payload: {error}", False))
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has failed
            await self._fail(self._told(error))
        finally:
            if is_said:
                self._end()

    async def _handled(self) -> tuple[bytes, Reference | None]:
        """What the handler makes of the payload: JSON, and where that is if it is large.

        Raises:
            GivenUpError: The work is not wanted any more; whatever the handler did counts for nothing.
            ContentError: The payload is not what the handler takes.
            ResultError: What it returned is no result.
            Exception: Whatever the handler raises.
        """
        self._require_wanted()
        task = self._task
        assert task is not None
        self._is_handling = True
        try:
            content = await self._called()
            reference = None
            if len(content) > MAX_RESULT_BYTES:
                reference = await stored(self._duty.session.artifacts, content)
        except asyncio.CancelledError:
            if task.cancelling() <= self._cancel_count:  # nobody but us
                self._require_wanted()
            if self._cancelled is not None:
                self._cancelled.set(STOPPED)
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
        return content, reference

    def _require_wanted(self) -> None:
        if self._over:
            raise GivenUpError

    async def _called(self) -> bytes:
        """What the handler returns, as JSON; its place is free again when it has really ended."""
        offer, chosen = self.offer, self.chosen
        payload = offer.payload
        if offer.payload_reference is not None:
            payload = await fetched(self._duty.session.artifacts, offer.payload_reference)
            self._require_wanted()  # a thread that begins now would never hear that it is not
        with contained():  # its types may have validators and serializers of its author's
            arguments = chosen.binding.arguments(payload, self._context() if chosen.takes_context else None)
            self._has_begun = True
            handler = chosen.handler
            if not handler.is_async:
                return task_result(await self._called_in_thread(handler, arguments))
            try:
                returned = await handler.function(**arguments)
            finally:
                self._leave()
            return task_result(returned)

    async def _called_in_thread(self, handler: Handler, arguments: dict[str, Any]) -> Any:
        run_task = self._duty.run_task
        self._starting = threading.Lock()
        try:
            return await handler.call(arguments, lambda call: run_task(partial(self._in_thread, call)))
        finally:
            with self._starting:
                if not self._is_in_thread:
                    self._leave()

    def _in_thread(self, call: Callable[[], Any]) -> Any:
        assert self._starting is not None
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
        # Here and not from the thread in which something is told.
        self._lease = self._lease or self._new_lease()
        self._cancelled = Cancellation()
        return TaskContext(self._duty.session, self._span(), self, self._lease, self._cancelled)

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
        self._let_go()
        if self._cancelled is not None:
            self._cancelled.set(why)
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

    # --- reports

    def _complete(self, content: bytes, reference: Reference | None) -> None:
        if reference is None:
            said = b',"result":' + content
        else:
            said = b',"result_reference":' + payload_of(reference)
        spent = None if self._lease is None else self._lease.spent
        if spent is not None:
            said = b'%b,"spent":%d' % (said, spent)
        self._let_go()
        item = self._written(b"complete", said)
        self._reports.put(self.offer.task_id, item, self._hear_of_result, until_s=self._until_s())

    def _hear_of_result(self, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._duty.spawn(self._amend(error))
        else:
            self._end()

    async def _amend(self, error: Exception) -> None:
        """Say what must be said when the service has not taken the result down."""
        offer = self.offer
        self._duty.enter(self._span(), task=offer.task_id, attempt=offer.attempt)
        try:
            if isinstance(error, UnavailableError):
                self._drop(error)
            elif not isinstance(error, RejectedError):
                # A report that cannot be made is no silence.
                await self._fail(self._told(error))
            elif error.code in _BAD_RESULT:
                await self._fail(Told(f"the result was refused: {error.message}", False))
            elif error.code == BEING_CANCELED:
                await self._confirm()
            else:
                self.logger().warning("result refused", code=error.code)
        finally:
            self._end()

    async def _confirm(self) -> None:
        """Say that the work has stopped, as soon as it has."""
        if self._has_begun and self._has_place:
            self._still = asyncio.Event()
            await self._still.wait()
        try:
            await self._report("confirm")
        except RejectedError as error:
            self.logger().info("confirmation refused", code=error.code)
        except ConclaveError as error:
            self._drop(error)

    async def _fail(self, told: Told) -> bool:
        """Report that the attempt has failed; returns whether the service has taken that down."""
        reason = told.reason.encode(errors="replace").decode()[:MAX_REASON_CHARS]
        said: dict[str, Any] = {"reason": reason, "retryable": told.is_retryable}
        if told.retry_after_s is not None:
            said["retry_after_ms"] = round(told.retry_after_s * 1000)
        if self._lease is not None:
            said["spent"] = self._lease.spent
        try:
            await self._report("fail", **said)
        except RejectedError as error:
            if error.code == BEING_CANCELED:
                await self._confirm()
            else:
                self.logger().warning("failure refused", code=error.code)
            return False
        except ConclaveError as error:
            self._drop(error)
            return False
        return True

    async def _report(self, do: str, **said: Any) -> None:
        self._let_go()
        offer = self.offer
        item = {"do": do, "task_id": offer.task_id, "fencing_token": offer.fencing_token, **said}
        await self._reports.ask(item, until_s=self._until_s())

    def _written(self, do: bytes, said: bytes = b"") -> bytes:
        """The JSON of a report with the fields `said`."""
        ids = self.offer.task_id.encode(), self.offer.fencing_token
        return b'{"do":"%b","task_id":"%b","fencing_token":%d%b}' % (do, *ids, said)

    def _until_s(self) -> float:
        """How long a report is repeated: as long as the lease may hold."""
        return end_s(self._started_s, self._length_s) if self._lease is None else self._lease.ends_s

    def _told(self, error: Exception) -> Told:
        log = self.logger().bind(handler=self.chosen.handler.name)
        return tell(error, log, "task failed", fresh_id=self._duty.fresh_id)

    # --- what the handler's context asks

    def _span(self) -> TraceContext:
        if self._trace is None:
            self._trace = self._duty.span(self.offer.traceparent)
        return self._trace

    def logger(self) -> Any:
        """A logger that knows the attempt."""
        if self._log is None:
            self._log = self._duty.logger(self._span(), task=self.offer.task_id, attempt=self.offer.attempt)
        return self._log

    def remaining_s(self) -> float | None:
        """How long the attempt may still take; None for as long as it likes."""
        offer = self.offer
        left_s = []
        if offer.deadline_ms is not None:
            left_s.append((offer.deadline_ms - self._duty.session.clock.now_ms()) / 1000)
        if offer.timeout_ms is not None:
            left_s.append(self._started_s + offer.timeout_ms / 1000 - self._loop.time())
        return max(min(left_s), 0.0) if left_s else None
