"""Imports the package's public names when they are first used (PEP 562).

Reading and checking a graph needs neither the compose importer nor pictures nor comparing; importing all of
them takes half as long again. No module directly below `nix_gen` has the name of something public: once
imported, it would stand in its place.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

PLACES: Final = {
    "Changes": "nix_gen.diff",
    "Decision": "nix_gen.placement",
    "Explanation": "nix_gen.explaining",
    "Finding": "nix_gen.findings",
    "Flake": "nix_gen.flake",
    "Graph": "nix_gen.graph",
    "GraphFileError": "nix_gen.errors",
    "InvalidGraphError": "nix_gen.errors",
    "Loaded": "nix_gen.document",
    "NixGenError": "nix_gen.errors",
    "NothingToExplainError": "nix_gen.explaining",
    "OutputError": "nix_gen.output",
    "Placed": "nix_gen.placement",
    "Problem": "nix_gen.errors",
    "Severity": "nix_gen.findings",
    "Tracking": "nix_gen.output",
    "Written": "nix_gen.output",
    "check": "nix_gen.inspection",
    "compare": "nix_gen.diff",
    "dot": "nix_gen.draw",
    "explain": "nix_gen.explaining",
    "finding_order": "nix_gen.findings",
    "graph_json": "nix_gen.writing",
    "graph_json_schema": "nix_gen.schema",
    "graph_schema_text": "nix_gen.schema",
    "graph_yaml": "nix_gen.writing",
    "load": "nix_gen.document",
    "loads": "nix_gen.document",
    "mermaid": "nix_gen.draw",
    "place": "nix_gen.placement",
    "previous_hosts": "nix_gen.placement",
    "require_writable": "nix_gen.output",
    "svg": "nix_gen.draw",
    "translate": "nix_gen.flake",
    "validate": "nix_gen.judgement",
    "write": "nix_gen.output",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    """The public name `name` of the package `nix_gen`, imported now and kept there.

    Raises:
        AttributeError: There is no such name.
    """
    place = PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'nix_gen' has no attribute {name!r}")
    value = getattr(importlib.import_module(place), name)
    setattr(sys.modules["nix_gen"], name, value)
    return value


def __dir__() -> list[str]:
    """What the package has to offer, used already or not."""
    return sorted({*vars(sys.modules["nix_gen"]), *PLACES})
