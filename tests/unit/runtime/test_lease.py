"""When a leader stops trusting its lease, and when a standby stops waiting for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.lease import Lease

LEASE = Lease(length_ms=1_500, renew_ms=500, margin_ms=150)


def test_a_lease_holds_until_its_margin() -> None:
    assert LEASE.holds(confirmed_s=10.0, now_s=11.34)
    assert not LEASE.holds(confirmed_s=10.0, now_s=11.36)


def test_a_standby_waits_a_whole_lease_and_its_jitter() -> None:
    assert not LEASE.is_silent(heard_s=10.0, now_s=11.49, jitter=0.0)
    assert LEASE.is_silent(heard_s=10.0, now_s=11.51, jitter=0.0)
    assert not LEASE.is_silent(heard_s=10.0, now_s=11.79, jitter=1.0)
    assert LEASE.is_silent(heard_s=10.0, now_s=11.81, jitter=1.0)


@pytest.mark.parametrize(
    "timing", [{"renew_ms": 1_400}, {"margin_ms": 0}, {"length_ms": 600}, {"renew_ms": 0}]
)
def test_timing_that_cannot_work_is_refused(timing: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        Lease(**timing)


@given(
    sent_s=st.floats(0, 1e6),
    way_s=st.floats(0, 10),
    waited_s=st.floats(0, 10),
    drift=st.floats(-0.04, 0.04),
    jitter=st.floats(0, 1),
)
def test_no_standby_claims_while_the_leader_still_answers_reads(
    sent_s: float, way_s: float, waited_s: float, drift: float, jitter: float
) -> None:
    """The standby hears a record `way_s` after it was sent; its clock is `drift` faster or slower."""
    claims = LEASE.is_silent(heard_s=0.0, now_s=waited_s * (1 + drift), jitter=jitter)
    answers = LEASE.holds(confirmed_s=sent_s, now_s=sent_s + (way_s + waited_s) * (1 - drift))
    assert not (claims and answers)
