"""Every code a finding may carry, and what it means: of the rules, placement, translation and import.

Pure data; docs/validation.md shows the same tables, and a test holds the two together.
"""

from __future__ import annotations

from nix_gen.codes.facts import CodeFacts
from nix_gen.codes.imports import IMPORT
from nix_gen.codes.placement import PLACEMENT
from nix_gen.codes.translation import TRANSLATION
from nix_gen.codes.validation import VALIDATION
from nix_gen.findings import Finding

_GRAPH = VALIDATION | PLACEMENT | TRANSLATION


def finding(code: str, place: str, message: str, mend: str) -> Finding:
    """A finding about a graph, with the severity of its code."""
    severity = _GRAPH[code].severity
    assert severity is not None, code
    return Finding(code=code, severity=severity, place=place, message=message, mend=mend)


__all__ = ["IMPORT", "PLACEMENT", "TRANSLATION", "VALIDATION", "CodeFacts", "finding"]
