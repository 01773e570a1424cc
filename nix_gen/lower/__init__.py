"""Graph to typed NixOS modules, one module of this package per concern."""

from nix_gen.lower.hosts import FORMALS, HostModule, Lowered, lower

__all__ = ["FORMALS", "HostModule", "Lowered", "lower"]
