"""Codes of placement: which node stands where, and which one nowhere. Pure data."""

from __future__ import annotations

from nix_gen.codes.facts import CodeFacts

PLACEMENT: dict[str, CodeFacts] = {}
"""Codes of `nix_gen.placement.place`."""
