"""Numbers as people and JSON write them, read exactly. Pure."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from consensus.counting.ballots import Number
from consensus.counting.bounds import MAX_EXPONENT, MAX_NUMBER_CHARS

_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,6}))?", re.ASCII)
_FRACTION = re.compile(r"[+-]?\d+/\d*[1-9]\d*", re.ASCII)


def number(text: str) -> Number:
    """``3``, ``1.5``, ``3/2`` or ``1e3``, exactly.

    Raises:
        ValueError: It is no number, or a longer one than anybody needs. The message says so.
    """
    if len(text) > MAX_NUMBER_CHARS:
        raise ValueError(f"{text[:20]}… has more than {MAX_NUMBER_CHARS} characters")
    if _FRACTION.fullmatch(text):
        return simplest(Fraction(text))
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no number; write 3, 1.5 or 3/2")
    if found[1] is not None and abs(int(found[1])) > MAX_EXPONENT:
        raise ValueError(f"{text!r} is too large or too small; exponents go to {MAX_EXPONENT}")
    return simplest(Fraction(text))


def simplest(value: Fraction | int) -> Number:
    """An int, if it is one."""
    return value.numerator if value.denominator == 1 else value


def number_of(value: Any) -> Number:
    """A number from a JSON document that was read with `number` for its decimals; texts are numbers, too.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, str):
        return number(value.strip())
    if type(value) is int or type(value) is Fraction:
        return simplest(value)
    raise ValueError("a number is wanted, as 3, 1.5 or '3/2'")
