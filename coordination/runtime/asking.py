"""Makes requests of what our caller gave: every mistake in it is a `UsageError` that says what and where.

Clients make all their request bodies here, so that their callers never meet pydantic's own errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, ParamSpec, TypeVar

from pydantic import BaseModel, ValidationError

from coordination.runtime.errors import UsageError
from coordination.runtime.problems import problems_of

B = TypeVar("B", bound=BaseModel)
K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
P = ParamSpec("P")
_MAX_PROBLEMS: Final = 3
_MAX_SHOWN_CHARS: Final = 80
_MAX_LEVELS: Final = 200
"""Readers take no more; what pydantic refuses to write for its depth has more."""
_NO_END: Final = -1
"""Of what has been serialised, so that it has an end."""
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}".encode()
"""What pydantic writes for each byte of half a surrogate pair in a name."""
NO_NUMBER: Final = (
    "JSON has no NaN and no infinity, which is what a number beyond 1.8e308 is read as; "
    "write null (in Python None), or a text"
)
_HALF: Final = "half a surrogate pair (\\ud800 to \\udfff) is no text; write the whole character, or none"
TOO_DEEP: Final = "it is nested too deep for JSON, or in itself; flatten it, or write its inner part as text"


def request(body: Callable[P, B], *args: P.args, **kwargs: P.kwargs) -> B:
    """The request body `body` with these fields.

    Raises:
        UsageError: A field is not as the contract says; names the first three places.
    """
    try:
        return body(*args, **kwargs)
    except ValidationError as error:
        shape = body if isinstance(body, type) and issubclass(body, BaseModel) else None
        problems = [str(problem) for problem in problems_of(error, most=error.error_count(), body=shape)]
    shown = problems[:_MAX_PROBLEMS]
    more = len(problems) - len(shown)
    raise UsageError("; ".join(shown) + (f"; and {more} more" if more else ""))


def items(name: str, given: Iterable[T], *, of: str) -> tuple[T, ...]:
    """The list `given` as the argument `name`.

    Args:
        name: The argument.
        given: Its value. A text would be a list of letters, which nobody means.
        of: What the list is of, in the plural: ``agent ids``.

    Raises:
        UsageError: It is one text or no list at all.
    """
    wrong: object = given
    if isinstance(wrong, str):
        shown = f'"{wrong[:_MAX_SHOWN_CHARS]}"'
        raise UsageError(f"{name} is a list of {of}, not one text; write [{shown}]")
    if isinstance(wrong, (bytes, bytearray, Mapping)) or not isinstance(wrong, Iterable):
        raise UsageError(f"{name} is a list of {of}, not of type {type(wrong).__name__}")
    return tuple(given)


def mapping(name: str, given: Mapping[K, V] | None) -> dict[K, V]:
    """The JSON object `given` as the argument `name`; empty if it is None.

    Raises:
        UsageError: It is something else.
    """
    wrong: object = given
    if wrong is not None and not isinstance(wrong, Mapping):
        raise UsageError(f"{name} is a JSON object (a dict), not of type {type(wrong).__name__}")
    return dict(given or {})


def read(name: str, given: T | str, kind: type[T], parse: Callable[[str], T]) -> T:
    """The argument `name`, which may be given as a text that `parse` reads.

    Raises:
        UsageError: It is neither, or `parse` raised a ValueError: with the same text, and caused by it.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, str):
        raise UsageError(f"{name} is a text or a {kind.__name__}, not of type {type(given).__name__}")
    try:
        return parse(given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def payload_of(body: BaseModel) -> bytes:
    """`body` as JSON, without what is as by default.

    Raises:
        UsageError: Something in it has no place in JSON: an object, NaN, an infinity, half a surrogate pair.
    """
    try:
        # As `model_dump_json`, which makes a text of it first.
        payload = body.__pydantic_serializer__.to_json(body, exclude_defaults=True)
    except (ValueError, RecursionError) as error:  # pydantic's own error is a ValueError, too
        raise _no_json(body, error) from None
    # What is no number becomes null, and half a pair in a name what stands for no character; looking for
    # them costs only those that say such things at all.
    if b"null" in payload or _REPLACED in payload:
        problem = next(_problems(body, "", levels=_NO_END), None)
        if problem is not None:
            raise _told(*problem)
    return payload


def _no_json(body: BaseModel, error: Exception) -> UsageError:
    """What is wrong with a body that `error` says cannot be serialised."""
    problem = next(_problems(body, "", levels=_MAX_LEVELS), None)
    if problem is not None:
        return _told(*problem)
    reason = str(error).removeprefix("Error serializing to JSON: ")[:200]
    return UsageError(f"this cannot be sent as JSON: {reason}")


def _told(place: str, what: str) -> UsageError:
    shown = " ".join(place.split())  # a name may hold line ends
    if len(shown) > _MAX_SHOWN_CHARS:
        shown = f"{shown[:_MAX_SHOWN_CHARS]}…"
    return UsageError(f"{shown.encode(errors='replace').decode()}: {what}")


def _problems(value: object, place: str, *, levels: int) -> Iterator[tuple[str, str]]:
    """Places of numbers and texts that JSON does not have, and of what is too deep; what is wrong there.

    Args:
        value: A body, or something in it.
        place: Where it stands.
        levels: What has more of them is too deep.
    """
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place, NO_NUMBER
    elif isinstance(value, str):
        if _is_half(value):
            yield place, _HALF
    elif isinstance(value, (BaseModel, Mapping)):
        children = dict(value).items()
    elif isinstance(value, (list, tuple, set, frozenset)):
        children = enumerate(value)
    if children and not levels:
        yield place, TOO_DEEP
        return
    for name, child in children:
        inner = f"{place}.{name}" if place else str(name)
        if isinstance(name, str) and _is_half(name):
            yield inner, f"this name: {_HALF}"
        yield from _problems(child, inner, levels=levels - 1)


def _is_half(text: str) -> bool:
    """Whether `text` holds half a surrogate pair."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
