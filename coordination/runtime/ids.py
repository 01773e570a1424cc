"""Random ids, drawn many at a time."""

from __future__ import annotations

import random
from typing import Final

_AT_ONCE: Final = 64


class RandomIds:
    """Ids of random hex digits, each given out once.

    The system is asked for 64 of them at a time: asking takes as long as everything else about an id. Like
    the connection of whoever draws them, this is not to be used on both sides of a fork.

    Args:
        entropy: Where they come from.
        bits: Of each; a multiple of 8.
    """

    def __init__(self, entropy: random.Random, *, bits: int = 128) -> None:
        self._entropy = entropy
        self._bytes = bits // 8
        self._drawn: list[str] = []

    def draw(self) -> str:
        """The next one."""
        if not self._drawn:
            digits, step = self._entropy.randbytes(self._bytes * _AT_ONCE).hex(), 2 * self._bytes
            self._drawn = [digits[place : place + step] for place in range(0, len(digits), step)]
        return self._drawn.pop()
