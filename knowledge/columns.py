"""The number and run-length encodings inside an Automerge change; pure, and safe on hostile bytes.

Every reader is bounded before it allocates: a run says how often a value repeats, so a few bytes can
declare millions of rows. `read_column` adds the runs up against a limit and only then expands them.
Source: automerge.org/automerge-binary-format-spec, sections on LEB128 and column encodings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from knowledge.limits import MAX_SAFE_INTEGER

T = TypeVar("T")


class MalformedError(ValueError):
    """The bytes end early, a number is out of range, or a run is not one that a writer would make."""


class Reader:
    """Reads a byte string once from front to back and never beyond its end."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, content: bytes) -> None:
        self._bytes = content
        self._at = 0

    @property
    def remaining_bytes(self) -> int:
        """How much is left."""
        return len(self._bytes) - self._at

    def take(self, size_bytes: int) -> bytes:
        """Return the next `size_bytes`.

        Raises:
            MalformedError: There are not that many.
        """
        if size_bytes > self.remaining_bytes:
            raise MalformedError("ends early")
        start = self._at
        self._at += size_bytes
        return self._bytes[start : self._at]

    def unsigned(self) -> int:
        """Return the next unsigned LEB128 number, at most 2**53 - 1."""
        number, _, _ = self._groups()
        if number > MAX_SAFE_INTEGER:
            raise MalformedError("number out of range")
        return number

    def signed(self) -> int:
        """Return the next signed LEB128 number, at most 2**53 - 1 either way."""
        number, shift, last = self._groups()
        if last & 0x40:
            number -= 1 << shift
        if abs(number) > MAX_SAFE_INTEGER:
            raise MalformedError("number out of range")
        return number

    def prefixed(self, limit_bytes: int) -> bytes:
        """Return the next byte string, which is preceded by its length.

        Raises:
            MalformedError: It is longer than `limit_bytes` or than what is left.
        """
        size = self.unsigned()
        if size > limit_bytes:
            raise MalformedError("length out of range")
        return self.take(size)

    def _groups(self) -> tuple[int, int, int]:
        """Read 7-bit groups up to one without the high bit: number, bits read, last group."""
        number = shift = 0
        while shift < 70:
            group = self.take(1)[0]
            number |= (group & 0x7F) << shift
            shift += 7
            if group < 0x80:
                return number, shift, group
        raise MalformedError("number too long")


def write_unsigned(number: int) -> bytes:
    """Return the shortest unsigned LEB128 of `number`."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def write_signed(number: int) -> bytes:
    """Return the shortest signed LEB128 of `number`."""
    groups = bytearray()
    while not -0x40 <= number < 0x40:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number & 0x7F)
    return bytes(groups)


def write_prefixed(content: bytes) -> bytes:
    """Return `content` preceded by its length."""
    return write_unsigned(len(content)) + content


def read_column(content: bytes, read: Callable[[Reader], T], limit_rows: int) -> list[T]:
    """Expand a run-length column without nulls.

    Args:
        content: Bytes of the column.
        read: Reads one value.
        limit_rows: The most rows it may declare.

    Raises:
        MalformedError: Too many rows, a null run, or bytes that end early.
    """
    reader = Reader(content)
    runs: list[tuple[int, list[T]]] = []
    rows = 0
    while reader.remaining_bytes:
        count = reader.signed()
        rows += abs(count)
        if count == 0 or rows > limit_rows:
            raise MalformedError("run of nulls" if count == 0 else f"more than {limit_rows} rows")
        values = [read(reader) for _ in range(1 if count > 0 else -count)]
        runs.append((max(count, 1), values))
    return [value for repeats, values in runs for value in values * repeats]


def write_column(values: Sequence[T], write: Callable[[T], bytes]) -> bytes:
    """Return the run-length column of `values` exactly as the engine writes it.

    Equal neighbours become one counted run; what stands alone is gathered in literal runs.
    """
    column = bytearray()
    alone: list[bytes] = []

    def flush() -> None:
        if alone:
            column.extend(write_signed(-len(alone)) + b"".join(alone))
            alone.clear()

    for value, group in groupby(values):
        count = sum(1 for _ in group)
        if count == 1:
            alone.append(write(value))
        else:
            flush()
            column.extend(write_signed(count) + write(value))
    flush()
    return bytes(column)


def read_delta_column(content: bytes, limit_rows: int) -> list[int]:
    """Expand a column of numbers stored as differences to the one before; as `read_column`."""
    numbers: list[int] = []
    number = 0
    for step in read_column(content, Reader.signed, limit_rows):
        number += step
        numbers.append(number)
    return numbers


def write_delta_column(numbers: Sequence[int]) -> bytes:
    """Return the delta column of `numbers`."""
    steps = [number - before for number, before in zip(numbers, [0, *numbers][:-1], strict=True)]
    return write_column(steps, write_signed)
