"""Deployment graph -> NixOS flake. Pure: no clock, no network, no randomness, none of the other packages."""

from nix_gen.graph import Graph, graph_json_schema

__all__ = ["Graph", "graph_json_schema"]
