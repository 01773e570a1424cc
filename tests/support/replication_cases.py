"""Graphs with faulty replicas or settings of databases, and the finding each must get, word for word."""

from __future__ import annotations

from typing import Any

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
_H1: dict[str, Any] = {"id": "h1", "kind": "host", "addresses": ["10.0.0.1"]}
_H2: dict[str, Any] = {"id": "h2", "kind": "host", "addresses": ["10.0.0.2"]}
_H3: dict[str, Any] = {"id": "h3", "kind": "host", "addresses": ["10.0.0.3"]}
_THREE = [_H1, _H2, _H3]


def _db(name: str, host: str, engine: str = "postgresql", **fields: Any) -> dict[str, Any]:
    return {"id": name, "kind": "database", "engine": engine, "host": host, **fields}


def _follows(source: str, target: str, **fields: Any) -> dict[str, Any]:
    return {"source": source, "kind": "replicates", "target": target, **fields}


_A, _B, _C = _db("a", "h1"), _db("b", "h2"), _db("c", "h3")
_LONG = [_db(f"d{n}", f"h{n}") for n in range(10)]
_WIDE = [_db(f"d{n}", f"h{n}", "mongodb") for n in range(10)]
_FILE = [{"kind": "bind", "source": "/etc/a", "target": "/etc/b"}]
REPLICATION_CASES: list[tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = [
    (
        [*_THREE, _A, _B],
        [_follows("a", "b"), _follows("b", "a")],
        "error replica-circle: a: it replicates itself, by b; remove one replicates edge of the circle",
    ),
    (
        [*_THREE, _A, {**_B, "databases": ["x"], "users": [{"name": "u"}]}],
        [_follows("b", "a")],
        "warning replica-inherits: b: its databases and users are those of its primary, and what it states is not used; state them at the primary",
    ),
    (
        [*({**_H1, "id": f"h{n}", "addresses": [f"10.0.1.{n}"]} for n in range(10)), *_LONG],
        [_follows(f"d{n}", f"d{n - 1}") for n in range(1, 10)],
        "error replica-limit: d9: it is more than 8 replicas away from the origin of its data; replicate a server nearer to the origin",
    ),
    (
        [*({**_H1, "id": f"h{n}", "addresses": [f"10.0.1.{n}"]} for n in range(10)), *_WIDE],
        [_follows(f"d{n}", "d0") for n in range(1, 10)],
        "error replica-limit: d0: its set has 10 members, and 7 can vote; keep 7 members",
    ),
    (
        [*_THREE, _A, {**_B, "host": "h1", "port": 5433}],
        [_follows("b", "a")],
        "error replica-not-native: b -replicates-> a: b does not run natively (container), so replication cannot be set up; give b a host of its own, without mounts of files and without options of a container",
    ),
    (
        [*_THREE, {**_A, "mounts": _FILE}, _B],
        [_follows("b", "a")],
        "error replica-not-native: b -replicates-> a: a does not run natively (container), so replication cannot be set up; give a a host of its own, without mounts of files and without options of a container",
    ),
    (
        [
            *_THREE,
            _db("a", "h1", "mongodb"),
            {**_db("b", "h2", "mongodb"), "users": [{"name": "x", "password": "s"}]},
        ],
        [_follows("b", "a")],
        "error replica-not-native: b -replicates-> a: b does not run natively (container), so replication cannot be set up; give b a user with `superuser` and `password`, who makes the others",
    ),
    (
        [*_THREE, _db("a", "h1", "sqlite"), _db("b", "h2", "sqlite")],
        [_follows("b", "a")],
        "error replica-not-native: b -replicates-> a: sqlite is a file, and its copies do not follow it; use a database server",
    ),
    (
        [*_THREE, _A, _B, _C],
        [_follows("b", "a"), _follows("c", "b", mode="sync")],
        "error replica-not-sync: c -replicates-> b: b is a replica itself, and nothing waits for replicas of replicas; make it async, or replicate the origin",
    ),
    (
        [*_THREE, _db("a", "h1", "mariadb"), _db("b", "h2", "mariadb")],
        [_follows("b", "a", mode="sync")],
        "error replica-not-sync: b -replicates-> a: mariadb does not wait for its replicas here; make it async, or use PostgreSQL",
    ),
    (
        [*_THREE, _A, _B, _C],
        [_follows("c", "a"), _follows("c", "b")],
        "error replica-of-two: c: it replicates a and b, and can follow one server; keep one replicates edge",
    ),
    (
        [*_THREE, _db("a", "h1", "redis", password="pw"), _db("b", "h2", "redis")],
        [_follows("b", "a", password="other")],
        "error replica-password: b -replicates-> a: it names the secret other, and a asks for the secret pw; leave the password of the edge out",
    ),
    (
        [*_THREE, *(_db(name, host, "mongodb") for name, host in (("a", "h1"), ("b", "h2"), ("c", "h3")))],
        [_follows("b", "a", password="one"), _follows("c", "a", password="two")],
        "error replica-password: b -replicates-> a: it names the secret one, and the set shares one: one or two; name one secret at every edge of the set",
    ),
    (
        [
            *_THREE,
            {**_A, "settings": {"max_connections": "200"}},
            {**_B, "settings": {"max_connections": 150}},
        ],
        [_follows("b", "a")],
        "error replica-setting: b -replicates-> a: max_connections is 150 at b and 200 at its primary: it would not start; raise it to 200, or leave it out",
    ),
    (
        [*_THREE, {**_A, "version": "15"}, {**_B, "version": "16.4"}],
        [_follows("b", "a")],
        "error replica-version: b -replicates-> a: b asks for 16.4 and a for 15; give both the same version",
    ),
    (
        [_H1, {**_H2, "state_version": "24.11"}, _A, _B],
        [_follows("b", "a")],
        "error replica-version: b -replicates-> a: neither end names a version, and the hosts begin with NixOS 24.11 and 25.11, whose PostgreSQL may differ; give a a version",
    ),
    (
        [_db("a", "h1", settings={"hba_file": "/x"}), _H1],
        [],
        "error setting-refused: a: the setting hba_file is not taken: who may log in is decided by edges and users; leave it out",
    ),
    (
        [_db("a", "h1", "redis", settings={"masterauth": "x"}), _H1],
        [],
        "error setting-refused: a: the setting masterauth is not taken: a setting stands in the Nix store for all to read; leave it out",
    ),
    (
        [*_THREE, _db("a", "h1", "mariadb", settings={"skip-log-bin": True}), _db("b", "h2", "mariadb")],
        [_follows("b", "a")],
        "error setting-refused: a: the setting skip-log-bin is not taken: its replicas read its log, by transaction ids; leave it out",
    ),
]
