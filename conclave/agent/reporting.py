"""What an agent says of its tasks, many things in one call.

While a call is under way whatever else there is to say gathers, and goes with the next one: an agent that
works on many tasks at a time makes few calls, and one that works on a single task waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from conclave.agent.duty import Duty
from coordination.runtime.asking import payload_of, request
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError, UsageError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.tasks.limits import MAX_BATCH
from coordination.tasks.wire import RefusedReply, ReportItem

RETRY_S: Final = 0.5
"""Between two calls while the service is away."""
MAX_CALL_BYTES: Final = 200 * 1024
"""Of what one call says, beyond its first item."""
Hear = Callable[[BaseException | None], None]
"""Called once with what came of a report: None if the service has taken it down, else why it has not.
`asyncio.CancelledError`: it was taken back, or the agent was made to end before it was answered."""
_ITEM: Final = TypeAdapter[ReportItem](Annotated[ReportItem, Field(discriminator="do")])
_log = get_logger("conclave.agent")


class Report:
    """One thing that is said of one task.

    Args:
        task_id: The task.
        said: As ``tasks.report`` takes it: fields, which may be changed until it is sent, or their JSON.
        hear: Hears the answer.
        until_s: While the service is away it is said again until then, by the event loop's clock.
    """

    __slots__ = ("_hear", "is_over", "is_sent", "said", "task_id", "until_s")

    def __init__(self, task_id: str, said: dict[str, Any] | bytes, hear: Hear, until_s: float) -> None:
        self.task_id: str = task_id
        self.said: dict[str, Any] | bytes = said
        self.until_s: float = until_s
        self.is_sent: bool = False
        self.is_over: bool = False
        """It was answered, or taken back."""
        self._hear = hear

    def written(self) -> bytes:
        """Its JSON.

        Raises:
            UsageError: A field is not as the contract says.
        """
        said = self.said
        return said if isinstance(said, bytes) else payload_of(request(_ITEM.validate_python, said))

    def settle(self, error: BaseException | None) -> None:
        """Let whoever has put it hear the answer; only the first one counts."""
        if self.is_over:
            return
        self.is_over = True
        try:
            self._hear(error)
        except Exception:  # noqa: BLE001 - the other reports of the call are none the worse for it
            log_failure(_log, "answer to a report not handled", task=self.task_id)

    def take_back(self) -> None:
        """Let it not be said, unless it is under way."""
        if not self.is_sent:
            self.settle(asyncio.CancelledError())


class Reports:
    """Sends the reports of one agent, those of one task in order.

    Args:
        duty: The agent at work.
    """

    def __init__(self, duty: Duty) -> None:
        self._duty = duty
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Report] = deque()
        self._is_sending = False
        self.starting = 0
        """Handlers that begin with the next turn of the loop, and may say something at once."""

    def expect(self) -> None:
        """Be there when the handlers that are `starting` have begun, to send at once what they say."""
        if self.starting and not self._is_sending:
            self._is_sending = True
            self._duty.spawn(self._send())

    def put(
        self,
        task_id: str,
        said: dict[str, Any] | bytes,
        hear: Hear,
        *,
        until_s: float = 0.0,
    ) -> Report:
        """Have something said of a task; returns at once.

        Args:
            task_id: The task.
            said: ``do``, ``task_id`` and what else belongs to it; as JSON if it was written before.
            hear: Hears the answer, never before this returns; it must not block.
            until_s: See `Report`; by default it is sent once. A report that took effect unheard is refused
                when it is sent again, and that is as good.
        """
        report = Report(task_id, said, hear, until_s)
        self._waiting.append(report)
        if not self._is_sending:
            self._is_sending = True
            self._duty.spawn(self._send())
        return report

    async def ask(self, said: dict[str, Any], *, until_s: float = 0.0) -> None:
        """As `put`, and wait for the answer; whoever is cancelled meanwhile takes the report back.

        Raises:
            RejectedError: The service refuses it.
            UnavailableError: The service is away.
            UsageError: It cannot be said at all.
        """
        answer: asyncio.Future[None] = self._loop.create_future()
        report = self.put(said["task_id"], said, answering(answer), until_s=until_s)
        try:
            await answer
        finally:
            report.take_back()

    async def _send(self) -> None:
        """Send until nothing waits."""
        reports: list[Report] = []
        try:
            while True:
                if self.starting:
                    await asyncio.sleep(0)  # so that what they say goes with one call
                reports, texts = self._next_call()
                if not reports:
                    break
                if not await self._call(reports, texts) and self._waiting:
                    # A session of little patience gives up at once, and the loop must get its turn.
                    await asyncio.sleep(RETRY_S)
        finally:
            self._is_sending = False
            unsaid = (*reports, *self._waiting)  # none, unless the agent was made to end
            self._waiting.clear()
            for report in unsaid:
                report.settle(asyncio.CancelledError())

    def _next_call(self) -> tuple[list[Report], list[bytes]]:
        """The reports of the next call and their JSON, at most one of each task; the rest keeps waiting."""
        waiting = self._waiting
        chosen: dict[str, Report] = {}
        texts: list[bytes] = []
        later: list[Report] = []
        size_bytes = 0
        while waiting and len(chosen) < MAX_BATCH:
            report = waiting.popleft()
            if report.is_over:
                continue  # taken back
            if report.task_id in chosen:
                later.append(report)
                continue
            try:
                text = report.written()
            except UsageError as error:
                report.settle(error)
                continue
            if chosen and size_bytes + len(text) > MAX_CALL_BYTES:
                later.append(report)
                break
            report.is_sent = True
            chosen[report.task_id] = report
            texts.append(text)
            size_bytes += len(text) + 1
        waiting.extendleft(reversed(later))
        return list(chosen.values()), texts

    async def _call(self, reports: Sequence[Report], texts: Sequence[bytes]) -> bool:
        """Say `reports`, and give everyone its answer; returns False if some must be said again later."""
        try:
            answers = await self._duty.session.tasks.report_written(texts)
        except (UnavailableError, RejectedError, UsageError) as error:
            if isinstance(error, UnavailableError) or (isinstance(error, RejectedError) and error.retryable):
                self._put_back(reports, error)
                return False
            if len(reports) == 1:
                reports[0].settle(error)
                return True
            # One of them cannot be said at all; the others are none the worse for it.
            middle = len(reports) // 2
            is_heard = await self._call(reports[:middle], texts[:middle])
            return await self._call(reports[middle:], texts[middle:]) and is_heard
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must hear of it
            for report in reports:
                report.settle(error)
            return True
        is_heard = True
        for report, refusal in zip(reports, answers, strict=True):
            if refusal is None:
                report.settle(None)
            else:
                is_heard &= self._refuse(report, refusal)
        return is_heard

    def _refuse(self, report: Report, refusal: RefusedReply) -> bool:
        error = RejectedError(
            refusal.code, refusal.message, retryable=refusal.retryable, details=refusal.details
        )
        if refusal.retryable:
            self._put_back([report], error)
            return False
        report.settle(error)
        return True

    def _put_back(self, reports: Sequence[Report], error: ConclaveError) -> None:
        """Say `reports` again before all others, but for those whose time is over."""
        now_s = self._loop.time()
        again = []
        for report in reports:
            if report.is_over:
                continue
            if now_s >= report.until_s:
                report.settle(error)
            else:
                report.is_sent = False
                again.append(report)
        self._waiting.extendleft(reversed(again))


def answering(answer: asyncio.Future[None]) -> Hear:
    """Gives the answer to a report to whoever waits for `answer`."""

    def hear(error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            answer.cancel()
        else:
            answer.set_exception(error)

    return hear
