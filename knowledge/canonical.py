"""Canonical JSON as facts have it: `coordination.runtime.canonical`, nested no deeper than a fact's object.

Pure: imports neither transport nor clock.
"""

from __future__ import annotations

from coordination.runtime import canonical
from coordination.runtime.canonical import Json, NotCanonicalError
from knowledge.limits import MAX_OBJECT_DEPTH

__all__ = ["Json", "NotCanonicalError", "canonical_json", "parse_canonical"]


def canonical_json(value: Json) -> str:
    """Return the one canonical JSON text of `value`.

    Raises:
        NotCanonicalError: As `coordination.runtime.canonical.canonical_json`; it is nested more than
            `MAX_OBJECT_DEPTH` deep.
    """
    return canonical.canonical_json(value, max_depth=MAX_OBJECT_DEPTH)


def parse_canonical(text: str) -> Json:
    """Return the value that the canonical JSON `text` stands for.

    Raises:
        NotCanonicalError: As `coordination.runtime.canonical.parse_canonical`; it is nested more than
            `MAX_OBJECT_DEPTH` deep.
    """
    return canonical.parse_canonical(text, max_depth=MAX_OBJECT_DEPTH)
