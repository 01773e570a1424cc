"""What is wrong with a body, in words for whoever wrote it: the same at the client and at the service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

_MAX_PLACE_CHARS: Final = 80
_MAX_TEXT_CHARS: Final = 200
_NAME_PATTERN: Final = re.compile(r"\^\[a-z0-9\]\[a-z0-9(?P<signs>[^\]]+)\]\{0,(?P<more>[0-9]+)\}\\z")
"""How the patterns of ids and names look, which are not for people."""
_OPENING: Final = re.compile(r"^(?:Input|String|Tuple|List|Dictionary|Value) should ")
_Where = tuple[int | str, ...]


class _Kind(NamedTuple):
    error: str
    """What the types of errors of this kind begin with."""
    words: str


_KINDS: Final = {
    "bool": _Kind("bool_", "true or false"),
    "int": _Kind("int_", "a whole number"),
    "float": _Kind("float_", "a number"),
    "str": _Kind("string_", "a text"),
    "constrained-str": _Kind("string_", "a text"),
}
"""By what pydantic appends to the place of a value that may be of several kinds."""


class Problem(NamedTuple):
    """One thing that is wrong."""

    place: str
    """Where in the body: ``participants.0``; empty for the body as a whole. Cut, because the names in it
    are the caller's and may be of any length and number."""
    text: str
    """What is wrong there; never what stands there."""

    def __str__(self) -> str:
        """Place and text."""
        return f"{self.place}: {self.text}" if self.place else self.text


def problems_of(error: ValidationError, *, most: int, fields: Iterable[str] = ()) -> list[Problem]:
    """The first `most` problems.

    Args:
        error: What pydantic says.
        most: How many to tell.
        fields: Those that the body may have, to be named if it has another one.
    """
    found = error.errors(include_url=False, include_input=False)
    problems = islice(_told_once(found), most)
    return [Problem(_place(where), _text(each, where, fields)[:_MAX_TEXT_CHARS]) for where, each in problems]


def fields_of(body: TypeAdapter[Any]) -> tuple[str, ...]:
    """The names of the fields of `body`, if it is one model."""
    schema: Mapping[str, Any] = body.core_schema
    while "cls" not in schema and "schema" in schema:  # what is checked besides surrounds the model
        schema = schema["schema"]
    model = schema.get("cls")
    return tuple(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else ()


def _told_once(found: Iterable[ErrorDetails]) -> Iterator[tuple[_Where, ErrorDetails]]:
    """What is wrong, with its place; one thing only of a value that may be of several kinds."""
    for (where, is_branch), each in groupby(found, key=_value_of):
        branches = list(each)
        if not is_branch or len(branches) == 1:
            yield from ((branch["loc"], branch) for branch in branches)
            continue
        # The kind that was meant is the one of which more than the kind is wrong.
        meant = [branch for branch in branches if not branch["type"].endswith("_type")]
        kinds = [_KINDS[str(branch["loc"][-1])].words for branch in branches]
        alternatives = f"Input should be {', '.join(kinds[:-1])} or {kinds[-1]}"
        yield where, (meant[0] if meant else {**branches[0], "msg": alternatives})


def _value_of(each: ErrorDetails) -> tuple[_Where, bool]:
    """The place of the value, and whether this is what one of the kinds that it may have says of it."""
    *outer, last = each["loc"] or ("",)
    kind = _KINDS.get(str(last))
    if kind is not None and each["type"].startswith(kind.error):
        return tuple(outer), True
    return each["loc"], False


def _text(each: ErrorDetails, where: _Where, fields: Iterable[str]) -> str:
    if each["type"] == "extra_forbidden":
        known = ", ".join(fields) if len(where) == 1 else ""
        return f"there is no such field; there are: {known}" if known else "there is no such field"
    if each["type"] == "missing":
        return "is missing"
    if each["type"] == "string_pattern_mismatch":
        name = _NAME_PATTERN.fullmatch(str(each.get("ctx", {}).get("pattern", "")))
        if name is not None:
            signs = "".join(f", '{sign}'" for sign in name["signs"][:-1])
            return (
                f"use 1 to {int(name['more']) + 1} of a-z, 0-9{signs} and '{name['signs'][-1]}', "
                "beginning with a letter or digit"
            )
    return _OPENING.sub("must ", each["msg"].removeprefix("Value error, "))


def _place(location: tuple[int | str, ...]) -> str:
    place = ""
    for part in location:
        place += f".{part}" if place else str(part)
        if len(place) > _MAX_PLACE_CHARS:
            return f"{place[:_MAX_PLACE_CHARS]}…"
    return place
