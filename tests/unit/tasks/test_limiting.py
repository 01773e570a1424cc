"""Token buckets: never more than burst and rate allow, and as much if it is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.tasks import limiting
from coordination.tasks.queues import ANY, AllocationState, QueueSettings, RateLimit
from coordination.tasks.spec import TaskSpec

KEY = "capability:default:ocr"
limits = st.builds(
    RateLimit,
    count=st.integers(1, 50),
    per_ms=st.integers(1, 10_000),
    burst=st.none() | st.integers(1, 60),
)


def allocation(limit: RateLimit) -> AllocationState:
    return AllocationState(settings={"default": QueueSettings(rate_limits={"ocr": limit})})


@given(limit=limits, steps=st.lists(st.integers(0, 3_000), max_size=60))
def test_in_no_window_are_there_more_offers_than_burst_and_rate_allow(
    limit: RateLimit, steps: list[int]
) -> None:
    state, now_ms = allocation(limit), 1_000
    taken: list[int] = []
    for step_ms in steps:
        now_ms += step_ms
        while limiting.ready_ms(state.buckets.get(KEY), limit, now_ms) <= now_ms:
            limiting.take(state, KEY, limit, now_ms)
            taken.append(now_ms)
    burst = limit.count if limit.burst is None else limit.burst
    for first, begin_ms in enumerate(taken):
        for last in range(first, len(taken)):
            window_ms = taken[last] - begin_ms
            assert (last - first + 1 - burst) * limit.per_ms <= window_ms * limit.count


@given(limit=limits, count=st.integers(1, 100))
def test_as_many_are_made_as_the_limit_allows_if_they_are_asked_for(limit: RateLimit, count: int) -> None:
    state, now_ms = allocation(limit), 1_000
    burst = limit.count if limit.burst is None else limit.burst
    for _ in range(burst + count):
        now_ms = limiting.ready_ms(state.buckets.get(KEY), limit, now_ms)
        limiting.take(state, KEY, limit, now_ms)
    # The last one was possible as soon as its token was whole; but what comes in one ms and is more than the
    # bucket holds is lost, because nothing happens between two of them.
    needed_ms = -(-count * limit.per_ms // limit.count)
    assert needed_ms <= now_ms - 1_000
    holds_a_ms = limit.count <= limit.per_ms * (burst - 1)
    assert not holds_a_ms or now_ms - 1_000 == needed_ms


@given(limit=limits, taken=st.integers(1, 70))
def test_tokens_that_are_as_good_as_taken_count(limit: RateLimit, taken: int) -> None:
    state = allocation(limit)
    expected_ms = limiting.ready_ms(None, limit, 1_000, taken=taken)
    for _ in range(taken):
        limiting.take(state, KEY, limit, 1_000)
    assert limiting.ready_ms(state.buckets.get(KEY), limit, 1_000) == expected_ms


def test_each_capability_without_a_limit_of_its_own_has_a_bucket_of_its_own() -> None:
    own, shared = RateLimit(count=1), RateLimit(count=2)
    settings = QueueSettings(rate_limits={"ocr": own, ANY: shared})
    assert limiting.of_capability(settings, TaskSpec(requirement="ocr", capability="ocr")) is own
    web = TaskSpec(requirement="web", capability="web")
    assert limiting.of_capability(settings, web) is shared
    assert limiting.capability_key(web) != limiting.capability_key(TaskSpec(requirement="a", capability="a"))
    assert limiting.of_capability(QueueSettings(), web) is None
    assert limiting.of_capability(QueueSettings(rate_limits={"ocr": own}), web) is None


def test_a_clock_that_goes_back_brings_no_tokens() -> None:
    limit = RateLimit(count=1, per_ms=100)
    state = allocation(limit)
    limiting.take(state, KEY, limit, 1_000)
    limiting.take(state, KEY, limit, 500)
    assert limiting.ready_ms(state.buckets[KEY], limit, 1_000) == 1_200


@pytest.mark.parametrize("kind", ["full", "unlimited"])
def test_buckets_that_say_nothing_are_left_out_when_there_are_many(kind: str) -> None:
    limit = RateLimit(count=1, per_ms=100)
    state = AllocationState(settings={"default": QueueSettings(agent_rate_limit=limit)})
    for number in range(1_023):
        limiting.take(state, limiting.agent_key("default", f"a{number}"), limit, 1_000)
    assert len(state.buckets) == 1_023
    if kind == "unlimited":
        state.settings = {}
        limiting.take(state, KEY, limit, 1_000)
        assert state.buckets == {}
    else:
        limiting.take(state, limiting.agent_key("default", "late"), limit, 1_100)
        assert [*state.buckets] == ["agent:default:late"]
