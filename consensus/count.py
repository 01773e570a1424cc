"""Count a file of ballots: ``python -m consensus.count --method irv FILE``. docs/ballots.md describes it.

Exit status: 0 there is a winner, 1 there is none (a tie that the rule leaves open, or no votes), 2 bad input,
3 the scores that a document of Snapshot publishes are not those of this count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from consensus.counting import (
    Borda,
    Count,
    CountingError,
    Duplicates,
    Equal,
    Method,
    Quadratic,
    Rules,
    Skipped,
    TieRule,
    count,
    method_named,
)
from consensus.counting.bounds import MAX_FILE_BYTES, MAX_PLACES
from consensus.counting.choices import METHOD_ALIASES
from consensus.counting.election import Election
from consensus.counting.exported import agrees, exported
from consensus.counting.formats import read_election
from consensus.counting.marks import Reading
from consensus.counting.numerals import number
from consensus.counting.printed import printed
from consensus.counting.snapshot import ballots, published
from consensus.counting.unread import invalid_votes

WON: Final = 0
NO_WINNER: Final = 1
BAD_INPUT: Final = 2
NOT_AS_PUBLISHED: Final = 3

_INVALID_SHOWN: Final = 5
"""Invalid votes that are named, one by one."""

_PEOPLE_PLACES: Final = 4
_PROGRAM_PLACES: Final = 15

_Chosen = TypeVar("_Chosen", bound=StrEnum)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, count, print; returns the exit status."""
    chosen = _arguments(arguments)
    try:
        election = read_election(_content(chosen.file), name=chosen.file)
        method = method_named(chosen.method) if chosen.method else _method_of(election)
        rules = chosen.rules or (Rules.SNAPSHOT if election.snapshot is not None else Rules.STANDARD)
        reading = _reading(chosen, election, method, rules)
        counted = _counted(chosen, election, reading)
    except CountingError as error:
        sys.stderr.write(f"{chosen.file}: {error}\n")
        return BAD_INPUT
    is_snapshot = election.snapshot is not None and rules is Rules.SNAPSHOT
    scores = published(election, counted) if is_snapshot and method is not Method.BORDA else None
    if chosen.json:
        places = _PROGRAM_PLACES if chosen.places is None else chosen.places
        data = exported(counted, election, scores, places=places)
        _print(json.dumps({**data, "rules": str(rules)}, indent=2) + "\n")
    else:
        places = _PEOPLE_PLACES if chosen.places is None else chosen.places
        _print(printed(counted, election, scores, places=places, with_rounds=chosen.rounds))
    for note in (*election.notes, *_seats(election), *_invalid(election, reading, counted)):
        _warn(f"note: {note}\n")
    if scores is not None and agrees(scores, election) is False:
        return NOT_AS_PUBLISHED
    return WON if counted.winners else NO_WINNER


def _print(text: str) -> None:
    """To standard output, whatever its encoding, and whether or not somebody reads to the end."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:  # as `| head`; what Python flushes at its end would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warn(text: str) -> None:
    """To standard error, which shows what it can; nothing in a file commands the terminal."""
    clean = "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
    sys.stderr.write(clean)


def _invalid(election: Election, reading: Reading, counted: Count) -> Iterator[str]:
    """The first votes of a Snapshot document that do not count, and how many more there are."""
    invalid_count = counted.papers.invalid_count
    if election.snapshot is None or not invalid_count:
        return
    yield from (f"invalid: {each}" for each in islice(invalid_votes(election, reading), _INVALID_SHOWN))
    if invalid_count > _INVALID_SHOWN:
        yield f"invalid: {invalid_count - _INVALID_SHOWN} votes more"


def _seats(election: Election) -> tuple[str, ...]:
    if election.seats_count == 1:
        return ()
    return (
        f"the file is for {election.seats_count} seats; this count fills one, and is no count by STV of all",
    )


def _content(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CountingError("unreadable", f"cannot be read: {error.strerror}") from None


def _method_of(election: Election) -> Method:
    if election.method is None:
        likely = ", ".join(election.methods or Method)
        raise CountingError(
            "no_method", f"the file does not say how to count it; give --method, one of {likely}"
        )
    return election.method


def _reading(chosen: argparse.Namespace, election: Election, method: Method, rules: Rules) -> Reading:
    """How ballots are read, all that was left to a default settled."""
    try:
        credits_each = number(chosen.credits)
    except ValueError as error:
        raise CountingError("bad_credits", f"--credits: {error}") from None
    return Reading(
        method=method,
        options_count=len(election.options),
        rules=rules,
        skipped=chosen.skipped,
        duplicates=chosen.duplicates,
        equal=chosen.equal,
        quadratic=chosen.quadratic or (Quadratic.SHARED if rules is Rules.SNAPSHOT else Quadratic.BOUGHT),
        credits=credits_each,
        withdrawn=election.withdrawn,
    )


def _counted(chosen: argparse.Namespace, election: Election, reading: Reading) -> Count:
    return count(
        reading.method,
        election.options,
        ballots(election, reading.method) if election.snapshot is not None else election.ballots,
        tie_rule=chosen.tie_rule,
        elimination_tie_rule=chosen.elimination_tie_rule,
        seed=chosen.seed or "",
        rules=reading.rules,
        skipped=reading.skipped,
        duplicates=reading.duplicates,
        equal=reading.equal,
        borda=chosen.borda,
        quadratic=reading.quadratic,
        credits=reading.credits,
        withdrawn=reading.withdrawn,
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if not chosen.seed and TieRule.LOT in (chosen.tie_rule, chosen.elimination_tie_rule):
        parser.error(
            "a lot needs --seed TEXT: without one whoever names the options could choose who wins; "
            "publish it before the vote, or let it come from what nobody controls"
        )
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consensus.count",
        description="Count a file of ballots, exactly.",
        epilog="Exit status: 0 there is a winner, 1 there is none, 2 bad input, "
        "3 published scores differ. See docs/ballots.md.",
    )
    parser.add_argument("file", help="BLT, JSON, PrefLib or a document of Snapshot; - is standard input")
    methods = ", ".join([*Method, *METHOD_ALIASES])
    parser.add_argument("--method", help=f"one of {methods}; needed unless the file says it")
    wins = [rule for rule in TieRule if rule is not TieRule.ALL]
    _choice(parser, "--tie-rule", wins, TieRule.FAILS, "of a tie for the win")
    _choice(
        parser, "--elimination-tie-rule", TieRule, TieRule.BACKWARD, "of a tie for the last place in a runoff"
    )
    parser.add_argument("--seed", metavar="TEXT", help="of a tie rule lot, which needs it")
    _choice(parser, "--rules", Rules, None, "whose version of the methods; Snapshot's for its documents")
    _choice(parser, "--skipped", Skipped, Skipped.CLOSE, "of ranks left empty")
    _choice(parser, "--duplicates", Duplicates, Duplicates.FIRST, "of options ranked twice")
    _choice(parser, "--equal", Equal, Equal.SPLIT, "of several options at one rank, in a runoff")
    _choice(parser, "--borda", Borda, Borda.STANDARD, "points for places")
    _choice(parser, "--quadratic", Quadratic, None, "whether points are votes bought, or shares")
    parser.add_argument("--credits", default="100", help="most that bought votes may cost one voter")
    parser.add_argument("--places", type=_places, help="decimal places")
    parser.add_argument("--rounds", action="store_true", help="show all rounds of a runoff")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser


def _choice(
    parser: argparse.ArgumentParser,
    flag: str,
    kinds: Iterable[_Chosen],
    default: _Chosen | None,
    about: str,
) -> None:
    known = {str(kind): kind for kind in kinds}

    def chosen(text: str) -> _Chosen:
        try:
            return known[text.lower().replace("-", "_")]
        except KeyError:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}") from None

    shown = f" (default {default})" if default is not None else ""
    parser.add_argument(
        flag, type=chosen, default=default, help=f"{about}: {', '.join(known)}{shown}", metavar="RULE"
    )


def _places(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= MAX_PLACES):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {MAX_PLACES}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
