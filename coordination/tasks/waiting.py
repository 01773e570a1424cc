"""Waits for the ends of tasks: for however many, one client listens once and asks seldom.

The submitter is told of the end of each task on its own inbox, result and all, so whoever waits for tasks
of its own needs no question. Pushes can get lost, and tasks of others end unheard: what is still waited for
is asked for in bulk, at growing intervals. Notices of the few tasks of others that are waited for are
listened to.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from coordination.runtime.bundles import bodies_of
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.wire import to_json
from coordination.tasks import wire
from coordination.tasks.expecting import Expectations, Expected

FIRST_ASK_S: Final = 0.05
"""After so long without word it is asked whether the task has ended already, unless we submitted it while we
listened: then that will be said."""
SECOND_ASK_S: Final = 1.0
"""So long for the others, in case that it was said in vain; and until the second question."""
LAST_ASK_S: Final = 16.0
"""The time between questions doubles up to this."""
MAX_ASKED: Final = 500
"""Tasks asked for at one time."""
MAX_KEPT: Final = 4096
"""Results kept that came before anybody waited for them."""
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
MAX_NOTICED: Final = 64
"""Tasks of others whose notices are listened to; more are asked for each second."""
_MAX_FETCHED: Final = 16
"""Records fetched at the same time."""
# As `validate_json` of a model or an adapter, without what that does before.
_read_one: Final = TypeAdapter(wire.TaskResult).validator.validate_json
_read_bundle: Final = TypeAdapter(list[wire.TaskResult]).validator.validate_json
_Single: TypeAlias = "asyncio.Future[wire.TaskResult | None]"
"""Waits for one task; None says that it has waited long enough."""
_log = get_logger(__name__)


@dataclass(slots=True)
class _Wait:
    """What is known of a task that somebody waits for."""

    task_id: str
    ask_at_s: float
    pause_s: float = SECOND_ASK_S
    futures: list[_Single | _Crowd] = field(default_factory=list)
    noticing: Subscription | None = None


class _Crowd:
    """Many tasks that one waits for at once: what each of them is told instead of a future of its own.

    Args:
        count: How many they are.
        is_patient: Wait for all of them, also when one has gone wrong.
    """

    __slots__ = ("_is_patient", "_left", "over")

    def __init__(self, count: int, *, is_patient: bool) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when all have ended, or one has gone wrong."""
        self._left = count
        self._is_patient = is_patient

    def done(self) -> bool:
        return self.over.done()

    def set_result(self, result: wire.TaskResult) -> None:
        self._count(is_well=result.state == "completed")

    def set_exception(self, _: ConclaveError) -> None:
        """Whoever asks for that one alone gets the error."""
        self._count(is_well=False)

    def _count(self, *, is_well: bool) -> None:
        self._left -= 1
        if not self._left or not (is_well or self._is_patient):
            self.over.set_result(None)


class Waiting:
    """Everything that one client waits for.

    Args:
        caller: Who waits.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._waits: dict[str, _Wait] = {}
        self._kept: OrderedDict[str, tuple[wire.TaskResult, int]] = OrderedDict()
        self._kept_bytes = 0
        self.expected = Expectations()
        """The ends that somebody holds, whether or not anybody waits."""
        self._beginning = asyncio.Lock()
        self.is_listening = False
        """Whether `listen` was done."""
        self._asker: asyncio.Task[None] | None = None
        """At work once the first question is due, which most tasks end before."""
        self._alarm: asyncio.TimerHandle | None = None
        """What starts it: one for all, and left to ring when nobody waits any more."""
        self._unwatched: dict[_Single, float] = {}
        """Who waits until when, before the alarm has rung once: most tasks end before, and need no timer."""
        self._limits: dict[_Single, asyncio.TimerHandle] = {}
        self._look = asyncio.Event()
        self._looks_at_s = 0.0
        """When the asker looks again by itself; 0 while it is about to."""

    async def result(self, task_id: str, *, timeout_s: float | None) -> wire.TaskResult:
        """How `task_id` ended, as soon as it has; waits for ever without `timeout_s`.

        Raises:
            UnavailableError: It has not ended within `timeout_s`, or the service was away.
            RejectedError: There is no such task.
        """
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        until_s = None if timeout_s is None else now_s + timeout_s
        ask_at_s = now_s + _first_pause_s(self.expected.get(task_id))
        if not self.is_listening:
            ask_at_s = now_s
            try:
                async with asyncio.timeout_at(until_s):
                    await self.listen()
            except TimeoutError:
                raise _not_ended(task_id, timeout_s) from None
        kept = self._kept.pop(task_id, None)
        if kept is not None:
            self._kept_bytes -= kept[1]
            return kept[0]
        expected = self.expected.get(task_id)
        if expected is not None and expected.result is not None and expected.result.state == "completed":
            return expected.result  # that end is for ever
        future: _Single = loop.create_future()
        wait = self._join(task_id, future, ask_at_s)
        self._ask_by(wait.ask_at_s)
        if until_s is not None:
            self._limit(future, until_s)
        try:
            result = await future
        finally:
            if until_s is not None and self._unwatched.pop(future, None) is None:
                self._limits.pop(future).cancel()
            noticing = self._leave(wait, future)
            if noticing is not None:
                await _end(noticing)
        if result is None:
            self.expected.doubt([task_id])
            raise _not_ended(task_id, timeout_s)
        return result

    async def crowd(self, expected: Iterable[Expected], *, timeout_s: float | None, is_patient: bool) -> bool:
        """Wait until all of `expected` have ended, or one has gone wrong: with one future for all of them.

        What has no result then is to be asked for alone.

        Args:
            expected: The tasks.
            timeout_s: How long to wait; None for as long as it takes.
            is_patient: Wait for all of them, also when one has gone wrong.

        Returns:
            False if it took too long.
        """
        expected = tuple(expected)
        try:
            async with asyncio.timeout(timeout_s):
                is_late = not self.is_listening
                if is_late:
                    await self.listen()
                now_s = _now_s()
                ask_at_s = {
                    each.task_id: now_s if is_late else now_s + _first_pause_s(each)
                    for each in expected
                    if each.result is None and each.task_id not in self._kept
                }
                if not ask_at_s:
                    return True
                crowd = _Crowd(len(ask_at_s), is_patient=is_patient)
                waits = [self._join(task_id, crowd, at_s) for task_id, at_s in ask_at_s.items()]
                self._ask_by(min(ask_at_s.values()))
                try:
                    await crowd.over
                finally:
                    ended = [noticing for wait in waits if (noticing := self._leave(wait, crowd))]
                    for noticing in ended:
                        await _end(noticing)
        except TimeoutError:
            self.expected.doubt(each.task_id for each in expected)
            return False
        return True

    def _join(self, task_id: str, future: _Single | _Crowd, ask_at_s: float) -> _Wait:
        wait = self._waits.get(task_id)
        if wait is None:
            wait = self._waits[task_id] = _Wait(task_id, ask_at_s)
        wait.futures.append(future)
        return wait

    def _ask_by(self, at_s: float) -> None:
        """Have the asker at work by then."""
        if self._asker is not None:
            if at_s < self._looks_at_s:
                self._look.set()
        elif self._alarm is None or self._alarm.when() > at_s:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = asyncio.get_running_loop().call_at(at_s, self._ring)

    def _limit(self, future: _Single, until_s: float) -> None:
        """Have `future` wait no longer than that."""
        if self._alarm is not None and self._alarm.when() <= until_s:
            self._unwatched[future] = until_s
        else:
            call_at = asyncio.get_running_loop().call_at
            self._limits[future] = call_at(until_s, _say_late, future)

    def _ring(self) -> None:
        """Begin to ask, if it is time for a question, and watch the limits of those who still wait."""
        self._alarm = None
        unwatched, self._unwatched = self._unwatched, {}
        for future, until_s in unwatched.items():
            self._limit(future, until_s)
        if self._asker is None and self._waits:
            first_s = min(wait.ask_at_s for wait in self._waits.values())
            if first_s > _now_s():
                self._ask_by(first_s)
            else:
                self._looks_at_s = 0.0
                self._asker = asyncio.create_task(self._ask())

    def forget(self, task_id: str | None) -> None:
        """Drop what was kept of a task: it is submitted anew, under the same id."""
        if task_id is not None and (kept := self._kept.pop(task_id, None)) is not None:
            self._kept_bytes -= kept[1]

    def _leave(self, wait: _Wait, future: _Single | _Crowd) -> Subscription | None:
        """`future` waits no more; whoever was the last is given what is to be ended."""
        wait.futures.remove(future)
        if wait.futures:
            return None
        if self._waits.get(wait.task_id) is wait:
            del self._waits[wait.task_id]
        if not self._waits and self._asker is not None:
            self._asker.cancel()
            self._asker = None
        noticing, wait.noticing = wait.noticing, None
        return noticing

    # --- listening

    async def listen(self) -> None:
        """Hear the ends of the caller's own tasks from now on; idempotent."""
        async with self._beginning:
            if self.is_listening:
                return
            caller = self._caller
            subscription = await caller.inbox.listen("result", self._hear)
            try:
                with contextlib.suppress(UnavailableError):  # the questions wait until the server is back
                    await caller.bus.flush()
            except BaseException:
                await subscription.unsubscribe()
                raise
            caller.bus.on_reconnect(self._ask_now)
            self.is_listening = True

    def _hear(self, delivery: Delivery) -> None:
        for result in self._results_in(delivery.payload):
            if not self._settle(result) and result.state == "completed":
                # Only that end is for ever: a dead letter may come back.
                self._keep(result)

    def _results_in(self, payload: bytes) -> list[wire.TaskResult]:
        """The results in a push: one, or an array of them."""
        try:
            found: list[wire.TaskResult] = (
                _read_bundle(payload) if payload.startswith(b"[") else [_read_one(payload)]
            )
        except ValidationError:
            return list(self._results_among(payload))
        return found

    def _results_among(self, payload: bytes) -> Iterator[wire.TaskResult]:
        """Those parts of a push that are results."""
        for body in bodies_of(payload):
            try:
                yield _read_one(body)
            except ValidationError:
                _log.warning("push ignored", agent=self._caller.agent, reason="not a result")

    def _keep(self, result: wire.TaskResult) -> None:
        self.forget(result.task_id)
        size_bytes = len(to_json(result))
        self._kept[result.task_id] = (result, size_bytes)
        self._kept_bytes += size_bytes
        while len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES:
            _, (_, forgotten_bytes) = self._kept.popitem(last=False)
            self._kept_bytes -= forgotten_bytes

    def _settle(self, result: wire.TaskResult) -> bool:
        """Tell everybody who waits for it; False if nobody does."""
        expected = self.expected.get(result.task_id)
        if expected is not None and expected.result is None:
            expected.result = result
        wait = self._waits.pop(result.task_id, None)
        if wait is None:
            return expected is not None
        for future in wait.futures:
            if not future.done():
                future.set_result(result)
        return True

    def _ask_now(self) -> None:
        """What was said while the connection was lost is missing."""
        self.expected.doubt()
        for wait in self._waits.values():
            wait.ask_at_s = 0.0
        self._ask_by(0.0)

    # --- asking

    async def _ask(self) -> None:
        """Ask for what is waited for, each at its time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._look.clear()
            self._looks_at_s, now_s = 0.0, loop.time()
            due = [wait for wait in self._waits.values() if wait.ask_at_s <= now_s]
            for first in range(0, len(due), MAX_ASKED):
                some = due[first : first + MAX_ASKED]
                try:
                    await self._ask_for(some)
                except ConclaveError as error:  # the bus was closed, or the answer is none
                    self._fail(some, error)
            next_s = min((wait.ask_at_s for wait in self._waits.values()), default=now_s + LAST_ASK_S)
            self._looks_at_s = next_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await self._look.wait()

    async def _ask_for(self, waits: Sequence[_Wait]) -> None:
        try:
            known = await self._states([wait.task_id for wait in waits])
        except (UnavailableError, RejectedError) as error:
            if isinstance(error, RejectedError) and not error.retryable:
                raise
            self._postpone(waits)
            return
        self._postpone(waits)
        unknown = frozenset(known.unknown)
        for wait in waits:
            if wait.task_id in unknown:
                message = f"there is no task {wait.task_id}, or it ended long ago"
                self._fail([wait], RejectedError("unknown_task", message))
        for standing in known.tasks:
            wait_of = self._waits.get(standing.task_id)
            if wait_of is None or standing.finished_at_ms is not None:
                continue
            if standing.submitter != self._caller.agent and wait_of.noticing is None:
                await self._notice(wait_of)
        ended = [each.task_id for each in known.tasks if each.finished_at_ms is not None]
        for first in range(0, len(ended), _MAX_FETCHED):
            await asyncio.gather(*map(self._fetch, ended[first : first + _MAX_FETCHED]))

    async def _states(self, task_ids: Iterable[str]) -> wire.StatesReply:
        request = wire.StatesRequest(task_ids=tuple(task_ids))
        return await self._caller.query("tasks", "states", request, wire.StatesReply)

    async def _fetch(self, task_id: str) -> None:
        """Take over how a task has ended; nothing if it cannot be asked for now."""
        if task_id not in self._waits:
            return
        with contextlib.suppress(UnavailableError, RejectedError):
            request = wire.GetRequest(task_id=task_id)
            record = await self._caller.query("tasks", "get", request, wire.TaskRecord)
            if record.finished_at_ms is not None:
                self._settle(result_of(record))

    async def _notice(self, wait: _Wait) -> None:
        """Listen to what happens to a task of somebody else; beyond the bound ask each second."""
        if sum(each.noticing is not None for each in self._waits.values()) >= MAX_NOTICED:
            wait.pause_s = SECOND_ASK_S
            return
        caller = self._caller

        async def notice(_: Delivery) -> None:
            wait.ask_at_s = 0.0
            self._look.set()

        wait.noticing = await caller.bus.subscribe(caller.subjects.event("tasks", "*", wait.task_id), notice)
        # It may have ended before the server knew of this.
        wait.ask_at_s, wait.pause_s = 0.0, SECOND_ASK_S
        with contextlib.suppress(UnavailableError):
            await caller.bus.flush()

    def _postpone(self, waits: Sequence[_Wait]) -> None:
        now_s = asyncio.get_running_loop().time()
        for wait in waits:
            wait.ask_at_s = now_s + wait.pause_s
            wait.pause_s = min(wait.pause_s * 2, LAST_ASK_S)

    def _fail(self, waits: Iterable[_Wait], error: ConclaveError) -> None:
        for wait in waits:
            self._waits.pop(wait.task_id, None)
            for future in wait.futures:
                if not future.done():
                    future.set_exception(error)


async def _end(subscription: Subscription) -> None:
    with contextlib.suppress(ConclaveError):
        await subscription.unsubscribe()


def _say_late(future: _Single) -> None:
    if not future.done():
        future.set_result(None)


def _not_ended(task_id: str, timeout_s: float | None) -> UnavailableError:
    return UnavailableError(f"task {task_id} has not ended within {timeout_s:g} s")


def _first_pause_s(expected: Expected | None) -> float:
    """How long to wait for word of a task before it is asked for."""
    return SECOND_ASK_S if expected is not None and expected.is_announced else FIRST_ASK_S


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def result_of(record: wire.TaskRecord) -> wire.TaskResult:
    """What a submitter is told of the end that `record` shows."""
    return wire.TaskResult(
        task_id=record.task_id,
        state=record.state,
        result=record.result,
        result_reference=record.result_reference,
        reason=record.reason,
        attempts=len(record.attempts),
        fencing_token=record.fencing_token,
        finished_at_ms=record.finished_at_ms or 0,
        dag=record.dag,
        name=record.name,
    )
