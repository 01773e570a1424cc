"""Counts ballots of many voters over several options, exactly. docs/ballots.md describes methods and formats.

Pure: no clock, no randomness, no network. `python -m consensus.count` is the same as a program.
"""

from consensus.counting.ballots import Approval, Ballot, Number, Points, Ranking, Spoilt, Weighted
from consensus.counting.choices import (
    Borda,
    Duplicates,
    Equal,
    Method,
    Quadratic,
    Rules,
    Skipped,
    TieRule,
    method_named,
)
from consensus.counting.counted import count
from consensus.counting.faults import BallotFileError, CountingError
from consensus.counting.outcome import Count, Papers, Round, Score, Tie
from consensus.counting.roots import QuadraticScore, RootSum

__all__ = [
    "Approval",
    "Ballot",
    "BallotFileError",
    "Borda",
    "Count",
    "CountingError",
    "Duplicates",
    "Equal",
    "Method",
    "Number",
    "Papers",
    "Points",
    "Quadratic",
    "QuadraticScore",
    "Ranking",
    "RootSum",
    "Round",
    "Rules",
    "Score",
    "Skipped",
    "Spoilt",
    "Tie",
    "TieRule",
    "Weighted",
    "count",
    "method_named",
]
