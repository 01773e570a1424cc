"""Graphs in JSON: the values at once, the place of each only when somebody asks for one.

Pure. A sound file needs no places, and finding them (`nix_gen.places`) takes ten times as long as decoding.
What is decoded here means the same there: whatever the two could see differently, or one of them refuses, is
left to the other one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

from nix_gen.places import DEPTH_MAX_COUNT, VALUES_MAX_COUNT, Document, parse, resolve


class JsonDocument:
    """A file of JSON that `decoded` gave."""

    def __init__(self, text: str, file: str, given: Any) -> None:
        self.file = file
        self.given = given
        """The file as dicts, lists and scalars."""
        self._text = text

    @cached_property
    def placed(self) -> Document:
        """The same with the place of every value.

        Raises:
            GraphFileError: it breaks a rule of YAML, of which JSON is not quite a part.
        """
        return parse(self._text, self.file)

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """As `Document.line_of`."""
        return self.placed.line_of(path)


def decoded(text: str, file: str) -> JsonDocument | None:
    """A file of JSON; None where `nix_gen.places.parse` has to read it, be it only to say what is wrong."""
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("{") or _may_hold_surrogates(text):
        return None
    try:
        given = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return JsonDocument(text, file, given) if _is_within_limits(given) else None


def _may_hold_surrogates(text: str) -> bool:
    if "\\ud" in text or "\\uD" in text:
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key stands there twice")
    return members


def _refused(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=resolve, parse_float=resolve, parse_constant=_refused
)


def _is_within_limits(given: Any) -> bool:
    """Whether `parse` would find neither too many values nor one too deep."""
    count, depth, level = 0, 0, [given]
    while level:
        keys_count = sum(len(value) for value in level if type(value) is dict)
        count += len(level) + keys_count
        if count > VALUES_MAX_COUNT or depth > DEPTH_MAX_COUNT:
            return False
        level = [inner for value in level for inner in _held(value)]
        depth += 1
    return True


def _held(value: Any) -> Any:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()
