"""Laws of the failure detector."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coordination.registry.presence import OFFLINE_AFTER_INTERVALS, Presence

INSTANTS = st.integers(0, 10**6)
ORDER = ("online", "suspect", "offline")


@given(st.lists(st.integers(1, 1_400), max_size=30), st.integers(0, 1_400))
def test_an_agent_heard_within_every_interval_and_a_half_is_never_doubted(gaps: list[int], last: int) -> None:
    presence = Presence(started_ms=0, interval_ms=1_000)
    now_ms = 0
    for gap in (*gaps, last):
        now_ms += gap
        heard_ms = presence.last_heard_ms("ada", incarnation=1, registered_at_ms=0)
        assert presence.status(heard_ms, now_ms) == "online"
        presence.hear("ada", incarnation=1, current=1, load=0.0, now_ms=now_ms)


@given(INSTANTS, INSTANTS, INSTANTS, INSTANTS)
def test_status_only_gets_worse_while_nothing_is_heard(
    started: int, heard: int, first: int, more: int
) -> None:
    presence = Presence(started_ms=started, interval_ms=1_000)
    earlier = ORDER.index(presence.status(heard, first))
    assert ORDER.index(presence.status(heard, first + more)) >= earlier


@given(INSTANTS, INSTANTS)
def test_a_dead_agent_is_offline_after_three_intervals(started: int, heard: int) -> None:
    presence = Presence(started_ms=started, interval_ms=1_000)
    silent_ms = int(OFFLINE_AFTER_INTERVALS * 1_000)
    assert presence.status(heard, max(started, heard) + silent_ms) == "offline"


@given(INSTANTS, INSTANTS, INSTANTS)
def test_a_heartbeat_brings_an_agent_back(heard: int, silence: int, more: int) -> None:
    presence = Presence(started_ms=0, interval_ms=1_000)
    now_ms = heard + silence + more
    presence.hear("ada", incarnation=3, current=3, load=0.0, now_ms=now_ms)
    heard_ms = presence.last_heard_ms("ada", incarnation=3, registered_at_ms=heard)
    assert presence.status(heard_ms, now_ms) == "online"
