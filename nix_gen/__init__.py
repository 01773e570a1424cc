"""Deployment graph -> NixOS flake. Pure: no clock, no network, no randomness, none of the other packages."""

from nix_gen.check import check
from nix_gen.diff import Changes, compare
from nix_gen.document import Loaded, load, loads
from nix_gen.draw import dot, mermaid, svg
from nix_gen.errors import GraphFileError, NixGenError, Problem
from nix_gen.explaining import Explanation, NothingToExplainError, explain
from nix_gen.findings import Finding, Severity, finding_order
from nix_gen.flake import Flake, InvalidGraphError, translate
from nix_gen.graph import Graph
from nix_gen.output import OutputError, Tracking, Written, require_writable, write
from nix_gen.placement import Decision, Placed, place, previous_hosts
from nix_gen.schema import graph_json_schema, graph_schema_text
from nix_gen.validate import validate
from nix_gen.writing import graph_json, graph_yaml

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
