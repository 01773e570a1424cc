"""Weighs the JSON that strangers hand in, before it becomes part of the state. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from coordination.runtime.errors import RejectedError

MAX_DEPTH: Final = 64
"""Nesting of payloads and results. JSON readers stop at some depth, and the journal wraps what it
stores: what could be read once but not read back would make the journal unreadable."""
_encode: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


def require_json_bytes(value: Any, *, what: str, max_bytes: int) -> int:
    """The size of `value` as compact JSON.

    Raises:
        RejectedError: It is larger (``too_large``), nested deeper (``too_deep``) or no JSON, such as
            NaN (``invalid_request``).
    """
    if value is None:  # most results
        return len("null")
    try:
        text = _encode(value)
        size_bytes = len(text) if text.isascii() else len(text.encode())
    except ValueError:
        raise RejectedError("invalid_request", f"the {what} holds a value that JSON does not have") from None
    if size_bytes > max_bytes:
        raise RejectedError(
            "too_large",
            f"the {what} has {size_bytes} bytes, at most {max_bytes} are taken; put it into the object store "
            "(artifacts.put) and give its digest and size, as payload_reference or result_reference",
        )
    # Counting brackets is cheap and clears nearly everything; those within strings only cost a look.
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise RejectedError("too_deep", f"the {what} is nested deeper than {MAX_DEPTH} levels; flatten it")
    return size_bytes


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
