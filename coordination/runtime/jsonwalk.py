"""Reads JSON value by value, so that whoever reads much of it can let others have a turn. Pure."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, Final

_WINDOW_BYTES: Final = 64 * 1024
_BEHIND_VALUES: Final = frozenset(",]} \t\n\r")


class JsonWalk:
    """Goes through a JSON text value by value, without making all of it at once.

    Args:
        text: UTF-8. Only a window of it is decoded at a time.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._window = ""
        self._at = 0
        """Where in the window the next thing stands."""
        self._taken = 0
        """Bytes of the text that were decoded."""

    @property
    def position(self) -> int:
        """How far it has come; in bytes, give or take a window."""
        return self._taken - len(self._window) + self._at

    def members(self) -> Iterator[str]:
        """The names in the object that stands next; whoever asks must take each one's value before the next.

        Raises:
            ValueError: There is no object, or it is not JSON.
        """
        self._take("{")
        if self._takes("}"):
            return
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise ValueError(f"a name is no string, near byte {self.position}")  # noqa: TRY004 - of the text
            self._take(":")
            yield name
            if self._takes("}"):
                return
            self._take(",")

    def items(self) -> Iterator[None]:
        """One turn for each item of the array that stands next, which must be taken in that turn.

        Raises:
            ValueError: There is no array, or it is not JSON.
        """
        self._take("[")
        if self._takes("]"):
            return
        while True:
            yield
            if self._takes("]"):
                return
            self._take(",")

    def value(self) -> Any:
        """The value that stands next, all of it.

        Raises:
            ValueError: There is none, or it is not JSON.
        """
        self._next()
        size = _WINDOW_BYTES
        while True:
            try:
                value, end = self._scan(self._window, self._at)
            except (ValueError, RecursionError) as error:
                if self._taken == len(self._text):
                    raise ValueError(f"not JSON near byte {self.position}") from error
            else:
                # Elsewhere a number may go on: of "1.5e3", "1", "1.5" and "1.5e" are read as less.
                if self._window[end : end + 1] in _BEHIND_VALUES or self._taken == len(self._text):
                    self._at = end
                    return value
            self._widen(size)
            size *= 2

    def end(self) -> None:
        """Make sure that nothing else stands there.

        Raises:
            ValueError: Something does.
        """
        if self._next():
            raise ValueError(f"something follows near byte {self.position}")

    def _take(self, sign: str) -> None:
        if not self._takes(sign):
            raise ValueError(f"{sign} expected near byte {self.position}")

    def _takes(self, sign: str) -> bool:
        if self._next() != sign:
            return False
        self._at += 1
        return True

    def _next(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._window):
                if (found := self._window[self._at]) not in " \t\n\r":
                    return found
                self._at += 1
            if self._taken == len(self._text):
                return ""
            self._widen(_WINDOW_BYTES)

    def _widen(self, size: int) -> None:
        begin, self._taken = self._taken, min(self._taken + size, len(self._text))
        more = self._decode(self._text[begin : self._taken], self._taken == len(self._text))
        self._window = self._window[self._at :] + more
        self._at = 0
