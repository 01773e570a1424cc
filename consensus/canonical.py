"""The one text of a value, which is signed and hashed: JSON after RFC 8785, of whole numbers only. Pure.

Keys are sorted by their UTF-16 code units, nothing is between tokens, and text is UTF-8 with no more
escapes than JSON demands. Numbers are integers of any size and written exactly; there are no fractions,
since no two languages write those alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def canonical(value: Any) -> bytes:
    """`value` as canonical JSON.

    Args:
        value: None, a bool, an int, a str, or lists, tuples and mappings (with keys of str) of these.

    Raises:
        TypeError: It holds something else, for example a float.
        ValueError: A text in it is no Unicode: it has half of a surrogate pair.
    """
    return _encode(_ordered(value)).encode()


def plain(event: Any) -> dict[str, Any]:
    """A dataclass in JSON's own types: what `canonical` writes and the trail keeps as the event's body.

    Raises:
        TypeError: It is no dataclass, or holds something that has no place in JSON.
    """
    if not is_dataclass(event) or isinstance(event, type):
        raise TypeError(f"an event is a dataclass, not {type(event).__name__}")
    return {name: _plain(getattr(event, name)) for name in _names(type(event))}


def _ordered(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool:
        return value
    # What is asked for first is what there is most of; asking an abstract class costs more than all else.
    if kind is dict or (kind is not list and kind is not tuple and isinstance(value, Mapping)):
        return {key: _ordered(value[key]) for key in _sorted_keys(value)}
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    raise TypeError(f"{kind.__name__} has no canonical form")


def _sorted_keys(value: Mapping[Any, Any]) -> list[str]:
    for key in value:
        if type(key) is not str:
            raise TypeError(f"a key is a str, not {type(key).__name__}")
    if all(map(str.isascii, value)):
        return sorted(value)
    return sorted(value, key=_utf16)


def _utf16(key: str) -> bytes:
    """RFC 8785 sorts by code units; Python's own order of code points differs above U+FFFF."""
    return key.encode("utf-16-be")


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool:
        return value
    if kind is tuple or kind is list:
        return [_plain(each) for each in value]
    if kind is dict or isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return plain(value)
