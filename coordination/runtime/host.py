"""The host runs one shard: it follows the journal, claims it when nobody leads, and leads.

As the leader, per batch: let time pass; decide and apply each request, and what follows from them at once;
append ONE record; only when it is durable release replies and messages. While a record is in flight the next
batch is decided, and it is sent before the acknowledgement when enough requests wait (pipelined group
commit). A query is answered in the same order, so that it never shows what a crash could take back, and
only under a confirmed lease.

A failed compare-and-set: somebody else leads. Everything waiting is refused as retryable, the state is
void, and the host follows again (docs/adr/0004-leadership.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter

from coordination.runtime.answers import CommandKey
from coordination.runtime.clock import Alarm, Clock
from coordination.runtime.concurrency import Turns
from coordination.runtime.deciding import decided
from coordination.runtime.departures import Carry, Deliver, Departures, Prepare, Together
from coordination.runtime.errors import ClosedError, CompactedError, NotLeaderError, UnavailableError
from coordination.runtime.flight import Flight
from coordination.runtime.journal import Journal
from coordination.runtime.lease import Lease
from coordination.runtime.limits import MAX_BATCH_COMMANDS, MAX_BATCH_TICKS
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Model, Outcome, Rejected
from coordination.runtime.request_queue import RequestQueue
from coordination.runtime.requests import FutureRequest, Request
from coordination.runtime.shard import Batch, EpochBegan, LeaderResigned, ShardState
from coordination.runtime.snapshots import SnapshotPolicy, Snapshots

M = TypeVar("M", bound=Model)
_RESIGN_TIMEOUT_S: Final = 2.0
_log = get_logger(__name__)


class Host(Generic[M]):
    """Runs one shard's model; the only thing that may mutate it.

    Args:
        name: For log lines, errors and snapshots, ``registry.0``.
        make_model: Makes the model in its initial state.
        journal: Where its events live.
        clock: The only source of time.
        deliver: Sends pushes and notices; called only for what is durable.
        prepare: Makes of messages what `deliver` takes; they are taken as they are without it.
        together: A scope around all that is sent at one time.
        carry: What a record may take along, where the journal does that; nothing without it.
        entropy: The only source of randomness: ids of records, jitter of claims.
        lease: How leadership is timed.
        snapshots: When snapshots are taken.
    """

    def __init__(
        self,
        *,
        name: str,
        make_model: Callable[[], M],
        journal: Journal,
        clock: Clock,
        deliver: Deliver,
        prepare: Prepare = tuple,
        together: Together = contextlib.nullcontext,
        carry: Carry | None = None,
        entropy: random.Random | None = None,
        lease: Lease | None = None,
        snapshots: SnapshotPolicy | None = None,
    ) -> None:
        self.name = name
        self.leading = asyncio.Event()
        """Set while this host leads and answers."""
        self.following = asyncio.Event()
        """Set while it does not; at first, too."""
        self.following.set()
        self.settled = asyncio.Event()
        """Set once this host has led, or has heard another one lead."""
        self._make_model = make_model
        self._journal = journal
        self._clock = clock
        self._departures = Departures(name, deliver=deliver, prepare=prepare, together=together, carry=carry)
        self._entropy = entropy or random.SystemRandom()
        self._lease = lease or Lease()
        self._snapshots = Snapshots(name, journal, snapshots or SnapshotPolicy())
        self._id = f"{self._entropy.getrandbits(64):016x}"
        self._record_count = 0
        self._state = ShardState(name, make_model)
        self._pending = RequestQueue()
        self._flights: deque[Flight] = deque()
        self._wake = Alarm()
        self._confirmed_s = self._sent_s = 0.0
        self._caught_up = False
        self._was_deaf = True  # nobody could be heard for a while, and the model does not know yet
        self._stopping = False
        self._ended = False

    @property
    def model(self) -> M:
        """The state machine; replaced by a fresh one when leadership is lost."""
        return self._state.model

    @property
    def epoch(self) -> int:
        """Number of the leadership that wrote last, as far as is known here."""
        return self._state.epoch

    @property
    def is_ahead(self) -> bool:
        """Whether `model` holds what may not be durable."""
        return bool(self._flights)

    @property
    def sequence(self) -> int:
        """Last record that `model` contains."""
        return self._state.sequence

    async def run(self) -> None:
        """Follow, claim, lead and follow again, until `stop`.

        Raises:
            CorruptJournalError: The journal cannot be read; nothing was served from it.
            UnavailableError: The journal did not answer while it was opened or loaded.
            ClosedError: The connection under the journal was closed.
            UsageError: The journal was made for another number of shards.
            ApplyError: A bug in the model; nothing of what it did is stored.
        """
        try:
            await self._journal.open()
            await self._load()
            while not self._stopping:
                if await self._follow():
                    await self._lead()
        finally:
            self._ended = True
            self._void("it has stopped")
            await self._end_tasks()
            self._wake.close()

    def stop(self) -> None:
        """Finish what is queued, resign, then let `run` return."""
        self._stopping = True
        self._wake.set()

    def wake(self) -> None:
        """Look at ``next_deadline_ms`` now: something outside the journal changed what the model may do."""
        self._wake.set()

    async def command(
        self,
        decide: Callable[[M, int], Outcome | Rejected],
        *,
        reply_type: TypeAdapter[Any],
        key: CommandKey | None = None,
    ) -> str:
        """Decide a command and return its JSON reply once its effect is durable.

        Args:
            decide: Called with the model and the time in ms; must not mutate.
            reply_type: Writes ``Outcome.reply`` as JSON.
            key: Makes the command idempotent; without it each call is a new command.

        Raises:
            RejectedError: The model refused it, the queue is full (``overloaded``, retryable), or
                `key` was used for another request.
            UnavailableError: This host does not lead; the outcome is unknown, retry.
        """
        self.submit(request := FutureRequest(decide, reply_type=reply_type, key=key))
        return await request.result

    async def query(self, answer: Callable[[M, int], Any], *, reply_type: TypeAdapter[Any]) -> str:
        """Evaluate `answer(model, now_ms)` on durable state and return it as JSON.

        The JSON is written at once, because the model goes on changing while the answer waits.

        Raises:
            RejectedError, UnavailableError: As for `command`.
        """
        self.submit(request := FutureRequest(answer, reply_type=reply_type, is_query=True))
        return await request.result

    def submit(self, request: Request) -> None:
        """Queue a request; it is answered through its ``respond``.

        Raises:
            RejectedError: ``overloaded``: the queue is full.
            UnavailableError: This host does not lead, or a query comes while it cannot confirm its lease.
        """
        if self._stopping or not self.leading.is_set():
            raise UnavailableError(f"{self.name}: {self._why_not()}")
        if request.is_query and self._flights and not self._holds_lease():
            raise UnavailableError(f"{self.name}: the journal does not confirm the leadership")
        self._pending.put(request)
        self._wake.set()

    # --- following

    async def _load(self) -> None:
        """Begin again from the newest snapshot."""
        self._state = ShardState(self.name, self._make_model)
        snapshot = await self._journal.load()
        self._snapshots.begin_after(snapshot)
        if snapshot is not None:
            for _ in self._state.restoring(snapshot.payload):
                await asyncio.sleep(0)  # other hosts of this process may lead

    async def _load_again(self) -> None:
        """As `_load`, however long the store is away: a standby must outlive it."""
        while True:
            try:
                return await self._load()
            except UnavailableError as error:
                _log.warning("journal not loaded, trying again", host=self.name, error=str(error))

    async def _follow(self) -> bool:
        """Take over records until nobody else leads; True if the leadership is ours then."""
        heard_s, jitter = self._clock.monotonic_s(), self._entropy.random()
        while not self._stopping:
            now_s = self._clock.monotonic_s()
            silent = self._lease.is_silent(heard_s=heard_s, now_s=now_s, jitter=jitter)
            if (silent or self._state.is_vacant or not self._caught_up) and await self._is_newest():
                self._caught_up = True
                if silent or self._state.is_vacant:
                    if await self._claim():
                        return True
                    heard_s, jitter = self._clock.monotonic_s(), self._entropy.random()
                    continue
            elif silent:
                heard_s = now_s  # the store is away, or there is more to read: that is not silence
            wait_s = self._lease.remaining_s(heard_s=heard_s, now_s=now_s, jitter=jitter)
            if await self._take_over_records(max(wait_s, 0.0)):
                heard_s = self._clock.monotonic_s()
        return False

    async def _take_over_records(self, timeout_s: float) -> bool:
        """Whether any came within the time; begins again from the snapshot if they were compacted."""
        following = self._journal.follow(self._state.sequence, timeout_s=timeout_s)
        try:
            entries = await self._until_stopped(following)
        except CompactedError:
            await self._load_again()
            return True
        if entries and self._caught_up:
            self.settled.set()
        turns = Turns()
        for entry in entries:
            self._state.apply_entry(entry)
            self._snapshots.count(entry.payload)
            await turns.after(len(entry.payload))
        return bool(entries)

    async def _until_stopped(self, work: Awaitable[list[Any]]) -> list[Any]:
        """The result of `work`, or nothing as soon as `stop` is called."""
        working = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop_called())
        try:
            await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else []
        finally:
            working.cancel()
            stopped.cancel()
            await asyncio.gather(working, stopped, return_exceptions=True)

    async def _stop_called(self) -> None:
        while not self._stopping:
            self._wake.clear()
            await self._wake.wait()

    async def _is_newest(self) -> bool:
        """Whether the store answers that there is nothing after what we have."""
        try:
            return await self._journal.last_sequence() <= self._state.sequence
        except UnavailableError:
            return False

    async def _claim(self) -> bool:
        """Begin an epoch by compare-and-set; False if somebody else was faster."""
        state = self._state
        batch = state.begin_batch(self._clock.now_ms())
        state.epoch += 1
        state.store(batch, (EpochBegan(leader=self._id),))
        sent_s = self._clock.monotonic_s()
        try:
            await self._append(state.seal(batch))
        except NotLeaderError:
            _log.info("claim lost", host=self.name, epoch=state.epoch)
            await self._load_again()
            return False
        self._confirmed_s = self._sent_s = sent_s
        return True

    # --- leading

    def _holds_lease(self) -> bool:
        return self._lease.holds(confirmed_s=self._confirmed_s, now_s=self._clock.monotonic_s())

    async def _lead(self) -> None:
        """Work until stopped, or until another host writes."""
        log = _log.warning if self.settled.is_set() else _log.info  # a takeover is what people want to see
        log("leading", host=self.name, epoch=self.epoch, records=self.sequence)
        self.following.clear()
        self._was_deaf = True
        self.leading.set()
        self.settled.set()
        try:
            while not self._is_finished():
                await self._turn()
            await self._resign()
        except NotLeaderError:
            _log.warning("another host leads now", host=self.name, epoch=self.epoch)
            self._void("another process leads now")
            await self._end_tasks()
            await self._load_again()
        else:
            self.leading.clear()
            self.following.set()

    async def _turn(self) -> None:
        """Release what has become durable, decide the next batch, and wait for something to do."""
        self._wake.clear()  # first: what comes while we await below must wake us
        if self._flights:
            await self._release_durable()
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        idle_ms: int | None = None  # while a record is in flight: its end wakes us
        if not self._flights:
            if self._snapshots.is_due:
                self._snapshots.take(self._state)
            idle_ms = 0 if self._pending else self._idle_ms(now_ms, now_s)
            if idle_ms <= 0:
                await self._begin(now_ms, now_s)
                if self._pending or not self._flights:
                    return None
                idle_ms = None
        elif self._may_pipeline():
            return await self._begin(now_ms, now_s)
        elif self._may_answer(now_ms):
            return await self._answer(now_ms, now_s)
        if not self._is_finished():
            await self._clock.wait(self._wake, idle_ms)
        return None

    def _is_finished(self) -> bool:
        return self._stopping and not self._pending and not self._flights

    def _may_pipeline(self) -> bool:
        """Whether so much waits that it is not to wait for the record in flight."""
        has_room = len(self._flights) < self._journal.max_in_flight
        return has_room and self._pending.is_heavy and not self._snapshots.is_due

    def _idle_ms(self, now_ms: int, now_s: float) -> int:
        """How long there is nothing to do unless something comes; rounded up, so never too early."""
        renew_ms = self._lease.renew_ms - int((now_s - self._sent_s) * 1000)
        due_ms = self.model.next_deadline_ms()
        return renew_ms if due_ms is None else min(renew_ms, due_ms - max(now_ms, self._state.last_ms))

    async def _begin(self, now_ms: int, now_s: float) -> None:
        """Decide what waits, and send its record."""
        batch = self._state.begin_batch(now_ms)
        if self._was_deaf or not (self._flights or self._holds_lease()):  # or this process stood still
            self._state.resume(batch)
            self._was_deaf = False
        self._state.tick(batch)  # first: what has timed out is not there for the commands
        has_query = self._gather(flight := Flight(batch, now_s))
        if len(self._flights) > 1:
            await self._release_earlier()
        self._follow_up(batch)
        renews = (now_s - self._sent_s) * 1000 >= self._lease.renew_ms
        if batch.events or renews or (has_query and not self._holds_lease()):
            self._send(flight)
        self._departures.prepare(flight)
        flight.is_open = False
        if self._flights[0].is_durable:
            await self._release_durable()

    async def _release_earlier(self) -> None:
        """In the midst of a batch, release what has become durable since it was begun.

        Agents whose answers had to wait for the whole batch would all begin, and end, at the same moment, and
        leave this host idle meanwhile.
        """
        for _ in range(2):  # the connection is looked at, then what it brought is read
            await asyncio.sleep(0)
        await self._release_durable()

    def _may_answer(self, now_ms: int) -> bool:
        """Whether the next request is a query that need not wait for what is in flight."""
        if not (self._flights and self._pending and self._pending[0].is_query):
            return False
        due_ms = self.model.next_deadline_ms()
        is_due = due_ms is not None and due_ms <= now_ms
        return not is_due and all(each.changes_nothing for each in self._flights) and self._holds_lease()

    async def _answer(self, now_ms: int, now_s: float) -> None:
        """Answer the queries at the head of the queue: all that they see is durable."""
        self._gather(flight := Flight(self._state.begin_batch(now_ms), now_s), queries_only=True)
        self._flights.pop()
        await self._departures.release(flight)

    def _gather(self, flight: Flight, *, queries_only: bool = False) -> bool:
        """Decide requests from the queue; whether there was a query among them."""
        self._flights.append(flight)  # at once: whoever is taken from the queue must be found if we fail
        pending, batch, answers = self._pending, flight.batch, flight.answers
        has_query, now_s = False, asyncio.get_running_loop().time()
        for _ in range(MAX_BATCH_COMMANDS):
            if not pending or batch.is_heavy or (queries_only and not pending[0].is_query):
                break
            request = pending.take()
            if request.is_abandoned():
                continue
            try:
                answers.append((request, decided(self._state, request, batch, now_s, self._entropy)))
            except BaseException:  # `run` refuses whoever is found in a flight
                answers.append((request, UnavailableError(f"{self.name}: it failed")))
                raise
            has_query |= request.is_query
        return has_query

    def _follow_up(self, batch: Batch) -> None:
        """Put what follows at once from the commands of `batch` into its record, as far as there is room."""
        if not batch.events:
            return  # nothing has changed since time passed
        for _ in range(MAX_BATCH_TICKS):
            if batch.is_full or not self._state.tick(batch):
                return

    def _send(self, flight: Flight) -> None:
        payload = self._state.seal(flight.batch)
        self._snapshots.count(payload)
        flight.sent_s = self._sent_s = self._clock.monotonic_s()
        carried = None
        if len(self._flights) == 1 and self._journal.carries_pushes:  # else it could overtake what waits
            carried = self._departures.carried(flight)
        with self._departures.together():
            flight.append = self._journal.send(
                payload,
                expected=self._state.sequence - 1,
                record_id=self._next_record_id(),
                on_end=self._wake.set,
                carried=carried,
            )

    async def _append(self, payload: bytes) -> None:
        expected = self._state.sequence - 1
        await self._journal.append(payload, expected=expected, record_id=self._next_record_id())

    def _next_record_id(self) -> str:
        self._record_count += 1
        return f"{self._id}-{self._record_count}"

    async def _release_durable(self) -> None:
        """Give the answers of all batches whose records are stored, in order.

        Raises:
            NotLeaderError: One was not stored, because somebody else writes.
        """
        while self._flights and self._flights[0].is_durable:
            flight = self._flights[0]
            if flight.append is not None:
                flight.append.result()
                self._confirmed_s = flight.sent_s
                self._was_deaf |= not self._holds_lease()
            self._flights.popleft()
            await self._departures.release(flight)

    async def _resign(self) -> None:
        """Say in the journal that we leave, so that the next leader need not wait for the lease."""
        batch = self._state.begin_batch(self._clock.now_ms())
        self._state.store(batch, (LeaderResigned(leader=self._id),))
        with contextlib.suppress(TimeoutError, ClosedError):
            async with asyncio.timeout(_RESIGN_TIMEOUT_S):
                await self._append(self._state.seal(batch))

    # --- ending

    def _void(self, why: str) -> None:
        """Refuse everything that waits: its outcome is unknown here."""
        self.leading.clear()
        self.following.set()
        waiting = [request for flight in self._flights for request, _ in flight.answers]
        for request in (*waiting, *self._pending.take_all()):
            request.refuse(UnavailableError(f"{self.name}: {why}"))

    async def _end_tasks(self) -> None:
        appends = [each.append for each in self._flights if each.append is not None]
        self._flights.clear()
        await self._journal.abandon(appends)
        await self._snapshots.end()

    def _why_not(self) -> str:
        """Why a request is not served."""
        leaves = "it has stopped" if self._ended else "it is stopping"
        return leaves if self._stopping or self._ended else "another one leads"
