"""A batch on its way: decided and applied, and its answers wait until it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from coordination.runtime.errors import UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Notice, Push
from coordination.runtime.requests import Request
from coordination.runtime.shard import Batch

Deliver = Callable[[Push | Notice], Awaitable[None]]
_log = get_logger(__name__)


@dataclass(slots=True)
class Flight:
    """Its replies wait for its record, or for the records before it."""

    batch: Batch
    sent_s: float
    """When its record was sent, by the monotonic clock."""
    answers: list[tuple[Request, str | Exception]] = field(default_factory=list)
    append: asyncio.Task[int] | None = None
    """None for a batch without a record."""

    @property
    def is_durable(self) -> bool:
        """Whether its record is stored, or has failed, or there is none."""
        return self.append is None or self.append.done()

    @property
    def changes_nothing(self) -> bool:
        """Whether its record only renews the lease."""
        return not self.batch.events

    async def release(self, deliver: Deliver, host: str) -> None:
        """Send its messages and give its answers: what they rest on is durable.

        Args:
            deliver: Sends a push or a notice.
            host: For log lines.
        """
        for message in self.batch.messages:
            try:
                await deliver(message)
            except UnavailableError as error:
                _log.warning("push not sent", host=host, error=str(error))
            except Exception:  # noqa: BLE001 - what it rests on is durable: the callers must hear of it
                log_failure(_log, "push failed", host=host)
        for request, answer in self.answers:
            try:
                await request.respond(answer)
            except Exception:  # noqa: BLE001 - one caller that cannot be answered must not end a leader
                log_failure(_log, "answer failed", host=host)
