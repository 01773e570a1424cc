"""Which votes of a Snapshot document are invalid, and why: for whoever has to mend the document. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from consensus.counting.ballots import is_exact
from consensus.counting.choices import Method, Quadratic, Rules
from consensus.counting.election import Election
from consensus.counting.marks import Reading, read_marks
from consensus.counting.snapshot import ballots

_LISTS = frozenset({Method.RANKED_CHOICE, Method.COPELAND, Method.BORDA, Method.APPROVAL})
_SHOWN_CHARS = 40


def invalid_votes(election: Election, reading: Reading) -> Iterator[str]:
    """``votes[3].choice: 7 is no option of 3``: a line for each vote that does not count, in order.

    Args:
        election: A document of Snapshot.
        reading: How its ballots were read when they were counted.
    """
    assert election.snapshot is not None, "not a document of Snapshot"
    votes = election.snapshot.votes
    for index, (vote, ballot) in enumerate(zip(votes, ballots(election, reading.method), strict=True)):
        # The count itself decides; what follows only words it.
        if read_marks([ballot], reading).papers.invalid_count:
            yield f"votes[{index}].choice: {_why(vote.choice, reading)}"


def _why(choice: object, reading: Reading) -> str:
    if reading.method in _LISTS:
        return _why_list(choice, reading)
    if reading.method is Method.PLURALITY:
        return _no_option(choice, reading.options_count)
    return _why_points(choice, reading)


def _why_list(choice: object, reading: Reading) -> str:
    if not isinstance(choice, list):
        return f"{_shown(choice)} is no list of options"
    options_count = reading.options_count
    wrong = next((each for each in choice if not _is_option(each, options_count)), None)
    if wrong is not None:
        return _no_option(wrong, options_count)
    twice = next((each for index, each in enumerate(choice) if each in choice[:index]), None)
    if twice is not None:
        return f"option {twice} is there twice"
    if reading.rules is Rules.SNAPSHOT:
        return f"{len(choice)} of {options_count} options are ranked; Snapshot counts those that rank all"
    return "not valid under these rules"


def _why_points(choice: object, reading: Reading) -> str:
    if not isinstance(choice, dict):
        return f"{_shown(choice)} is no object from option to points"
    if not choice:
        return "no option has points"
    for key, points in choice.items():
        if wrong := _why_entry(key, points, reading):
            return wrong
    if reading.method is Method.QUADRATIC and reading.quadratic is Quadratic.BOUGHT:
        return f"its votes cost more than {reading.credits} credits"
    return "an option is there twice"


def _why_entry(key: str, points: Any, reading: Reading) -> str:
    """What is wrong with the points of one option; empty if nothing is."""
    if not (key.isascii() and key.isdigit() and 1 <= int(key[:9]) <= reading.options_count):
        return _no_option(key, reading.options_count)
    if not is_exact(points):
        return f"{_shown(points)}, for option {key}, is no number of points"
    is_snapshot = reading.rules is Rules.SNAPSHOT
    if points < 0 or (points == 0 and is_snapshot):
        return f"option {key} has {points} points; they are {'above' if is_snapshot else 'at least'} 0"
    return ""


def _no_option(given: object, options_count: int) -> str:
    return f"{_shown(given)} is no option of {options_count}"


def _is_option(given: object, options_count: int) -> bool:
    return type(given) is int and 1 <= given <= options_count


def _shown(given: object) -> str:
    text = str(given) if is_exact(given) else repr(given)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
