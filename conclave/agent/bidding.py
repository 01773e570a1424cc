"""The part of contract net that an agent plays: it is called for proposals, and bids."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from conclave.agent.binding import ContentError
from conclave.agent.containment import contained
from conclave.agent.context import Context
from conclave.agent.duty import Duty
from conclave.agent.reporting import Reports
from conclave.agent.taskhandler import BidHandler
from conclave.session import Session
from conclave.work.large import fetched
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import ConclaveError, RejectedError, UsageError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.trace import TraceContext
from coordination.tasks.limits import MAX_DURATION_MS, MAX_NOTE_CHARS
from coordination.tasks.wire import CallForProposals

MAX_BIDS_AT_ONCE: Final = 64
"""Calls for proposals whose handlers run at a time; one more is declined."""
MAX_BID_COST: Final = 1e15
_log = get_logger("conclave.agent")


@dataclass(frozen=True, slots=True)
class Bid:
    """What it would take an agent to do a task; the smallest wins.

    Args:
        cost: In whatever unit the caller for proposals and the bidders share; 0 to 1e15.
        eta_ms: How long it would take.

    Raises:
        UsageError: One of them is no such number.
    """

    cost: float = 0.0
    eta_ms: int = 0

    def __post_init__(self) -> None:
        """Refuse what the task service would refuse, where it is written."""
        if isinstance(self.cost, bool) or not isinstance(self.cost, int | float):
            raise UsageError(f"bid: cost is a {type(self.cost).__name__}; it is a number")
        if not math.isfinite(self.cost) or not 0 <= self.cost <= MAX_BID_COST:
            raise UsageError(f"bid: cost is {self.cost}; it is 0 to {MAX_BID_COST:g}")
        if isinstance(self.eta_ms, bool) or not isinstance(self.eta_ms, int):
            raise UsageError(f"bid: eta_ms is a {type(self.eta_ms).__name__}; it is a whole number")
        if not 0 <= self.eta_ms <= MAX_DURATION_MS:
            raise UsageError(f"bid: eta_ms is {self.eta_ms}; it is 0 to {MAX_DURATION_MS}")


class BidContext(Context):
    """A call for proposals.

    Attributes:
        call: The call: what is asked for, and until when bids count.
        held: Tasks that the agent works on now.
        max_tasks: Tasks that it works on at most.
    """

    def __init__(
        self, session: Session, *, log: Any, trace: TraceContext, call: CallForProposals, duty: Duty
    ) -> None:
        super().__init__(session, log=log, trace=trace)
        self.call = call
        self.held: int = duty.tasks_held
        self.max_tasks: int = duty.max_tasks

    @property
    def task_id(self) -> str:
        """Id of the task."""
        return self.call.task_id

    @property
    def remaining_s(self) -> float:
        """Seconds until bids count no more, not below 0."""
        return max(self.call.bid_until_ms - self.session.clock.now_ms(), 0) / 1000


class Bids:
    """Answers calls for proposals.

    Args:
        duty: The agent at work.
        reports: Where bids go.
        choose: The handler for a call; None for the agent's load as its bid.
        objection: Why the agent would not take the task that is called for; empty if it would.
    """

    def __init__(
        self,
        duty: Duty,
        reports: Reports,
        *,
        choose: Callable[[CallForProposals], BidHandler | None],
        objection: Callable[[CallForProposals], str],
    ) -> None:
        self._duty = duty
        self._reports = reports
        self._choose = choose
        self._objection = objection
        self._answering: set[tuple[str, int]] = set()

    async def receive(self, delivery: Delivery) -> None:
        """Take a call in; pushes may come twice."""
        try:
            call = CallForProposals.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("push ignored", agent=self._duty.agent, reason="not a call for proposals")
            return
        key = (call.task_id, call.call)
        if key not in self._answering:
            self._answering.add(key)
            self._duty.spawn(self._answer(call))

    async def _answer(self, call: CallForProposals) -> None:
        duty = self._duty
        trace = duty.span(call.traceparent)
        duty.enter(trace, task=call.task_id)
        log = duty.logger(trace, task=call.task_id)
        try:
            bid: Bid | str = self._objection(call)
            handler = self._choose(call)
            if not bid:
                if handler is None:
                    bid = Bid(cost=duty.load)
                elif len(self._answering) > MAX_BIDS_AT_ONCE:
                    bid = f"busy with {MAX_BIDS_AT_ONCE} calls for proposals"
                else:
                    bid = await self._made(handler, call, trace, log)
            await self._tell(call, bid)
        except RejectedError as error:
            log.info("bid refused", code=error.code)
        except ConclaveError as error:
            log.warning("bid not made", error=str(error))
        finally:
            self._answering.discard((call.task_id, call.call))

    async def _made(
        self, handler: BidHandler, call: CallForProposals, trace: TraceContext, log: Any
    ) -> Bid | str:
        """What the handler bids, or why it does not."""
        context = BidContext(self._duty.session, log=log, trace=trace, call=call, duty=self._duty)
        try:
            async with asyncio.timeout(context.remaining_s):
                payload = call.payload
                if call.payload_reference is not None:
                    payload = await fetched(self._duty.session.artifacts, call.payload_reference)
                with contained():
                    arguments = handler.binding.arguments(payload, context)
                    bid = await handler.handler.call(arguments, self._duty.run_sync)
        except TimeoutError:
            return "no bid in time"
        except ContentError as error:
            return f"invalid payload: {error}"
        except Exception:  # noqa: BLE001 - whatever it is, the others must not wait for this one
            log_failure(log, "bid failed", handler=handler.handler.name)
            return "its bid failed; see the agent's log"
        if bid is None:
            return "it does not bid"
        if not isinstance(bid, Bid):
            log.error("what a handler for bids returns is a Bid or None", returned=type(bid).__name__)
            return "its bid failed; see the agent's log"
        return bid

    async def _tell(self, call: CallForProposals, bid: Bid | str) -> None:
        item: dict[str, Any] = {"do": "propose", "task_id": call.task_id, "call": call.call}
        if isinstance(bid, Bid):
            item |= {"cost": float(bid.cost), "eta_ms": bid.eta_ms}
        else:
            item |= {"refuse": True, "reason": bid[:MAX_NOTE_CHARS]}
        await self._reports.ask(item)
