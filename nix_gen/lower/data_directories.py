"""Directories on the storages that nodes mount: each there, and its owner's, before the node starts.

Pure. The root of a fresh file system belongs to root and is not empty (`lost+found`), so a server keeps its
data in a directory inside. One on the host's own disk is made by tmpfiles. That runs early in the boot, and
not after a mount; so a unit of the storage makes those that lie below one.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from nix_gen.edges import MountsVolume
from nix_gen.ir import Multiline, Plain
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.site import Site
from nix_gen.lower.storage import (
    data_group,
    directory,
    is_podman_volume,
    is_served,
    mounts_of,
    source_of,
    used_on,
)
from nix_gen.lower.words import DATA_GROUP, systemd_path, tmpfiles_path
from nix_gen.nodes import Host, Running, Storage, StorageKind

_TMPFILES = "systemd-tmpfiles-setup.service"
_USERS = {
    Form.POSTGRESQL: "postgres",
    Form.MYSQL: "mysql",
    Form.MONGODB: "mongodb",
    Form.NATS: "nats",
    Form.KAFKA: "apache-kafka",
    Form.RABBITMQ: "rabbitmq",
    Form.PROMETHEUS: "prometheus",
    Form.GRAFANA: "grafana",
    Form.LOKI: "loki",
}
"""As whom, and as whose group, the module of a form runs its server; of a redis it is named as its unit."""

_MAY_GIVE: dict[str, Plain] = {
    "CapabilityBoundingSet": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"],
    "PrivateUsers": False,
    "RestrictSUIDSGID": False,
    "SystemCallFilter": ["@system-service"],
}
"""What it takes to make a directory that belongs to somebody else, or to a group for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owned:
    """Whose a directory is, and what they may do in it."""

    owner: str = "root"
    group: str = "root"
    mode: str = "0755"


def keeps_data(form: Form) -> bool:
    """Whether a native server keeps its data where the storages it mounts say."""
    return form in _USERS or form is Form.REDIS


def is_without_place(storage: Storage) -> bool:
    """Whether a storage is on its host's disk at no place of its own: any directory serves as well."""
    return storage.storage is StorageKind.LOCAL and storage.path is None


def data_directory(site: Site, node: Running) -> tuple[MountsVolume, str] | None:
    """The edge and the directory by which a native server keeps its data on a storage it mounts.

    Returns:
        None where the module's own directory serves as well: on the host's disk, at a place of no name.
    """
    for edge, storage in mounts_of(site, node):
        if is_without_place(storage):
            continue
        base = source_of(site, edge, storage)
        if edge.subpath:
            return edge, base
        if storage.storage is StorageKind.BLOCK:
            return edge, f"{base}/data"
        # Kafka takes anything beside its own amiss.
        return edge, f"{base}/kafka" if site.forms[node.id] is Form.KAFKA else base
    return None


def bind_data(site: Site, draft: Draft, node: Running, where: str) -> str | None:
    """Show a server its data on a storage where its module wants it; a comment, where nothing is to do."""
    found = data_directory(site, node)
    if found is None:
        return next(
            (f"{edge.id}: the module keeps the data in {where}." for edge, _ in mounts_of(site, node)), None
        )
    edge, path = found
    storage = site.graph.by_id[edge.target]
    assert isinstance(storage, Storage)
    maker = (
        _TMPFILES if _is_on_disk(storage, site.graph.host_of(node.id)) else f"{_unit(site, storage)}.service"
    )
    draft.put(
        ("fileSystems", where),
        {
            "device": path,
            "fsType": "none",
            "options": ["bind", "nofail", f"x-systemd.requires={maker}"],
        },
        f"{edge.id}: the module has no option for it.",
    )
    for copy in site.copies(node.id):
        unit = ("systemd", "services", copy.unit.removesuffix(".service"), "unitConfig", "RequiresMountsFor")
        draft.add(unit, [systemd_path(where)])
    return None


def lower_directories(site: Site, draft: Draft, host: Host) -> None:
    """Write the directories of a host's servers, and the subpaths of its workloads."""
    for storage in used_on(site, host):
        wanted = _wanted(site, host, storage)
        if not wanted:
            continue
        if any(owned.group == DATA_GROUP for owned in wanted.values()):
            data_group(draft)
        if _is_on_disk(storage, host.id):
            rules = [
                f"d {tmpfiles_path(path)} {owned.mode} {owned.owner} {owned.group} -"
                for path, owned in sorted(wanted.items())
            ]
            draft.add(("systemd", "tmpfiles", "rules"), rules, f"Storage {storage.id}.")
        else:
            _make_once_mounted(site, draft, host, storage, wanted)


def _is_on_disk(storage: Storage, host_id: str | None) -> bool:
    """Whether a storage is a directory of its host's own file system."""
    served_here = storage.storage is StorageKind.NFS and is_served(storage) and storage.host == host_id
    return storage.storage is StorageKind.LOCAL or served_here


def _unit(site: Site, storage: Storage) -> str:
    return site.helper("folders", storage.id)


def _mounts(site: Site, host: Host, storage: Storage) -> list[tuple[MountsVolume, Running, Form]]:
    """The mounts of a storage by nodes of a host."""
    return [
        (edge, node, form)
        for node, form in site.running(host.id)
        for edge, mounted in mounts_of(site, node)
        if mounted.id == storage.id
    ]


def _wanted(site: Site, host: Host, storage: Storage) -> dict[str, _Owned]:
    """The directories of a storage by path, but for the one that the storage is."""
    found: dict[str, _Owned] = {}
    if is_podman_volume(site, storage):
        return found
    for edge, node, form in _mounts(site, host, storage):
        own = data_directory(site, node) if keeps_data(form) else None
        if own is not None and own[0] == edge:
            user = _USERS.get(form) or site.copies(node.id)[0].unit.removesuffix(".service")
            found[own[1]] = _Owned(owner=user, group=user, mode="0750")
        elif form is Form.SYSTEMD and (edge.subpath or storage.storage is StorageKind.BLOCK):
            found[source_of(site, edge, storage)] = _Owned(group=DATA_GROUP, mode="2770")
        elif form is Form.CONTAINER and edge.subpath:
            found.setdefault(source_of(site, edge, storage), _Owned())
    return found


def _make_once_mounted(
    site: Site, draft: Draft, host: Host, storage: Storage, wanted: dict[str, _Owned]
) -> None:
    mount, name = directory(site, storage, host.id), _unit(site, storage)
    users = sorted(
        {copy.unit for _, node, _ in _mounts(site, host, storage) for copy in site.copies(node.id)}
    )
    ours = storage.storage is StorageKind.BLOCK  # elsewhere the server says whose its files are
    lines = [
        f"install --directory --owner={owned.owner} --group={owned.group} --mode={owned.mode} "
        f"{shlex.quote(path)}"
        if ours
        else f"mkdir --parents {shlex.quote(path)}"
        for path, owned in sorted(wanted.items())
    ]
    unit: dict[str, Plain] = {
        "description": f"Directories on storage {storage.id}",
        "before": users,
        "requiredBy": users,
        "unitConfig": {"RequiresMountsFor": [systemd_path(mount)]},
        "script": Multiline("".join(f"{line}\n" for line in lines)),
        "serviceConfig": {
            "Type": "oneshot",
            "RemainAfterExit": True,
            "ReadWritePaths": [systemd_path(mount)],
            **(_MAY_GIVE if ours else {}),
        },
    }
    if storage.storage is StorageKind.S3:
        bucket = [f"{site.helper('bucket', storage.id)}.service"]
        unit |= {"after": bucket, "requires": bucket}
    draft.put(
        ("systemd", "services", name),
        unit,
        f"Storage {storage.id}: what lies on it is made once it is there.",
    )
    harden(draft, ("systemd", "services", name))
