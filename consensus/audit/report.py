"""What came of checking an audit. Plain data. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consensus.audit.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong with an audit, and where."""

    line: int
    """From 1."""
    offset: int
    """In the file, from 0: of the byte from which on the line is wrong, or, where that is not known, of the
    line's first one."""
    sequence: int | None = None
    """Of the trail's entry; None of the first and last line."""
    event: str = ""
    """Name of that entry's event."""
    finding: Finding

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "line": self.line,
            "offset": self.offset,
            "sequence": self.sequence,
            "event": self.event,
            "code": self.finding.code,
            "message": self.finding.message,
            "expected": self.finding.expected,
        }

    def __str__(self) -> str:
        entry = f", entry {self.sequence}" if self.sequence is not None else ""
        event = f" {self.event}" if self.event else ""
        expected = f"; expected: {self.finding.expected}" if self.finding.expected else ""
        return f"line {self.line} (byte {self.offset}{entry}{event}): {self.finding.message}{expected}"


@dataclass(slots=True, kw_only=True)
class Report:
    """Of one file."""

    proposal_id: str = ""
    title: str = ""
    head: str = ""
    """Hash of the last entry."""
    entry_count: int = 0
    vote_count: int = 0
    signed_vote_count: int = 0
    result: dict[str, Any] | None = None
    """What the rules make of the entries, whatever the last line says."""
    problems: list[Problem] = field(default_factory=list)
    """By line."""
    unchecked: list[str] = field(default_factory=list)
    """What was not checked, and what it would take."""

    @property
    def is_verified(self) -> bool:
        """Whether nothing is wrong with what was checked."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "verified": self.is_verified,
            "proposal_id": self.proposal_id,
            "title": self.title,
            "head": self.head,
            "entries": self.entry_count,
            "votes": self.vote_count,
            "signed_votes": self.signed_vote_count,
            "result": self.result,
            "problems": [each.as_json() for each in self.problems],
            "not_checked": self.unchecked,
        }
