"""Graphs of every shape of storage, host, backup and watched service, for the programs that judge them."""

from __future__ import annotations

from typing import Any

from nix_gen.graph import Graph
from tests.support.lowering import Node, graph_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO37rmfhCI8e1aflMe1AlfK3zf9tXPHjV9dCb1FBupWt me@home"
KEEPER = {"name": "keeper", "password": "pw"}
A: Node = {"kind": "host", "id": "a", "addresses": ["10.0.0.1"]}
B: Node = {"kind": "host", "id": "b", "addresses": ["10.0.0.2", "fd00::2"]}
SHARE: Node = {"kind": "storage", "id": "share", "storage": "nfs", "host": "a", "path": "/srv/my share"}
BLOBS: Node = {"kind": "storage", "id": "blobs", "storage": "s3", "host": "a", "credentials": "keys"}
OUTSIDE: Node = {**BLOBS, "id": "outside", "host": None, "server": "s3.example.org"}


def _mount(source: str, target: str, path: str) -> Node:
    return {"kind": "mounts_volume", "source": source, "target": target, "path": path}


def _storages() -> list[Node]:
    disk: Node = {"kind": "storage", "id": "disk", "storage": "block", "device": "/dev/sdb", "format": True}
    return [
        *(A, B, SHARE, BLOBS, {**disk, "host": "b"}),
        {"kind": "service", "id": "web", "package": "hello", "host": "b"},
        {"kind": "service", "id": "box", "image": "nginx:1", "host": "a"},
        *(_mount("web", name, f"/{name}") for name in ("share", "blobs", "disk")),
        *(_mount("box", name, f"/{name}") for name in ("share", "blobs")),
        {"kind": "data_flow", "source": "box", "target": "blobs"},
    ]


def _machines() -> list[Node]:
    disks = [
        {"device": "/dev/disk/by-label/root", "mount": "/", "options": ["noatime"]},
        {"device": "/dev/disk/by-label/esp", "mount": "/boot", "fs_type": "vfat"},
        {"device": "/dev/disk/by-label/swap", "fs_type": "swap"},
    ]
    interface = {"name": "ens3", "address": "10.0.0.1", "prefix_length": 24, "gateway": "10.0.0.254"}
    network: Node = {"interfaces": [interface], "nameservers": ["10.0.0.53"]}
    users = [{"name": "ops", "admin": True, "keys": [KEY]}, {"name": "guest"}]
    ssh = {"hosts": True, "sources": ["10.0.0.0/8", "fd00::/8"]}
    return [
        {**A, **network, "machine": "vm", "cpu": "amd", "kernel_modules": ["kvm-amd"], "disks": disks},
        {
            **B,
            "machine": "by-label",
            "boot": {"loader": "grub", "device": "/dev/vda"},
            "users": users,
            "ssh": ssh,
        },
        {"kind": "host", "id": "c", "ssh": {"port": 2222}, "time_zone": "America/Argentina/Ushuaia"},
    ]


def _backups() -> list[Node]:
    def database(name: str, engine: str, host: str, to: str | None = None, **more: Any) -> Node:
        backup = {"schedule": "Mon..Fri *-*-* 03:00:00", "keep_count": 3, "to": to}
        return {"kind": "database", "id": name, "engine": engine, "host": host, "backup": backup, **more}

    foreign: Node = {"image": "postgres:16", "mounts": [{"source": "/x", "target": "/y"}]}
    return [
        *(A, B, SHARE, OUTSIDE),
        {"kind": "storage", "id": "vol", "host": "b", "backup": {"to": "outside"}},
        {"kind": "service", "id": "box", "image": "nginx:1", "host": "b"},
        _mount("box", "vol", "/v"),
        database("db", "postgresql", "a", databases=["app", "b-2"]),
        database("cache", "redis", "b", "share", password="pw"),
        database("ledger", "mysql", "b", "outside", databases=["m"]),
        database("papers", "mongodb", "b", users=[{"name": "root", "superuser": True, "password": "pw"}]),
        database("notes", "sqlite", "b", "share"),
        database("old", "postgresql", "b", port=5433, users=[KEEPER], **foreign),
        database("all", "postgresql", "b", "outside"),
    ]


def _watched() -> list[Node]:
    check = {"shell": "curl -f 'http://localhost:80/it''s' || exit 1", "interval_ms": 1500, "retries": 3}
    once = {"command": ["/bin/probe", "a b"], "interval_ms": 500, "timeout_ms": 250, "retries": 1}
    return [
        {"kind": "service", "id": "web", "package": "hello", "ports": [{"port": 80}], "health_check": check},
        {"kind": "service", "id": "api", "package": "hello", "replicas": 2, "health_check": once},
        {"kind": "service", "id": "late", "package": "hello", "user": "late", "group": "crew"},
        {"kind": "depends_on", "source": "late", "target": "web", "condition": "healthy"},
    ]


def machine_graphs() -> dict[str, Graph]:
    """The graphs by name."""
    shapes = {"storages": _storages, "machines": _machines, "backups": _backups, "watched": _watched}
    return {f"machine-{name}": graph_of(*shape()) for name, shape in shapes.items()}
