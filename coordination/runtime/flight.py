"""A batch on its way: decided and applied, and its answers wait until it is durable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from coordination.runtime.appending import Append
from coordination.runtime.model import Push
from coordination.runtime.requests import Request
from coordination.runtime.shard import Batch


@dataclass(slots=True)
class Flight:
    """Its replies wait for its record, or for the records before it."""

    batch: Batch
    sent_s: float
    """When its record was sent, by the monotonic clock."""
    carried: Push | None = None
    """The one message that its record carries."""
    messages: Sequence[Any] = ()
    """Those of the batch as they are delivered, once it is decided; of a small one the pushes."""
    notices: Sequence[Any] = ()
    """Those of a small batch."""
    is_small: bool = True
    """Whether its pushes leave before the rest; see `coordination.runtime.departures.MAX_FEW`."""
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
