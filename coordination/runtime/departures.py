"""In which order what a durable batch has to say leaves: pushes to agents, notices to everybody, answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from coordination.runtime.failures import log_failure
from coordination.runtime.flight import Flight
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Notice, Push
from coordination.runtime.requests import Request
from coordination.runtime.store import Carried

Prepare = Callable[[Sequence[Push | Notice]], Sequence[Any]]
"""Makes of messages what `Deliver` takes, while their record is on its way."""
Deliver = Callable[[Sequence[Any]], Awaitable[None]]
"""Sends messages, in order; goes on with the others when one cannot be sent."""
Carry = Callable[[Sequence[Push | Notice]], tuple[Push, Carried] | None]
"""What of the messages of one record that record may carry, and how; None for nothing."""
Together = Callable[[], AbstractContextManager[None]]
"""A scope around all that is sent at one time."""
MAX_FEW: Final = 16
"""Messages and answers of a batch whose pushes are written before the rest is sent. Of more, whoever is first
would gain little, and a write has its price: a system call here, one more round in the server."""
_log = get_logger(__name__)


class Departures:
    """What leaves one host.

    Args:
        host: For log lines.
        deliver: Sends pushes and notices; called only for what is durable.
        prepare: Makes of messages what `deliver` takes; they are taken as they are without it.
        together: See `Together`.
        carry: See `Carry`; without it nothing is carried.
    """

    def __init__(
        self,
        host: str,
        *,
        deliver: Deliver,
        prepare: Prepare = tuple,
        together: Together = nullcontext,
        carry: Carry | None = None,
    ) -> None:
        self.together: Together = together
        self._host = host
        self._deliver = deliver
        self._prepare = prepare
        self._carry = carry

    def carried(self, flight: Flight) -> Carried | None:
        """What the record of `flight` is to carry; None for nothing.

        Only while no earlier batch has anything left to say, or it would be overtaken.
        """
        messages = flight.batch.messages
        if self._carry is None or not messages or len(messages) > MAX_FEW:
            return None
        chosen = self._carry(messages)
        if chosen is None:
            return None
        flight.carried, carried = chosen
        return carried

    def prepare(self, flight: Flight) -> None:
        """Write out the messages of `flight`, which is decided, but for what its record carries."""
        messages = flight.batch.messages
        if not messages:
            return
        if flight.carried is not None:
            messages = [each for each in messages if each is not flight.carried]
        flight.is_small = len(messages) + len(flight.answers) <= MAX_FEW
        if flight.is_small:
            flight.notices = self._prepare([each for each in messages if isinstance(each, Notice)])
            messages = [each for each in messages if isinstance(each, Push)]
        flight.messages = self._prepare(messages)

    async def release(self, flight: Flight) -> None:
        """Send the messages of `flight` and give its answers: what they rest on is durable.

        Of a small batch the pushes come first, and are written before the rest is sent: they are what
        somebody waits for, and the server hands out together what comes with one write.
        """
        with nullcontext() if flight.is_small else self.together():
            if flight.carried is not None and flight.append is not None and flight.append.was_repeated:
                # The server was away, and the push with it. To come twice does no push any harm.
                await self._send(self._prepare([flight.carried]))
            if flight.messages:
                with self.together():
                    await self._send(flight.messages)
            with self.together():
                await self._send(flight.notices)
                for request, answer in flight.answers:
                    await self._answer(request, answer)

    async def _send(self, messages: Sequence[Any]) -> None:
        if not messages:
            return
        try:
            await self._deliver(messages)
        except Exception:  # noqa: BLE001 - what they rest on is durable: the callers must hear of it
            log_failure(_log, "pushes failed", host=self._host)

    async def _answer(self, request: Request, answer: str | Exception) -> None:
        try:
            await request.respond(answer)
        except Exception:  # noqa: BLE001 - one caller that cannot be answered must not end a leader
            log_failure(_log, "answer failed", host=self._host)
