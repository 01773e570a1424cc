"""The leader's lease: the journal itself, and how long its silence may last. Pure.

A standby claims the leadership when it has heard no record for a lease's length, counted from when it
*received* the last one. The leader trusts its lease for less than that, counted from when it *sent* the
last record that was acknowledged. Sending comes before storing, and storing before receiving; so the
leader stops answering reads before anybody else can have written (docs/adr/0004-leadership.md).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """How leadership is timed; all hosts of a shard must use the same.

    Raises:
        AssertionError: The leader could not renew in time, or there is no margin.
    """

    length_ms: int = 1_500
    """Silence after which a standby claims."""
    renew_ms: int = 500
    """An idle leader writes an empty record when its last one is this old."""
    margin_ms: int = 150
    """How much earlier the leader stops trusting its lease: clocks do not run equally fast."""

    def __post_init__(self) -> None:
        """Refuse timing that cannot work."""
        assert 0 < self.renew_ms < self.length_ms - self.margin_ms, "a lease must be renewed before it ends"
        assert self.margin_ms > 0, "without a margin two hosts could lead for a moment"

    def holds(self, *, confirmed_s: float, now_s: float) -> bool:
        """Whether a leader may still answer reads.

        Args:
            confirmed_s: When the last acknowledged record was sent, by the leader's monotonic clock.
            now_s: The same clock now.
        """
        return (now_s - confirmed_s) * 1000 < self.length_ms - self.margin_ms

    def is_silent(self, *, heard_s: float, now_s: float, jitter: float) -> bool:
        """Whether a standby should claim.

        Args:
            heard_s: When it last heard a record, by its monotonic clock.
            now_s: The same clock now.
            jitter: 0 to 1; spreads the claims of several standbys over a fifth of a lease.
        """
        return self.remaining_s(heard_s=heard_s, now_s=now_s, jitter=jitter) <= 0

    def remaining_s(self, *, heard_s: float, now_s: float, jitter: float) -> float:
        """Seconds until `is_silent`."""
        return heard_s + self.length_ms * (1 + jitter / 5) / 1000 - now_s
