"""A batch on its way: decided and applied, and its answers wait until it is durable."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from coordination.runtime.requests import Request
from coordination.runtime.shard import Batch


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
