"""A count as text for people: aligned tables, the winner, and how ties were broken. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consensus.counting.choices import Method
from consensus.counting.election import Election
from consensus.counting.exported import decimal, disagreements
from consensus.counting.outcome import IMMATERIAL, Count, Tie
from consensus.counting.snapshot import Published

_NAME_CHARS: Final = 40
_DIFFERENCES: Final = 10
"""From published scores; --json has all."""
_DIFFERENCE_CHARS: Final = 200
_MATRIX_OPTIONS: Final = 20
"""More than that do not fit a screen; --json has them."""


def printed(
    counted: Count, election: Election, published: Published | None, *, places: int, with_rounds: bool
) -> str:
    """The whole report, ending with a newline."""
    names = [_name(option) for option in counted.options]
    parts = [_head(counted, election, places)]
    if with_rounds and counted.rounds:
        parts.append(_rounds(counted, names, places))
    else:
        parts.append(_scores(counted, names, places))
    if counted.pairwise is not None and len(names) <= _MATRIX_OPTIONS:
        parts.append(_matrix(counted, names, places))
    parts += [_tie(tie, names) for tie in counted.ties]
    parts.append(_end(counted, names))
    if published is not None:
        parts.append(_published(published, election))
    return "\n".join(part for part in parts if part) + "\n"


def _name(option: str, chars_count: int = _NAME_CHARS) -> str:
    clean = "".join(character if character.isprintable() else "?" for character in option)
    return clean if len(clean) <= chars_count else f"{clean[: chars_count - 1]}…"


def _head(counted: Count, election: Election, places: int) -> str:
    papers = counted.papers
    is_one_each = papers.valid_weight == papers.valid_count
    weight = "" if is_one_each else f", weight {decimal(papers.valid_weight, places)}"
    spoilt = f"{papers.blank_count} blank, {papers.invalid_count} invalid"
    counts = f"{papers.valid_count} valid ballots{weight}, {spoilt}"
    return f"{_name(election.title, 100) or 'Ballots'} ({election.form}), {counted.method}: {counts}"


def _scores(counted: Count, names: Sequence[str], places: int) -> str:
    shown = [option for group in counted.ranking for option in group]
    rows = [[names[option], decimal(counted.scores[option], places)] for option in shown]
    rows += [[names[option], "withdrawn"] for option in counted.withdrawn]
    return table([["", "last round" if counted.method is Method.RANKED_CHOICE else "score"], *rows])


def _rounds(counted: Count, names: Sequence[str], places: int) -> str:
    header = ["", *(f"round {number}" for number in range(1, len(counted.rounds) + 1))]
    rows = [
        [names[option]]
        + [
            "" if (score := each.scores[option]) is None else decimal(score, places)
            for each in counted.rounds
        ]
        for group in counted.ranking
        for option in group
    ]
    exhausted = ["exhausted", *(decimal(each.exhausted, places) for each in counted.rounds)]
    out = [
        f"after round {number}, out: {', '.join(names[option] for option in each.eliminated)}"
        for number, each in enumerate(counted.rounds, start=1)
        if each.eliminated
    ]
    return "\n".join([table([header, *rows, exhausted]), *out])


def _matrix(counted: Count, names: Sequence[str], places: int) -> str:
    """Who is preferred to whom, and by how much."""
    assert counted.pairwise is not None, "asked for only where there is one"
    standing = [option for group in counted.ranking for option in group]
    header = ["preferred (margin) over", *(names[option] for option in standing)]
    rows = [
        [names[one]]
        + [
            ""
            if one == other
            else f"{decimal(counted.pairwise[one][other], places)} "
            f"({decimal(counted.pairwise[one][other] - counted.pairwise[other][one], places)})"
            for other in standing
        ]
        for one in standing
    ]
    return table([header, *rows])


def _tie(tie: Tie, names: Sequence[str]) -> str:
    level = ", ".join(names[option] for option in tie.options)
    where = f" in round {tie.round_number}" if tie.round_number else ""
    about = "for the win" if tie.purpose == "win" else "for elimination"
    chosen = ", ".join(names[option] for option in tie.chosen)
    if not tie.chosen:
        return f"tie {about}{where} between {level}: not broken (rule {tie.rule})"
    if tie.rule == IMMATERIAL:
        return f"tie {about}{where} between {level}: {chosen} out; the winner is the same whoever it is"
    outcome = "wins" if tie.purpose == "win" else "out"
    return f"tie {about}{where} between {level}: {chosen} {outcome} (rule {tie.rule})"


def _end(counted: Count, names: Sequence[str]) -> str:
    if counted.winners:
        return f"winner: {names[counted.winners[0]]}"
    if not counted.papers.valid_weight:
        return "no winner: no valid ballot has any weight"
    return "no winner: a tie; choose --tie-rule first_listed, last_listed or lot to break it"


def _published(published: Published, election: Election) -> str:
    found = disagreements(published, election)
    if found is None:
        return ""
    if not found:
        return "the published scores agree"
    shown = [f"  {_name(each, _DIFFERENCE_CHARS)}" for each in found[:_DIFFERENCES]]
    more = [f"  and {len(found) - _DIFFERENCES} more"] if len(found) > _DIFFERENCES else []
    return "\n".join(["the published scores DO NOT agree with this count:", *shown, *more])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
