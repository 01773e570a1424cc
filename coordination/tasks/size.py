"""Weighs the JSON that strangers hand in, before it becomes part of the state. Pure."""

from __future__ import annotations

import math
from typing import Any, Final

from pydantic_core import to_json

from coordination.runtime.errors import RejectedError

MAX_DEPTH: Final = 64
"""Nesting of payloads and results. JSON readers stop at some depth, and the journal wraps what it
stores: what could be read once but not read back would make the journal unreadable."""


def require_json_bytes(value: Any, *, what: str, max_bytes: int) -> int:
    """The size of `value` as compact JSON.

    Raises:
        RejectedError: It is larger (``too_large``), nested deeper (``too_deep``) or no JSON, such as
            NaN (``invalid_request``).
    """
    try:
        text = to_json(value, inf_nan_mode="constants")
    except ValueError:  # an object, or half a surrogate pair
        raise _no_json(what) from None
    # Within strings these words only cost a look.
    if (b"NaN" in text or b"Infinity" in text) and not _is_finite(value):
        raise _no_json(what)
    size_bytes = len(text)
    if size_bytes > max_bytes:
        raise RejectedError(
            "too_large",
            f"the {what} has {size_bytes} bytes, at most {max_bytes} are taken; put it into the object store "
            "(artifacts.put) and give its digest and size, as payload_reference or result_reference",
        )
    # Counting brackets is cheap and clears nearly everything; those within strings only cost a look.
    may_be_deep = size_bytes > MAX_DEPTH and text.count(b"[") + text.count(b"{") > MAX_DEPTH
    if may_be_deep and _deeper_than(value, MAX_DEPTH):
        raise RejectedError("too_deep", f"the {what} is nested deeper than {MAX_DEPTH} levels; flatten it")
    return size_bytes


def _no_json(what: str) -> RejectedError:
    message = f"the {what} holds a value that JSON does not have, such as NaN; leave it out"
    return RejectedError("invalid_request", message)


def _is_finite(value: Any) -> bool:
    """Whether everything in it is; no deeper than what could be written."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, (list, tuple)) or all(map(_is_finite, value))


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            child
            for each in level
            if isinstance(each, (dict, list))
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
