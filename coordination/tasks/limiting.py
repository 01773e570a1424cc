"""Rate limits: token buckets, exact in whole numbers. Pure.

Of `count` in `per_ms` with a `burst`: in any window of w ms at most ``burst + w * count / per_ms`` offers,
and as many if they are asked for. An offer that is refused has been made, and counts.
"""

from __future__ import annotations

from typing import Final

from coordination.tasks.queues import ANY, AllocationState, Bucket, QueueSettings, RateLimit
from coordination.tasks.spec import TaskSpec

TOKEN: Final = 1000
"""Thousandths of a token in one."""
MAX_BUCKETS: Final = 100_000
"""Beyond, those of which the least is missing are taken for full."""
_SWEPT_FROM: Final = 1024
"""From so many on, full ones are looked for whenever there are twice as many."""


def of_capability(settings: QueueSettings, spec: TaskSpec) -> RateLimit | None:
    """The limit that offers of the task come under; each capability has a bucket of its own."""
    limits = settings.rate_limits
    if not limits:
        return None
    return limits.get(spec.capability) or limits.get(ANY)


def capability_key(spec: TaskSpec) -> str:
    """Name of the bucket for the task's capability in its queue."""
    return f"capability:{spec.queue}:{spec.capability}"


def agent_key(queue: str, agent: str) -> str:
    """Name of the bucket for an agent in a queue."""
    return f"agent:{queue}:{agent}"


def ready_ms(bucket: Bucket | None, limit: RateLimit, now_ms: int, *, taken: int = 0) -> int:
    """When the next offer may be made (Unix ms): `now_ms`, or later.

    Args:
        bucket: As it was left; None: full.
        limit: What refills it.
        now_ms: The time, in Unix ms.
        taken: Tokens that are as good as taken from it now.
    """
    milli, rest = _level(bucket, limit, now_ms)
    missing = TOKEN * (taken + 1) - milli
    if missing <= 0:
        return now_ms
    # In units of 1 / per_ms of a thousandth, of which one ms brings 1000 * count.
    needed = missing * limit.per_ms - rest
    return now_ms + -(-needed // (TOKEN * limit.count))


def take(allocation: AllocationState, key: str, limit: RateLimit, now_ms: int) -> None:
    """An offer was made.

    The bucket may fall below nothing, if the limit has been lowered since the offer was decided on.
    """
    bucket = allocation.buckets.get(key)
    milli, rest = _level(bucket, limit, now_ms)
    at_ms = now_ms if bucket is None else max(bucket.at_ms, now_ms)
    allocation.buckets[key] = Bucket(milli_tokens=milli - TOKEN, at_ms=at_ms, rest=rest)
    count = len(allocation.buckets)
    if bucket is None and count >= _SWEPT_FROM and count & (count - 1) == 0:
        _sweep(allocation, now_ms)


def _sweep(allocation: AllocationState, now_ms: int) -> None:
    """Leave out the buckets that are full, or that nothing limits any more; then those nearest to full."""
    missing: dict[str, int] = {}
    for key, bucket in allocation.buckets.items():
        limit = _limit_of(allocation, key)
        if limit is not None:
            milli, _ = _level(bucket, limit, now_ms)
            lacking = _capacity(limit) - milli
            if lacking > 0:
                missing[key] = lacking
    kept = sorted(missing, key=lambda key: (-missing[key], key))[:MAX_BUCKETS]
    allocation.buckets = {key: allocation.buckets[key] for key in sorted(kept)}


def _limit_of(allocation: AllocationState, key: str) -> RateLimit | None:
    kind, queue, name = key.split(":", 2)
    settings = allocation.settings.get(queue)
    if settings is None:
        return None
    if kind == "agent":
        return settings.agent_rate_limit
    return settings.rate_limits.get(name) or settings.rate_limits.get(ANY)


def _capacity(limit: RateLimit) -> int:
    return TOKEN * max(1, limit.count if limit.burst is None else limit.burst)


def _level(bucket: Bucket | None, limit: RateLimit, now_ms: int) -> tuple[int, int]:
    """Thousandths in the bucket, and the rest that makes no whole one, in parts of `per_ms`."""
    capacity = _capacity(limit)
    if bucket is None:
        return capacity, 0
    elapsed_ms = max(0, now_ms - bucket.at_ms)
    rest = min(bucket.rest, limit.per_ms - 1)
    gained, rest = divmod(elapsed_ms * limit.count * TOKEN + rest, limit.per_ms)
    milli = bucket.milli_tokens + gained
    return (milli, rest) if milli < capacity else (capacity, 0)
