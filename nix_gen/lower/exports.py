"""NFS storages that a host serves: one export for each host that mounts one, and for nobody else.

Pure. NFS 4 alone: one port, which the firewall opens to the mounting hosts. On the wire a user is a number,
which means somebody else on every host; so whoever writes, the server acts as one user of no rights and as
the group that services share, whose number is the same everywhere. A program that insists on owning its
files (a database, a message bus) needs local or block storage.
"""

from __future__ import annotations

from nix_gen.edges import MountsVolume
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.site import Site
from nix_gen.lower.storage import directory, is_served, share
from nix_gen.lower.words import DATA_GID
from nix_gen.nodes import Host, Storage, StorageKind

NOBODY_UID = 65_534
_OWNERS = frozenset(
    {
        *(Form.POSTGRESQL, Form.MYSQL, Form.REDIS, Form.MONGODB, Form.NATS, Form.KAFKA, Form.RABBITMQ),
        *(Form.PROMETHEUS, Form.GRAFANA, Form.LOKI),
    }
)
"""Forms whose programs insist on owning their files."""


def lower_exports(site: Site, draft: Draft, host: Host) -> None:
    """Write the NFS server of a host."""
    lines = []
    for node in site.graph.nodes_on(host.id):
        if isinstance(node, Storage) and node.storage is StorageKind.NFS and is_served(node):
            lines += _export(site, draft, host, node)
    if not lines:
        return
    server = ("services", "nfs", "server")
    draft.put((*server, "enable"), plain=True)
    draft.write((*server, "exports"), lines)
    draft.put(
        ("services", "nfs", "settings", "nfsd"),
        {"vers3": False, "vers4": True},
        "NFS 4 alone: one port, and no helper that needs others.",
    )


def _export(site: Site, draft: Draft, host: Host, storage: Storage) -> list[str]:
    path = directory(site, storage, host.id)
    share(draft, path, f"Storage {storage.id}.")
    clients = []
    for client, read_only in _clients(site, host, storage):
        options = f"{'ro' if read_only else 'rw'},sync,no_subtree_check,all_squash"
        clients += [
            f"{address}({options},anonuid={NOBODY_UID},anongid={DATA_GID})"
            for address in site.hosts[client].addresses
        ]
    return [f"# Storage {storage.id}.", f"{_exports_path(path)} {' '.join(clients)}"] if clients else []


def _clients(site: Site, host: Host, storage: Storage) -> list[tuple[str, bool]]:
    """The other hosts that mount a storage, and whether all of their mounts only read; by host."""
    found: dict[str, bool] = {}
    for edge in site.graph.edges_to(storage.id):
        place = site.graph.host_of(edge.source)
        if not isinstance(edge, MountsVolume) or place is None:
            continue
        if site.forms.get(edge.source) in _OWNERS:
            site.find(
                "export-for-database",
                edge.id,
                f"{edge.source} must own its files, and every client of {storage.id} acts as one user",
                "give it local or block storage",
            )
        if place != host.id:
            found[place] = found.get(place, True) and edge.read_only
    for node_id in site.backups_to.get(storage.id, ()):
        place = site.graph.host_of(node_id)
        if place is not None and place != host.id:
            found[place] = False
    return sorted(found.items())


def _exports_path(path: str) -> str:
    """A path in /etc/exports: anything unusual in octal."""
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "/_.-+@") else _octal(char) for char in path
    )


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode())
