"""Counts votes and says what follows from them. Pure; exact integers throughout.

Simple majority with the rules of OpenZeppelin Governor: success is for > against (a tie fails), and
for + abstain count toward the quorum. Names of the results as in etcd's ``quorum`` package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

Choice = Literal["for", "against", "abstain"]


class Result(Enum):
    """What is known of the outcome."""

    PENDING = "pending"
    """Votes still to come may decide either way."""
    LOST = "lost"
    WON = "won"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """How many votes must be for or abstaining: a count, or a fraction of the electorate's weight."""

    numerator: int
    denominator: int | None = None
    """None: `numerator` is the count itself."""

    def votes(self, eligible_votes: int) -> int:
        """The smallest number of votes that reaches the quorum.

        A fraction is rounded up, so that reaching it and ``votes * denominator >= eligible * numerator``
        are the same thing.
        """
        if self.denominator is None:
            return self.numerator
        return -(-eligible_votes * self.numerator // self.denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Votes counted so far. All numbers are sums of weights.

    Invariants: for + against + abstain <= eligible.
    """

    eligible_votes: int
    """All that could be cast, as of the opening of the vote."""
    quorum_votes: int
    """For + abstain must reach this."""
    for_votes: int = 0
    against_votes: int = 0
    abstain_votes: int = 0

    @property
    def remaining_votes(self) -> int:
        """Not cast yet."""
        return self.eligible_votes - self.for_votes - self.against_votes - self.abstain_votes

    @property
    def is_quorum_reached(self) -> bool:
        """Whether enough have taken part: for + abstain, as Governor counts."""
        return self.for_votes + self.abstain_votes >= self.quorum_votes

    def with_vote(self, choice: Choice, weight: int) -> Tally:
        """The tally after one more vote."""
        assert 0 <= weight <= self.remaining_votes, "more votes than there are"
        match choice:
            case "for":
                return replace(self, for_votes=self.for_votes + weight)
            case "against":
                return replace(self, against_votes=self.against_votes + weight)
            case "abstain":
                return replace(self, abstain_votes=self.abstain_votes + weight)


def open_tally(weights: Mapping[str, int], quorum: Quorum) -> Tally:
    """The tally before the first vote of an electorate with these weights."""
    eligible_votes = sum(weights.values())
    return Tally(eligible_votes=eligible_votes, quorum_votes=quorum.votes(eligible_votes))


def count(weights: Mapping[str, int], choices: Mapping[str, Choice], quorum: Quorum) -> Tally:
    """The tally of all `choices` (voter -> choice) at once."""
    tally = open_tally(weights, quorum)
    for voter, choice in choices.items():
        tally = tally.with_vote(choice, weights[voter])
    return tally


def verdict(tally: Tally) -> Result:
    """Won or lost, if no further vote is cast."""
    succeeded = tally.is_quorum_reached and tally.for_votes > tally.against_votes
    return Result.WON if succeeded else Result.LOST


def outlook(tally: Tally) -> Result:
    """What is certain while votes may still come: each remaining one in any way, or never.

    Worst for success are all remaining votes against, and for the quorum that none comes; best for both
    are all remaining votes in favour. What holds in the extreme cases holds in all.
    """
    remaining = tally.remaining_votes
    if tally.is_quorum_reached and tally.for_votes > tally.against_votes + remaining:
        return Result.WON
    if verdict(replace(tally, for_votes=tally.for_votes + remaining)) is Result.LOST:
        return Result.LOST
    return verdict(tally) if remaining == 0 else Result.PENDING
