"""PrefLib's files of rankings (.soc, .soi, .toc, .toi), in today's form and in that of before 2022. Pure."""

from __future__ import annotations

import re
from typing import Final

from consensus.counting.ballots import Ranking, Weighted
from consensus.counting.bounds import MAX_OPTIONS
from consensus.counting.election import Election
from consensus.counting.faults import BallotFileError
from consensus.counting.numerals import number

_FACT: Final = re.compile(r"#\s*([A-Z][A-Z ]*?)(?:\s+(\d+))?\s*:\s*(.*)")
_RANK: Final = re.compile(r"\s*(?:\{([^{}]*)\}|(\d+))\s*(?:,|$)", re.ASCII)


def read(text: str) -> Election:
    """The election in a PrefLib file.

    Raises:
        BallotFileError: With the line and what it should be.
    """
    facts: dict[str, str] = {}
    names: dict[int, str] = {}
    lines: list[tuple[int, str]] = []
    for index, line in enumerate(text.split("\n"), start=1):
        if found := _FACT.match(line.strip()):
            if found[1] == "ALTERNATIVE NAME" and found[2]:
                names[int(found[2][:9])] = found[3].strip()
            else:
                facts[found[1]] = found[3].strip()
        elif line.strip() and not line.lstrip().startswith("#"):
            lines.append((index, line.strip()))
    if not names:
        names, lines = _old_head(lines)
    numbers = sorted(names)
    if not 1 <= len(numbers) <= MAX_OPTIONS:
        raise BallotFileError(f"{len(numbers)} alternatives; there may be 1 to {MAX_OPTIONS}")
    indexes = {each: index for index, each in enumerate(numbers)}
    return Election(
        form="PrefLib",
        options=tuple(names[each] for each in numbers),
        title=facts.get("TITLE", ""),
        ballots=[_ballot(line, index, indexes) for index, line in lines],
    )


def _old_head(lines: list[tuple[int, str]]) -> tuple[dict[int, str], list[tuple[int, str]]]:
    """Number of alternatives, their names, and a line with sums."""
    if not lines or not (lines[0][1].isascii() and lines[0][1].isdigit()):
        raise BallotFileError(
            "a PrefLib file has lines '# ALTERNATIVE NAME 1: …' or starts with the number of alternatives",
            line=lines[0][0] if lines else 1,
        )
    count = int(lines[0][1][:9])
    if count > MAX_OPTIONS or len(lines) < count + 2:
        raise BallotFileError(
            f"{count} names and a line with sums should follow; there may be up to {MAX_OPTIONS}",
            line=lines[0][0],
        )
    names: dict[int, str] = {}
    for index, line in lines[1 : count + 1]:
        key, comma, name = line.partition(",")
        if not comma or not (key.isascii() and key.isdigit() and len(key) < 9):
            raise BallotFileError("a name is written as '1,Ada'", line=index)
        names[int(key)] = name.strip()
    head = lines[count + 1]
    if ":" in head[1] or len(head[1].split(",")) != 3:
        raise BallotFileError(
            "the sums are written as '100,100,7': voters, their sum, different ballots", line=head[0]
        )
    return names, [(index, line.replace(",", ":", 1)) for index, line in lines[count + 2 :]]


def _ballot(line: str, index: int, indexes: dict[int, int]) -> Weighted:
    times, colon, rest = line.partition(":")
    try:
        papers_count = number(times.strip())
        if not colon or type(papers_count) is not int or papers_count < 1:
            raise ValueError("its count stands first")
    except ValueError as error:
        raise BallotFileError(f"a ballot is written as '10: 1,2,{{3,4}}': {error}", line=index) from None
    ranks: list[frozenset[int]] = []
    position = 0
    rest = rest.strip()
    while position < len(rest):
        found = _RANK.match(rest, position)
        if found is None:
            raise BallotFileError(
                f"{rest[position : position + 20]!r} is no rank; write 3 or {{3,4}}", line=index
            )
        members = found[1] if found[1] is not None else found[2]
        ranks.append(
            frozenset(
                _alternative(each.strip(), index, indexes) for each in members.split(",") if each.strip()
            )
        )
        position = found.end()
    return Weighted(Ranking(tuple(ranks)), count=papers_count)


def _alternative(word: str, line: int, indexes: dict[int, int]) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 10) or int(word) not in indexes:
        raise BallotFileError(f"there is no alternative {word[:20]!r}", line=line)
    return indexes[int(word)]
