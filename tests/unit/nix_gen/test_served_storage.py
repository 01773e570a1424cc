"""Storages that a host of the graph serves: exports, buckets, and who reaches them."""

from typing import Any

import pytest

from nix_gen.findings import Finding
from tests.support.lowering import Node, graph_of, lowered, options

A: Node = {"kind": "host", "id": "a", "addresses": ["10.0.0.1"]}
B: Node = {"kind": "host", "id": "b", "addresses": ["10.0.0.2", "fd00::2"]}
SHARE: Node = {"kind": "storage", "id": "share", "storage": "nfs", "host": "a", "path": "/srv/my share"}
BLOBS: Node = {"kind": "storage", "id": "blobs", "storage": "s3", "host": "a", "credentials": "keys"}
WEB: Node = {"kind": "service", "id": "web", "package": "hello", "host": "b"}
BOX: Node = {"kind": "service", "id": "box", "image": "nginx:1", "host": "a"}


def _mount(source: str, target: str, **more: Any) -> Node:
    return {"kind": "mounts_volume", "source": source, "target": target, "path": "/data", **more}


def _findings(*parts: Node) -> dict[str, Finding]:
    return {finding.code: finding for finding in lowered(*parts).findings}


def test_a_share_is_exported_to_the_hosts_that_mount_it_and_the_firewall_opens_one_port_to_them() -> None:
    server = options(A, B, SHARE, WEB, _mount("web", "share"), host="a")
    word = "rw,sync,no_subtree_check,all_squash,anonuid=65534,anongid=2049"
    assert server["services"]["nfs"]["server"]["exports"] == (
        f"# Storage share.\n/srv/my\\040share 10.0.0.2({word}) fd00::2({word})\n"
    )
    rules = server["networking"]["firewall"]["extraInputRules"]
    assert 'ip saddr { 10.0.0.2 } tcp dport { 2049 } accept comment "web -> share (mounts_volume)"' in rules
    assert "d /srv/my\\x20share 2770 root conclave-data -" in server["systemd"]["tmpfiles"]["rules"]


def test_a_host_that_only_reads_a_share_gets_it_read_only() -> None:
    parts = (A, B, SHARE, WEB, _mount("web", "share", read_only=True))
    assert "10.0.0.2(ro,sync" in options(*parts, host="a")["services"]["nfs"]["server"]["exports"]


def test_the_mounting_host_mounts_the_export_and_its_service_waits_for_it() -> None:
    client = options(A, B, SHARE, WEB, _mount("web", "share"), host="b")
    mount = client["fileSystems"]["/var/lib/shop/share"]
    assert mount["device"] == "10.0.0.1:/srv/my share"
    assert {"nfsvers=4.2", "x-systemd.automount"} <= set(mount["options"])
    unit = client["systemd"]["services"]["shop-app-web"]
    assert unit["unitConfig"] == {"RequiresMountsFor": ["/var/lib/shop/share"]}
    assert unit["serviceConfig"]["UMask"] == "0007", "what is shared, others must be able to read"
    assert client["users"]["groups"]["conclave-data"] == {"gid": 2049}


def test_a_neighbour_of_the_server_uses_the_directory_itself() -> None:
    host = options(A, SHARE, BOX, _mount("box", "share"), host="a")
    assert "fileSystems" not in host
    assert "nfs" not in host.get("services", {}), "nobody else mounts it, so nothing is served"
    box = host["virtualisation"]["oci-containers"]["containers"]["shop-box"]
    assert box["volumes"] == ["/srv/my share:/data"]


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        *(("database", engine) for engine in ("postgresql", "mysql", "redis", "mongodb")),
        *(("message_bus", engine) for engine in ("nats", "kafka", "rabbitmq")),
        *(("monitoring", engine) for engine in ("prometheus", "grafana", "loki")),
    ],
)
def test_no_server_that_owns_its_files_keeps_them_in_an_export(kind: str, engine: str) -> None:
    node = {"kind": kind, "id": "db", "engine": engine, "host": "b"}
    assert "export-for-database" in _findings(A, B, SHARE, node, _mount("db", "share"))


def test_a_database_cannot_keep_its_data_in_an_export() -> None:
    database = {"kind": "database", "id": "db", "engine": "postgresql", "host": "b"}
    finding = _findings(A, B, SHARE, database, _mount("db", "share"))["export-for-database"]
    assert str(finding) == (
        "error export-for-database: db -mounts_volume-> share: db must own its files, and every client of "
        "share acts as one user; give it local or block storage"
    )


def test_a_bucket_without_a_server_elsewhere_lies_in_the_server_of_its_host() -> None:
    host = options(A, BLOBS, {**BLOBS, "id": "more", "bucket": "other"}, host="a")
    assert host["services"]["minio"] == {
        "enable": True,
        "browser": False,
        "consoleAddress": "127.0.0.1:9001",
        "listenAddress": "127.0.0.1:9000",
        "rootCredentialsFile": "/run/secrets/keys",
    }
    script = host["systemd"]["services"]["shop-buckets"]["script"]
    assert script.endswith("mc mb --ignore-existing store/blobs\nmc mb --ignore-existing store/other\n")


def test_a_client_of_a_bucket_finds_its_server_by_the_id_and_is_let_in() -> None:
    edge = {"kind": "data_flow", "source": "web", "target": "blobs"}
    parts = (A, B, BLOBS, WEB, edge)
    server = options(*parts, host="a")
    assert server["services"]["minio"]["listenAddress"] == ":9000"
    assert "tcp dport { 9000 }" in server["networking"]["firewall"]["extraInputRules"]
    assert options(*parts, host="b")["networking"]["hosts"]["10.0.0.1"] == ["a", "blobs"]


def test_a_mounted_bucket_is_there_before_the_service_that_mounts_it() -> None:
    unit = options(A, B, BLOBS, WEB, _mount("web", "blobs"), host="b")["systemd"]["services"]
    assert unit["shop-bucket-blobs"]["requiredBy"] == ["shop-app-web.service"]
    start = unit["shop-bucket-blobs"]["serviceConfig"]["ExecStart"]
    assert "/bin/s3fs blobs /var/lib/shop/blobs -o url=http://10.0.0.1:9000,allow_other" in start


@pytest.mark.parametrize(
    ("parts", "code", "text"),
    [
        (
            [{**BLOBS, "credentials": None}],
            "bucket-without-credentials",
            (
                "error bucket-without-credentials: blobs: is an S3 storage without keys; "
                "name the secret that holds them as its `credentials`"
            ),
        ),
        (
            [BLOBS, {**BLOBS, "id": "more", "port": 9100}],
            "one-object-server",
            (
                "error one-object-server: more: has another port than blobs, and a host has one S3 server; "
                "give both the same, or place them on different hosts"
            ),
        ),
        (
            [{**BLOBS, "bucket": "Big_Bucket"}],
            "unsafe-name",
            (
                "error unsafe-name: blobs: 'Big_Bucket' at its host is no bucket of an S3 server; "
                "use 3 to 63 lower-case letters, digits, - and . for the bucket, and a host name"
            ),
        ),
    ],
)
def test_what_an_object_server_needs_is_said_when_it_is_missing(
    parts: list[Node], code: str, text: str
) -> None:
    assert str(_findings(A, *parts)[code]) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"storage": "nfs", "format": True}, "format is for block storage"),
        ({"storage": "nfs", "port": 1}, "port is for s3 storage"),
    ],
)
def test_a_field_of_another_kind_of_storage_is_refused(fields: Node, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        graph_of({"kind": "storage", "id": "s", **fields})


def test_a_block_device_is_formatted_only_when_asked() -> None:
    disk: Node = {"kind": "storage", "id": "disk", "storage": "block", "device": "/dev/disk/by-label/data"}
    assert "autoFormat" not in options(disk)["fileSystems"]["/var/lib/shop/disk"]
    assert options({**disk, "format": True})["fileSystems"]["/var/lib/shop/disk"]["autoFormat"] is True


def test_a_mounted_bucket_of_another_host_is_tried_until_it_is_there_and_only_then_counts_as_mounted() -> (
    None
):
    units = options(A, B, BLOBS, WEB, _mount("web", "blobs"), host="b")["systemd"]["services"]
    unit = units["shop-bucket-blobs"]
    assert unit["after"] == unit["wants"] == ["shop-wait-blobs.service"]
    assert "/dev/tcp/10.0.0.1/9000)" in units["shop-wait-blobs"]["script"]
    assert (unit["serviceConfig"]["Restart"], unit["serviceConfig"]["RestartMode"]) == (
        "on-failure",
        "direct",
    )
    assert unit["unitConfig"] == {"StartLimitIntervalSec": 0}
    assert unit["postStart"].endswith("mountpoint --quiet /var/lib/shop/blobs\n")
