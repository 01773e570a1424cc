"""Backups: timers that copy databases and storages, and keep the last few copies, for root alone.

Pure. A database is asked for a dump, a folder with a date for each. A storage is copied by restic, which
encrypts and keeps what has not changed once; so is a dump that goes to an S3 bucket, after it was made.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from nix_gen.edges import MountsVolume
from nix_gen.findings import Severity
from nix_gen.ir import Multiline, Plain
from nix_gen.lower.buckets import bucket_of, endpoint_of
from nix_gen.lower.draft import Draft
from nix_gen.lower.dumps import Dump, dump_of
from nix_gen.lower.hardening import harden
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.storage import directory, is_podman_volume, is_served
from nix_gen.lower.words import systemd_directory, systemd_path, tmpfiles_path
from nix_gen.nodes import Backup, Database, Host, Storage, StorageKind

COPIES = "/var/backup"
DELAY = "15min"
"""A timer fires up to so much later, so that not everything starts at once."""
_VOLUMES = "/var/lib/containers/storage/volumes"
_BEGIN = """\
umask 0077
copies={copies}
new="$copies/.new"
rm --recursive --force "$new"
mkdir --parents "$new"
"""
_END = """\
mv --no-target-directory "$new" "$copies/$(date --utc +%Y-%m-%dT%H-%M-%SZ)"
find "$copies" -mindepth 1 -maxdepth 1 -type d -name '????-??-??T??-??-??Z' | sort |
  head --lines=-{keep} | while IFS= read -r old; do
    rm --recursive --force "$old"
  done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Goal:
    """Where copies go."""

    folder: str
    """On the host; for a bucket, where a dump lies before it is sent."""
    mount: str | None = None
    """The file system it must lie on, if it is mounted."""
    repository: str | None = None
    """restic's, for a bucket."""
    credentials: str | None = None


def lower_backups(site: Site, draft: Draft, host: Host) -> None:
    """Write the backups of a host."""
    for node in site.graph.nodes_on(host.id):
        if not isinstance(node, Database | Storage) or node.backup is None:
            continue
        goal = _goal(site, host, node, node.backup)
        if goal is None:
            continue
        if isinstance(node, Storage):
            _storage(site, draft, host, node, goal)
        else:
            _database(site, draft, node, goal)


def _goal(site: Site, host: Host, node: Database | Storage, backup: Backup) -> _Goal | None:
    local = f"{COPIES}/{site.project}/{node.id}"
    if backup.to is None:
        _beside(site, node)
        return _Goal(folder=local)
    target = site.graph.by_id.get(backup.to)
    if not isinstance(target, Storage) or target.id == node.id or not _is_reached(site, host, target):
        site.find(
            "backup-target",
            node.id,
            f"its backup goes to {backup.to}, which is no storage that {host.id} can reach",
            "name a storage of the same host, or an nfs or s3 storage",
        )
        return None
    if target.storage is StorageKind.S3:
        endpoint = endpoint_of(site, host.id, target)
        if endpoint is None or target.credentials is None:
            return None
        repository = f"s3:{endpoint}/{bucket_of(target)}/{site.project}-{node.id}"
        return _Goal(folder=local, repository=repository, credentials=target.credentials)
    if target.storage is not StorageKind.NFS or (is_served(target) and target.host == host.id):
        _beside(site, node)
    mount = directory(site, target, host.id)
    return _Goal(folder=f"{mount}/{site.project}-{node.id}", mount=mount)


def _is_reached(site: Site, host: Host, target: Storage) -> bool:
    if target.storage is StorageKind.S3:
        return target.credentials is not None
    return target.storage is StorageKind.NFS or site.graph.host_of(target.id) in {None, host.id}


def _beside(site: Site, node: Database | Storage) -> None:
    site.find(
        "backup-beside",
        node.id,
        "its backup lies on the same host, and is lost with it",
        "name an nfs or s3 storage of elsewhere in `to`",
        Severity.INFO,
    )


def _database(site: Site, draft: Draft, node: Database, goal: _Goal) -> None:
    assert node.backup is not None
    dump = dump_of(site, node)
    if dump is None:
        _by_hand(site, node)
        return
    name = site.helper("backup", node.id)
    _dump_unit(site, draft, node, goal, dump)
    if goal.repository is None:
        draft.put(
            ("systemd", "timers", name),
            {
                "description": f"When {node.id} is copied",
                "wantedBy": ["timers.target"],
                "timerConfig": _timer(node.backup),
            },
        )
        return
    _restic(site, draft, node, goal, goal.folder)
    unit = ("systemd", "services", f"restic-backups-{site.project}-{node.id}")
    draft.put(unit, {"after": [f"{name}.service"], "requires": [f"{name}.service"]})


def _dump_unit(site: Site, draft: Draft, node: Database, goal: _Goal, dump: Dump) -> None:
    assert node.backup is not None
    name = site.helper("backup", node.id)
    unit = ("systemd", "services", name)
    copies = shlex.quote(goal.folder)
    keep_count = 1 if goal.repository is not None else node.backup.keep_count
    end = _END.format(keep=keep_count)
    service: dict[str, Plain] = {
        "Type": "oneshot",
        **load_credentials(site, f"{name}.service", dump.secrets),
    }
    if dump.secrets:
        service |= {"RuntimeDirectory": name, "RuntimeDirectoryMode": "0700"}
    if dump.capabilities:
        service["CapabilityBoundingSet"] = list(dump.capabilities)
        service["SystemCallFilter"] = ["@system-service"]
    options: dict[str, Plain] = {
        "description": f"Copy of {node.id}",
        "path": list(dump.path),
        "script": Multiline(_BEGIN.format(copies=copies) + dump.script + end),
        "serviceConfig": service,
    }
    if dump.units:
        options |= {"after": list(dump.units), "requires": list(dump.units)}
    if goal.mount is not None:
        options["unitConfig"] = {"RequiresMountsFor": [systemd_path(goal.mount)]}
    if dump.podman:
        draft.say(unit, "Without the sandbox: podman enters the container.")
    else:
        harden(draft, unit)
        paths = (goal.mount or goal.folder, *dump.opens)
        service |= {"PrivateUsers": False, "ReadWritePaths": [systemd_path(path) for path in paths]}
    kept = f"the last {keep_count} copies in {goal.folder}"
    if goal.repository is not None:
        kept = f"a copy in {goal.folder}, which restic sends to the bucket"
    draft.put(unit, options, f"{node.id}: {kept}. To restore one:", *dump.restore)
    if goal.mount is None:
        _folder(site, draft, goal.folder)


def _folder(site: Site, draft: Draft, path: str) -> None:
    for place in (f"{COPIES}/{site.project}", path):
        draft.add(("systemd", "tmpfiles", "rules"), [f"d {tmpfiles_path(place)} 0700 root root -"])


def _storage(site: Site, draft: Draft, host: Host, node: Storage, goal: _Goal) -> None:
    if node.storage is StorageKind.S3:
        _by_hand(site, node)
        return
    _refuse_live_data(site, node)
    path = directory(site, node, host.id)
    if is_podman_volume(site, node):
        path = f"{_VOLUMES}/{site.project}_{node.id}/_data"
    _restic(site, draft, node, goal, path)
    unit = ("systemd", "services", f"restic-backups-{site.project}-{node.id}")
    draft.add((*unit, "unitConfig", "RequiresMountsFor"), [systemd_path(path)])
    if node.storage is not StorageKind.LOCAL and not (is_served(node) and node.host == host.id):
        # `nofail` and automounts let a unit start without: an empty directory is no copy of anything.
        draft.put((*unit, "unitConfig", "AssertPathIsMountPoint"), systemd_directory(path))
    if goal.repository is None and goal.mount is None:
        _folder(site, draft, goal.folder)


def _refuse_live_data(site: Site, node: Storage) -> None:
    """Warn of a storage whose files a database changes while they are copied."""
    for edge in site.graph.edges_to(node.id):
        if isinstance(edge, MountsVolume) and isinstance(site.graph.by_id.get(edge.source), Database):
            site.warn(
                "backup-of-live-data",
                node.id,
                f"{edge.source} keeps its data there, and files copied while they change may not be restored",
                f"put `backup` on {edge.source}",
            )


def _restic(site: Site, draft: Draft, node: Database | Storage, goal: _Goal, path: str) -> None:
    assert node.backup is not None
    name = f"{site.project}-{node.id}"
    unit = f"restic-backups-{name}.service"
    options: dict[str, Plain] = {
        "initialize": True,
        "passwordFile": site.secret_file(node.backup.password or f"{node.id}-backup", unit),
        "paths": [path],
        "pruneOpts": [f"--keep-last {node.backup.keep_count}"],
        "repository": goal.repository or goal.folder,
        "timerConfig": _timer(node.backup),
    }
    if goal.credentials is not None:
        options["environmentFile"] = site.secret_file(goal.credentials, unit)
    draft.put(
        ("services", "restic", "backups", name),
        options,
        f"{node.id}: the last {node.backup.keep_count} copies. Without the password they cannot be read.",
        f"To restore one: restic-{name} restore latest --target /",
    )
    if goal.mount is not None:
        mounts = ("systemd", "services", unit.removesuffix(".service"), "unitConfig", "RequiresMountsFor")
        draft.add(mounts, [systemd_path(goal.mount)])


def _timer(backup: Backup) -> dict[str, Plain]:
    return {"OnCalendar": backup.schedule, "Persistent": True, "RandomizedDelaySec": DELAY}


def _by_hand(site: Site, node: Database | Storage) -> None:
    site.warn(
        "backup-by-hand",
        node.id,
        "has a backup, and runs in a way from which no copy can be taken",
        "copy it yourself",
    )
