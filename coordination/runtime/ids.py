"""Random ids, drawn many at a time."""

from __future__ import annotations

import random
from typing import Final

_BYTES: Final = 16
_AT_ONCE: Final = 64
_CHARS: Final = 2 * _BYTES


class RandomIds:
    """Ids of 32 random hex digits, 128 bits, each given out once.

    The system is asked for 64 of them at a time: asking takes as long as everything else about an id. Like
    the connection of whoever draws them, this is not to be used on both sides of a fork.

    Args:
        entropy: Where they come from.
    """

    def __init__(self, entropy: random.Random) -> None:
        self._entropy = entropy
        self._drawn: list[str] = []

    def draw(self) -> str:
        """The next one."""
        if not self._drawn:
            digits = self._entropy.randbytes(_BYTES * _AT_ONCE).hex()
            self._drawn = [digits[place : place + _CHARS] for place in range(0, len(digits), _CHARS)]
        return self._drawn.pop()
