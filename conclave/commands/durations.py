"""Lengths of time as people write them: ``90s``, ``10m``, ``1h30m``, ``7d``. Pure."""

from __future__ import annotations

import re
from typing import Final

_UNITS_MS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_PART: Final = re.compile(r"([0-9]{1,15})(ms|[wdhms])")
_WHOLE: Final = re.compile(r"(?:[0-9]{1,15}(?:ms|[wdhms]))+")
_SHOWN: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_MAX_SHOWN: Final = 2


class DurationError(ValueError):
    """A text is no length of time; says what is."""


def read_duration_ms(text: str) -> int:
    """The milliseconds that `text` means: numbers with a unit of w, d, h, m, s or ms, one after the other.

    Raises:
        DurationError: It means none.
    """
    text = text.strip()
    if text == "0":
        return 0
    if not _WHOLE.fullmatch(text):
        hint = f"; write {text}s or {text}m" if text.isascii() and text.isdigit() else ""
        raise DurationError(f"{text[:40]!r} is no length of time such as 90s, 10m, 1h30m or 7d{hint}")
    return sum(int(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))


def duration_text(duration_ms: int) -> str:
    """`duration_ms` in its two largest units: ``10m``, ``1h30m``, ``250ms``; ``0s`` for none."""
    parts: list[str] = []
    rest = max(duration_ms, 0)
    for unit, unit_ms in _SHOWN:
        count, rest = divmod(rest, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return "".join(parts[:_MAX_SHOWN]) or "0s"


def moment_text(at_ms: int, now_ms: int) -> str:
    """When `at_ms` is, as seen at `now_ms`: ``in 9m30s``, ``3h ago``, ``now``."""
    distance_ms = at_ms - now_ms
    if abs(distance_ms) < _UNITS_MS["s"]:
        return "now"
    text = duration_text(abs(distance_ms) // 1000 * 1000)
    return f"in {text}" if distance_ms > 0 else f"{text} ago"
