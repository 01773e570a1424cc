"""Findings about a graph, made from their code. Pure."""

from __future__ import annotations

from nix_gen.codes.placement import PLACEMENT
from nix_gen.codes.translation import TRANSLATION
from nix_gen.codes.validation import VALIDATION
from nix_gen.findings import Finding

_CODES = VALIDATION | PLACEMENT | TRANSLATION


def finding(code: str, place: str, message: str, mend: str) -> Finding:
    """A finding about a graph, with the severity of its code."""
    severity = _CODES[code].severity
    assert severity is not None, code
    return Finding(code=code, severity=severity, place=place, message=message, mend=mend)
