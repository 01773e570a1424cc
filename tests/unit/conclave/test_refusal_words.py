"""Moments in what a command says when it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from conclave.commands.refusalwords import error_text
from coordination.runtime.errors import RejectedError, UsageError

NOW_MS = 1_795_269_792_345  # 2026-11-21 14:03:12 UTC


@pytest.mark.parametrize(
    ("message", "details", "read"),
    [
        (f"it may be executed from {NOW_MS + 38_000} (Unix ms) on", {"eta_ms": NOW_MS + 38_000},
         "it may be executed from 2026-11-21 14:03:50 UTC (in 38s) on"),
        (f"bob executed it at {NOW_MS - 90_000} (Unix ms); so", {"executed_at_ms": NOW_MS - 90_000},
         "bob executed it at 2026-11-21 14:01:42 UTC (1m30s ago); so"),
        ("11005 (Unix ms), 1005 (Unix ms)", {"eta_ms": 1_005},
         "11005 (Unix ms), 1970-01-01 00:00:01 UTC (20778d14h ago)"),
        ("at 1005 (Unix ms)", {"weight": 1_005}, "at 1005 (Unix ms)"),
        ("at 1005 ms", {"eta_ms": 1_005}, "at 1005 ms"),
        (f"at {10**30} (Unix ms)", {"eta_ms": 10**30}, f"at {10**30} (Unix ms)"),
        ("at soon (Unix ms)", {"eta_ms": "soon"}, "at soon (Unix ms)"),
    ],
)  # fmt: skip
def test_a_moment_that_is_in_the_details_is_told_as_people_tell_it(
    message: str, details: dict[str, Any], read: str
) -> None:
    error = RejectedError("timelock_pending", message, details=details)
    assert error_text(error, now_ms=NOW_MS) == f"timelock_pending: {read}"
    assert error.message == message


def test_another_error_is_told_as_it_is() -> None:
    assert error_text(UsageError("at 1005 (Unix ms)"), now_ms=NOW_MS) == "at 1005 (Unix ms)"
