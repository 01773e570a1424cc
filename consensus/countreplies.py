"""How the votes among options were counted, as consensus answers it; handed on by `consensus.wire`."""

from __future__ import annotations

from coordination.runtime.wire import Reply


class RoundView(Reply):
    """One round of a runoff. Scores are exact, as text, in the order of `CountView.options`."""

    scores: tuple[str | None, ...]
    """None for options that are out."""
    exhausted: str
    """Weight of ballots that rank nobody who is still in."""
    eliminated: tuple[str, ...] = ()
    """Which options went out after this round."""


class TieView(Reply):
    """Options that were level, and what came of it."""

    purpose: str
    """``win`` or ``elimination``."""
    options: tuple[str, ...]
    rule: str
    """What decided it, or the rule under which it could not be decided: a tie rule, ``backward`` (the latest
    earlier round in which they differ) or ``immaterial`` (the same option wins, whoever goes out)."""
    chosen: tuple[str, ...]
    """Which won or went out; empty if the tie was not broken."""
    round: int | None = None
    """From 1, of a runoff."""


class CountView(Reply):
    """How votes among options were counted."""

    options: tuple[str, ...]
    """In the order of the proposal; all rows and columns are in it."""
    rounds: tuple[RoundView, ...] = ()
    """Of ``ranked_choice``."""
    pairwise: tuple[tuple[str, ...], ...] | None = None
    """Of ``copeland``: ``[a][b]`` is the weight of the votes that prefer a to b."""
    ties: tuple[TieView, ...] = ()
    """In the order in which they came up."""


class Amendment(Reply):
    """The proposer put another artifact in the place of an earlier one."""

    artifact_sha256: str
    """What was voted on before."""
    reason: str
    amended_at_ms: int
