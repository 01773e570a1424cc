"""What changed since one last looked: a log whose readers keep their own places. Pure."""

from __future__ import annotations

from typing import Final

MAX_LOGGED: Final = 16_384
"""Entries kept; a reader that is further behind has to look at everything."""


class Touched:
    """Names in the order in which something about them changed."""

    __slots__ = ("_first", "_log", "end")

    def __init__(self) -> None:
        self.end = 0
        """The place after the last entry; only read. Asked several times for every offer."""
        self._first = 0
        self._log: list[str] = []

    def add(self, name: str) -> None:
        """Note a change."""
        self._log.append(name)
        self.end += 1
        if len(self._log) > 2 * MAX_LOGGED:
            del self._log[:MAX_LOGGED]
            self._first += MAX_LOGGED

    @property
    def last(self) -> str:
        """The last entry, if there was ever one."""
        return self._log[-1]

    def since(self, place: int) -> list[str] | None:
        """What changed since `place`; None if that is too long ago to be known."""
        return self._log[place - self._first :] if place >= self._first else None
