"""Deployment graph -> NixOS flake. Pure: no clock, no network, no randomness, none of the other packages."""

from nix_gen.check import check
from nix_gen.document import Loaded, load, loads
from nix_gen.errors import GraphFileError, NixGenError, Problem
from nix_gen.findings import Finding, Severity
from nix_gen.flake import Flake, InvalidGraphError, translate
from nix_gen.graph import Graph, graph_json_schema
from nix_gen.output import OutputError, Tracking, Written, require_writable, write
from nix_gen.placement import Decision, Placed, place, previous_hosts
from nix_gen.validate import validate

__all__ = [
    "Decision",
    "Finding",
    "Flake",
    "Graph",
    "GraphFileError",
    "InvalidGraphError",
    "Loaded",
    "NixGenError",
    "OutputError",
    "Placed",
    "Problem",
    "Severity",
    "Tracking",
    "Written",
    "check",
    "graph_json_schema",
    "load",
    "loads",
    "place",
    "previous_hosts",
    "require_writable",
    "translate",
    "validate",
    "write",
]
