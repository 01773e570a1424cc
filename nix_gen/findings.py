"""What the validator and the importers say about a graph: code, severity, place, message, mend."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: an error stops translation, a warning asks for a decision, an info only tells."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation. Codes are listed in docs/validation.md."""

    code: str
    severity: Severity
    place: str
    """Id of the node or edge it is about, or the name of the graph."""
    message: str
    """What is so, in one line, without secrets."""
    mend: str
    """What to do about it, in one line."""
    line: int | None = None
    """Line of the file it was read from, from 1. None: the finding is about the graph, not about a file."""

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.place}: {self.message}; {self.mend}"


def finding_order(finding: Finding) -> tuple[int, str, str, str, int]:
    """Sort key: worst first, then code, place, message, line."""
    return (_RANK[finding.severity], finding.code, finding.place, finding.message, finding.line or 0)
