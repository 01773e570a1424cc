"""Cron expressions: when they come next, and what is wrong with one. Pure, but for the time zone database.

Where clocks change it is as with Debian's cron. A job of fixed hours and minutes runs once in any case: in
the hour that comes twice the first time, in the hour that is left out right after it. A job of every hour or
of every minute, and one with seconds, runs as time really passes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_CRON_CHARS: Final = 256
LAST_MS: Final = 4_102_444_800_000
"""2100-01-01: nothing is scheduled later."""
_FIELDS: Final = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_ALLOWED: Final = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31 that one of the months has, L for the last day, LW for the last weekday",
    "month": "1 to 12 or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7: Sunday) or SUN to SAT, MON#2 for the second Monday, 1L for the last one",
}


_OF_THE_MACHINE: Final = frozenset({"localtime", "posixrules"})
"""Names that mean something else on each machine, and so to each leader."""


class CronError(ValueError):
    """What is wrong with an expression or a time zone, where, and how to mend it."""


def check(expression: str, time_zone: str) -> None:
    """Make sure that `next_ms` can work with them.

    Raises:
        CronError: It cannot; names the field.
    """
    _times(expression, zone_of(time_zone), 0)


def next_ms(expression: str, time_zone: str, after_ms: int) -> int | None:
    """The first time of `expression` that is later than `after_ms` (Unix ms); None: there is none.

    Raises:
        CronError: The expression or the time zone is none.
    """
    for moment in _times(expression, zone_of(time_zone), min(after_ms, LAST_MS)):
        # A fixed time in an hour that comes twice is its first one, which may have passed; two fixed times in
        # an hour that is left out are the same moment.
        at_ms = int(moment.timestamp()) * 1000
        if at_ms > LAST_MS:
            return None
        if at_ms > after_ms:
            return at_ms
    return None


def count(expression: str, time_zone: str, after_ms: int, until_ms: int, *, limit: int) -> int:
    """How many times of `expression` are later than `after_ms` and not later than `until_ms`; up to `limit`.

    Raises:
        CronError: The expression or the time zone is none.
    """
    found, last_ms = 0, after_ms
    for moment in _times(expression, zone_of(time_zone), min(after_ms, LAST_MS)):
        at_ms = int(moment.timestamp()) * 1000
        if at_ms > until_ms or found >= limit:
            break
        if at_ms > last_ms:
            found, last_ms = found + 1, at_ms
    return found


def zone_of(time_zone: str) -> tzinfo:
    """The time zone of an IANA name.

    Raises:
        CronError: There is none of that name.
    """
    if time_zone == "UTC":
        return UTC
    if time_zone not in _OF_THE_MACHINE:
        # Else: no such name, no name at all, or a folder of the database.
        with contextlib.suppress(ValueError, OSError, LookupError):
            return ZoneInfo(time_zone)
    raise CronError(
        f"time_zone {time_zone[:64]!r} is not known; use an IANA name such as Europe/Berlin, or UTC"
    )


def _times(expression: str, zone: tzinfo, after_ms: int) -> Iterator[datetime]:
    if len(expression) > MAX_CRON_CHARS:
        raise CronError(f"cron has {len(expression)} characters; use at most {MAX_CRON_CHARS}")
    parts = expression.split()
    if len(parts) not in (5, 6):
        raise CronError(
            f"cron {expression!r} has {len(parts)} fields; write minute, hour, day-of-month, month and "
            "day-of-week, such as '30 3 * * MON-FRI', or six fields with seconds first"
        )
    try:
        return CronSim(expression, datetime.fromtimestamp(max(after_ms, 0) // 1000, zone))
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        index = _FIELDS.index(name) - (6 - len(parts))
        raise CronError(
            f"cron {expression!r}: the {name}, {parts[index]!r}, takes {_ALLOWED[name]}; also *, lists "
            "(1,5), ranges (1-5) and steps (*/15)"
        ) from None
