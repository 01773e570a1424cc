"""What database servers of several engines need on their machine: their primary's address, a directory.

Pure.
"""

from __future__ import annotations

from nix_gen.lower.draft import Draft
from nix_gen.lower.reach import address_for
from nix_gen.lower.site import Site
from nix_gen.lower.storage import directory
from nix_gen.lower.words import tmpfiles_path
from nix_gen.nodes import Database, Storage, StorageKind

WAIT_S = 300
"""How long one attempt to copy a primary waits for it; then systemd tries again."""
RETRY_S = 10


def address_of(site: Site, node: Database, primary: Database) -> str | None:
    """Where a replica finds the server it follows; None, and a finding, where hosts lack addresses."""
    route = next((one for one in site.routes_from(node.id) if one.target.id == primary.id), None)
    return None if route is None else address_for(site, route)


def own_directory(site: Site, draft: Draft, storage: Storage, user: str) -> str:
    """Write the directory of a server on a storage it mounts, which the module leaves to others, and name it.

    The root of a fresh file system is not empty (`lost+found`), and servers begin in an empty place only.
    """
    path = directory(site, storage)
    if storage.storage is StorageKind.BLOCK:
        path = f"{path}/data"
    draft.add(("systemd", "tmpfiles", "rules"), [f"d {tmpfiles_path(path)} 0700 {user} {user} -"])
    return path
