"""What an agent says of its tasks, many things in one call.

While a call is under way whatever else there is to say gathers, and goes with the next one: an agent that
works on many tasks at a time makes few calls, and one that works on a single task waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from conclave.agent.duty import Duty
from coordination.runtime.asking import request
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError, UsageError
from coordination.tasks.limits import MAX_BATCH
from coordination.tasks.wire import RefusedReply, ReportRequest, StandingReply

RETRY_S: Final = 0.5
"""Between two calls while the service is away."""
MAX_CALL_BYTES: Final = 200 * 1024
"""Of what one call says, beyond its first item."""
ITEM_BYTES: Final = 160
"""What an item has beside its result, its reason or its note."""


class Report:
    """One thing that is said of one task.

    Args:
        item: As ``tasks.report`` takes it; may be changed until it is sent.
        size_bytes: About how much of a call it takes.
        until_s: While the service is away it is said again until then, by the event loop's clock.
        answer: Gets what the service says, or its refusal; whoever cancels it takes the report back, if it is
            not under way.
    """

    __slots__ = ("answer", "is_sent", "item", "size_bytes", "until_s")

    def __init__(
        self,
        item: dict[str, Any],
        size_bytes: int,
        until_s: float,
        answer: asyncio.Future[StandingReply],
    ) -> None:
        self.item: dict[str, Any] = item
        self.size_bytes: int = size_bytes
        self.until_s: float = until_s
        self.answer: asyncio.Future[StandingReply] = answer
        self.is_sent: bool = False

    def settle(self, error: Exception) -> None:
        """Give `error` to whoever waits, if anybody still does."""
        if not self.answer.done():
            self.answer.set_exception(error)


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

    def put(
        self,
        do: str,
        task_id: str,
        fencing_token: int,
        *,
        text_bytes: int = 0,
        until_s: float = 0.0,
        **said: Any,
    ) -> Report:
        """Have something said of a task; returns at once.

        Args:
            do: ``accept``, ``refuse``, ``progress``, ``complete``, ``fail`` or ``confirm``.
            task_id: The task.
            fencing_token: Of its offer.
            text_bytes: Size of what is said.
            until_s: See `Report`; by default it is sent once. A report that took effect unheard is refused
                when it is sent again, and that is as good.
            said: Further fields.
        """
        item = {"do": do, "task_id": task_id, "fencing_token": fencing_token, **said}
        return self.put_item(item, text_bytes=text_bytes, until_s=until_s)

    def put_item(self, item: dict[str, Any], *, text_bytes: int = 0, until_s: float = 0.0) -> Report:
        """As `put`, of an item that is there already."""
        report = Report(item, ITEM_BYTES + text_bytes, until_s, self._loop.create_future())
        self._waiting.append(report)
        if not self._is_sending:
            self._is_sending = True
            self._duty.spawn(self._send())
        return report

    async def _send(self) -> None:
        """Send until nothing waits."""
        reports: list[Report] = []
        try:
            while reports := self._next_call():
                if not await self._call(reports) and self._waiting:
                    # A session of little patience gives up at once, and the loop must get its turn.
                    await asyncio.sleep(RETRY_S)
        finally:
            self._is_sending = False
            for report in (*reports, *self._waiting):  # none, unless the agent was made to end
                report.answer.cancel()
            self._waiting.clear()

    def _next_call(self) -> list[Report]:
        """The reports of the next call, at most one of each task; what must come after them keeps waiting."""
        waiting = self._waiting
        chosen: dict[str, Report] = {}
        later: list[Report] = []
        size_bytes = 0
        while waiting and len(chosen) < MAX_BATCH:
            report = waiting.popleft()
            if report.answer.done():
                continue  # taken back
            if report.item["task_id"] in chosen:
                later.append(report)
            elif chosen and size_bytes + report.size_bytes > MAX_CALL_BYTES:
                later.append(report)
                break
            else:
                report.is_sent = True
                chosen[report.item["task_id"]] = report
                size_bytes += report.size_bytes
        waiting.extendleft(reversed(later))
        return list(chosen.values())

    async def _call(self, reports: list[Report]) -> bool:
        """Say `reports`, and give everyone its answer; returns False if some must be said again later."""
        try:
            body = request(ReportRequest, items=tuple(report.item for report in reports))
            answers = await self._duty.session.tasks.report_request(body)
        except (UnavailableError, RejectedError, UsageError) as error:
            if isinstance(error, UnavailableError) or (isinstance(error, RejectedError) and error.retryable):
                self._put_back(reports, error)
                return False
            if len(reports) == 1:
                reports[0].settle(error)
                return True
            # One of them cannot be said at all; the others are none the worse for it.
            middle = len(reports) // 2
            is_heard = await self._call(reports[:middle])
            return await self._call(reports[middle:]) and is_heard
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must hear of it
            for report in reports:
                report.settle(error)
            return True
        is_heard = True
        for report, answer in zip(reports, answers, strict=True):
            is_heard &= self._settle(report, answer)
        return is_heard

    def _settle(self, report: Report, answer: StandingReply | RefusedReply) -> bool:
        if not isinstance(answer, RefusedReply):
            if not report.answer.done():
                report.answer.set_result(answer)
            return True
        error = RejectedError(answer.code, answer.message, retryable=answer.retryable, details=answer.details)
        if answer.retryable:
            self._put_back([report], error)
            return False
        report.settle(error)
        return True

    def _put_back(self, reports: list[Report], error: ConclaveError) -> None:
        """Say `reports` again before all others, but for those whose time is over."""
        now_s = self._loop.time()
        again = []
        for report in reports:
            if report.answer.done():
                continue
            if now_s >= report.until_s:
                report.settle(error)
            else:
                report.is_sent = False
                again.append(report)
        self._waiting.extendleft(reversed(again))
