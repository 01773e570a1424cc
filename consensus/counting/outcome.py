"""What a count results in: plain frozen data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from consensus.counting.ballots import Number
from consensus.counting.choices import Method, TieRule
from consensus.counting.roots import QuadraticScore

Score: TypeAlias = int | Number | QuadraticScore
"""Exact. Scores of one count can be compared with each other."""

IMMATERIAL: Final = "immaterial"
"""Instead of a rule: whoever of the tied is eliminated first, the winner is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """Options that were level, and what came of it."""

    purpose: Literal["win", "elimination"]
    options: tuple[int, ...]
    rule: TieRule | Literal["immaterial"]
    """What decided it, or the rule under which it could not be decided."""
    chosen: tuple[int, ...]
    """Who won or was eliminated; empty if the tie was not broken."""
    round_number: int | None = None
    """From 1, of a runoff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of a runoff."""

    scores: tuple[Number | None, ...]
    """Weight by option; None for those that are out."""
    exhausted: Number
    """Weight of ballots that rank nobody who is still in."""
    eliminated: tuple[int, ...] = ()
    """Who went out after this round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """How many ballots there were, and what they weigh together. Withdrawn options leave papers valid."""

    valid_count: int
    blank_count: int
    """Papers without any mark that the method could use."""
    invalid_count: int
    valid_weight: Number
    blank_weight: Number
    invalid_weight: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The result of counting. Options are given by their index in `options`."""

    method: Method
    options: tuple[str, ...]
    winners: tuple[int, ...]
    """One option, or none if nobody voted or the tie rule fails."""
    ranking: tuple[tuple[int, ...], ...]
    """All options that stood, best first; those that are level stand together, whatever a tie rule says.

    In a runoff the winner comes first, then those of the last round by score, then the others in the
    reverse order of elimination.
    """
    scores: tuple[Score, ...]
    """By option. In a runoff those of the last round; 0 for who was out, and for withdrawn options."""
    papers: Papers
    rounds: tuple[Round, ...] = ()
    """Of a runoff."""
    pairwise: tuple[tuple[Number, ...], ...] | None = None
    """Of Copeland's method: ``[a][b]`` is the weight of the ballots that prefer a to b."""
    ties: tuple[Tie, ...] = ()
    """In the order in which they came up; the last is the one for the win, if there was one."""
    withdrawn: tuple[int, ...] = ()

    @property
    def total_weight(self) -> Number:
        """Weight of all ballots that could be counted, blank ones included."""
        return self.papers.valid_weight + self.papers.blank_weight

    @property
    def winner(self) -> int | None:
        """The winner, if there is one."""
        return self.winners[0] if self.winners else None
