"""Appends that are under way: how they overtake their acknowledgements, and what becomes of a failed one.

Ordinarily the first attempt succeeds: it is sent at once, without a task, and the store calls back when it
is answered. Only for one that was refused, or not answered, a task takes over.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol

from coordination.runtime.errors import (
    ClosedError,
    ConclaveError,
    NotLeaderError,
    UnavailableError,
    UsageError,
)
from coordination.runtime.store import Carried, JournalStore, Sent, WrongSequenceError


class Insist(Protocol):
    """See `coordination.runtime.journal.Journal`."""

    async def __call__(self, attempt: Callable[[], Awaitable[None]], *, patience_s: float) -> None:
        """Repeat `attempt` until the store answers it."""


class Append:
    """One record on its way into the journal."""

    __slots__ = (
        "_over",
        "before",
        "error",
        "expected",
        "is_ended",
        "on_end",
        "payload",
        "reads",
        "record_id",
        "under_way",
        "was_repeated",
    )

    def __init__(
        self, payload: bytes, expected: int, record_id: str, on_end: Callable[[], None] | None
    ) -> None:
        self.expected = expected
        """The record that it is to stand behind."""
        self.record_id = record_id
        self.is_ended = False
        """Whether it is stored, or has failed."""
        self.was_repeated = False
        """Whether the first attempt did not succeed, or was not seen to: what it carried may be lost."""
        self.error: BaseException | None = None
        """Why it failed."""
        self.before: Append | None = None
        """The append of record `expected`, if that was under way when this one was sent."""
        self.reads = 0
        """How often the caller had read until then."""
        self.under_way: Sent | None = None
        """The attempt, or the task that took over."""
        self.payload = payload
        """The record; nothing once it has ended."""
        self.on_end = on_end
        """Who is told that it has."""
        self._over: asyncio.Event | None = None

    def result(self) -> int:
        """The sequence of the record, which has ended.

        Raises:
            BaseException: As `coordination.runtime.journal.Journal.append`.
        """
        assert self.is_ended, "its outcome is not known yet"
        if self.error is not None:
            raise self.error
        return self.expected + 1

    async def landed(self) -> None:
        """Return when the record is stored; raise an error of the same kind as it failed with."""
        if not self.is_ended:
            if self._over is None:
                self._over = asyncio.Event()
            await self._over.wait()
        if self.error is not None:
            raise _same_kind(self.error)

    def end(self, error: BaseException | None) -> None:
        """Tell whoever waits."""
        self.is_ended, self.error = True, error
        on_end, self.on_end = self.on_end, None
        self.payload, self.before = b"", None  # or each would keep the one before it
        if self._over is not None:
            self._over.set()
        if on_end is not None:
            on_end()


class Appends:
    """The appends of one journal that are under way; see `coordination.runtime.journal.Journal.append`.

    Args:
        store: Where the journal lives.
        insist: The journal's way to repeat an attempt.
    """

    def __init__(self, store: JournalStore, insist: Insist) -> None:
        self._store = store
        self._insist = insist
        self._under_way: dict[int, Append] = {}
        """By the sequence their record will have."""
        self._lost: tuple[int, ConclaveError] | None = None
        """The first sequence that was not written since the caller last read, and why."""
        self._reads = 0
        """How often the caller began to read: what was lost before that does not matter any more."""

    def forget_losses(self) -> None:
        """The caller reads: it will know what is stored."""
        self._reads += 1
        self._lost = None

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[], None] | None,
        carried: Carried | None = None,
    ) -> Append:
        """See `coordination.runtime.journal.Journal.send`."""
        append = Append(payload, expected, record_id, on_end)
        append.before, append.reads = self._under_way.get(expected), self._reads
        self._under_way[expected + 1] = append
        if self._lost is not None and self._lost[0] <= expected:
            self._end(append, _same_kind(self._lost[1]))
            return append
        try:
            append.under_way = self._store.send(
                payload,
                expected=expected,
                record_id=record_id,
                previous_id=append.before.record_id if append.before is not None else None,
                on_end=partial(self._hear, append),
                carried=carried,
            )
        except ConclaveError as error:
            self._hear(append, error)
        return append

    async def abandon(self, appends: Iterable[Append]) -> None:
        """See `coordination.runtime.journal.Journal.abandon`."""
        tasks: list[asyncio.Task[Any]] = []
        for append in appends:
            if append.is_ended:
                continue
            under_way, append.on_end = append.under_way, None
            self._end(append, asyncio.CancelledError())
            if under_way is not None:
                under_way.cancel()
            if isinstance(under_way, asyncio.Task):
                tasks.append(under_way)
        if tasks:
            await asyncio.wait(tasks)

    def _hear(self, append: Append, error: BaseException | None) -> None:
        """The first attempt was answered, or will not be."""
        if append.is_ended:
            return
        if isinstance(error, WrongSequenceError | UnavailableError):
            append.was_repeated = True
            append.under_way = asyncio.get_running_loop().create_task(self._take_over(append, error))
        else:
            self._end(append, error)

    def _end(self, append: Append, error: BaseException | None) -> None:
        if append.is_ended:
            return  # given up meanwhile
        sequence = append.expected + 1
        if self._under_way.get(sequence) is append:
            del self._under_way[sequence]
        is_first = self._lost is None or self._lost[0] > sequence
        if error is not None and is_first and append.reads == self._reads:
            self._lost = (sequence, _same_kind(error))
        append.end(error)

    async def _take_over(self, append: Append, failure: ConclaveError) -> None:
        """Find out what `failure` of the first attempt means, and go on until the record's fate is known."""
        try:
            await self._go_on(append, failure)
        except asyncio.CancelledError as error:
            self._end(append, error)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, who asks for the result hears of it
            self._end(append, error)
        else:
            self._end(append, None)

    async def _go_on(self, append: Append, failure: ConclaveError) -> None:
        expected, record_id, payload = append.expected, append.record_id, append.payload
        known: ConclaveError | None = failure
        if append.before is not None:
            # A refusal may only mean that the record before is not there yet.
            await append.before.landed()
            known = None

        async def attempt() -> None:
            nonlocal known
            first, known = known, None
            try:
                if first is not None:
                    raise first
                await self._store.append(payload, expected=expected, record_id=record_id)
            except WrongSequenceError:
                await self._find_earlier(expected, record_id)

        await self._insist(attempt, patience_s=math.inf)

    async def _find_earlier(self, expected: int, record_id: str) -> None:
        """Return if an unanswered attempt has stored the record after all."""
        stored = await self._store.record_id_at(expected + 1)
        if stored == record_id:
            return
        if stored is None and (await self._store.bounds()).last == expected:
            # Nobody's record is there, so the refusal was for an attempt that is still under way.
            raise UnavailableError(f"{self._store.name}: record {expected + 1} is being stored")
        raise NotLeaderError(f"{self._store.name}: record {expected + 1} was written by somebody else")


def _same_kind(error: BaseException) -> ConclaveError:
    """What the appends behind one that failed with `error` fail with."""
    if isinstance(error, ClosedError | UsageError):
        return type(error)(str(error))
    if isinstance(error, NotLeaderError):
        return NotLeaderError(str(error))
    return NotLeaderError("the append before was given up, and nobody knows whether it is stored")
