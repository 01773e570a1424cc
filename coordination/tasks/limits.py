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
MAX_AGED_PRIORITY: Final = 8
"""As far as waiting lifts a task: what is submitted with the highest priority always goes first."""
MAX_ATTEMPTS: Final = 20
DEFAULT_ATTEMPTS: Final = 3
MAX_EARLIER_ATTEMPTS: Final = 20
"""Attempts before a redrive that the record still shows, the last ones."""
MAX_ROUNDS: Final = 1000
DEFAULT_ROUNDS: Final = 10
MAX_DEPTH: Final = 32
"""Levels of delegation."""
DEFAULT_DEPTH: Final = 8
MAX_DURATION_MS: Final = 366 * 24 * 3600 * 1000
"""Longest lease, time-out, backoff or interval."""
MIN_LEASE_MS: Final = 100
MAX_LEASE_MS: Final = 24 * 3600 * 1000
MAX_COST: Final = 10**12
"""Units."""
MAX_WEIGHT: Final = 1000
"""Of a fairness key."""
MAX_MARKS: Final = 8
"""Marks of one task, and marks that it wants to be near or apart from."""
MAX_KEY_CHARS: Final = 128
"""Length of fairness keys, sticky keys, marks and idempotency keys."""
MAX_DEPENDENCIES: Final = 256
"""Tasks that one task waits for."""
MAX_DAG_TASKS: Final = 512
"""Tasks of one DAG; all are submitted by one command, and fit into one record."""
MAX_DAG_EDGES: Final = 4096
"""Edges of one DAG, together."""
MAX_COMPENSATION_BYTES: Final = 16 * 1024
"""Payload of a compensation, as compact JSON."""
MAX_DAGS: Final = 10_000
MAX_DAG_MEMBERS: Final = 250_000
"""Tasks of all DAGs that are known; what has ended is forgotten first."""
MAX_CHILDREN: Final = 1024
"""Open children of one task."""
MAX_BATCH: Final = 256
"""Tasks submitted, or things reported, by one command."""
MAX_BIDDERS: Final = 256
MAX_KEPT_BIDS: Final = 16
"""Of a task that has ended: the one that was taken, and those that came first."""
MAX_QUEUES: Final = 256
MAX_RATE_LIMITS: Final = 64
"""Rate limits of one queue."""
MAX_FAIRNESS_KEYS: Final = 10_000
"""Fairness keys of one queue that have tasks waiting or are in debt."""
MAX_STICKY_KEYS: Final = 10_000
"""Sticky keys remembered; the one used longest ago is forgotten first."""
MAX_IDEMPOTENCY_KEYS: Final = 200_000
"""Remembered, each for as long as its task is; beyond, more are refused as overloaded."""
MAX_SCHEDULES: Final = 1000
MAX_SCHEDULE_ID_CHARS: Final = 43
"""Shorter than other ids: those of its tasks have the time behind it."""
MIN_INTERVAL_MS: Final = 100
"""Of a schedule."""
MISSED_AFTER_MS: Final = 30_000
"""A time of a schedule that was due so long ago counts as missed; a change of leaders takes less."""
MAX_CATCH_UP: Final = 100
"""Missed times of a schedule that are made up for."""
MAX_DEAD_LETTERS: Final = 50_000
"""Beyond, submissions are refused as overloaded until some are redriven or purged: none is ever lost."""
MAX_SPENT_APPROVALS: Final = 10_000
"""Approvals remembered as used, each until it has expired; twice what consensus holds proposals."""
MAX_REFUSALS: Final = 64
"""Agents remembered as having passed on a task; then the round counts as complete."""
MAX_WAITING_REQUIREMENTS: Final = 1000
"""Different requirements, with their queues, that tasks may wait with."""
MAX_OFFERS: Final = 128
"""Offers made at one time; a push carries the payload, so this bounds what one turn sends."""
MAX_OFFER_BYTES: Final = 1024 * 1024
"""Payloads of these offers."""
MAX_SCANNED_TASKS: Final = 1024
"""Waiting tasks looked at at one time when free agents have passed on those at the front."""
MAX_PAGE: Final = 1000
MAX_TICK_TASKS: Final = 512
"""Tasks that one tick deals with, so that its events fit into one record; the host asks again."""
MAX_TICK_BYTES: Final = 256 * 1024
"""What the events of one tick may carry of payloads and reasons, so that they fit into one record."""
MAX_REPORT_BYTES: Final = 384 * 1024
"""What the events of one report may carry of results and reasons, so that they fit into one record."""
MAX_LOST_TASKS: Final = 512
"""Tasks that one command takes back from incarnations that are no more; the service asks again."""
MAX_AGENTS: Final = 100_000
"""Agents that the roster follows."""
MAX_EXPLAINED_AGENTS: Final = 200
"""Agents that one explanation names; of the others it gives the number by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a deployment may tune."""

    offer_timeout_ms: int = 5_000
    """How long an agent may think about an offer."""
    lease_ms: int = 30_000
    """How long a worker may be silent, unless its task says otherwise; progress extends it."""
    resume_grace_ms: int = 5_000
    """How long offers and leases last at least after the service could hear nobody for a while: workers are
    back within 2 s, and repeat a request that was lost after 2 s."""
    round_pause_ms: int = 1_000
    """Pause before a task that every agent passed on is offered anew; doubles with each round."""
    round_pause_last_ms: int = 60_000
    max_open_tasks: int = 200_000
    max_open_bytes: int = 256 * 1024 * 1024
    """Payloads and requirements of open tasks."""
    max_finished_tasks: int = 10_000
    max_finished_bytes: int = 256 * 1024 * 1024
    """Payloads, requirements and results of finished tasks that are still shown; the oldest go first."""
    max_dead_letters: int = MAX_DEAD_LETTERS
    max_dead_letter_bytes: int = 256 * 1024 * 1024
    """Payloads and requirements of dead letters; beyond, submissions are refused as overloaded."""

    def __post_init__(self) -> None:
        """Refuse durations that would let a deadline stand still."""
        durations_ms = (self.offer_timeout_ms, self.lease_ms, self.resume_grace_ms, self.round_pause_ms)
        assert min(durations_ms) > 0, "durations are positive"
        assert self.round_pause_ms <= self.round_pause_last_ms
        assert min(self.max_open_tasks, self.max_finished_tasks, self.max_dead_letters) > 0
