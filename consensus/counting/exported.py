"""A count as data for other programs: exact numbers as text, decimals beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

from consensus.counting.ballots import Number
from consensus.counting.election import Election
from consensus.counting.outcome import Count, Score
from consensus.counting.roots import QuadraticScore, rounded
from consensus.counting.snapshot import Published

_MAX_TERMS: Final = 1_000
"""Square roots that are written out; a score with more has only a decimal."""
_DIFFERENCE_PLACES: Final = 15
_TOLERANCE: Final = Fraction(1, 10**9)
"""Relative: published scores were computed with floats."""


def exact(score: Score) -> str | None:
    """``58``, ``7/2`` or ``(√2 + 3·√5)²``; None if that would be endless."""
    if isinstance(score, QuadraticScore):
        known = score.exact()
        if known is not None:
            return str(known)
        if sum(len(root.terms) for root in (score.root, *score.whole)) > _MAX_TERMS:
            return None
    return str(score)


def decimal(score: Score, places: int) -> str:
    """The score with so many digits behind the point; whole numbers without any."""
    value = score.nearest(places) if isinstance(score, QuadraticScore) else score
    return str(value) if value.denominator == 1 else rounded(value, places)


def exported(
    counted: Count, election: Election, published: Published | None, *, places: int
) -> dict[str, Any]:
    """All of a count, ready for JSON. Options are named; lists of scores have the order of `options`."""
    names = counted.options

    def named(options: tuple[int, ...]) -> list[str]:
        return [names[option] for option in options]

    data: dict[str, Any] = {
        "title": election.title,
        "format": election.form,
        "method": str(counted.method),
        "options": list(names),
        "winner": names[counted.winners[0]] if counted.winners else None,
        "winners": named(counted.winners),
        "winner_indexes": list(counted.winners),
        "ranking": [named(group) for group in counted.ranking],
        "scores": [
            {"option": name, "exact": exact(score), "decimal": decimal(score, places)}
            for name, score in zip(names, counted.scores, strict=True)
        ],
        "ballots": _papers(counted),
        "ties": [
            {
                "purpose": tie.purpose,
                "options": named(tie.options),
                "rule": str(tie.rule),
                "chosen": named(tie.chosen),
                "round": tie.round_number,
            }
            for tie in counted.ties
        ],
        "withdrawn": named(counted.withdrawn),
        "notes": list(election.notes),
    }
    if counted.rounds:
        data["rounds"] = [
            {
                "scores": [None if score is None else str(score) for score in each.scores],
                "exhausted": str(each.exhausted),
                "eliminated": named(each.eliminated),
            }
            for each in counted.rounds
        ]
    if counted.pairwise is not None:
        data["pairwise"] = [[str(each) for each in row] for row in counted.pairwise]
    if published is not None:
        data["snapshot"] = _snapshot(published, election, places)
    return data


def _papers(counted: Count) -> dict[str, int | str]:
    papers = counted.papers
    return {
        "valid": papers.valid_count,
        "blank": papers.blank_count,
        "invalid": papers.invalid_count,
        "valid_weight": str(papers.valid_weight),
        "blank_weight": str(papers.blank_weight),
        "invalid_weight": str(papers.invalid_weight),
        "total_weight": str(counted.total_weight),
    }


def _snapshot(published: Published, election: Election, places: int) -> dict[str, Any]:
    return {
        "scores": [decimal(each, places) for each in published.scores],
        "scores_by_strategy": [
            [decimal(each, places) for each in row] for row in published.scores_by_strategy
        ],
        "scores_total": decimal(published.scores_total, places),
        "agrees_with_published": agrees(published, election),
        "disagreements": list(disagreements(published, election) or ()),
    }


def agrees(published: Published, election: Election) -> bool | None:
    """Whether our scores are those in the document (to 1e-9, relative); None if it has none."""
    said = disagreements(published, election)
    return None if said is None else not said


def disagreements(published: Published, election: Election) -> tuple[str, ...] | None:
    """``a: published 4, counted 5``: where our scores are not those in the document; None if it has none."""
    given = election.snapshot
    assert given is not None, "not a document of Snapshot"
    found: list[str] = []
    if given.scores is not None:
        found += _differing(election.options, published.scores, given.scores, "scores of the options")
    if given.scores_by_strategy is not None:
        ours, theirs = published.scores_by_strategy, given.scores_by_strategy
        if len(ours) != len(theirs):
            found.append(f"scores by strategy: published for {len(theirs)} options, counted for {len(ours)}")
        for option, our, their in zip(election.options, ours, theirs, strict=False):
            names = [f"{option}, strategy {number}" for number in range(1, len(our) + 1)]
            found += _differing(names, our, their, f"{option}: scores by strategy")
    if given.scores_total is not None:
        found += _differing(("total",), (published.scores_total,), (given.scores_total,), "total")
    told = (given.scores, given.scores_by_strategy, given.scores_total)
    return tuple(found) if any(each is not None for each in told) else None


def _differing(
    names: Sequence[str], ours: Sequence[Score], theirs: Sequence[Number], what: str
) -> Iterator[str]:
    if len(ours) != len(theirs):
        yield f"{what}: {len(theirs)} published, {len(ours)} counted"
        return
    for name, our, their in zip(names, ours, theirs, strict=True):
        if not _close(our, their):
            yield f"{name}: published {_short(their)}, counted {_short(our)}"


def _short(score: Score) -> str:
    text = decimal(score, _DIFFERENCE_PLACES)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _close(ours: Score, theirs: Number) -> bool:
    value = ours.nearest(30) if isinstance(ours, QuadraticScore) else Fraction(ours)
    return abs(value - theirs) <= _TOLERANCE * abs(Fraction(theirs))
