"""What replicas of several engines need: their primary's address, and patience.

Pure.
"""

from __future__ import annotations

from nix_gen.lower.reach import address_for
from nix_gen.lower.site import Site
from nix_gen.nodes import Database

WAIT_S = 300
"""How long one attempt to copy a primary waits for it; then systemd tries again."""
RETRY_S = 10


def address_of(site: Site, node: Database, primary: Database) -> str | None:
    """Where a replica finds the server it follows; None, and a finding, where hosts lack addresses."""
    route = next((one for one in site.routes_from(node.id) if one.target.id == primary.id), None)
    return None if route is None else address_for(site, route)
