"""What is known of a code of a finding. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from nix_gen.findings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts:
    """What a code means. `severity` is None where it depends on the case (info or warning)."""

    severity: Severity | None
    meaning: str
    mend: str


def error(meaning: str, mend: str) -> CodeFacts:
    """Facts of a code that stops translation."""
    return CodeFacts(severity=Severity.ERROR, meaning=meaning, mend=mend)


def warning(meaning: str, mend: str) -> CodeFacts:
    """Facts of a code that asks for a decision."""
    return CodeFacts(severity=Severity.WARNING, meaning=meaning, mend=mend)


def info(meaning: str, mend: str) -> CodeFacts:
    """Facts of a code that only tells."""
    return CodeFacts(severity=Severity.INFO, meaning=meaning, mend=mend)


def either(meaning: str, mend: str) -> CodeFacts:
    """Facts of a code whose severity depends on the case."""
    return CodeFacts(severity=None, meaning=meaning, mend=mend)
