"""Which option a vote chooses, and when no vote that may still come can change it. Pure, exact.

Counting itself is `consensus.counting`; here its results become tallies, verdicts and certainty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import floor, isqrt
from operator import add
from typing import Any, Final

from consensus import counting
from consensus.casting import ChoiceKey
from consensus.counting import Approval, Count, Method, Number, Points, Ranking, Weighted
from consensus.rules import Protocol, Rules, Tally, Verdict

METHODS: Final[Mapping[Protocol, Method]] = {
    "approval": Method.APPROVAL,
    "ranked_choice": Method.RANKED_CHOICE,
    "borda": Method.BORDA,
    "copeland": Method.COPELAND,
    "quadratic": Method.QUADRATIC,
    "weighted_split": Method.WEIGHTED_SPLIT,
}
"""By protocol: how ballots over several options are counted."""


def count(rules: Rules, votes: Iterable[tuple[ChoiceKey, int]], seed: str) -> Count:
    """Count votes over the options of `rules`.

    Args:
        rules: Of a protocol that chooses among options.
        votes: (choice, weight); abstentions are passed over.
        seed: What the lot is drawn from.
    """
    places = {option: index for index, option in enumerate(rules.option_ids)}
    return counting.count(
        METHODS[rules.protocol],
        rules.option_ids,
        [Weighted(_ballot(rules, key, places), weight) for key, weight in votes if key != "abstain"],
        tie_rule=counting.TieRule(rules.tie_rule),
        seed=seed,
        credits=rules.credits,
    )


def _ballot(rules: Rules, key: Any, places: Mapping[str, int]) -> counting.Ballot:
    match rules.protocol:
        case "approval":
            return Approval(frozenset(places[option] for group in key for option in group))
        case "quadratic" | "weighted_split":
            return Points({places[option]: amount for option, amount in key})
        case _:
            return Ranking(tuple(frozenset(places[option] for option in group) for group in key))


def scores(counted: Count) -> tuple[tuple[str, str], ...]:
    """(option, exact score as text), in the order of the options."""
    return tuple((name, str(score)) for name, score in zip(counted.options, counted.scores, strict=True))


def verdict(tally: Tally, counted: Count) -> Verdict:
    """Which option wins, if no further vote is cast.

    Returns:
        A loss for want of a quorum says so before all else. ``tie``: the count ended, in any round, with
        options that the tie rule does not tell apart; ``no_winner``: nobody chose anything.
    """
    if not tally.is_quorum_reached:
        return Verdict(is_won=False, reason="no_quorum")
    if counted.winner is not None:
        return Verdict(is_won=True, reason="majority", winner=counted.options[counted.winner])
    is_tie = any(not tie.chosen for tie in counted.ties)
    return Verdict(is_won=False, reason="tie" if is_tie else "no_winner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How far the leading option is from being out of reach."""

    winner: str | None
    """The option that wins however the free weight is cast; None: not known of any."""
    next_free_votes: int = -1
    """Without a winner: as long as more than so much weight is free, there cannot be one."""
    measured: Mapping[ChoiceKey, int] = field(default_factory=dict)
    """The fixed weight by choice that it was found from."""
    sums: tuple[Number, ...] = ()
    """What that weight adds up to; see `_sums_of`."""


def lead(rules: Rules, fixed: Mapping[ChoiceKey, int], free_votes: int, seed: str, before: Lead) -> Lead:
    """Whether an option wins whatever becomes of `free_votes` of weight, cast or not. Sound; not complete.

    Each method has a *gap*: what the free weight could take from the leader less what it is ahead by. Below 0
    nothing reaches the leader any more:

    - approval, Borda, quadratic, weighted split: what it is ahead by is the difference of scores; one unit of
      weight moves that by 1, options - 1, the root of the credits (rounded down), 1 at most;
    - ranked choice: the leader has more than half of all that may come to be in play, in the first round;
    - Copeland: ahead of every other option in its pair, one unit of weight moving that by 1.

    When a unit of weight becomes fixed the gap shrinks by no more than twice what a unit moves, so that a
    count tells how long the next one can wait: with n voters about log n counts are made instead of n. A race
    that stays as close as can be is measured at every vote; so only what was fixed since then is counted.

    Args:
        rules: Of a protocol that chooses among options.
        fixed: Weight by choice that stays where it is.
        free_votes: All other weight.
        seed: As of `count`.
        before: Of the same vote, earlier; what was fixed then still is.
    """
    added = {
        key: weight - before.measured.get(key, 0)
        for key, weight in fixed.items()
        if weight != before.measured.get(key)
    }
    sums = _sums_of(rules, count(rules, added.items(), seed))
    if before.sums:
        sums = tuple(map(add, before.sums, sums))
    moved = _moved_by_one(rules)
    leader, gap = min(_gaps(rules, sums, free_votes * moved), key=lambda each: each[1])
    winner = rules.option_ids[leader] if gap < 0 else None
    next_free_votes = -1 if gap < 0 else free_votes - floor(gap / (2 * moved)) - 1
    return Lead(winner=winner, next_free_votes=next_free_votes, measured=dict(fixed), sums=sums)


def _sums_of(rules: Rules, counted: Count) -> tuple[Number, ...]:
    """What leads are measured by; all of it the sum of what the ballots add, each for itself.

    Of Copeland's method the weight of each pair, row by row; of a runoff the first round; else the scores.
    """
    if counted.pairwise is not None:
        return tuple(chain.from_iterable(counted.pairwise))
    if rules.protocol == "ranked_choice":
        return tuple(each or 0 for each in counted.rounds[0].scores)
    return counted.scores  # type: ignore[return-value]  # numbers, none is a root


def _moved_by_one(rules: Rules) -> int:
    """How much one unit of weight can change the distance between two options at most."""
    match rules.protocol:
        case "borda":
            return len(rules.options) - 1
        case "quadratic":
            return max(1, isqrt(rules.credits))
        case _:
            return 1


def _gaps(rules: Rules, sums: Sequence[Number], reach: int) -> Sequence[tuple[int, Number]]:
    """By option: what the free weight can take from it at most, less what it is ahead by."""
    options = range(len(rules.options))
    if rules.protocol == "ranked_choice":
        in_play = sum(sums) + reach
        return [(option, in_play - 2 * sums[option]) for option in options]
    gaps: list[tuple[int, Number]] = []
    for option in options:
        ahead = min(_distance(rules, sums, option, other) for other in options if other != option)
        gaps.append((option, reach - ahead))
    return gaps


def _distance(rules: Rules, sums: Sequence[Number], option: int, other: int) -> Number:
    """What `option` is ahead of `other` by."""
    if rules.protocol == "copeland":
        width = len(rules.options)
        return sums[option * width + other] - sums[other * width + option]
    return sums[option] - sums[other]
