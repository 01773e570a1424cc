"""Ballots as JSON, in our own form: docs/ballots.md. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from consensus.counting.ballots import Approval, Ballot, Number, Points, Ranking, Weighted
from consensus.counting.bounds import MAX_BALLOT_COUNT, MAX_BALLOTS_DISTINCT, MAX_OPTIONS
from consensus.counting.choices import Method, method_named
from consensus.counting.election import Election
from consensus.counting.faults import BallotFileError, CountingError
from consensus.counting.numerals import number, number_of

_KINDS: Final = ("ranking", "approve", "points", "choice")
_KEYS: Final = frozenset({*_KINDS, "weight", "count"})


def parse(text: str) -> Any:
    """A JSON document, its numbers exact.

    Raises:
        BallotFileError: It is no JSON, a key stands twice in one object, or a number is no number.
    """
    try:
        return json.loads(
            text, parse_float=number, parse_int=number, parse_constant=_no_number, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise BallotFileError(f"no JSON: {error.msg} in column {error.colno}", line=error.lineno) from None
    except RecursionError:
        raise BallotFileError("no ballots: brackets within brackets within brackets") from None
    except BallotFileError:
        raise
    except ValueError as error:
        raise BallotFileError(str(error)) from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        again = next(key for key in keys if keys.count(key) > 1)
        raise BallotFileError(f"the key {again[:60]!r} stands twice in one object; remove one")
    return made


def read(document: Mapping[str, Any]) -> Election:
    """The election in a document of our own form.

    Raises:
        BallotFileError: With the place in the document and what should be there.
    """
    options = option_names(document.get("options"), "options")
    numbers = {name: index for index, name in enumerate(options)}
    if len(numbers) != len(options):
        raise BallotFileError("options: two have the same name; ballots could not tell them apart")
    ballots = document.get("ballots")
    if not isinstance(ballots, list):
        raise BallotFileError("ballots: a list is wanted, as [{'ranking': ['a', 'b'], 'count': 3}]")
    if len(ballots) > 10 * MAX_BALLOTS_DISTINCT:
        raise BallotFileError(
            f"ballots: more than {10 * MAX_BALLOTS_DISTINCT}; put equal ones together with 'count'"
        )
    names = _Names(numbers)
    withdrawn = document.get("withdrawn", [])
    if not isinstance(withdrawn, list):
        raise BallotFileError("withdrawn: a list of options is wanted")
    seats_count = document.get("seats", 1)
    if type(seats_count) is not int or seats_count < 1:
        raise BallotFileError("seats: a whole number of at least 1 is wanted")
    return Election(
        form="JSON",
        options=options,
        title=str(document.get("title", ""))[:1000],
        seats_count=seats_count,
        withdrawn=names.several(withdrawn, "withdrawn"),
        method=named_method(document.get("method")),
        ballots=[_weighted(each, f"ballots[{index}]", names) for index, each in enumerate(ballots)],
    )


def named_method(name: object) -> Method | None:
    """The method a document names, if it names one."""
    if name is None:
        return None
    try:
        return method_named(str(name))
    except CountingError as error:
        raise BallotFileError(f"method: {error}") from None


def option_names(given: object, where: str) -> tuple[str, ...]:
    """The names of the options."""
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_OPTIONS:
        raise BallotFileError(f"{where}: a list of 1 to {MAX_OPTIONS} names is wanted")
    for index, name in enumerate(given):
        if not isinstance(name, str):
            raise BallotFileError(f"{where}[{index}]: a name in quotes is wanted")
    return tuple(given)


class _Names:
    """How documents name options: by name, or by their number from 1."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers

    def one(self, given: object, where: str) -> int:
        if isinstance(given, str):
            if given in self._numbers:
                return self._numbers[given]
            if given.isascii() and given.isdigit() and len(given) < 9:
                return self._numbered(int(given), where)
        elif type(given) is int:
            return self._numbered(given, where)
        raise BallotFileError(f"{where}: there is no option {str(given)[:60]!r}; write a name from 'options'")

    def _numbered(self, given: int, where: str) -> int:
        if not 1 <= given <= len(self._numbers):
            raise BallotFileError(
                f"{where}: there is no option {given}; they are numbered 1 to {len(self._numbers)}"
            )
        return given - 1

    def several(self, given: list[Any], where: str) -> frozenset[int]:
        return frozenset([self.one(each, where) for each in given])


def _weighted(given: Any, where: str, names: _Names) -> Weighted:
    if isinstance(given, list):
        given = {"ranking": given}
    elif isinstance(given, (str, int)):
        given = {"choice": given}
    if not isinstance(given, dict):
        raise BallotFileError(f"{where}: a ballot is an object with one of {', '.join(_KINDS)}")
    if unknown := sorted(given.keys() - _KEYS):
        raise BallotFileError(
            f"{where}: unknown key {unknown[0][:60]!r}; there are {', '.join(sorted(_KEYS))}"
        )
    kinds = [kind for kind in _KINDS if kind in given]
    if len(kinds) != 1:
        raise BallotFileError(f"{where}: exactly one of {', '.join(_KINDS)} is wanted, not {len(kinds)}")
    ballots_count = given.get("count", 1)
    if type(ballots_count) is not int or not 0 <= ballots_count <= MAX_BALLOT_COUNT:
        raise BallotFileError(f"{where}.count: a whole number from 0 to 10^15 is wanted")
    weight = _number(given.get("weight", 1), f"{where}.weight")
    if weight < 0:
        raise BallotFileError(f"{where}.weight: a number of at least 0 is wanted")
    return Weighted(_ballot(kinds[0], given[kinds[0]], where, names), weight=weight, count=ballots_count)


def _number(given: Any, where: str) -> Number:
    try:
        return number_of(given)
    except ValueError as error:
        raise BallotFileError(f"{where}: {error}") from None


def _ballot(kind: str, given: Any, where: str, names: _Names) -> Ballot:
    place = f"{where}.{kind}"
    if kind == "choice":
        return Approval(frozenset()) if given is None else Approval.of(names.one(given, place))
    if kind == "points":
        if not isinstance(given, dict):
            raise BallotFileError(f"{place}: an object is wanted, as {{'a': 3, 'b': 1}}")
        points: dict[int, Number] = {}
        for key, value in given.items():
            option = names.one(key, place)
            if option in points:
                raise BallotFileError(f"{place}: {key!r} and another key are the same option")
            points[option] = _number(value, f"{place}.{key[:60]}")
        return Points(points)
    if not isinstance(given, list):
        raise BallotFileError(f"{place}: a list is wanted, as ['a', 'b']")
    if kind == "approve":
        return Approval(names.several(given, place))
    return Ranking(tuple(_rank(each, place, names) for each in given))


def _rank(given: Any, place: str, names: _Names) -> frozenset[int]:
    """One option, a list of equals, or null or [] for a rank that was skipped."""
    if given is None:
        return frozenset()
    if isinstance(given, list):
        return names.several(given, place)
    return frozenset((names.one(given, place),))
