"""Storage nodes and mounts: podman volumes, directories, network and block file systems.

Pure. A local storage that only containers of one host mount is a podman volume: podman fills it from the
image on first use and gives it the image's ownership, as docker does; a bind mount of an empty directory
would hide the image's files. With a path of its own, a subpath or a native mounter it is a directory.
"""

from __future__ import annotations

import posixpath

from nix_gen.edges import MountsVolume
from nix_gen.ir import Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import BALANCERS, Form
from nix_gen.lower.ownership import ROOT, owner_of
from nix_gen.lower.reach import host_address
from nix_gen.lower.site import Site
from nix_gen.lower.words import DATA_GID, DATA_GROUP, STATE, systemd_path, tmpfiles_path
from nix_gen.nodes import Database, Host, MountKind, Running, Storage, StorageKind

PROVISIONED = "/srv"
"""Bind mounts that were relative to a compose file lie below `/srv/<project>`."""
_KEEPERS = frozenset(
    {
        *(Form.POSTGRESQL, Form.MYSQL, Form.REDIS, Form.MONGODB, *BALANCERS),
        *(Form.NATS, Form.KAFKA, Form.RABBITMQ, Form.PROMETHEUS, Form.GRAFANA, Form.LOKI),
    }
)
"""Forms that have a directory of their own (`nix_gen.lower.data_directories`)."""
_DOCKER_SOCKETS = frozenset({"/var/run/docker.sock", "/run/docker.sock"})


def is_served(storage: Storage) -> bool:
    """Whether the host of a storage node serves it to others."""
    return storage.listen_port is not None


def mounts_of(site: Site, node: Running) -> list[tuple[MountsVolume, Storage]]:
    """The storage nodes a node mounts."""
    found = []
    for edge in site.graph.kind_from(node.id, MountsVolume):
        target = site.graph.by_id.get(edge.target)
        if isinstance(target, Storage):
            found.append((edge, target))
    return found


def is_podman_volume(site: Site, storage: Storage) -> bool:
    """Whether a storage node is a volume that podman keeps."""
    if storage.storage is not StorageKind.LOCAL or storage.path is not None:
        return False
    if storage.id in site.backups_to:
        return False
    edges = site.graph.kind_to(storage.id, MountsVolume)
    return all(site.forms.get(edge.source) is Form.CONTAINER and not edge.subpath for edge in edges)


def directory(site: Site, storage: Storage, host_id: str | None = None) -> str:
    """Where a storage node lies on a host that uses it.

    Args:
        site: the surveyed graph.
        storage: the node.
        host_id: the host; matters for an export, which has its own path on the host that serves it.
    """
    own = storage.storage in {StorageKind.LOCAL, StorageKind.BLOCK}
    served_here = storage.storage is StorageKind.NFS and is_served(storage) and host_id == storage.host
    if storage.path is not None and (own or served_here):
        return storage.path
    return f"{STATE}/{site.project}/{storage.id}"


def source_of(site: Site, edge: MountsVolume, storage: Storage) -> str:
    """What a mount names on its left side: a podman volume or a directory."""
    if is_podman_volume(site, storage):
        return f"{site.project}_{storage.id}"
    base = directory(site, storage, site.graph.host_of(edge.source))
    if not edge.subpath:
        return base
    path = posixpath.normpath(edge.subpath)
    if path.startswith(("/", "..")) or not path.isprintable() or ":" in path:
        site.find("bad-subpath", edge.id, "the subpath leaves the volume", "name a path inside the volume")
        return base
    return f"{base}/{path}"


def container_volumes(site: Site, draft: Draft, node: Running) -> list[str]:
    """The `volumes` of a container, and the directories they need."""
    specs = []
    for edge, storage in mounts_of(site, node):
        end = ":ro" if edge.read_only else ""
        specs.append(f"{source_of(site, edge, storage)}:{edge.path}{end}")
    for mount in node.mounts:
        if mount.kind is MountKind.BIND:
            assert mount.source is not None
            specs.append(f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}")
            provide(site, draft, mount.source)
            if mount.directory:
                _rules(draft, [f"d {tmpfiles_path(mount.source)} 0755 root root -"])
        elif mount.kind is MountKind.ANONYMOUS:
            specs.append(mount.target)
    specs += [f"{path}:{path}" for path in _sqlite_directories(site, node)]
    return sorted(set(specs))


def tmpfs_options(node: Running) -> list[str]:
    """`--tmpfs` options of a container."""
    options = []
    for mount in node.mounts:
        if mount.kind is MountKind.TMPFS:
            words = [f"size={mount.size_bytes}"] * bool(mount.size_bytes) + ["ro"] * mount.read_only
            options.append(f"--tmpfs={mount.target}" + (f":{','.join(words)}" if words else ""))
    return options


def _sqlite_directories(site: Site, node: Running) -> list[str]:
    paths = []
    for route in site.routes_from(node.id):
        if site.forms[route.target.id] is Form.SQLITE:
            if site.is_local(route):
                paths.append(f"{STATE}/{site.project}/{route.target.id}")
            else:
                site.find(
                    "file-database-elsewhere",
                    route.target.id,
                    f"{route.source.id} on another host cannot open a file on this one",
                    "place both on one host, or use a database server",
                )
    return paths


def provide(site: Site, draft: Draft, source: str) -> None:
    """Make the place a bind mount comes from; what belongs into it the operator brings."""
    if source in _DOCKER_SOCKETS:
        socket = ("virtualisation", "podman", "dockerSocket", "enable")
        draft.put(socket, True, "A container asks for docker's socket: podman answers on it.")
        return
    root = f"{PROVISIONED}/{site.project}"
    if source == root or source.startswith(f"{root}/"):
        parent = source if source == root else posixpath.dirname(source)
        steps = parent.removeprefix(PROVISIONED).strip("/").split("/")
        paths = ["/".join([PROVISIONED, *steps[: count + 1]]) for count in range(len(steps))]
        comment = f"Files and directories that stood beside the compose file belong below {root}."
        _rules(draft, [f"d {tmpfiles_path(path)} 0755 root root -" for path in paths], comment)


def sharing_flags(site: Site, draft: Draft, node: Running) -> list[str]:
    """`--group-add` and `--umask` of a container that mounts what belongs to the group services share."""
    shared = any(_is_shared(site, storage) for _, storage in mounts_of(site, node))
    if not shared and not _sqlite_directories(site, node):
        return []
    data_group(draft)
    return [f"--group-add={DATA_GID}", "--umask=0007"]


def _is_shared(site: Site, storage: Storage) -> bool:
    """Whether the directory of a storage is the group's, as a container sees it."""
    if storage.storage is not StorageKind.LOCAL:
        return storage.storage in {StorageKind.NFS, StorageKind.S3}
    if is_podman_volume(site, storage):
        return False
    edges = site.graph.kind_to(storage.id, MountsVolume)
    by_services = any(site.forms.get(edge.source) is Form.SYSTEMD for edge in edges)
    return by_services or owner_of(site, storage) is None


def _rules(draft: Draft, rules: list[str], *comments: str) -> None:
    draft.add(("systemd", "tmpfiles", "rules"), rules, *comments)


def share(draft: Draft, path: str, *comments: str) -> None:
    """Make a directory that the services of a host share."""
    _rules(draft, [f"d {tmpfiles_path(path)} 2770 root {DATA_GROUP} -"], *comments)
    data_group(draft)


def data_group(draft: Draft) -> str:
    """The group of shared directories, which the host gets with this."""
    draft.put(("users", "groups", DATA_GROUP, "gid"), DATA_GID)
    return DATA_GROUP


def lower_storage(site: Site, draft: Draft, host: Host) -> None:
    """Write the file systems and directories of the storage nodes a host uses."""
    for storage in used_on(site, host):
        match storage.storage:
            case StorageKind.LOCAL:
                _local(site, draft, host, storage)
            case StorageKind.NFS:
                _nfs(site, draft, host, storage)
            case StorageKind.BLOCK:
                _block(site, draft, host, storage)
            case StorageKind.S3:
                pass  # nix_gen.lower.buckets
    for node in site.of_form(host.id, Form.SQLITE):
        path = f"{STATE}/{site.project}/{node.id}"
        share(draft, path, f"{node.id}: SQLite is a file in a directory.")


def used_on(site: Site, host: Host) -> list[Storage]:
    """The storage nodes a host has, mounts, or keeps copies in; by id."""
    used = {node.id: node for node in site.graph.nodes_on(host.id) if isinstance(node, Storage)}
    for node, _ in site.running(host.id):
        used |= {storage.id: storage for _, storage in mounts_of(site, node)}
    for kept in site.graph.nodes_on(host.id):
        backup = kept.backup if isinstance(kept, Database | Storage) else None
        target = site.graph.by_id.get(backup.to) if backup is not None and backup.to is not None else None
        if isinstance(target, Storage) and (target.host == host.id or _is_remote(target)):
            used[target.id] = target
    return [used[node_id] for node_id in sorted(used)]


def _is_remote(storage: Storage) -> bool:
    return storage.storage in {StorageKind.NFS, StorageKind.S3}


def mounting_units(site: Site, host: Host, storage: Storage) -> list[str]:
    """The units of a host's workloads that mount a storage, without suffix; sorted."""
    units = set()
    for edge in site.graph.kind_to(storage.id, MountsVolume):
        if site.graph.host_of(edge.source) == host.id:
            units |= {copy.unit.removesuffix(".service") for copy in site.copies(edge.source)}
    return sorted(units)


def _wait_for_mount(site: Site, draft: Draft, host: Host, storage: Storage) -> None:
    """Let no workload write below a mount point that nothing is mounted on."""
    for unit in mounting_units(site, host, storage):
        where = ("systemd", "services", unit, "unitConfig", "RequiresMountsFor")
        draft.add(where, [systemd_path(directory(site, storage, host.id))])


def _local(site: Site, draft: Draft, host: Host, storage: Storage) -> None:
    if _is_elsewhere(site, host, storage) or is_podman_volume(site, storage):
        return
    path = directory(site, storage)
    forms = {site.forms.get(edge.source) for edge in site.graph.kind_to(storage.id, MountsVolume)}
    if forms and forms <= _KEEPERS:
        return  # the module that keeps its data there makes the directory, with its own owner
    owner = None if Form.SYSTEMD in forms else owner_of(site, storage)
    if owner is None:
        share(draft, path, f"Storage {storage.id}.")
        return
    rights = "0755 root root" if owner == (ROOT, ROOT) else f"0750 {owner[0]} {owner[1]}"
    _rules(draft, [f"d {tmpfiles_path(path)} {rights} -"], f"Storage {storage.id}.")


def _is_elsewhere(site: Site, host: Host, storage: Storage) -> bool:
    place = site.graph.host_of(storage.id)
    if place in {None, host.id}:
        return False
    site.find(
        "storage-elsewhere",
        storage.id,
        f"is local to {place}, and a node on {host.id} mounts it",
        "place them on one host, or make the storage nfs",
    )
    return True


def _nfs(site: Site, draft: Draft, host: Host, storage: Storage) -> None:
    device = _export_of(site, host, storage)
    if device is None:
        return
    version = ["nfsvers=4.2"] if is_served(storage) else []
    draft.put(
        ("fileSystems", directory(site, storage, host.id)),
        {
            "device": device,
            "fsType": storage.fs_type or "nfs",
            "options": ["_netdev", "nofail", *version, "x-systemd.automount"],
        },
        f"Storage {storage.id}.",
    )
    _wait_for_mount(site, draft, host, storage)


def _export_of(site: Site, host: Host, storage: Storage) -> str | None:
    """What an nfs storage is mounted from; None where it is served, or where that is a finding."""
    if storage.host is not None and is_served(storage):
        if storage.host == host.id:
            return None  # nix_gen.lower.exports
        address = host_address(site, storage.host, storage.id, host.id)
        if address is None:
            return None
        bracketed = f"[{address}]" if ":" in address else address
        return f"{bracketed}:{directory(site, storage, storage.host)}"
    if storage.server is None or storage.path is None:
        site.find(
            "nfs-without-export",
            storage.id,
            "is an nfs storage without server and path",
            "name the server and the exported path, or the host that serves it",
        )
        return None
    return f"{storage.server}:{storage.path}"


def _block(site: Site, draft: Draft, host: Host, storage: Storage) -> None:
    if _is_elsewhere(site, host, storage):
        return
    if storage.device is None:
        site.find("block-without-device", storage.id, "is a block storage without device", "name the device")
        return
    entry: dict[str, Plain] = {
        "device": storage.device,
        "fsType": storage.fs_type or "ext4",
        "options": ["nofail"],
    }
    if storage.format:
        entry["autoFormat"] = True
    draft.put(("fileSystems", directory(site, storage)), entry, f"Storage {storage.id}.")
    _wait_for_mount(site, draft, host, storage)
