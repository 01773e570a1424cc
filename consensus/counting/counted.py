"""Counting: the one function that callers need. Pure, exact, deterministic.

Same ballots in any order, joined or apart, give the same result, and the options may be listed in any order
unless a tie rule looks at the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from consensus.counting.additive import (
    approval_scores,
    quadratic_scores,
    root_sums,
    single_scores,
    split_scores,
)
from consensus.counting.ballots import Number, Weighted, is_exact
from consensus.counting.bounds import MAX_OPTIONS
from consensus.counting.choices import (
    ROUND_RULES,
    Borda,
    Duplicates,
    Equal,
    Method,
    Quadratic,
    Rules,
    Skipped,
    TieRule,
)
from consensus.counting.faults import CountingError
from consensus.counting.marks import Marks, Reading, read_marks
from consensus.counting.outcome import Count, Round, Score, Tie
from consensus.counting.pairwise import copeland_scores, preferences, snapshot_scores
from consensus.counting.positional import borda_scores
from consensus.counting.roots import QuadraticScore
from consensus.counting.runoff import Breaking, Runoff, run
from consensus.counting.ties import by_rounds, in_order


def count(
    method: Method,
    options: Sequence[str],
    ballots: Iterable[Weighted],
    *,
    tie_rule: TieRule = TieRule.FAILS,
    elimination_tie_rule: TieRule = TieRule.BACKWARD,
    seed: str = "",
    rules: Rules = Rules.STANDARD,
    skipped: Skipped = Skipped.CLOSE,
    duplicates: Duplicates = Duplicates.FIRST,
    equal: Equal = Equal.SPLIT,
    borda: Borda = Borda.STANDARD,
    quadratic: Quadratic | None = None,
    credits: Number = 100,  # noqa: A002  # the term of the field
    withdrawn: Iterable[int] = (),
) -> Count:
    """Count `ballots` over `options`.

    Args:
        method: How to count.
        options: Their names; ballots mean them by index.
        ballots: In any order.
        tie_rule: For the win; BACKWARD and FORWARD only in a runoff, ALL never.
        elimination_tie_rule: For the last place in a runoff; where it does not decide, `tie_rule` does. Where
            that does
            not either, the count goes on if the winner is the same in any case, and fails otherwise.
        seed: Of the lot. Publish it before the vote, or let it come from something nobody controls.
        rules: Textbook or snapshot.js.
        skipped: Of rankings with empty ranks.
        duplicates: Of rankings that name an option twice.
        equal: Of several options at one rank, in a runoff.
        borda: Points for places.
        quadratic: What points are; by default BOUGHT, with Snapshot's rules SHARED.
        credits: Most that a ballot may cost if votes are bought.
        withdrawn: Indexes of options that cannot win; ballots are read as if they did not name them.

    Raises:
        CountingError: Options, a rule or a ballot make no sense, or there is too much of something.
    """
    gone = _checked(method, options, frozenset(withdrawn), tie_rule)
    reading = Reading(
        method=method,
        options_count=len(options),
        rules=rules,
        skipped=skipped,
        duplicates=duplicates,
        equal=equal,
        quadratic=quadratic or (Quadratic.SHARED if rules is Rules.SNAPSHOT else Quadratic.BOUGHT),
        credits=_checked_credits(credits),
        withdrawn=gone,
    )
    marks = read_marks(ballots, reading)
    standing = [option for option in range(len(options)) if option not in gone]
    breaking = Breaking(
        tie_rule=tie_rule,
        elimination_tie_rule=elimination_tie_rule,
        seed=seed,
        options=tuple(options),
    )
    if method is Method.RANKED_CHOICE:
        return _runoff_count(marks, reading, standing, breaking)
    scored = _scored(marks, reading, standing, borda)
    return _score_count(marks, reading, standing, breaking, scored)


def _checked(
    method: Method, options: Sequence[str], gone: frozenset[int], tie_rule: TieRule
) -> frozenset[int]:
    if not 1 <= len(options) <= MAX_OPTIONS:
        raise CountingError("bad_options", f"there are {len(options)} options; give 1 to {MAX_OPTIONS}")
    if not gone <= frozenset(range(len(options))):
        raise CountingError(
            "bad_options", f"withdrawn {sorted(gone)} are not all among {len(options)} options"
        )
    if len(gone) == len(options):
        raise CountingError("bad_options", "all options have withdrawn")
    if tie_rule is TieRule.ALL:
        raise CountingError("bad_tie_rule", "'all' is for eliminations; ties for the win need another rule")
    if tie_rule in ROUND_RULES and method is not Method.RANKED_CHOICE:
        raise CountingError("bad_tie_rule", f"{tie_rule!s} looks at earlier rounds, and {method!s} has none")
    return gone


def _checked_credits(credits_each: Number) -> Number:
    if not is_exact(credits_each) or credits_each < 0:
        raise CountingError(
            "bad_credits", f"credits are {credits_each!r}; give an int or Fraction, at least 0"
        )
    return credits_each


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    scores: Sequence[Any]
    """All numbers or all `QuadraticScore`."""
    pairwise: tuple[tuple[Number, ...], ...] | None = None


def _scored(marks: Marks, reading: Reading, standing: Sequence[int], borda: Borda) -> _Scored:
    size = reading.options_count
    is_snapshot = reading.rules is Rules.SNAPSHOT
    match reading.method:
        case Method.PLURALITY:
            scores: Sequence[Any] = single_scores(marks, size)
        case Method.APPROVAL:
            scores = approval_scores(marks, size)
        case Method.WEIGHTED_SPLIT:
            scores = split_scores(marks, size)
        case Method.BORDA:
            scores = borda_scores(marks, standing, size, borda)
        case Method.QUADRATIC if is_snapshot and reading.quadratic is Quadratic.SHARED:
            roots = tuple(root_sums(marks, size))
            whole = roots if any(root.terms for root in roots) else ()
            power = Fraction(marks.papers.valid_weight)
            scores = [QuadraticScore(root, whole, power) for root in roots]
        case Method.QUADRATIC:
            scores = quadratic_scores(marks, size, reading.quadratic)
        case _:
            return _compared(marks, reading, standing)
    return _Scored(scores=scores)


def _compared(marks: Marks, reading: Reading, standing: Sequence[int]) -> _Scored:
    matrix = preferences(marks, standing, reading.options_count)
    scores = copeland_scores(matrix, standing)
    if reading.rules is Rules.SNAPSHOT:
        scores = snapshot_scores(matrix, sum(marks.weights.values()), marks.denominator)
    shown = tuple(tuple(marks.weight(each) for each in row) for row in matrix)
    return _Scored(scores=scores, pairwise=shown)


def _score_count(
    marks: Marks, reading: Reading, standing: Sequence[int], breaking: Breaking, scored: _Scored
) -> Count:
    groups = grouped(standing, scored.scores)
    winners: tuple[int, ...] = ()
    ties: tuple[Tie, ...] = ()
    if marks.papers.valid_weight:
        winners, ties = _won(groups[0], (), breaking)
    return Count(
        method=reading.method,
        options=breaking.options,
        winners=winners,
        ranking=groups,
        scores=tuple(scored.scores),
        papers=marks.papers,
        pairwise=scored.pairwise,
        ties=ties,
        withdrawn=tuple(sorted(reading.withdrawn)),
    )


def grouped(options: Iterable[int], scores: Sequence[Any]) -> tuple[tuple[int, ...], ...]:
    """Options by falling score; those with equal scores together, in the order of the list."""
    groups: list[list[int]] = []
    for option in sorted(options, key=lambda each: scores[each], reverse=True):
        if groups and scores[groups[-1][0]] == scores[option]:
            groups[-1].append(option)
        else:
            groups.append([option])
    return tuple(tuple(sorted(group)) for group in groups)


def _won(
    leaders: Sequence[int], rounds: Sequence[Round], breaking: Breaking
) -> tuple[tuple[int, ...], tuple[Tie, ...]]:
    if len(leaders) == 1:
        return tuple(leaders), ()
    rule = breaking.tie_rule
    chosen: tuple[int, ...] = ()
    if rule in ROUND_RULES:
        best = by_rounds(leaders, rule, rounds[:-1], best=True)
        chosen = tuple(best) if len(best) == 1 else ()
    elif ordered := in_order(leaders, rule, options=breaking.options, seed=breaking.seed):
        chosen = (ordered[0],)
    tie = Tie(
        purpose="win",
        options=tuple(leaders),
        rule=rule,
        chosen=chosen,
        round_number=len(rounds) or None,
    )
    return chosen, (tie,)


def _runoff_count(marks: Marks, reading: Reading, standing: Sequence[int], breaking: Breaking) -> Count:
    ran = run(marks, standing, reading.equal, reading.rules, breaking)
    size = reading.options_count
    rounds = tuple(_widened(each, size) for each in ran.rounds)
    winners: tuple[int, ...] = ()
    ties = ran.ties
    if marks.papers.valid_weight and ran.leaders:
        winners, last = _won(ran.leaders, rounds, breaking)
        ties = (*ties, *last)
    scores: list[Score] = [each or 0 for each in rounds[-1].scores]
    return Count(
        method=reading.method,
        options=breaking.options,
        winners=winners,
        ranking=_by_elimination(ran, winners, scores),
        scores=tuple(scores),
        papers=marks.papers,
        rounds=rounds,
        ties=ties,
        withdrawn=tuple(sorted(reading.withdrawn)),
    )


def _widened(each: Round, size: int) -> Round:
    missing = size - len(each.scores)
    return Round(
        scores=(*each.scores, *(None,) * missing), exhausted=each.exhausted, eliminated=each.eliminated
    )


def _by_elimination(
    ran: Runoff, winners: tuple[int, ...], scores: Sequence[Score]
) -> tuple[tuple[int, ...], ...]:
    last = ran.rounds[-1]
    left = [option for option, score in enumerate(last.scores) if score is not None and option not in winners]
    before = [each.eliminated for each in ran.rounds[:-1]]
    return tuple(group for group in (winners, *grouped(left, scores), *reversed(before)) if group)
