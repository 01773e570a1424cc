"""Moments as people write them: ``5m``, ``+5m``, ``2026-11-21T18:00Z``, ``2026-11-21 18:00``. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from conclave.commands.durations import DurationError, moment_text, read_duration_ms

EXAMPLES: Final = "+5m, 2026-11-21T18:00Z or '2026-11-21 18:00' (local time)"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS: Final = 2**53
"""Beyond, JSON readers lose milliseconds."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", re.ASCII)


class MomentError(ValueError):
    """A text is no moment; says what is."""


def read_moment_ms(text: str, *, now_ms: int) -> int:
    """When `text` is, in ms since the Unix epoch.

    Args:
        text: A length of time from now on, after ``+`` or not, or an ISO 8601 date with or without a time.
            Without a zone it is the local one.
        now_ms: What a length of time counts from.

    Raises:
        MomentError: It is no moment.
    """
    text = text.strip()
    if _DATE.fullmatch(text):
        at_ms = _iso_ms(text)
    else:
        try:
            at_ms = now_ms + read_duration_ms(text.removeprefix("+"))
        except DurationError:
            raise MomentError(f"{text[:40]!r} is no moment; write {EXAMPLES}") from None
    if not 0 <= at_ms < _LATEST_MS:
        raise MomentError(f"{text[:40]!r} is too far away")
    return at_ms


def _iso_ms(text: str) -> int:
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError, OSError) as error:
        raise MomentError(f"{text[:40]!r} is no moment: {error}; write {EXAMPLES}") from None


def iso(at_ms: int | None) -> str:
    """A moment in UTC, for programs; ``-`` for none."""
    if at_ms is None:
        return "-"
    try:
        text = datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):  # no calendar reaches there
        return str(at_ms)
    return text.replace("+00:00", "Z")


def both(at_ms: int, now_ms: int) -> str:
    """A moment as a date, and how far away it is: ``2026-11-21 18:00:00Z, in 5m``."""
    return f"{iso(at_ms)[:19].replace('T', ' ')}Z, {moment_text(at_ms, now_ms)}"
