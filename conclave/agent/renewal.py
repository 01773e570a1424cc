"""Keeps the lease of one attempt, and tells how far the work is: both are the same report.

No task of its own: a timer. Jobs of one agent that are due together renew with one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from conclave.agent.errors import TaskFailed, WorkCancelledError
from conclave.agent.reporting import RETRY_S, Report, Reports, answering
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from coordination.tasks.limits import MAX_NOTE_CHARS
from coordination.tasks.wire import TaskOffer

RENEWALS_PER_LEASE: Final = 3
"""How often a running task's lease is renewed within its length."""
HOLD_ON_S: Final = 30.0
"""How long a handler goes on after the end of its lease while nobody answers. A change of leaders and a
restart of nats-server take less, and no lease ends by them: a task service that is back waits for its workers
(`coordination.tasks.limits.Policy.resume_grace_ms`). If only this agent is cut off, somebody else may have
the task meanwhile, for as long at most."""
_STOOD_STILL_S: Final = 1.0
"""A timer that rings so late was not let ring: this process, or all of them, stood still."""
UNHEARD: Final = f"nobody answered until {HOLD_ON_S:g} s after the lease had ended, and the work was stopped"
"""Why an attempt has failed whose worker gave it up; said if somebody hears it again soon."""
BEING_CANCELED: Final = "being_canceled"
"""Refusal of what a worker says of a task whose cancellation it is to confirm."""
LEASE_LOST: Final = "lease lost"


class Lease:
    """The lease of one attempt, from when it is to be renewed or told of on: few attempts last so long.

    Args:
        offer: The task.
        reports: Where reports go.
        since_s: When it was asked for, by the event loop's clock.
        length_s: How long it lasts; of an offer that was not accepted: how long it stands. Progress
            accepts it.
        on_lost: Called once when the service says that the lease is over, with why: `LEASE_LOST` or
            `BEING_CANCELED`.
        on_trouble: Called with why the attempt fails: nobody answered, or an error that nobody expects.
    """

    __slots__ = (
        "_answer",
        "_due_s",
        "_interval_s",
        "_is_over",
        "_loop",
        "_note",
        "_offer",
        "_on_lost",
        "_on_trouble",
        "_report",
        "_reports",
        "_said",
        "_share",
        "_timer",
        "_untold",
        "ends_s",
        "spent",
    )

    def __init__(
        self,
        offer: TaskOffer,
        reports: Reports,
        since_s: float,
        length_s: float,
        on_lost: Callable[[str], None],
        on_trouble: Callable[[Exception], None],
    ) -> None:
        self._offer = offer
        self._reports = reports
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._loop = asyncio.get_running_loop()
        self._interval_s = first_renewal_s(length_s)
        self._share: float | None = None
        self._note = ""
        self._untold = False
        """There is something that no report under way says."""
        self._report: Report | None = None
        """The one that waits or is under way."""
        self._said: dict[str, Any] = {}
        """What it says."""
        self._answer: asyncio.Future[None] | None = None
        """To it."""
        self._timer: asyncio.TimerHandle | None = None
        """None until the first renewal."""
        self._due_s = since_s + self._interval_s
        """When it is to ring."""
        self._is_over = False
        self.ends_s: float = end_s(since_s, length_s)
        """Until when, by the event loop's clock, work goes on while nobody answers."""
        self.spent: int | None = None
        """Units that the attempt has used so far, if it says."""

    def end(self) -> None:
        """Renew no more; idempotent. A report that was not sent yet is taken back."""
        if self._is_over:
            return
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._report is not None:
            self._report.take_back()

    def begin_renewing(self) -> None:
        """The first renewal is due, unless there was one, because something was to be told."""
        if self._timer is None:
            self._ring()

    def _renewed(self, since_s: float) -> None:
        """The lease runs from `since_s` on."""
        length_s = self._offer.lease_ms / 1000
        self.ends_s = end_s(since_s, length_s)
        self._interval_s = first_renewal_s(length_s)
        self._set_timer(since_s + self._interval_s)
        if self._untold:
            self._renew()

    def _set_timer(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due_s = at_s
        self._timer = self._loop.call_at(at_s, self._ring)

    def _ring(self) -> None:
        if self._is_over:
            return
        now_s = self._loop.time()
        if now_s - self._due_s > _STOOD_STILL_S:
            # Nobody was asked meanwhile: if somebody else has the task by now, the answer says so.
            self.ends_s = max(self.ends_s, now_s + HOLD_ON_S)
        if now_s >= self.ends_s:
            # A renewal that is still under way may take effect yet: then the task is not to wait for nobody.
            self.end()
            self._on_trouble(TaskFailed(UNHEARD))
        else:
            self._renew()

    def _lose(self, why: str) -> None:
        if not self._is_over:
            self.end()
            self._on_lost(why)

    # --- reports

    def _renew(self) -> None:
        """Have it told how far the work is, which renews the lease."""
        self._set_timer(min(self._loop.time() + self._interval_s, self.ends_s))
        self._untold = False
        how_far = {"share": self._share, "note": self._note, "spent": self.spent}
        if self._report is not None and not self._report.is_sent:
            self._said.update(how_far)
            return
        if self._report is not None:
            self._untold = True  # with the next one, as soon as this one is answered
            return
        offer = self._offer
        self._said = {
            "do": "progress",
            "task_id": offer.task_id,
            "fencing_token": offer.fencing_token,
            **how_far,
        }
        self._answer = self._loop.create_future()
        self._answer.add_done_callback(partial(self._hear, self._loop.time()))
        self._report = self._reports.put(offer.task_id, self._said, answering(self._answer))

    def _hear(self, since_s: float, answer: asyncio.Future[None]) -> None:
        self._report = None
        if answer.cancelled():
            return
        error = answer.exception()
        if self._is_over:
            return
        if error is None:
            self._renewed(since_s)
        elif isinstance(error, UnavailableError) or (isinstance(error, RejectedError) and error.retryable):
            # The lease may still hold, and there is a next time.
            self._set_timer(min(self._loop.time() + min(self._interval_s, RETRY_S), self.ends_s))
        elif isinstance(error, RejectedError):
            self._lose(BEING_CANCELED if error.code == BEING_CANCELED else LEASE_LOST)
        elif isinstance(error, Exception):
            self.end()
            self._on_trouble(error)

    # --- what the handler says

    async def tell(self, share: float | None, note: str) -> None:
        """Report progress; returns when it is durable, or will be told with the next renewal.

        Raises:
            UsageError: `share` or `note` is out of bounds.
            WorkCancelledError: The lease is over.
        """
        self._note_down(*checked(share, note))
        for _ in range(2):  # a report that was under way already does not say it; the next one does
            if self._report is None or self._answer is None or self._is_over:
                break
            says_it = self._said["share"] == self._share and self._said["note"] == self._note
            await asyncio.wait([self._answer])
            if says_it:
                break
        if self._is_over:
            raise WorkCancelledError(LEASE_LOST)

    def tell_soon(self, share: float | None, note: str) -> None:
        """Report progress, from any thread, without waiting."""
        progress = checked(share, note)
        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody listens
            self._loop.call_soon_threadsafe(self._note_down, *progress)

    def spend(self, units: int) -> int:
        """Note that units were used, from any thread; returns how many were in all."""
        self.spent = spent = (self.spent or 0) + units
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._note_down, self._share, self._note)
        return spent

    def _note_down(self, share: float | None, note: str) -> None:
        self._share, self._note = share, note
        if not self._is_over:
            self._renew()


def first_renewal_s(length_s: float) -> float:
    """How long after it was asked for a lease of `length_s` is to be renewed."""
    return length_s / RENEWALS_PER_LEASE


def end_s(since_s: float, length_s: float) -> float:
    """Until when work goes on while nobody answers: `HOLD_ON_S` after the end of a lease, as we know it."""
    return since_s + length_s + HOLD_ON_S


def checked(share: float | None, note: str) -> tuple[float | None, str]:
    """Progress as it may be told: the note cut if it is too long.

    Raises:
        UsageError: The share is no share, or UTF-8 cannot carry the note.
    """
    if share is not None and (math.isnan(share) or not 0 <= share <= 1):
        raise UsageError(f"progress: share is {share}; it is between 0 and 1")
    try:
        note.encode()
    except UnicodeEncodeError:
        raise UsageError("progress: the note holds half a surrogate pair, which cannot be sent") from None
    return share, note if len(note) <= MAX_NOTE_CHARS else f"{note[: MAX_NOTE_CHARS - 1]}…"
