"""BLT files (Hill, Wichmann, Woodall 1987) as OpenSTV, OpaVote, Droop and OpenTally extend them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from consensus.counting.ballots import Number, Ranking, Weighted
from consensus.counting.bounds import MAX_BALLOT_COUNT, MAX_OPTIONS
from consensus.counting.election import Election
from consensus.counting.faults import BallotFileError
from consensus.counting.numerals import number

_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.|"")*)"')
_PARENTHESES: Final = re.compile(r"\(([^()]*)\)")
_EQUALS: Final = re.compile(r"\s*=\s*")
_WITHDRAWN: Final = re.compile(r"-\d+", re.ASCII)
_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"'})


@dataclass(slots=True)
class _Draft:
    """What has been read so far."""

    options_count: int = 0
    seats_count: int = 1
    withdrawn: set[int] = field(default_factory=set)
    ballots: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Tokens of a ballot, weight first -> how often."""
    first_line: dict[tuple[str, ...], int] = field(default_factory=dict)
    unended: tuple[int, int] | None = None
    """First line with a ballot that has no 0 at its end, and how many there are."""
    ranks: dict[str, frozenset[int]] = field(default_factory=lambda: {"-": frozenset()})
    """Token -> the candidates at that rank; tokens repeat."""
    notes: list[str] = field(default_factory=list)


def read(text: str) -> Election:
    """The election in a BLT file.

    Raises:
        BallotFileError: With the line, what is wrong with it, and what it should be.
    """
    lines = _lines(text)
    draft = _Draft()
    head_rest = _read_head(lines, draft)
    rest = _read_ballots(chain(head_rest, lines), draft)
    names = _names(rest, lines)
    options, title = _named(names, draft)
    return Election(
        form="BLT",
        options=options,
        title=title,
        seats_count=draft.seats_count,
        withdrawn=frozenset(draft.withdrawn),
        ballots=[
            _ballot(tokens, times, draft, draft.first_line[tokens]) for tokens, times in draft.ballots.items()
        ],
        notes=tuple(draft.notes),
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of all lines with something in them, without comments."""
    text = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text) if "/*" in text else text
    for index, line in enumerate(text.split("\n"), start=1):
        kept = _without_comment(line).strip() if "#" in line else line.strip()
        if kept:
            yield index, kept


def _without_comment(line: str) -> str:
    """The line up to a # outside of quotes."""
    is_quoted = False
    for position, character in enumerate(line):
        if character in '"“”':
            is_quoted = not is_quoted
        elif character == "#" and not is_quoted:
            return line[:position]
    return line


def _read_head(lines: Iterator[tuple[int, str]], draft: _Draft) -> list[tuple[int, str]]:
    """The first two numbers; returns what else stands on their line."""
    index, line = next(lines, (1, ""))
    words = line.split()
    if len(words) < 2 or not all(word.isascii() and word.isdigit() for word in words[:2]):
        raise BallotFileError(
            f"a BLT file starts with two numbers, candidates and seats, as in '4 1'; found {line[:40]!r}",
            line=index,
        )
    if len(words[0]) > 6 or not 1 <= int(words[0]) <= MAX_OPTIONS:
        raise BallotFileError(f"{words[0][:12]} candidates; there may be 1 to {MAX_OPTIONS}", line=index)
    if len(words[1]) > 6 or int(words[1]) < 1:
        raise BallotFileError(f"{words[1][:12]} seats; there is at least 1", line=index)
    draft.options_count, draft.seats_count = int(words[0]), int(words[1])
    rest = line.split(None, 2)[2:]
    return [(index, rest[0])] if rest else []


def _read_ballots(lines: Iterator[tuple[int, str]], draft: _Draft) -> tuple[int, str] | None:
    """Reads to the end of the ballots; returns what follows it on the same line, if anything does."""
    seen: dict[str, int] = {}
    for index, line in lines:
        if line in seen:  # packed or not, most ballots are there more than once
            seen[line] += 1
            continue
        if line[0] in "\"'“":
            draft.notes.append("the line with a single 0 that ends the ballots is missing")
            break
        before = len(draft.ballots)
        after = _take(line, index, draft)
        if after is not None:
            _repeat(seen, draft)
            _check_ends(draft)
            return (index, after) if after else None
        if len(draft.ballots) > before and line[0] != "-":
            seen[line] = 0
    else:
        index, line = 0, ""
        draft.notes.append("the line with a single 0 that ends the ballots is missing")
    _repeat(seen, draft)
    _check_ends(draft)
    return (index, line) if line else None


def _repeat(seen: dict[str, int], draft: _Draft) -> None:
    for line, times in seen.items():
        for tokens, _ in _split(line) if times else ():
            draft.ballots[tokens] += times


def _check_ends(draft: _Draft) -> None:
    if draft.unended is not None and draft.unended[1] < len(draft.ballots):
        raise BallotFileError(
            "this ballot does not end with 0, while others do; put a 0 at its end, "
            "and write each ballot on one line",
            line=draft.unended[0],
        )


def _take(line: str, index: int, draft: _Draft) -> str | None:
    """Take in a line of ballots or withdrawn candidates.

    Returns:
        What stands behind the 0 that ends the ballots; None if they go on.
    """
    words = line.split()
    if _WITHDRAWN.fullmatch(words[0]):
        _withdraw(words, index, draft)
        return None
    for tokens, is_ended in _split(line):
        if tokens == ("0",):
            if words[0] == "0" and len(words) > 1 and words[1][0] not in "\"'“":
                raise BallotFileError("a ballot cannot weigh 0; a line with a single 0 ends them", line=index)
            return line.partition('"')[1] + line.partition('"')[2]
        if not is_ended:
            first, times = draft.unended or (index, 0)
            draft.unended = (first, times + 1) if tokens not in draft.ballots else (first, times)
        draft.first_line.setdefault(tokens, index)
        draft.ballots[tokens] = draft.ballots.get(tokens, 0) + 1
    return None


def _withdraw(words: list[str], index: int, draft: _Draft) -> None:
    """Take in a line of withdrawn candidates, and nothing that might be a ballot of negative weight."""
    if draft.ballots:
        raise BallotFileError(
            f"{words[0][:20]} starts a line among the ballots; a ballot weighs more than 0, and withdrawn "
            "candidates stand before the first ballot",
            line=index,
        )
    if other := next((word for word in words if not _WITHDRAWN.fullmatch(word)), None):
        raise BallotFileError(
            f"{words[0][:20]} starts the line and {other[:20]!r} follows; a ballot weighs more than 0, and a "
            "line of withdrawn candidates has only negative numbers, as in '-2 -3'",
            line=index,
        )
    draft.withdrawn |= {_candidate(word[1:], draft.options_count, index) for word in words}


def _split(line: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """(tokens without the last 0, whether there was one) of each ballot; ("0",) where the ballots end."""
    if line.startswith("("):  # a ballot id of OpenSTV
        line = line.partition(")")[2]
    if "(" in line:  # equal ranks as Hill writes them
        line = _PARENTHESES.sub(lambda found: "=".join(found[1].split()), line)
    if "=" in line:
        line = _EQUALS.sub("=", line)
    tokens: list[str] = []
    for word in line.split():
        if word != "0":
            tokens.append(word)
        elif tokens:
            yield tuple(tokens), True
            tokens = []
        else:
            yield ("0",), True
            return
    if tokens:
        yield tuple(tokens), False


def _ballot(tokens: tuple[str, ...], times: int, draft: _Draft, line: int) -> Weighted:
    weight, papers_count = _weight(tokens[0], line)
    known = draft.ranks
    for token in tokens[1:]:
        if token not in known:
            known[token] = frozenset(_candidate(each, draft.options_count, line) for each in token.split("="))
    return Weighted(
        Ranking(tuple(known[token] for token in tokens[1:])), weight=weight, count=papers_count * times
    )


def _weight(word: str, line: int) -> tuple[Number, int]:
    """(weight of a paper, how many papers): a whole number says how many."""
    try:
        weight = number(word)
    except ValueError as error:
        raise BallotFileError(f"a ballot starts with its weight: {error}", line=line) from None
    if weight <= 0 or weight > MAX_BALLOT_COUNT:
        raise BallotFileError(f"the weight of a ballot is {word}; it is above 0, at most 10^15", line=line)
    return (1, int(weight)) if weight.denominator == 1 else (weight, 1)


def _candidate(word: str, options_count: int, line: int) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise BallotFileError(
            f"{word[:20]!r} is no candidate; write numbers from 1 to {options_count}", line=line
        )
    if not 1 <= int(word) <= options_count:
        raise BallotFileError(
            f"there is no candidate {int(word)}; the first line says there are {options_count}", line=line
        )
    return int(word) - 1


def _names(rest: tuple[int, str] | None, lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    """(line, name) of all names and what follows them."""
    names: list[tuple[int, str]] = []
    for index, line in (rest,) if rest else ():
        names += [(index, name) for name in _names_in(line)]
    for index, line in lines:
        names += [(index, name) for name in _names_in(line)]
    return names


def _names_in(line: str) -> list[str]:
    straight = line.translate(_QUOTES)
    if straight[0] == "'" == straight[-1] and len(straight) > 1:
        return [straight[1:-1]]
    if straight[0] != '"':
        return [line]
    if _QUOTED.sub("", straight).strip():  # quotes within quotes: the line is one name
        return [straight.strip('"')]
    return [re.sub(r'\\(.)|"(")', r"\1\2", found) for found in _QUOTED.findall(straight)]


def _named(names: list[tuple[int, str]], draft: _Draft) -> tuple[tuple[str, ...], str]:
    count = draft.options_count
    if not names:
        draft.notes.append("the file names no candidates; they are called by their numbers")
        return tuple(str(index + 1) for index in range(count)), ""
    if len(names) < count:
        raise BallotFileError(
            f"the first line says there are {count} candidates, but {len(names)} names follow the ballots; "
            "write each on a line of its own, in double quotes",
            line=names[-1][0],
        )
    title = names[count][1] if len(names) > count else ""
    if len(names) > count + 1:
        draft.notes.append(
            f"line {names[count][0]}: {title.strip()[:40]!r} is taken as the title, and what follows it is "
            f"ignored, since the first line says there are {count} candidates; is it a name, mend that number"
        )
    return tuple(name.strip() for _, name in names[:count]), title.strip()
