"""Cron expressions: what they mean where clocks change, and what is said about wrong ones."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordination.tasks import cron
from coordination.tasks.cron import CronError


def times(expression: str, time_zone: str, begin: str, count: int) -> list[str]:
    """The next times after `begin`, a local time, with their offsets from UTC."""
    zone = ZoneInfo(time_zone)
    at_ms: int | None = int(datetime.fromisoformat(begin).replace(tzinfo=zone).timestamp()) * 1000
    found = []
    for _ in range(count):
        assert at_ms is not None
        at_ms = cron.next_ms(expression, time_zone, at_ms)
        assert at_ms is not None
        found.append(f"{datetime.fromtimestamp(at_ms / 1000, zone):%a %d.%m. %H:%M:%S %z}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 3 * * MON-FRI", ["Mon 23.11. 03:30:00 +0100", "Tue 24.11. 03:30:00 +0100"]),
        ("*/20 9-10 * * *", ["Sat 21.11. 09:00:00 +0100", "Sat 21.11. 09:20:00 +0100"]),
        ("0 0 1 1,7 *", ["Fri 01.01. 00:00:00 +0100", "Thu 01.07. 00:00:00 +0200"]),
        ("0 0 13 * FRI", ["Fri 27.11. 00:00:00 +0100", "Fri 04.12. 00:00:00 +0100"]),
        ("0 0 L * *", ["Mon 30.11. 00:00:00 +0100", "Thu 31.12. 00:00:00 +0100"]),
        ("0 12 * * MON#1", ["Mon 07.12. 12:00:00 +0100", "Mon 04.01. 12:00:00 +0100"]),
        ("*/30 * * * * *", ["Sat 21.11. 03:00:30 +0100", "Sat 21.11. 03:01:00 +0100"]),
    ],
)
def test_expressions_mean_what_they_mean_in_crontab(expression: str, expected: list[str]) -> None:
    assert times(expression, "Europe/Berlin", "2026-11-21T03:00:00", 2) == expected


def test_a_fixed_time_in_the_hour_that_is_left_out_runs_once_right_after_it() -> None:
    assert times("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00", 2) == [
        "Sun 28.03. 03:00:00 +0200",
        "Mon 29.03. 02:30:00 +0200",
    ]


def test_several_fixed_times_in_the_hour_that_is_left_out_run_once() -> None:
    assert times("0,30 2,3 * * *", "Europe/Berlin", "2027-03-27T12:00:00", 4) == [
        "Sun 28.03. 03:00:00 +0200",
        "Sun 28.03. 03:30:00 +0200",
        "Mon 29.03. 02:00:00 +0200",
        "Mon 29.03. 02:30:00 +0200",
    ]


def test_a_fixed_time_in_the_hour_that_comes_twice_runs_the_first_time() -> None:
    assert times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", 2) == [
        "Sun 25.10. 02:30:00 +0200",
        "Mon 26.10. 02:30:00 +0100",
    ]


def test_whoever_begins_in_the_repeated_hour_does_not_run_it_again() -> None:
    again = datetime(2026, 10, 25, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    following_ms = cron.next_ms("30 2 * * *", "Europe/Berlin", int(again.timestamp()) * 1000)
    assert following_ms is not None
    assert datetime.fromtimestamp(following_ms / 1000, UTC) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_jobs_of_every_hour_run_as_time_really_passes() -> None:
    assert times("0 * * * *", "Europe/Berlin", "2027-03-28T01:00:00", 2) == [
        "Sun 28.03. 03:00:00 +0200",
        "Sun 28.03. 04:00:00 +0200",
    ]
    assert times("0 * * * *", "Europe/Berlin", "2026-10-25T01:00:00", 3) == [
        "Sun 25.10. 02:00:00 +0200",
        "Sun 25.10. 02:00:00 +0100",
        "Sun 25.10. 03:00:00 +0100",
    ]


def test_a_zone_whose_clocks_change_by_half_an_hour_is_no_exception() -> None:
    assert times("15 2 * * *", "Australia/Lord_Howe", "2027-10-02T12:00:00", 2) == [
        "Sun 03.10. 02:30:00 +1100",
        "Mon 04.10. 02:15:00 +1100",
    ]


def test_a_time_that_never_comes_gives_none() -> None:
    now_ms = 1_700_000_000_000
    assert cron.next_ms("0 0 */30 2 MON#5", "UTC", now_ms) is None
    assert cron.next_ms("0 0 1 1 *", "UTC", cron.LAST_MS) is None


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("* * * *", r"cron '\* \* \* \*' has 4 fields; write minute, hour, .* or six fields with seconds"),
        ("61 * * * *", "the minute, '61', takes 0 to 59; also .* steps"),
        ("* 24 * * *", "the hour, '24', takes 0 to 23"),
        ("0 0 32 * *", "the day-of-month, '32', takes 1 to 31"),
        ("0 0 30 2 *", "the day-of-month, '30', takes 1 to 31 that one of the months has"),
        ("0 0 * FOO *", "the month, 'FOO', takes 1 to 12 or JAN to DEC"),
        ("0 0 * * FUNDAY", "the day-of-week, 'FUNDAY', takes 0 to 7"),
        ("0 0 * * MON#6", "the day-of-week, 'MON#6'"),
        ("99 0 * * * *", "the second, '99', takes 0 to 59"),
        ("0 5-1 * * *", "the hour, '5-1', takes"),
        ("*/0 * * * *", r"the minute, '\*/0', takes"),
        ("@daily", "has 1 fields"),
        ("1," * 200 + "1 * * * *", "cron has 409 characters; use at most 256"),
    ],
)
def test_a_wrong_expression_is_told_by_its_field_and_how_to_mend_it(expression: str, problem: str) -> None:
    with pytest.raises(CronError, match=problem):
        cron.check(expression, "UTC")


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "localtime", "a\0b"]
)
def test_a_time_zone_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(CronError, match="is not known; use an IANA name such as Europe/Berlin"):
        cron.check("0 0 * * *", name)


pieces = st.text("0123456789*/-,#LWMONFRIJAN xé²", max_size=8)


@given(st.one_of(st.text(max_size=60), st.lists(pieces, min_size=5, max_size=6).map(" ".join)))
@example("0 0 * * ²L")
@example("0 0 * * L")
@example("0 0 LW/2 * *")
@example("1/99999999999999999999 * * * *")
def test_any_text_is_an_expression_or_is_refused_as_none(expression: str) -> None:
    with contextlib.suppress(CronError):
        cron.check(expression, "UTC")


fields = {
    "minute": st.sampled_from(["*", "0", "30", "*/15", "5,35", "10-12"]),
    "hour": st.sampled_from(["*", "0", "2", "3", "1-4", "*/2", "2,3"]),
    "day": st.sampled_from(["*", "1", "L", "28-31"]),
    "month": st.sampled_from(["*", "3", "10", "4,11"]),
    "weekday": st.sampled_from(["*", "SUN", "SUN#1", "0L", "MON-FRI"]),
}
expressions = st.tuples(*fields.values()).map(" ".join)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe"])
begins = st.datetimes(datetime(2025, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(expressions, zones, begins)
@example("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 25, 0, 45, tzinfo=UTC))
@example("0,30 2,3 * * *", "Europe/Berlin", datetime(2027, 3, 28, 0, 45, tzinfo=UTC))
@example("0 0 * * *", "America/Havana", datetime(2026, 3, 8, 4, 30, tzinfo=UTC))
def test_times_grow_and_whoever_asks_from_between_finds_the_same(
    expression: str, zone: str, begin: datetime
) -> None:
    after_ms = int(begin.timestamp()) * 1000
    first_ms = cron.next_ms(expression, zone, after_ms)
    if first_ms is None:  # every minute from 2 to 3 on the last Sunday of March, in Berlin
        return
    assert first_ms > after_ms
    between_ms = (after_ms + first_ms) // 2
    assert cron.next_ms(expression, zone, between_ms) == first_ms
    assert cron.next_ms(expression, zone, first_ms - 1) == first_ms
    second_ms = cron.next_ms(expression, zone, first_ms)
    assert second_ms is None or second_ms > first_ms


@settings(max_examples=15)
@given(
    zones.filter(lambda zone: zone != "UTC"), st.integers(2025, 2031), st.integers(0, 23), st.integers(0, 59)
)
def test_a_daily_time_comes_once_on_every_day_of_the_year(
    zone: str, year: int, hour: int, minute: int
) -> None:
    tz = ZoneInfo(zone)
    at_ms: int | None = int((datetime(year, 1, 1, tzinfo=tz) - timedelta(seconds=1)).timestamp()) * 1000
    days = []
    while True:
        assert at_ms is not None
        at_ms = cron.next_ms(f"{minute} {hour} * * *", zone, at_ms)
        assert at_ms is not None
        local = datetime.fromtimestamp(at_ms / 1000, tz)
        if local.year != year:
            break
        days.append(local.date())
    assert len(days) == len(set(days)) == (366 if year % 4 == 0 else 365)
