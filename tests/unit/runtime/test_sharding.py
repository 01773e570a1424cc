"""An aggregate's shard never changes, and shards are about equally large."""

from __future__ import annotations

from collections import Counter

from coordination.runtime.sharding import shard_of


def test_the_shard_of_an_aggregate_is_the_same_for_ever() -> None:
    """These are on disk: another answer would look for aggregates where they are not."""
    assert [shard_of(aggregate, 4) for aggregate in ("a", "b", "task-1", "0" * 16)] == [2, 2, 3, 3]


def test_one_shard_holds_everything() -> None:
    assert {shard_of(f"a{index}", 1) for index in range(100)} == {0}


def test_shards_are_about_equally_large() -> None:
    counts = Counter(shard_of(f"task-{index}", 8) for index in range(8_000))
    assert set(counts) == set(range(8))
    assert min(counts.values()) > 800
