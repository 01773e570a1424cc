"""Directories on storages: each is there, and its server's, once what it lies on is mounted."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.lowering import Node, options

DISK: Node = {"kind": "storage", "id": "disk", "storage": "block", "device": "/dev/vdb"}
LOCAL: Node = {"kind": "storage", "id": "disk", "path": "/big disk"}
MOUNT: Node = {"kind": "mounts_volume", "source": "n", "target": "disk", "path": "/data"}
POINT = "/var/lib/shop/disk"
FOLDERS = "shop-folders-disk"
SERVERS = [
    ("database", "postgresql", "postgresql", "postgres"),
    ("database", "mysql", "mysql", "mysql"),
    ("database", "mongodb", "mongodb", "mongodb"),
    ("database", "redis", "redis-n", "redis-n"),
    ("message_bus", "nats", "nats", "nats"),
    ("message_bus", "kafka", "apache-kafka", "apache-kafka"),
    ("message_bus", "rabbitmq", "rabbitmq", "rabbitmq"),
    ("monitoring", "prometheus", "prometheus", "prometheus"),
    ("monitoring", "grafana", "grafana", "grafana"),
    ("monitoring", "loki", "loki", "loki"),
]
KEPT = {
    "postgresql": ("postgresql", "dataDir"),
    "mysql": ("mysql", "dataDir"),
    "mongodb": ("mongodb", "dbpath"),
    "nats": ("nats", "dataDir"),
    "rabbitmq": ("rabbitmq", "dataDir"),
    "grafana": ("grafana", "dataDir"),
    "loki": ("loki", "dataDir"),
}
BOUND = {"redis": "/var/lib/redis-n", "prometheus": "/var/lib/prometheus2"}


def _kept(host: Any, engine: str) -> object:
    """Where the configuration of a host has a server keep its data."""
    if engine == "kafka":
        (found,) = host["services"]["apache-kafka"]["settings"]["log.dirs"]
        return found
    if engine in BOUND:
        return host["fileSystems"][BOUND[engine]]["device"]
    service, option = KEPT[engine]
    return host["services"][service][option]


@pytest.mark.parametrize(("kind", "engine", "unit", "user"), SERVERS)
def test_a_server_on_a_disk_of_its_own_starts_when_its_directory_is_there(
    kind: str, engine: str, unit: str, user: str
) -> None:
    host = options({"kind": kind, "id": "n", "engine": engine}, DISK, MOUNT)
    assert _kept(host, engine) == f"{POINT}/data"
    services = host["systemd"]["services"]
    assert POINT in services[unit]["unitConfig"]["RequiresMountsFor"]
    maker = services[FOLDERS]
    assert maker["script"] == (
        f"install --directory --owner={user} --group={user} --mode=0750 {POINT}/data\n"
    )
    assert maker["before"] == maker["requiredBy"] == [f"{unit}.service"]
    assert maker["unitConfig"]["RequiresMountsFor"] == [POINT]


@pytest.mark.parametrize(("kind", "engine", "unit", "user"), SERVERS)
def test_a_server_owns_its_directory_on_the_disk_of_the_host(
    kind: str, engine: str, unit: str, user: str
) -> None:
    host = options({"kind": kind, "id": "n", "engine": engine}, LOCAL, MOUNT)
    inside = "/kafka" if engine == "kafka" else ""
    assert _kept(host, engine) == f"/big disk{inside}"
    rule = f"d /big\\x20disk{inside} 0750 {user} {user} -"
    assert [one for one in host["systemd"]["tmpfiles"]["rules"] if "/big" in one] == [rule]
    assert FOLDERS not in host["systemd"].get("services", {})
    if engine in BOUND:
        assert host["systemd"]["services"][unit]["unitConfig"]["RequiresMountsFor"] == [BOUND[engine]]


@pytest.mark.parametrize("engine", sorted(BOUND))
def test_a_directory_that_a_module_has_fixed_is_bound_after_its_source_is_there(engine: str) -> None:
    kind = "database" if engine == "redis" else "monitoring"
    node = {"kind": kind, "id": "n", "engine": engine}
    for storage, maker in ((DISK, FOLDERS), (LOCAL, "systemd-tmpfiles-setup")):
        bound = options(node, storage, MOUNT)["fileSystems"][BOUND[engine]]
        assert bound["fsType"] == "none"
        assert bound["options"] == ["bind", "nofail", f"x-systemd.requires={maker}.service"]
    assert "fileSystems" not in options(node, {"kind": "storage", "id": "disk"}, MOUNT)


@pytest.mark.parametrize(
    ("node", "rights"),
    [
        ({"image": "app:1"}, ("root", "root", "0755")),
        ({"package": "hello"}, ("root", "conclave-data", "2770")),
    ],
)
def test_a_subpath_is_there_before_the_workload_that_mounts_it(
    node: Node, rights: tuple[str, str, str]
) -> None:
    app = {"kind": "service", "id": "n", **node}
    mount = {**MOUNT, "subpath": "a/b"}
    owner, group, mode = rights
    disk = options(app, DISK, mount)["systemd"]
    assert (
        f"--owner={owner} --group={group} --mode={mode} {POINT}/a/b\n" in disk["services"][FOLDERS]["script"]
    )
    local = options(app, {"kind": "storage", "id": "disk"}, mount)["systemd"]
    assert f"d {POINT}/a/b {mode} {owner} {group} -" in local["tmpfiles"]["rules"]


def test_the_subpath_of_an_export_is_made_by_its_client_as_the_server_lets_it() -> None:
    share = {"kind": "storage", "id": "disk", "storage": "nfs", "server": "nas", "path": "/exports"}
    host = options({"kind": "service", "id": "n", "image": "app:1"}, share, {**MOUNT, "subpath": "a"})
    assert host["systemd"]["services"][FOLDERS]["script"] == f"mkdir --parents {POINT}/a\n"


def test_the_script_of_a_disk_makes_directories_with_their_rights(tmp_path: Path) -> None:
    place = f"{tmp_path}/it's here"
    disk = {**DISK, "path": place}
    app = {"kind": "service", "id": "n", "image": "app:1"}
    script = options(app, disk, {**MOUNT, "subpath": "a/b"})["systemd"]["services"][FOLDERS]["script"]
    mine = script.replace("--owner=root --group=root", "")  # whoever runs the tests
    subprocess.run(["bash", "-e", "-c", mine], check=True)
    assert (Path(place) / "a" / "b").stat().st_mode & 0o7777 == 0o755
