"""Deployment graph -> NixOS flake. Pure: no clock, no network, no randomness, none of the other packages.

A name is imported when it is first used. A new name goes into `nix_gen.lazy.PLACES` as well.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nix_gen.diff import Changes, compare
    from nix_gen.document import Loaded, load, loads
    from nix_gen.draw import dot, mermaid, svg
    from nix_gen.errors import GraphFileError, InvalidGraphError, NixGenError, Problem
    from nix_gen.explaining import Explanation, NothingToExplainError, explain
    from nix_gen.findings import Finding, Severity, finding_order
    from nix_gen.flake import Flake, translate
    from nix_gen.graph import Graph
    from nix_gen.inspection import check
    from nix_gen.judgement import validate
    from nix_gen.output import OutputError, Tracking, Written, require_writable, write
    from nix_gen.placement import Decision, Placed, place, previous_hosts
    from nix_gen.schema import graph_json_schema, graph_schema_text
    from nix_gen.writing import graph_json, graph_yaml
else:
    from nix_gen.lazy import __dir__ as __dir__
    from nix_gen.lazy import __getattr__ as __getattr__

__all__ = [
    "Changes",
    "Decision",
    "Explanation",
    "Finding",
    "Flake",
    "Graph",
    "GraphFileError",
    "InvalidGraphError",
    "Loaded",
    "NixGenError",
    "NothingToExplainError",
    "OutputError",
    "Placed",
    "Problem",
    "Severity",
    "Tracking",
    "Written",
    "check",
    "compare",
    "dot",
    "explain",
    "finding_order",
    "graph_json",
    "graph_json_schema",
    "graph_schema_text",
    "graph_yaml",
    "load",
    "loads",
    "mermaid",
    "place",
    "previous_hosts",
    "require_writable",
    "svg",
    "translate",
    "validate",
    "write",
]
