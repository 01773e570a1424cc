"""The failure detector: what silence means."""

from __future__ import annotations

import pytest

from coordination.registry.presence import Presence

INTERVAL_MS = 1_000


def make(started_ms: int = 0) -> Presence:
    return Presence(started_ms=started_ms, interval_ms=INTERVAL_MS)


@pytest.mark.parametrize(
    ("silent_ms", "status"),
    [(0, "online"), (1_499, "online"), (1_500, "suspect"), (2_899, "suspect"), (2_900, "offline")],
)
def test_silence_is_suspected_before_it_is_called_offline(silent_ms: int, status: str) -> None:
    assert make().status(10_000, 10_000 + silent_ms) == status


def test_a_restarted_registry_blames_nobody_for_the_time_it_was_away() -> None:
    assert make(started_ms=100_000).status(5, 101_000) == "online"
    assert make(started_ms=100_000).status(5, 103_000) == "offline"


def test_an_older_incarnation_cannot_speak_for_a_newer_one() -> None:
    presence = make()
    assert not presence.hear("ada", incarnation=1, current=2, load=0.9, now_ms=9_000)
    assert presence.last_heard_ms("ada", incarnation=2, registered_at_ms=5_000) == 5_000
    assert presence.load("ada", incarnation=2) == 0.0


def test_heartbeats_of_the_previous_incarnation_do_not_count_for_the_next() -> None:
    presence = make()
    assert presence.hear("ada", incarnation=1, current=1, load=0.5, now_ms=9_000)
    assert presence.load("ada", incarnation=1) == 0.5
    assert presence.last_heard_ms("ada", incarnation=2, registered_at_ms=9_500) == 9_500
    assert presence.load("ada", incarnation=2) == 0.0


def test_registration_is_the_first_sign_of_life() -> None:
    assert make().last_heard_ms("ada", incarnation=1, registered_at_ms=7) == 7


def test_a_forgotten_agent_leaves_no_trace() -> None:
    presence = make()
    presence.hear("ada", incarnation=1, current=1, load=0.5, now_ms=9_000)
    presence.forget("ada")
    presence.forget("ada")
    assert presence.last_heard_ms("ada", incarnation=1, registered_at_ms=7) == 7
