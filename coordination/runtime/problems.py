"""What is wrong with a body, in words for whoever wrote it: the same at the client and at the service."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coordination.runtime.shapes import Shape, fields_at, required_at, tags_at

_MAX_PLACE_CHARS: Final = 80
_MAX_TEXT_CHARS: Final = 200
_NAME_PATTERN: Final = re.compile(
    r"\^(?P<star>\(\\\*\|)?\[a-z0-9\]\[a-z0-9(?P<signs>[^\]]+)\]\{0,(?P<more>[0-9]+)\}\)?\\z"
)
"""How the patterns of ids and names look, which are not for people."""
_DIGEST_PATTERN: Final = re.compile(r"\^\[0-9a-f\]\{(?P<count>[0-9]+)\}(?:\\z|\$)")
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


def problems_of(error: ValidationError, *, most: int, body: Shape | None = None) -> list[Problem]:
    """The first `most` problems.

    Args:
        error: What pydantic says.
        most: How many to tell.
        body: What was checked, so that the message can name the fields that there are.
    """
    found = _causes(error.errors(include_url=False, include_input=False))
    problems = islice(_told_once(found), most)
    return [Problem(_place(where), _text(each, where, body)) for where, each in problems]


def _causes(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are only too short because what stands in them is wrong, and was not counted."""
    if not any(each["type"] == "too_short" for each in found):
        return found
    outer = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    return [each for each in found if each["type"] != "too_short" or each["loc"] not in outer]


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


def _text(each: ErrorDetails, where: _Where, body: Shape | None) -> str:
    words = _WORDS.get(each["type"])
    if words is not None:
        return words(each, where, body)  # of names in the contract, and of counts: nothing to cut
    return _OPENING.sub("must ", each["msg"].removeprefix("Value error, "))[:_MAX_TEXT_CHARS]


def _no_such_field(_: ErrorDetails, where: _Where, body: Shape | None) -> str:
    known = fields_at(body, where[:-1]) if body is not None else ()
    if not known:
        return "there is no such field"
    near = difflib.get_close_matches(str(where[-1])[:_MAX_PLACE_CHARS], known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no such field; {hint}there are: {', '.join(known)}"


def _no_object(_: ErrorDetails, where: _Where, body: Shape | None) -> str:
    tags = tags_at(body, where) if body is not None else ()
    known = fields_at(body, where) if body is not None else ()
    if tags or not known:
        return "must be an object"
    required = required_at(body, where) if body is not None else ()
    optional = [name for name in known if name not in required]
    parts = [", ".join(required)] if required else []
    parts += [f"{'perhaps ' if required else ''}{', '.join(optional)}"] if optional else []
    return f"must be an object with {' and '.join(parts)}"


def _no_tag(each: ErrorDetails, where: _Where, body: Shape | None) -> str:
    ctx = each.get("ctx", {})
    known = tags_at(body, where) if body is not None else ()
    name = str(ctx.get("discriminator", "")).strip("'")
    one_of = ", ".join(known) or str(ctx.get("expected_tags", "")).replace("'", "")
    return f"{name} must be one of {one_of}" if one_of else f"{name} is missing"


def _count(each: ErrorDetails, _: _Where, __: Shape | None) -> str:
    ctx = each.get("ctx", {})
    is_short = each["type"] == "too_short"
    bound = ctx["min_length" if is_short else "max_length"]
    actual = ctx.get("actual_length")
    text = f"must have at {'least' if is_short else 'most'} {bound} {'item' if bound == 1 else 'items'}"
    return text if actual is None else f"{text}, here {actual}"


def _pattern(each: ErrorDetails, _: _Where, __: Shape | None) -> str:
    pattern = str(each.get("ctx", {}).get("pattern", ""))
    name, digest = _NAME_PATTERN.fullmatch(pattern), _DIGEST_PATTERN.fullmatch(pattern)
    if digest is not None:
        return f"must be {digest['count']} hexadecimal digits, the letters in lower case"
    if name is None:
        return "does not have the form that the contract gives it"
    signs = "".join(f", '{sign}'" for sign in name["signs"][:-1])
    other = " (or '*' alone)" if name["star"] else ""
    return (
        f"use 1 to {int(name['more']) + 1} of a-z, 0-9{signs} and '{name['signs'][-1]}', "
        f"beginning with a letter or digit{other}"
    )


def _no_json(each: ErrorDetails, _: _Where, __: Shape | None) -> str:
    reason = str(each.get("ctx", {}).get("error", ""))
    return "is nested too deep; flatten it" if "recursion limit" in reason else each["msg"][:_MAX_TEXT_CHARS]


_WORDS: Final[dict[str, Callable[[ErrorDetails, _Where, Shape | None], str]]] = {
    "extra_forbidden": _no_such_field,
    "missing": lambda *_: "is missing",
    "model_type": _no_object,
    "model_attributes_type": _no_object,
    "dict_type": lambda *_: "must be an object",
    "tuple_type": lambda *_: "must be a list",
    "list_type": lambda *_: "must be a list",
    "union_tag_invalid": _no_tag,
    "union_tag_not_found": _no_tag,
    "too_short": _count,
    "too_long": _count,
    "string_pattern_mismatch": _pattern,
    "json_invalid": _no_json,
}
"""What is said of the types of pydantic's errors whose own words are for programmers."""


def _place(location: tuple[int | str, ...]) -> str:
    place = ""
    for part in location:
        place += f".{part}" if place else str(part)
        if len(place) > _MAX_PLACE_CHARS:
            return f"{place[:_MAX_PLACE_CHARS]}…"
    return place
