"""S3 storages: an object server on the host of the node (MinIO), its buckets, and buckets mounted as files.

Pure. A host has one server for all its buckets. Its keys, and those of clients, are one secret: lines of an
environment file (`MINIO_ROOT_USER`, `MINIO_ROOT_PASSWORD`; for clients `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`).
"""

from __future__ import annotations

import re
import shlex

from nix_gen.ir import Multiline, Plain, Ref, Template
from nix_gen.lower.draft import Draft
from nix_gen.lower.hardening import harden
from nix_gen.lower.order import wait_unit
from nix_gen.lower.reach import LOOPBACK, host_address
from nix_gen.lower.site import Site
from nix_gen.lower.storage import data_group, directory, is_served, mounting_units, used_on
from nix_gen.lower.words import DATA_GID, systemd_path
from nix_gen.nodes import Host, Storage, StorageKind
from nix_gen.nodes.storages import S3_PORT

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Names S3 accepts."""
SERVER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
CONSOLE_PORT = 9001
WAIT_S = 300
"""How long the unit that makes buckets waits for the server."""
_OPTION = ("services", "minio")
_STATE = "/var/lib/minio"
_FUSE_OPTIONS = f"allow_other,gid={DATA_GID},umask=0007,mp_umask=0007,use_path_request_style"
_MAKE = """\
word() { # VALUE
  printf %s "$1" | sed -e 's/[\\\\"]/\\\\&/g'
}
umask 0077
cat > "$RUNTIME_DIRECTORY/config.json" <<JSON
{"version": "10", "aliases": {"store": {
  "url": "SERVER", "api": "S3v4", "path": "on",
  "accessKey": "$(word "$MINIO_ROOT_USER")", "secretKey": "$(word "$MINIO_ROOT_PASSWORD")"
}}}
JSON
export MC_CONFIG_DIR="$RUNTIME_DIRECTORY"
until mc ready store > /dev/null; do
  sleep 1
done
"""
"""Writes the keys into a file that only this unit reads: an argument could be seen by everyone."""


def lower_buckets(site: Site, draft: Draft, host: Host) -> None:
    """Write the object server of a host, and the buckets it mounts."""
    buckets = [node for node in used_on(site, host) if node.storage is StorageKind.S3]
    served = [node for node in buckets if is_served(node) and node.host == host.id]
    if not all(_is_sound(site, host, node) for node in buckets):
        return
    for node in buckets:
        units = mounting_units(site, host, node)
        if units:
            _mount(site, draft, host, node, units)
        elif not is_served(node):
            site.warn(
                "bucket-outside",
                node.id,
                "is an S3 bucket outside the machines: nothing is made",
                "make it yourself, or name the host that serves it",
            )
    if served:
        _server(site, draft, served)


def _is_sound(site: Site, host: Host, node: Storage) -> bool:
    if not BUCKET.fullmatch(bucket_of(node)) or (node.server and not SERVER.fullmatch(node.server)):
        site.find(
            "unsafe-name",
            node.id,
            f"{bucket_of(node)!r} at {node.server or 'its host'} is no bucket of an S3 server",
            "use 3 to 63 lower-case letters, digits, - and . for the bucket, and a host name",
        )
        return False
    if node.credentials is None and (node.host == host.id or mounting_units(site, host, node)):
        site.find(
            "bucket-without-credentials",
            node.id,
            "is an S3 storage without keys",
            "name the secret that holds them as its `credentials`",
        )
        return False
    return True


def bucket_of(storage: Storage) -> str:
    """The bucket's name."""
    return storage.bucket or storage.id


def endpoint_of(site: Site, host_id: str, storage: Storage) -> str | None:
    """The URL of the S3 server, as a host sees it; None where the serving host has no address."""
    if storage.host is None or not is_served(storage):
        server = storage.server or "s3.amazonaws.com"
        return f"https://{server}" + ("" if storage.port is None else f":{storage.port}")
    address: str | None = LOOPBACK
    if storage.host != host_id:
        address = host_address(site, storage.host, storage.id, host_id)
    if address is None:
        return None
    return f"http://{f'[{address}]' if ':' in address else address}:{storage.listen_port}"


def _server(site: Site, draft: Draft, served: list[Storage]) -> None:
    first = served[0]
    for node in served[1:]:
        for field in ("credentials", "port", "path"):
            if getattr(node, field) != getattr(first, field):
                site.find(
                    "one-object-server",
                    node.id,
                    f"has another {field} than {first.id}, and a host has one S3 server",
                    "give both the same, or place them on different hosts",
                )
                return
    assert first.credentials is not None
    assert first.host is not None
    ids = {node.id for node in served}
    reached = any(opening.target in ids for opening in site.openings(first.host))
    options: dict[str, Plain] = {
        "enable": True,
        "listenAddress": f"{'' if reached else LOOPBACK}:{first.listen_port}",
        "consoleAddress": f"{LOOPBACK}:{S3_PORT if first.listen_port == CONSOLE_PORT else CONSOLE_PORT}",
        "browser": False,
        "rootCredentialsFile": site.secret_file(first.credentials, "minio.service"),
    }
    if first.path is not None:
        options["dataDir"] = [first.path]
    names = ", ".join(sorted(ids))
    draft.put(_OPTION, options, f"Storage {names}: the S3 server of this host.")
    unit = ("systemd", "services", "minio")
    harden(draft, unit)
    places = [_STATE] if first.path is None else [_STATE, systemd_path(first.path)]
    draft.put((*unit, "serviceConfig"), {"ReadWritePaths": places})
    _make_buckets(site, draft, served, first.credentials)


def _make_buckets(site: Site, draft: Draft, served: list[Storage], credentials: str) -> None:
    name = site.helper("buckets")
    url = f"http://{LOOPBACK}:{served[0].listen_port}"
    harden(draft, ("systemd", "services", name))
    made = "".join(f"mc mb --ignore-existing store/{bucket_of(node)}\n" for node in served)
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"Buckets of {site.project}",
            "after": ["minio.service"],
            "requires": ["minio.service"],
            "wantedBy": ["multi-user.target"],
            "path": [Ref(("pkgs", "minio-client"))],
            "script": Multiline(_MAKE.replace("SERVER", url) + made),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "TimeoutStartSec": WAIT_S,
                "DynamicUser": True,
                "EnvironmentFile": site.secret_file(credentials, f"{name}.service"),
                "RuntimeDirectory": name,
                "RuntimeDirectoryMode": "0700",
            },
        },
    )


def _server_there(site: Site, draft: Draft, host: Host, storage: Storage) -> str:
    """The unit after which the S3 server of another host answers, if ever; of an outside one, the network."""
    if storage.host is None or storage.listen_port is None:
        return "network-online.target"
    address = host_address(site, storage.host, storage.id, host.id)
    if address is None:
        return "network-online.target"
    return wait_unit(site, draft, storage.id, address, storage.listen_port, after=["network-online.target"])


def _mount(site: Site, draft: Draft, host: Host, storage: Storage, units: list[str]) -> None:
    """A service that mounts a bucket: s3fs needs its keys, which a mount unit could not give it."""
    endpoint = endpoint_of(site, host.id, storage)
    if endpoint is None or storage.credentials is None:
        return
    name = site.helper("bucket", storage.id)
    data_group(draft)
    where = directory(site, storage, host.id)
    ours = storage.host == host.id and is_served(storage)
    after = [f"{site.helper('buckets')}.service"] if ours else [_server_there(site, draft, host, storage)]
    users = [f"{unit}.service" for unit in units]
    place = shlex.quote(where)
    words = f" {bucket_of(storage)} {where} -o url={endpoint},{_FUSE_OPTIONS}"
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"Mounts the bucket of {storage.id}",
            "after": after,
            "wants": after,
            "before": users,
            "requiredBy": users,
            "path": [Ref(("pkgs", "util-linux"))],
            # s3fs goes to the background before it has asked for the bucket.
            "postStart": Multiline(f"stat --file-system {place} > /dev/null\nmountpoint --quiet {place}\n"),
            "unitConfig": {"StartLimitIntervalSec": 0},
            "serviceConfig": {
                "Type": "forking",
                "EnvironmentFile": site.secret_file(storage.credentials, f"{name}.service"),
                "ExecStart": Template((Ref(("pkgs", "s3fs")), f"/bin/s3fs{words}")),
                "ExecStop": Template((Ref(("pkgs", "util-linux")), f"/bin/umount {where}")),
                "Restart": "on-failure",
                # Whoever needs the bucket goes on waiting while this is tried again.
                "RestartMode": "direct",
                "RestartSec": 5,
            },
        },
        f"Storage {storage.id}: a bucket as files; slow for many small ones, and it knows no locks.",
        "It is tried until the bucket is there, and what mounts it starts then.",
    )
    draft.add(("systemd", "tmpfiles", "rules"), [f"d {where} 0755 root root -"], f"Storage {storage.id}.")
