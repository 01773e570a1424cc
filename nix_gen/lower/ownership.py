"""Whose the directories are that containers mount, as far as a graph can know.

Pure. A file system knows numbers alone, and the names of an image's users are the image's own. So a directory
belongs to the number that its only user has, or to the group that services of a host share.
"""

from __future__ import annotations

from nix_gen.edges import MountsVolume
from nix_gen.findings import Severity
from nix_gen.lower.site import Site
from nix_gen.nodes import Agent, Node, Service, Storage

ROOT = "0"
_ROOTS = frozenset({"", "0", "root"})


def user_of(node: Node) -> tuple[str, str]:
    """User and group of a container, as the graph spells them; root where it says none.

    The user of another kind of node, and of a container without one, is its image's to choose.
    """
    if not isinstance(node, Service | Agent):
        return ROOT, ROOT
    user, _, group = (node.user or "").partition(":")
    group = node.group or group
    return (ROOT if user in _ROOTS else user), (ROOT if group in _ROOTS else group)


def owner_of(site: Site, storage: Storage) -> tuple[str, str] | None:
    """User and group, in numbers, to whom the directory of a storage belongs that only containers mount.

    Returns:
        None where they are several, or one whose number is unknown: then the directory is shared.
    """
    mounting = {edge.source for edge in site.graph.kind_to(storage.id, MountsVolume)}
    containers = [site.graph.by_id[source] for source in sorted(mounting)]
    users = {user_of(node) for node in containers}
    owners, groups = {user for user, _ in users}, {group for _, group in users}
    if len(owners) > 1:
        return None
    owner = owners.pop() if owners else ROOT
    group = groups.pop() if len(groups) == 1 else ROOT
    if owner.isdecimal() and group.isdecimal():
        return owner, group
    site.find(
        "owner-by-name",
        storage.id,
        f"{containers[0].id} runs as {owner}:{group}, whose numbers its image alone knows, "
        "so it may write as a member of the group that services share, and owns nothing",
        "give user and group as numbers",
        Severity.INFO,
    )
    return None
