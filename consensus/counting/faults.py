"""What cannot be counted or read, and why. Pure."""

from __future__ import annotations


class CountingError(ValueError):
    """The caller's input cannot be counted.

    `code` is for programs, the message says what is wrong, where, and what to do about it.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class BallotFileError(CountingError):
    """A file of ballots that cannot be read; `line` is where, counted from 1, if that is known."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        self.line = line
        super().__init__("unreadable", message if line is None else f"line {line}: {message}")
