"""A batch on its way: decided and applied, and its answers wait until it is durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coordination.runtime.appending import Append
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Notice, Push
from coordination.runtime.requests import Request
from coordination.runtime.shard import Batch

Prepare = Callable[[Sequence[Push | Notice]], Sequence[Any]]
"""Makes of the messages of one batch what `Deliver` takes, while their record is on its way."""
Deliver = Callable[[Sequence[Any]], Awaitable[None]]
"""Sends the messages of one batch, in order; goes on with the others when one cannot be sent."""
_log = get_logger(__name__)


@dataclass(slots=True)
class Flight:
    """Its replies wait for its record, or for the records before it."""

    batch: Batch
    sent_s: float
    """When its record was sent, by the monotonic clock."""
    messages: Sequence[Any] = ()
    """Those of the batch as they are delivered, once it is decided."""
    answers: list[tuple[Request, str | Exception]] = field(default_factory=list)
    append: Append | None = None
    """None for a batch without a record."""
    is_open: bool = True
    """Whether it is still being decided."""

    @property
    def is_durable(self) -> bool:
        """Whether its record is stored, or has failed, or there is none."""
        return not self.is_open and (self.append is None or self.append.is_ended)

    @property
    def changes_nothing(self) -> bool:
        """Whether its record only renews the lease."""
        return not self.batch.events

    async def release(self, deliver: Deliver, host: str) -> None:
        """Send its messages and give its answers: what they rest on is durable.

        Args:
            deliver: Sends the messages.
            host: For log lines.
        """
        if self.messages:
            try:
                await deliver(self.messages)
            except Exception:  # noqa: BLE001 - what they rest on is durable: the callers must hear of it
                log_failure(_log, "pushes failed", host=host)
        for request, answer in self.answers:
            try:
                await request.respond(answer)
            except Exception:  # noqa: BLE001 - one caller that cannot be answered must not end a leader
                log_failure(_log, "answer failed", host=host)
