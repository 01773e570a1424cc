"""What may be chosen about a count: methods, rules for ties, and rules for unusual ballots. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from consensus.counting.faults import CountingError


class Method(StrEnum):
    """How ballots become a winner. docs/ballots.md says of each what it does with which ballot."""

    PLURALITY = "plurality"
    """One option a ballot; most weight wins. Snapshot's single-choice and basic."""
    APPROVAL = "approval"
    """Any number of options a ballot; most weight wins."""
    RANKED_CHOICE = "ranked_choice"
    """Instant runoff: the last is eliminated until one has more than half of what is not exhausted."""
    BORDA = "borda"
    """Points for places."""
    COPELAND = "copeland"
    """A point for every option that one is preferred to by more weight, half for every draw."""
    QUADRATIC = "quadratic"
    """Influence grows with the square root of what is spent on an option."""
    WEIGHTED_SPLIT = "weighted_split"
    """A ballot's weight is divided in proportion to its points."""


METHOD_ALIASES: Final = {
    "single": Method.PLURALITY,
    "single_choice": Method.PLURALITY,
    "basic": Method.PLURALITY,
    "fptp": Method.PLURALITY,
    "irv": Method.RANKED_CHOICE,
    "instant_runoff": Method.RANKED_CHOICE,
    "rcv": Method.RANKED_CHOICE,
    "ranked": Method.RANKED_CHOICE,
    "condorcet": Method.COPELAND,
    "weighted": Method.WEIGHTED_SPLIT,
    "split": Method.WEIGHTED_SPLIT,
}
"""Other names of the methods; `-` and `_`, small and capital letters are the same."""


class TieRule(StrEnum):
    """What happens when options are level. The first four decide any tie, the others only in a runoff."""

    FAILS = "fails"
    """No winner; the tie is reported."""
    FIRST_LISTED = "first_listed"
    """For the option that stands first in the list of options."""
    LAST_LISTED = "last_listed"
    """For the option that stands last in the list of options."""
    LOT = "lot"
    """For the option whose SHA-256 of seed and name is smallest: a lot that anybody can draw again."""
    BACKWARD = "backward"
    """For the option with more weight in the latest earlier round in which the tied differ."""
    FORWARD = "forward"
    """For the option with more weight in the earliest round in which the tied differ."""
    ALL = "all"
    """Eliminate all the tied at once. Only for eliminations."""


ROUND_RULES: Final = frozenset({TieRule.BACKWARD, TieRule.FORWARD})
"""What looks at earlier rounds, and so needs some."""


class Rules(StrEnum):
    """Whose version of the methods."""

    STANDARD = "standard"
    """As in textbooks and statutes."""
    SNAPSHOT = "snapshot"
    """As snapshot.js counts: incomplete rankings are invalid, scores add up to the voting power."""


class Skipped(StrEnum):
    """What a rank left empty between two that are used means."""

    CLOSE = "close"
    """Nothing: later ranks move up (OpenSTV, New York)."""
    EXHAUST = "exhaust"
    """The ballot ends there."""
    EXHAUST_TWO = "exhaust_two"
    """The ballot ends at two empty ranks in a row; a single one is closed (Maine, Alaska)."""


class Duplicates(StrEnum):
    """What an option that a ballot ranks more than once means."""

    FIRST = "first"
    """Its best rank counts, the others are ignored (most United States rules)."""
    EXHAUST = "exhaust"
    """The ballot ends before the second mention."""
    INVALID = "invalid"
    """The whole ballot is invalid (Australia, formal voting)."""


class Equal(StrEnum):
    """What several options at one rank mean in a runoff."""

    SPLIT = "split"
    """The weight is divided equally between those of them that are still in."""
    EXHAUST = "exhaust"
    """An overvote: the ballot ends there (most United States rules)."""


class Borda(StrEnum):
    """Points for places."""

    STANDARD = "standard"
    """n-1 for the first of n down to 0; equal ranks, and all that are unranked, share the average."""
    DOWDALL = "dowdall"
    """1, 1/2, 1/3, … (Nauru); equal ranks share the average, unranked get nothing."""
    MODIFIED = "modified"
    """k for the first on a ballot that ranks k, down to 1; equal ranks share, unranked get nothing."""


class Quadratic(StrEnum):
    """What the points of a ballot are under quadratic voting."""

    BOUGHT = "bought"
    """Votes: n of them cost n² credits, their sum is the score."""
    SHARED = "shared"
    """Shares of the voter's power; the score is the square of the sum of the square roots."""


def method_named(text: str) -> Method:
    """The method of that name or alias.

    Raises:
        CountingError: There is none.
    """
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    if name in METHOD_ALIASES:
        return METHOD_ALIASES[name]
    try:
        return Method(name)
    except ValueError:
        known = ", ".join([*Method, *METHOD_ALIASES])
        raise CountingError(
            "unknown_method", f"there is no method {text[:40]!r}; there are {known}"
        ) from None
