"""Deployment graph -> NixOS flake. Pure: no clock, no network, no randomness, none of the other packages."""

from nix_gen.document import Loaded, load, loads
from nix_gen.errors import GraphFileError, NixGenError, Problem
from nix_gen.findings import Finding, Severity
from nix_gen.graph import Graph, graph_json_schema
from nix_gen.validate import validate

__all__ = [
    "Finding",
    "Graph",
    "GraphFileError",
    "Loaded",
    "NixGenError",
    "Problem",
    "Severity",
    "graph_json_schema",
    "load",
    "loads",
    "validate",
]
