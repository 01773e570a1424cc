"""Every bound of the task service, with units as the last word of the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_PAYLOAD_BYTES: Final = 128 * 1024
"""Payload of a task as compact JSON; larger things belong into the object store."""
MAX_RESULT_BYTES: Final = 128 * 1024
MAX_REASON_CHARS: Final = 1024
"""Why an attempt failed."""
MAX_NOTE_CHARS: Final = 256
"""Why an offer was refused, or how far the work is."""
MAX_PRIORITY: Final = 9
MAX_ATTEMPTS: Final = 20
DEFAULT_ATTEMPTS: Final = 3
MAX_SPENT_APPROVALS: Final = 10_000
"""Approvals remembered as used, each until it has expired; twice what consensus holds proposals."""
MAX_REFUSALS: Final = 32
"""Agents remembered as having passed on a task; then the round counts as complete."""
MAX_WAITING_REQUIREMENTS: Final = 1000
"""Different requirements that tasks may wait with; each costs a registry query per round."""
MAX_OFFERS: Final = 64
"""Offers made by one command; a push carries the payload, so this bounds what one turn sends."""
MAX_SCANNED_TASKS: Final = 1024
"""Waiting tasks looked at by one command when free agents have passed on those at the front."""
MAX_CANDIDATES: Final = 1000
"""Agents asked of the registry per requirement (its largest page)."""
MAX_PAGE: Final = 1000
MAX_TICK_TASKS: Final = 512
"""Tasks that one tick deals with, so that its events fit into one record; the host asks again."""


MAX_LOST_TASKS: Final = 512
"""Tasks that one command takes back from incarnations that are no more; the service asks again."""
MAX_NOTICED_AGENTS: Final = 4096
"""Agents that came or left and have yet to be looked up; of more, the lease takes back what they held."""
MAX_SWEPT_AGENTS: Final = 64
"""Holders that are looked up per round in case that a notice was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a deployment may tune."""

    offer_timeout_ms: int = 5_000
    """How long an agent may think about an offer."""
    lease_ms: int = 30_000
    """How long a worker may be silent; progress extends it."""
    retry_first_ms: int = 1_000
    """Backoff after the first failed attempt; doubles with each."""
    retry_last_ms: int = 60_000
    round_pause_ms: int = 1_000
    """Pause before a task that every agent passed on is offered anew."""
    max_open_tasks: int = 200_000
    max_open_bytes: int = 256 * 1024 * 1024
    """Payloads and requirements of open tasks."""
    max_finished_tasks: int = 10_000
    max_finished_bytes: int = 256 * 1024 * 1024
    """Payloads, requirements and results of finished tasks that are still shown; the oldest go first."""

    def __post_init__(self) -> None:
        """Refuse durations that would let a deadline stand still."""
        durations_ms = (self.offer_timeout_ms, self.lease_ms, self.retry_first_ms, self.retry_last_ms)
        assert min(durations_ms) > 0, "durations are positive"
        assert self.retry_first_ms <= self.retry_last_ms
        assert min(self.max_open_tasks, self.max_finished_tasks) > 0

    def backoff_ms(self, attempt: int) -> int:
        """Pause after failed attempt number `attempt`, from 1."""
        return min(self.retry_first_ms << min(attempt - 1, 32), self.retry_last_ms)
