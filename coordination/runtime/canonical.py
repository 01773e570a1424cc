"""Canonical JSON (RFC 8785): one byte string per JSON value, so that a hash names the value.

Pure: imports neither transport nor clock. The object keys are sorted by UTF-16 code units, strings are
escaped as ECMAScript does, and numbers are IEEE doubles written as ECMAScript writes them: ``1.0`` is
``1`` (so the integer and the float are the same value), ``-0.0`` is ``0``, ``1e21`` stays exponential.
Python's ``repr`` finds the same shortest digits; only their layout differs. Integers beyond 2**53 - 1
are refused because other readers would round them; NaN and infinities because JSON has none. Nesting is
bounded, because whoever hashes what strangers sent must not fall into it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 7493)."""
MAX_DEPTH: Final = 64
"""Nesting of lists and objects, unless the caller bounds it further."""
Json: TypeAlias = str | int | float | bool | Sequence[Any] | Mapping[str, Any] | None
"""A JSON value. The nested parts are checked when the value is written."""


class NotCanonicalError(ValueError):
    """A value that has no canonical JSON, or a text that is not canonical JSON."""


def canonical_json(value: Json, *, max_depth: int = MAX_DEPTH) -> str:
    """Return the one canonical JSON text of `value`.

    Raises:
        NotCanonicalError: The value is no JSON, is nested more than `max_depth` deep, has a number outside
            the exact range, or text that is not Unicode (a lone surrogate).
    """
    return _Writer(max_depth).write(value, max_depth)


def parse_canonical(text: str, *, max_depth: int = MAX_DEPTH) -> Json:
    """Return the value that the canonical JSON `text` stands for.

    Raises:
        NotCanonicalError: `text` is no JSON, or not the canonical text of its value (order, spaces,
            escapes, number layout, repeated keys).
    """
    try:
        value: Json = json.loads(text, parse_int=_read_integer, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise NotCanonicalError("not JSON") from None
    if canonical_json(value, max_depth=max_depth) != text:
        raise NotCanonicalError("JSON, but not in its canonical form")
    return value


def _read_integer(digits: str) -> int | float:
    """Read an integer; one too large to be exact is the double that canonical JSON wrote so."""
    number = float(digits)
    return int(digits) if abs(number) <= MAX_SAFE_INTEGER else number


def _refuse_constant(name: str) -> Json:
    raise NotCanonicalError(f"{name} is not JSON")


class _Writer:
    """Writes values; knows the bound for the message."""

    __slots__ = ("_max_depth",)

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth

    def write(self, value: object, depth: int) -> str:
        """Write one value; `depth` is how many more levels may be opened."""
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        if isinstance(value, str):
            return _write_string(value)
        if isinstance(value, int):
            if abs(value) > MAX_SAFE_INTEGER:
                raise NotCanonicalError("integer beyond 2**53 - 1: send it as a string")
            return str(int(value))
        if isinstance(value, float):
            return _write_float(value)
        return self._write_container(value, depth)

    def _write_container(self, value: object, depth: int) -> str:
        if depth == 0:
            raise NotCanonicalError(f"nested more than {self._max_depth} deep")
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise NotCanonicalError("a key that is not a string")
            texts = {_write_string(key): key for key in value}
            ordered = sorted(texts, key=lambda text: texts[text].encode("utf-16-be"))
            members = (f"{text}:{self.write(value[texts[text]], depth - 1)}" for text in ordered)
            return "{" + ",".join(members) + "}"
        if isinstance(value, list | tuple):
            return "[" + ",".join(self.write(item, depth - 1) for item in value) + "]"
        raise NotCanonicalError(f"{type(value).__name__} is not a JSON type")


def _write_string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotCanonicalError("text with a lone surrogate") from None
    return json.dumps(text, ensure_ascii=False)


def _write_float(number: float) -> str:
    """Lay out the shortest digits of `number` as ECMAScript's Number::toString does (RFC 8785, 3.2.2.3)."""
    if not math.isfinite(number):
        raise NotCanonicalError("NaN or infinity is not JSON")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    digits, point = _shortest_digits(abs(number))
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{sign}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def _shortest_digits(number: float) -> tuple[str, int]:
    """Return digits and the place of the decimal point: the number is ``0.digits * 10**place``."""
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    return digits.rstrip("0") or "0", len(whole) - leading + int(exponent or 0)
