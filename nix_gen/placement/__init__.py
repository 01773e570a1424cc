"""On which host each node stands: what the graph says, and a documented search for the rest. Pure."""

from nix_gen.placement.decisions import Decision, Placed
from nix_gen.placement.place import place
from nix_gen.placement.record import previous_hosts

__all__ = ["Decision", "Placed", "place", "previous_hosts"]
