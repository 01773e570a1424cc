"""`subscribes_to`: a client of a message bus, which needs the same connections whatever it does there.

Pure.
"""

from nix_gen.lower.edges.publishes_to import connections

__all__ = ["connections"]
