"""What one run of the demo found, for ``--json`` and for the screen."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["built", "rejected", "failed"]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


class Note(_Part):
    """Something said about the graph: by the importer, the validator or an agent."""

    severity: str
    code: str
    place: str
    text: str


class Input(_Part):
    """The graph that was put to the vote."""

    path: str
    origin: str
    """``compose`` or ``graph``."""
    name: str
    nodes_count: int
    edges_count: int
    sha256: str
    """Of the canonical graph; what the vote binds."""
    notes: tuple[Note, ...]
    """What the importer could not carry over."""
    findings: tuple[Note, ...]
    """What the validator found."""


class Review(_Part):
    """What one agent said."""

    agent: str
    capability: str
    performative: str
    summary: str
    remarks: tuple[Note, ...]


class Ballot(_Part):
    """How one agent voted, and why."""

    voter: str
    choice: str
    rationale: str


class Decision(_Part):
    """What came of the vote."""

    proposal_id: str
    conversation_id: str
    state: str
    votes_for: int
    votes_against: int
    votes_abstain: int
    ballots: tuple[Ballot, ...]


class Check(_Part):
    """One thing Nix was asked."""

    name: str
    passed: bool
    output: str


class Build(_Part):
    """The flake that was written."""

    directory: str
    hosts: tuple[str, ...]
    files: tuple[str, ...]
    flake_sha256: str
    """Of all files, names and contents."""
    checks: tuple[Check, ...]
    """Empty where there is no Nix on PATH."""
    notes: tuple[str, ...] = ()


class Holding(_Part):
    """One agent's replica after the run."""

    agent: str
    holds: bool
    heads: tuple[str, ...]


class Fact(_Part):
    """The fact that states what was built."""

    topic: str
    fact_id: str
    replicas: tuple[Holding, ...]

    @property
    def agreed(self) -> bool:
        """Whether every replica holds the fact, with equal heads."""
        return all(each.holds for each in self.replicas) and len({each.heads for each in self.replicas}) == 1


class Report(_Part):
    """One run, complete."""

    verdict: Verdict
    reason: str
    """One sentence."""
    input: Input
    earlier_runs: tuple[str, ...]
    """Builds that this store remembers from before, oldest first."""
    reviews: tuple[Review, ...] = ()
    decision: Decision | None = None
    build: Build | None = None
    fact: Fact | None = None
    elapsed_ms: dict[str, int] = {}
    """By stage, and ``total``."""

    @property
    def exit_status(self) -> int:
        """0 exactly when the approved graph was built and every check passed."""
        return 0 if self.verdict == "built" else 1


def relative(path: Path) -> str:
    """`path` as a person would type it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
