"""Ids that are drawn many at a time."""

from __future__ import annotations

import random
import re

import pytest

from coordination.runtime.ids import RandomIds


@pytest.mark.parametrize("bits", [64, 128])
def test_every_id_is_of_hex_digits_and_no_two_are_the_same(bits: int) -> None:
    ids = RandomIds(random.SystemRandom(), bits=bits)
    drawn = [ids.draw() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert all(re.fullmatch(f"[0-9a-f]{{{bits // 4}}}", each) for each in drawn)


def test_one_seed_makes_one_sequence_of_ids() -> None:
    first, again, other = (RandomIds(random.Random(seed)) for seed in (1, 1, 2))
    drawn = [first.draw() for _ in range(200)]
    assert [again.draw() for _ in range(200)] == drawn
    assert not {other.draw() for _ in range(200)} & set(drawn)


def test_the_system_is_asked_once_for_many() -> None:
    class Counted(random.Random):
        asked = 0

        def randbytes(self, n: int) -> bytes:
            Counted.asked += 1
            return super().randbytes(n)

    ids = RandomIds(Counted(3))
    for _ in range(65):
        ids.draw()
    assert Counted.asked == 2
