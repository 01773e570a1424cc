"""A count of votes straight from what they mean: slow, simple, and nothing of `consensus.poll`. Pure.

An audit compares it with the recorded decision, so that a fault in the books of a poll shows in every export.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from consensus.ballot import Ballot, Choice
from consensus.rules import Level, Rules

Attributed = list[tuple[Choice, int]]
"""(choice, weight behind it), an entry for each elector or part of a split vote."""


def attributed(
    rules: Rules, weights: Mapping[str, int], delegations: Mapping[str, str], ballots: Iterable[Ballot]
) -> Attributed:
    """Whose weight stands behind which choice.

    Args:
        rules: Of the proposal.
        weights: Elector -> weight.
        delegations: Elector -> who stands in for it, without cycles.
        ballots: In the order in which they were cast, each of them valid.
    """
    if rules.is_fractional:
        return _split(rules, weights, delegations, ballots)
    own: dict[str, Choice] = {}
    for_others: dict[str, Choice] = {}
    for ballot in ballots:
        if ballot.scope != "delegated":
            own[ballot.voter] = ballot.choice
        if ballot.scope != "own":
            for_others[ballot.voter] = ballot.choice
    found: Attributed = []
    for elector, weight in weights.items():
        if elector in own:
            found.append((own[elector], weight))
            continue
        agent = delegations.get(elector)
        while agent is not None and agent not in for_others:
            agent = delegations.get(agent)
        if agent is not None:
            found.append((for_others[agent], weight))
    return found


def _split(
    rules: Rules, weights: Mapping[str, int], delegations: Mapping[str, str], ballots: Iterable[Ballot]
) -> Attributed:
    """Where delegations are final and weight may be split."""
    power = dict.fromkeys(weights, 0)
    for elector, weight in weights.items():
        agent = elector
        while agent in delegations:
            agent = delegations[agent]
        power[agent] += weight
    spent: dict[str, Attributed] = {}
    for ballot in ballots:
        before = [] if rules.may_change_vote else spent.get(ballot.voter, [])
        left = power[ballot.voter] - sum(weight for _, weight in before)
        choice = ballot.choice
        parts: Attributed = list(choice.items()) if isinstance(choice, Mapping) else [(choice, left)]
        spent[ballot.voter] = [*before, *parts]
    return [part for parts in spent.values() for part in parts]


def sides(parts: Attributed) -> tuple[int, int, int]:
    """Weight for, against and abstaining; of a choice among options every option counts as for."""
    against = sum(weight for choice, weight in parts if choice == "against")
    abstain = sum(weight for choice, weight in parts if choice == "abstain")
    return sum(weight for _, weight in parts) - against - abstain, against, abstain


def quorum_counted(rules: Rules, for_votes: int, against_votes: int, abstain_votes: int) -> int:
    """What counts toward the quorum."""
    counted = {
        "for": for_votes,
        "for_and_abstain": for_votes + abstain_votes,
        "all": for_votes + against_votes + abstain_votes,
    }
    return counted[rules.quorum_counts]


def quorum_needed(level: Level, eligible_votes: int) -> int:
    """The least weight that is at least the level."""
    if level.denominator is None:
        return level.numerator
    exact = Fraction(level.numerator, level.denominator) * eligible_votes
    return exact.numerator // exact.denominator + (exact.denominator != 1)


def is_carried(rules: Rules, for_votes: int, against_votes: int, eligible_votes: int) -> bool:
    """Whether a vote by for and against is won, its quorum apart.

    Args:
        rules: Of a binary protocol.
        for_votes: Weight in favour.
        against_votes: Weight against.
        eligible_votes: Of the electorate, without those that are released.
    """
    if for_votes == 0:
        return False
    match rules.protocol:
        case "unanimous":
            return against_votes == 0
        case "qualified_majority":
            assert rules.threshold is not None, "a qualified majority without a threshold"
            whole = for_votes + against_votes if rules.threshold.of == "cast" else eligible_votes
            share = Fraction(for_votes, whole) if whole else Fraction(0)
            required = Fraction(rules.threshold.numerator, rules.threshold.denominator)
            return share > required or (rules.threshold.is_inclusive and share == required)
        case _:
            return for_votes > against_votes
