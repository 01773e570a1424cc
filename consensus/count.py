"""Count a file of ballots: ``python -m consensus.count --method irv FILE``. docs/ballots.md describes it.

Exit status: 0 there is a winner, 1 there is none (a tie that the rule leaves open, or no votes), 2 bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
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
from consensus.counting.exported import exported
from consensus.counting.formats import read_election
from consensus.counting.numerals import number
from consensus.counting.printed import printed
from consensus.counting.snapshot import ballots, published

WON: Final = 0
NO_WINNER: Final = 1
BAD_INPUT: Final = 2

_PEOPLE_PLACES: Final = 4
_PROGRAM_PLACES: Final = 15

_Chosen = TypeVar("_Chosen", bound=StrEnum)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, count, print; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        election = read_election(_content(chosen.file), name=chosen.file)
        method = method_named(chosen.method) if chosen.method else _method_of(election)
        counted, rules = _counted(chosen, election, method)
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
    for note in (*election.notes, *_seats(election)):
        sys.stderr.write(f"note: {note}\n")
    return WON if counted.winners else NO_WINNER


def _print(text: str) -> None:
    """To standard output, whatever its encoding, and whether or not somebody reads to the end."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:  # as `| head`; what Python flushes at its end would complain again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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


def _counted(chosen: argparse.Namespace, election: Election, method: Method) -> tuple[Count, Rules]:
    rules = chosen.rules or (Rules.SNAPSHOT if election.snapshot is not None else Rules.STANDARD)
    try:
        credits_each = number(chosen.credits)
    except ValueError as error:
        raise CountingError("bad_credits", f"--credits: {error}") from None
    counted = count(
        method,
        election.options,
        ballots(election, method) if election.snapshot is not None else election.ballots,
        tie_rule=chosen.tie_rule,
        elimination_tie_rule=chosen.elimination_tie_rule,
        seed=chosen.seed,
        rules=rules,
        skipped=chosen.skipped,
        duplicates=chosen.duplicates,
        equal=chosen.equal,
        borda=chosen.borda,
        quadratic=chosen.quadratic,
        credits=credits_each,
        withdrawn=election.withdrawn,
    )
    return counted, rules


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consensus.count",
        description="Count a file of ballots, exactly.",
        epilog="Exit status: 0 there is a winner, 1 there is none, 2 bad input. See docs/ballots.md.",
    )
    parser.add_argument("file", help="BLT, JSON, PrefLib or a document of Snapshot; - is standard input")
    methods = ", ".join([*Method, *METHOD_ALIASES])
    parser.add_argument("--method", help=f"one of {methods}; needed unless the file says it")
    _choice(parser, "--tie-rule", TieRule, TieRule.FAILS, "of a tie for the win")
    _choice(
        parser, "--elimination-tie-rule", TieRule, TieRule.BACKWARD, "of a tie for the last place in a runoff"
    )
    parser.add_argument("--seed", default="", help="of --tie-rule lot")
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
    parser: argparse.ArgumentParser, flag: str, kind: type[_Chosen], default: _Chosen | None, about: str
) -> None:
    def chosen(text: str) -> _Chosen:
        try:
            return kind(text.lower().replace("-", "_"))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(kind)}") from None

    shown = f" (default {default})" if default is not None else ""
    parser.add_argument(
        flag, type=chosen, default=default, help=f"{about}: {', '.join(kind)}{shown}", metavar="RULE"
    )


def _places(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= MAX_PLACES):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {MAX_PLACES}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
