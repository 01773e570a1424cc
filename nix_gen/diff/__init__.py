"""What changes when the deployment of one graph becomes that of another, as data and in words.

Pure. `compare` lowers both graphs, so that it knows what each host's units, firewall and secrets will be.
"""

from nix_gen.diff.changes import (
    HIDDEN,
    MISSING,
    Action,
    Changes,
    EdgeChange,
    FieldChange,
    HostChange,
    NodeChange,
    Risk,
    Rule,
    UnitChange,
)
from nix_gen.diff.compare import compare
from nix_gen.diff.wording import Line, Tone, describe, summary

__all__ = [
    "HIDDEN",
    "MISSING",
    "Action",
    "Changes",
    "EdgeChange",
    "FieldChange",
    "HostChange",
    "Line",
    "NodeChange",
    "Risk",
    "Rule",
    "Tone",
    "UnitChange",
    "compare",
    "describe",
    "summary",
]
