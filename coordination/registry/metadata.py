"""Weighs the metadata that strangers hand in, before it becomes part of the state. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from coordination.registry.wire import MAX_INTEGER, MAX_METADATA_BYTES, MAX_METADATA_DEPTH
from coordination.runtime.errors import RejectedError

_MEND: Final = "keep it in an artifact and register its name"


def require_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """`metadata`, if it can be kept and reads back as it is.

    Raises:
        RejectedError: It is larger than 16 KiB as JSON or deeper than 8 levels (``metadata_too_large``), or
            holds NaN, an infinity or a whole number beyond 64 bits (``invalid_request``).
    """
    level: Iterable[JsonValue] = (metadata,)
    for _ in range(MAX_METADATA_DEPTH):
        level = _checked_children(level)
    # What is left over lies within eight levels; if it is an object or array itself, it is the ninth.
    if any(isinstance(each, (dict, list)) for each in level):
        raise RejectedError(
            "metadata_too_large", f"metadata is nested deeper than {MAX_METADATA_DEPTH} levels; {_MEND}"
        )
    size_bytes = len(to_json(metadata))
    if size_bytes > MAX_METADATA_BYTES:
        raise RejectedError(
            "metadata_too_large",
            f"metadata has {size_bytes} bytes as JSON, at most {MAX_METADATA_BYTES} are taken; {_MEND}",
        )
    return metadata


def _checked_children(level: Iterable[JsonValue]) -> list[JsonValue]:
    """What the objects and arrays of one level hold."""
    children: list[JsonValue] = []
    for each in level:
        if isinstance(each, dict):
            children += each.values()
        elif isinstance(each, list):
            children += each
    for child in children:
        if isinstance(child, float) and not math.isfinite(child):
            raise RejectedError(
                "invalid_request", "metadata holds NaN or an infinity, which JSON does not have"
            )
        if isinstance(child, int) and abs(child) > MAX_INTEGER:
            raise RejectedError(
                "invalid_request", "metadata holds a whole number beyond 64 bits; write it as a string"
            )
    return children
