"""Every shape a database can have, in real Nix: each option of each host is one that NixOS has."""

from pathlib import Path
from typing import Any

import pytest

from nix_gen import translate
from tests.support.lowering import Node, graph_of
from tests.support.nix_tools import gather, nixcheck, parse

pytestmark = [pytest.mark.nix, pytest.mark.shared]
HOSTS: list[Node] = [
    {"kind": "host", "id": name, "addresses": [f"10.0.0.{number}", f"fd00::{number}"]}
    for number, name in enumerate(("one", "two", "three"), start=1)
]
USERS = [
    {"name": "app", "password": "app-pw", "owns": ["app", "other"]},
    {"name": "ops", "password": "ops-pw", "superuser": True},
]
SQL: dict[str, Any] = {"databases": ["app", "other"], "users": USERS}
ENGINES: dict[str, dict[str, Any]] = {
    "postgresql": {**SQL, "version": "16", "extensions": ["postgis", "pgvector"]},
    "mysql": {**SQL, "version": "8.0"},
    "mariadb": {**SQL, "version": "10.11"},
    "redis": {"password": "cache-pw", "settings": {"maxmemory": "10mb"}},
    "mongodb": {
        **SQL,
        "settings": {"net.maxIncomingConnections": 100, "setParameter.ttlMonitorEnabled": False},
    },
}


def _db(name: str, host: str, engine: str, **fields: Any) -> Node:
    return {"kind": "database", "id": name, "engine": engine, "host": host, **fields}


def _chain(engine: str, mode: str) -> list[Node]:
    return [
        *HOSTS,
        _db("db-1", "one", engine, **ENGINES[engine]),
        _db("db-2", "two", engine),
        _db("db-3", "three", engine),
        {"kind": "replicates", "source": "db-2", "target": "db-1", "mode": mode},
        {"kind": "replicates", "source": "db-3", "target": "db-2"},
        {"kind": "service", "id": "app", "host": "three", "image": "example/app"},
        {"kind": "connects_to", "source": "app", "target": "db-3"},
        {"kind": "depends_on", "source": "app", "target": "db-1", "condition": "healthy"},
    ]


def _alone(engine: str, storage: dict[str, Any]) -> list[Node]:
    return [
        _db("db", "one", engine, port=7000, **ENGINES[engine]),
        {"kind": "storage", "id": "store", "host": "one", **storage},
        {"kind": "mounts_volume", "source": "db", "target": "store", "path": "/data"},
        HOSTS[0],
    ]


def test_every_shape_of_a_database_passes_against_the_real_options(
    nix: str, shared: Path, tmp_path: Path
) -> None:
    graphs = {f"chain-{engine}": _chain(engine, "async") for engine in ENGINES}
    graphs |= {f"sync-{engine}": _chain(engine, "sync") for engine in ("postgresql", "redis")}
    for name, storage in (("path", {"path": "/big"}), ("block", {"storage": "block", "device": "/dev/vdb"})):
        graphs |= {f"{name}-{engine}": _alone(engine, storage) for engine in ENGINES}
    flakes = {name: translate(graph_of(*parts)) for name, parts in graphs.items()}
    parse(nix, gather(flakes, tmp_path))
    nixcheck(shared, tmp_path)
