"""How an error reads in a terminal: with moments as people tell them. Pure.

What services say is for programs as well, so it names moments in Unix ms and has each again in its details,
in a field that ends in ``_ms``. Here, and nowhere else, these become a date, and how far away it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from conclave.commands.durations import moment_text
from coordination.runtime.errors import RejectedError


def error_text(error: BaseException, *, now_ms: int) -> str:
    """`error` in one line, as read at `now_ms`."""
    text = str(error)
    if not isinstance(error, RejectedError):
        return text
    for name, value in error.details.items():
        if name.endswith("_ms") and isinstance(value, int):
            text = re.sub(rf"(?<!\d){value} \(Unix ms\)", _moment(value, now_ms), text)
    return text


def _moment(at_ms: int, now_ms: int) -> str:
    try:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # no calendar reaches there
        return f"{at_ms} (Unix ms)"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({moment_text(at_ms, now_ms)})"
