"""An election as it stands in a file, whatever the format. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.counting.ballots import Number, Weighted
from consensus.counting.choices import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One vote of a Snapshot proposal."""

    choice: object
    """As the document has it; what it means depends on the method."""
    power: Number
    by_strategy: tuple[Number, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What only documents of Snapshot have."""

    votes: tuple[Vote, ...]
    strategies_count: int
    scores: tuple[Number, ...] | None
    """As published."""
    scores_by_strategy: tuple[tuple[Number, ...], ...] | None
    scores_total: Number | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """Options and ballots."""

    form: str
    """Name of the format, for people."""
    options: tuple[str, ...]
    ballots: Sequence[Weighted] = ()
    """Empty for Snapshot's documents, whose votes mean nothing without a method: `snapshot.ballots`."""
    title: str = ""
    seats_count: int = 1
    withdrawn: frozenset[int] = frozenset()
    method: Method | None = None
    """What the file says, or all that it can be."""
    methods: tuple[Method, ...] = ()
    """What it can be, if it does not say."""
    notes: tuple[str, ...] = ()
    """What a reader should know of how the file was read."""
    snapshot: Snapshot | None = None
