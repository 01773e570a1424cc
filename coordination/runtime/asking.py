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
        reason = str(error).removeprefix("Error serializing to JSON: ")[:200]
        raise UsageError(f"this cannot be sent as JSON: {reason}") from None
    # What is no number becomes null; looking for it costs only those that say null at all.
    if b"null" in payload:
        place = next(_not_finite(body, ""), None)
        if place is not None:
            shown = " ".join(place.split())[:_MAX_SHOWN_CHARS]  # a name may hold line ends
            raise UsageError(f"{shown}: JSON has no NaN and no infinity; write None")
    return payload


def _not_finite(value: object, place: str) -> Iterator[str]:
    """The places of floats that JSON does not have; no deeper than what could be serialised."""
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place
    elif isinstance(value, (BaseModel, Mapping)):
        children = dict(value).items()
    elif isinstance(value, (list, tuple, set, frozenset)):
        children = enumerate(value)
    for name, child in children:
        yield from _not_finite(child, f"{place}.{name}" if place else str(name))
