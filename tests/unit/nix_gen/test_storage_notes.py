"""Storages that native servers mount in vain are told, and no two servers keep data in one directory."""

from itertools import permutations
from typing import Any

import pytest

from tests.support.lowering import Node, codes, lowered

DISK: Node = {"kind": "storage", "id": "disk", "storage": "block", "device": "/dev/vdb"}
PLACE: Node = {"kind": "storage", "id": "disk", "path": "/srv/d"}
ANYWHERE: Node = {"kind": "storage", "id": "disk"}
NFS: Node = {"kind": "storage", "id": "disk", "storage": "nfs", "server": "nas", "path": "/exports"}
SHARED = "data-directory-twice"
UNUSED = "storage-not-used"


def _mount(source: str, target: str = "disk", **more: Any) -> Node:
    return {"kind": "mounts_volume", "source": source, "target": target, "path": "/data", **more}


def _node(kind: str, engine: str, name: str = "n", **more: Any) -> Node:
    return {"kind": kind, "id": name, "engine": engine, **more}


KV, DB = _node("database", "redis", "kv"), _node("database", "postgresql", "db")


@pytest.mark.parametrize("storage", [DISK, PLACE, NFS])
@pytest.mark.parametrize(
    "node",
    [
        _node("monitoring", "alertmanager"),
        _node("monitoring", "node_exporter"),
        _node("load_balancer", "nginx"),
        _node("load_balancer", "haproxy"),
    ],
)
def test_a_storage_is_not_mounted_in_vain_without_a_word(node: Node, storage: Node) -> None:
    (finding,) = [one for one in lowered(node, storage, _mount("n")).findings if one.code == UNUSED]
    assert finding.place == "n -mounts_volume-> disk"
    assert UNUSED not in codes(DB, storage, _mount("db"))


def test_the_directory_of_the_module_is_as_good_as_a_storage_without_a_place() -> None:
    assert UNUSED not in codes(_node("monitoring", "alertmanager"), ANYWHERE, _mount("n"))
    assert UNUSED in codes(_node("load_balancer", "nginx"), ANYWHERE, _mount("n"))
    assert UNUSED not in codes(DB, DISK, _mount("db"), {**ANYWHERE, "id": "any"}, _mount("db", "any"))


def test_a_server_uses_one_storage_and_tells_which_it_does_not() -> None:
    other = {**DISK, "id": "other", "device": "/dev/vdc"}
    found = lowered(DB, DISK, other, _mount("db"), _mount("db", "other", path="/more")).findings
    assert [one.place for one in found if one.code == UNUSED] == ["db -mounts_volume-> other"]


@pytest.mark.parametrize("storage", [DISK, PLACE])
@pytest.mark.parametrize(
    ("inside", "is_shared"),
    [
        ((None, None), True),
        (("a", "a"), True),
        (("a", "a/b"), True),
        (("a", "./a/"), True),
        (("a", "ab"), False),
        (("a", "b"), False),
    ],
)
def test_two_servers_never_keep_their_data_in_one_directory(
    storage: Node, inside: tuple[str | None, str | None], *, is_shared: bool
) -> None:
    for one, other in permutations(inside):
        parts = [KV, DB, storage, _mount("kv", subpath=one), _mount("db", subpath=other)]
        assert (SHARED in codes(*parts)) == is_shared


def test_a_server_without_subpath_has_none_beside_it_on_a_directory_of_the_host() -> None:
    assert SHARED in codes(KV, DB, PLACE, _mount("kv"), _mount("db", subpath="db"))
    assert SHARED not in codes(KV, DB, DISK, _mount("kv"), _mount("db", subpath="db"))  # disk/data, disk/db


def test_two_storages_of_a_host_may_be_one_place() -> None:
    within = {**PLACE, "id": "within", "path": "/srv/d/kv"}
    assert SHARED in codes(KV, DB, PLACE, within, _mount("db"), _mount("kv", "within"))


def test_servers_of_two_hosts_meet_on_a_share_and_not_on_their_own_disks() -> None:
    hosts = [{"kind": "host", "id": name, "addresses": [f"10.0.0.{n}"]} for n, name in enumerate("ab", 1)]
    kv, db = {**KV, "host": "a"}, {**DB, "host": "b"}
    assert SHARED in codes(*hosts, kv, db, NFS, _mount("kv"), _mount("db"))
    apart = [_mount("kv", subpath="kv"), _mount("db", subpath="db")]
    assert SHARED not in codes(*hosts, kv, db, NFS, *apart)
    own = [{**PLACE, "host": "a"}, {**PLACE, "id": "two", "host": "b"}]
    assert SHARED not in codes(*hosts, kv, db, *own, _mount("kv"), _mount("db", "two"))


def test_a_program_in_a_container_may_read_what_a_server_keeps() -> None:
    app = {"kind": "service", "id": "copier", "image": "copier:1"}
    assert SHARED not in codes(DB, app, DISK, _mount("db"), _mount("copier", read_only=True))
