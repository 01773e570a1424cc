"""Queues as the operator set them up, and what fairness, rates and stickiness remember. Plain data, pure.

What waits in a queue is not here: it follows from the tasks (`coordination.tasks.lanes`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from coordination.tasks.spec import Strategy

ANY = "*"
"""In place of a capability: each capability that has no limit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most `count` offers in `per_ms`, as a token bucket: `burst` at once, refilled evenly."""

    count: int
    per_ms: int = 1_000
    burst: int | None = None
    """None: as many as `count`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """How tasks of one queue are allocated. The defaults are those of a queue that nobody set up."""

    strategy: Strategy = Strategy.LEAST_LOADED
    aging_ms: int = 600_000
    """Waiting so long lifts a task by one priority, up to 8; 0 lifts nothing."""
    weights: dict[str, int] = field(default_factory=dict)
    """Of fairness keys, 1 to 1000."""
    rate_limits: dict[str, RateLimit] = field(default_factory=dict)
    """By capability, or `ANY`."""
    agent_rate_limit: RateLimit | None = None
    """Of each agent, over all tasks of the queue."""
    max_held: int | None = None
    """Tasks of the queue that agents hold at a time, together."""
    max_held_per_agent: int | None = None
    """Tasks of the queue that one agent holds at a time; never more than it has slots."""
    is_paused: bool = False
    """Nothing more of it is offered; what is offered or runs goes on."""
    pause_reason: str = ""


@dataclass(slots=True)
class Bucket:
    """A token bucket at one moment."""

    milli_tokens: int
    """Thousandths, so that everything stays whole."""
    at_ms: int
    rest: int = 0
    """What of a thousandth had come by then, in parts of its limit's ``per_ms``."""


@dataclass(slots=True)
class Fairness:
    """Start-time fair queueing (Goyal, Vin, Cheng 1997) among the fairness keys of one queue."""

    virtual_time: int = 0
    finish: dict[str, int] = field(default_factory=dict)
    """By key: the virtual time up to which it has been served. Keys that are behind are left out."""


@dataclass(slots=True)
class AllocationState:
    """What allocation remembers; part of the state."""

    settings: dict[str, QueueSettings] = field(default_factory=dict)
    """Queues that somebody set up."""
    fairness: dict[str, Fairness] = field(default_factory=dict)
    """By queue."""
    buckets: dict[str, Bucket] = field(default_factory=dict)
    """By what is limited; the full ones are left out."""
    sticky: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Agent by queue and sticky key, used longest ago first; bounded."""
    last_offers: dict[str, int] = field(default_factory=dict)
    """Fencing token of the last offer to an agent, by agent: for round robin."""
