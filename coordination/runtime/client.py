"""Calls services: typed requests in, typed replies or typed refusals out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from coordination.runtime.asking import payload_of
from coordination.runtime.bus import Bus, Delivery
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError
from coordination.runtime.ids import RandomIds
from coordination.runtime.inbox import Inbox
from coordination.runtime.limits import REQUEST_TIMEOUT_S
from coordination.runtime.names import Subjects, require_id
from coordination.runtime.problems import problems_of
from coordination.runtime.trace import CURRENT_TRACE, header_of_command
from coordination.runtime.wire import (
    HEADER_AGE,
    HEADER_COMMAND_ID,
    HEADER_ERROR_CODE,
    HEADER_TAKES,
    HEADER_TIMEOUT,
    HEADER_TRACE,
    ErrorBody,
)

R = TypeVar("R", bound=BaseModel)
PATIENCE_S: Final = 15.0
"""How long a call is repeated before it gives up, by default."""
FIRST_TIMEOUT_S: Final = 2.0
"""How long the first attempt waits, the next ones longer. A request that a killed leader took is never
answered; by then another one leads, and repeating is safe."""
_LEAST_TIMEOUT_S: Final = 0.1
_RETRY_FIRST_S: Final = 0.05
_RETRY_LAST_S: Final = 1.0


class Caller:
    """One agent's way to all services.

    Commands carry an id and are retried under it while a service is away, so that each takes effect
    once however often it was sent. Every call carries the trace it belongs to (``traceparent``); a command
    that belongs to none begins one.

    Args:
        bus: The agent's connection.
        agent: The agent's id; the server's permissions must grant it.
        subjects: The deployment's subjects.
        patience_s: How long a call is retried before it gives up.
        entropy: Where command ids and jitter come from.
        takes_every_form: Whether everything that listens in the agent's name does so through `inbox`, and
            takes several pushes in one message; services are told so from when somebody listens.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        agent: str,
        subjects: Subjects | None = None,
        patience_s: float = PATIENCE_S,
        entropy: random.Random | None = None,
        takes_every_form: bool = False,
    ) -> None:
        self.bus = bus
        self.agent = require_id(agent)
        self.subjects = subjects or Subjects()
        on_change = self._say_what_is_taken if takes_every_form else None
        self.inbox = Inbox(bus, subjects=self.subjects, agent=self.agent, on_change=on_change)
        """What is pushed to the agent over its connection."""
        self._patience_s = patience_s
        self._says: dict[str, str] = {HEADER_TIMEOUT: _timeout(min(FIRST_TIMEOUT_S, patience_s))}
        """Headers of every first attempt."""
        self.entropy: random.Random = entropy or random.SystemRandom()
        """For whoever needs more ids of this caller's."""
        self._ids = RandomIds(self.entropy)

    def command(
        self,
        service: str,
        verb: str,
        request: BaseModel | bytes,
        reply: type[R],
        *,
        command_id: str | None = None,
    ) -> Coroutine[Any, Any, R]:
        """Have `service` do `verb`, exactly once; to be awaited.

        Args:
            service: Name of the service.
            verb: Its endpoint.
            request: The body; as JSON if it was written before.
            reply: Type of the answer.
            command_id: Give the same id to repeat a command whose outcome is unknown; by default
                every call is a new command.

        Raises:
            RejectedError: The service refused.
            UnavailableError: No answer within the patience; the outcome is unknown, and repeating
                with the same `command_id` is safe.
            PeerProtocolError: The answer is not what the contract says.
            UsageError: The body holds what JSON does not have.
        """
        is_drawn = not command_id
        command_id = command_id or self._ids.draw()
        trace = CURRENT_TRACE.get()
        traceparent = header_of_command(command_id, is_drawn=is_drawn) if trace is None else trace.header
        headers = {HEADER_COMMAND_ID: command_id, HEADER_TRACE: traceparent, **self._says}
        return self._call(service, verb, request, reply, headers, patience_s=self._patience_s)

    def query(
        self, service: str, verb: str, request: BaseModel, reply: type[R], *, least_patience_s: float = 0.0
    ) -> Coroutine[Any, Any, R]:
        """Ask `service` for `verb`; to be awaited, with the same errors as `command`.

        Args:
            service: Name of the service.
            verb: Its endpoint.
            request: The body.
            reply: Type of the answer.
            least_patience_s: Of what takes its time: it is asked for so long, however little patience the
                caller has with everything else.
        """
        trace = CURRENT_TRACE.get()
        headers = self._says.copy()
        if trace is not None:
            headers[HEADER_TRACE] = trace.header
        patience_s = max(self._patience_s, least_patience_s)
        if patience_s != self._patience_s:
            headers[HEADER_TIMEOUT] = _timeout(min(FIRST_TIMEOUT_S, patience_s))
        return self._call(service, verb, request, reply, headers, patience_s=patience_s)

    def _say_what_is_taken(self, is_heard: bool) -> None:  # noqa: FBT001 - a fact, not a switch
        """Tell services how pushes may come: as somebody here hears them."""
        if is_heard:
            self._says[HEADER_TAKES] = "1"
        else:
            self._says.pop(HEADER_TAKES, None)

    async def _call(
        self,
        service: str,
        verb: str,
        request: BaseModel | bytes,
        reply: type[R],
        headers: dict[str, str],
        *,
        patience_s: float,
    ) -> R:
        subject = self.subjects.call(service, verb, self.agent)
        payload = request if isinstance(request, bytes) else payload_of(request)
        clock = asyncio.get_running_loop().time
        started_s = clock()
        give_up_s = started_s + patience_s
        delay_s, attempt_s = _RETRY_FIRST_S, FIRST_TIMEOUT_S
        timeout_s = max(min(attempt_s, patience_s), _LEAST_TIMEOUT_S)
        while True:
            try:
                answer = await self.bus.request(subject, payload, timeout_s=timeout_s, headers=headers)
                return _read(answer, reply)
            except (UnavailableError, RejectedError) as error:
                if isinstance(error, RejectedError) and not error.retryable:
                    raise
                if clock() + delay_s >= give_up_s:
                    raise
            await asyncio.sleep(delay_s * self.entropy.uniform(0.5, 1.5))
            delay_s = min(delay_s * 2, _RETRY_LAST_S)
            attempt_s = min(attempt_s * 2, REQUEST_TIMEOUT_S)
            timeout_s = max(min(attempt_s, give_up_s - clock()), _LEAST_TIMEOUT_S)
            headers[HEADER_TIMEOUT] = _timeout(timeout_s)
            if HEADER_COMMAND_ID in headers:
                headers[HEADER_AGE] = str(max(int((clock() - started_s) * 1000), 1))


def _timeout(timeout_s: float) -> str:
    """As a service reads it."""
    return str(int(max(timeout_s, _LEAST_TIMEOUT_S) * 1000))


def _read(answer: Delivery, reply: type[R]) -> R:
    try:
        if answer.headers.get(HEADER_ERROR_CODE):
            raise ErrorBody.model_validate_json(answer.payload).as_error()
        # As `model_validate_json`, without what that does before.
        read: R = reply.__pydantic_validator__.validate_json(answer.payload)
    except ValidationError as error:
        problem = problems_of(error, most=1)[0]
        raise PeerProtocolError(f"the answer is not a {reply.__name__}: {problem}") from None
    return read
