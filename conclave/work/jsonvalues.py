"""Refuses what JSON does not have before it goes anywhere, and says where it stands."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from coordination.runtime.errors import UsageError

_MAX_DEPTH: Final = 200
"""What is deeper is refused as too deep by whoever reads it."""
_MAX_PLACE_CHARS: Final = 80
_STRICT: Final = json.JSONEncoder(allow_nan=False)
_WAYS_OUT: Final = {
    "set": "write a list",
    "frozenset": "write a list",
    "bytes": "write text, such as base64",
    "bytearray": "write text, such as base64",
    "datetime": "write text: its isoformat()",
    "date": "write text: its isoformat()",
}
_MAX_GLANCED: Final = 16
_MAX_GLANCED_CHARS: Final = 256
"""A character has at most six bytes in JSON, and a number 4300 digits: all in all it is below 128 KiB."""


def is_plain(value: object) -> bool:
    """Whether `value` is, at a glance, none or a JSON object that the record of a task has room for.

    That is what most payloads are: a few names, with a short text or a number each. False says nothing.
    """
    if value is None:
        return True
    if type(value) is not dict or len(value) > _MAX_GLANCED:
        return False
    for name, each in value.items():
        kind = type(each)
        if kind is str:
            fits = len(each) <= _MAX_GLANCED_CHARS
        elif kind is float:
            fits = math.isfinite(each)
        else:
            fits = kind is int or kind is bool or each is None
        if not fits or type(name) is not str or len(name) > _MAX_GLANCED_CHARS:
            return False
    return True


def require_json(place: str, value: object) -> None:
    """Return if `value` is JSON: None, true, false, finite numbers, text, lists, and mappings of these.

    Models of pydantic and dataclasses stand for their fields; a tuple for a list.

    Args:
        place: What the value is, for the message.
        value: Anything.

    Raises:
        UsageError: Something in it is none of these; names the place, not the value.
    """
    try:
        _STRICT.encode(value)
    except (TypeError, ValueError, RecursionError):
        # It is not, or holds a model; this is slower, and knows the place.
        problem = next(_problems(value, place, ()), None)
        if problem is not None:
            where, what = problem
            raise UsageError(f"{where[:_MAX_PLACE_CHARS]}: {what}") from None


def _problems(value: object, place: str, above: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Places of what is not JSON, and what is wrong there."""
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place, "JSON has no NaN and no infinity; write None"
        return
    children = _children(value)
    if children is None:
        kind = type(value).__name__
        way_out = _WAYS_OUT.get(kind, "write text, numbers, lists and objects")
        yield place, f"JSON has no {kind}; {way_out}"
    elif id(value) in above:
        yield place, "it holds itself"
    elif len(above) < _MAX_DEPTH:
        inner = (*above, id(value))
        for name, child in children:
            if isinstance(value, Mapping) and not isinstance(name, str):
                yield place, f"the names in a JSON object are text, not of type {type(name).__name__}"
            yield from _problems(child, f"{place}.{name!s:.{_MAX_PLACE_CHARS}}", inner)


def _children(value: object) -> Iterable[tuple[Any, Any]] | None:
    """Names and values in something that is a JSON list or object; None if it is neither."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return ()  # pydantic writes their fields as their types say
    return None
