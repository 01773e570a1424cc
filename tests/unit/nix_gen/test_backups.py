"""Backups: what is copied how, where to, and what is said of it."""

from typing import Any

import pytest

from tests.support.lowering import Node, graph_of, lowered, options

A: Node = {"kind": "host", "id": "a", "addresses": ["10.0.0.1"]}
B: Node = {"kind": "host", "id": "b", "addresses": ["10.0.0.2"]}
BUCKET: Node = {
    "kind": "storage",
    "id": "bucket",
    "storage": "s3",
    "server": "s3.example.org",
    "credentials": "keys",
}


def _database(engine: str = "postgresql", /, **fields: Any) -> Node:
    return {"kind": "database", "id": "db", "engine": engine, "backup": {}, **fields}


def _texts(*parts: Node) -> set[str]:
    return {str(finding) for finding in lowered(*parts).findings}


def test_a_database_is_dumped_by_a_timer_and_the_last_copies_stay() -> None:
    backup = {"schedule": "*-*-* 03:00:00", "keep_count": 3}
    systemd = options(_database(databases=["app"], backup=backup))["systemd"]
    assert systemd["timers"]["shop-backup-db"] == {
        "description": "When db is copied",
        "timerConfig": {"OnCalendar": "*-*-* 03:00:00", "Persistent": True, "RandomizedDelaySec": "15min"},
        "wantedBy": ["timers.target"],
    }
    unit = systemd["services"]["shop-backup-db"]
    assert "pg_dump --port=5432 --format=custom --dbname=app" in unit["script"]
    assert "head --lines=-3 |" in unit["script"]
    assert unit["requires"] == ["postgresql.target"]
    assert unit["serviceConfig"]["ProtectSystem"] == "strict"
    assert unit["serviceConfig"]["ReadWritePaths"] == ["/var/backup/shop/db"]
    assert "d /var/backup/shop/db 0700 root root -" in systemd["tmpfiles"]["rules"]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (_database("mysql", databases=["m"]), "mysqldump --user=root --single-transaction"),
        (_database("mariadb"), "mariadb-dump --user=root --single-transaction --routines --events --all-dat"),
        (_database("redis", password="pw"), 'redis-cli -h 127.0.0.1 -p 6379 --rdb "$new/dump.rdb"'),
        (_database("mongodb"), 'mongodump --port=27017 --gzip --archive="$new/all.archive.gz"'),
        (_database("sqlite"), "for file in /var/lib/shop/db/*; do"),
        (
            _database(image="postgres:16", mounts=[{"source": "/x", "target": "/y"}]),
            "podman exec shop-db pg_dump",
        ),
    ],
)
def test_each_engine_is_copied_by_its_own_tool(node: Node, words: str) -> None:
    assert words in options(node)["systemd"]["services"]["shop-backup-db"]["script"]


def test_the_password_of_a_server_comes_from_the_units_credentials() -> None:
    unit = options(_database("redis", password="pw"))["systemd"]["services"]["shop-backup-db"]
    assert unit["serviceConfig"]["LoadCredential"] == ["pw:/run/secrets/pw"]
    assert 'REDISCLI_AUTH=$(cat "$CREDENTIALS_DIRECTORY/pw")' in unit["script"]


def test_a_dump_can_lie_on_a_mounted_storage_which_the_host_then_mounts() -> None:
    share: Node = {"kind": "storage", "id": "share", "storage": "nfs", "host": "b"}
    parts = (A, B, share, _database(host="a", backup={"to": "share"}))
    here, there = options(*parts, host="a"), options(*parts, host="b")
    assert here["fileSystems"]["/var/lib/shop/share"]["device"] == "10.0.0.2:/var/lib/shop/share"
    unit = here["systemd"]["services"]["shop-backup-db"]
    assert unit["unitConfig"]["RequiresMountsFor"] == ["/var/lib/shop/share"]
    assert "copies=/var/lib/shop/share/shop-db\n" in unit["script"]
    assert "10.0.0.1(rw,sync" in there["services"]["nfs"]["server"]["exports"]
    assert "db -> share (backup)" in there["networking"]["firewall"]["extraInputRules"]


def test_a_dump_for_a_bucket_is_sent_by_restic_after_it_was_made() -> None:
    found = options(_database(backup={"to": "bucket", "keep_count": 5}), BUCKET)
    restic = found["services"]["restic"]["backups"]["shop-db"]
    assert restic["repository"] == "s3:https://s3.example.org/bucket/shop-db"
    assert restic["passwordFile"] == "/run/secrets/db-backup"
    assert restic["environmentFile"] == "/run/secrets/keys"
    assert restic["pruneOpts"] == ["--keep-last 5"]
    assert restic["paths"] == ["/var/backup/shop/db"]
    assert found["systemd"]["services"]["restic-backups-shop-db"]["requires"] == ["shop-backup-db.service"]
    assert "timers" not in found["systemd"], "restic's own timer starts both"
    assert "head --lines=-1 |" in found["systemd"]["services"]["shop-backup-db"]["script"]


def test_a_storage_is_copied_by_restic_from_where_it_lies() -> None:
    volume: Node = {"kind": "storage", "id": "vol", "backup": {"to": "bucket", "password": "pass"}}
    box: Node = {"kind": "service", "id": "box", "image": "nginx:1"}
    edge: Node = {"kind": "mounts_volume", "source": "box", "target": "vol", "path": "/v"}
    restic = options(volume, BUCKET, box, edge)["services"]["restic"]["backups"]["shop-vol"]
    assert restic["paths"] == ["/var/lib/containers/storage/volumes/shop_vol/_data"]
    assert restic["passwordFile"] == "/run/secrets/pass"


def test_a_storage_that_holds_copies_is_a_directory_and_no_volume_of_podmans() -> None:
    keep: Node = {"kind": "storage", "id": "keep", "host": "a"}
    found = options(A, keep, _database(host="a", backup={"to": "keep"}), host="a")
    assert "d /var/lib/shop/keep 0755 root root -" in found["systemd"]["tmpfiles"]["rules"]


def test_a_copy_on_the_same_host_is_worth_a_word() -> None:
    assert (
        "info backup-beside: db: its backup lies on the same host, and is lost with it; "
        "name an nfs or s3 storage of elsewhere in `to`"
    ) in _texts(_database())
    assert not any("backup-beside" in text for text in _texts(_database(backup={"to": "bucket"}), BUCKET))


@pytest.mark.parametrize("target", ["nobody", "db", "disk", "open-bucket"])
def test_a_backup_goes_to_a_storage_within_reach(target: str) -> None:
    elsewhere: Node = {"kind": "storage", "id": "disk", "host": "b"}
    without_keys = {**BUCKET, "id": "open-bucket", "credentials": None}
    texts = _texts(A, B, elsewhere, without_keys, _database(host="a", backup={"to": target}))
    assert (
        f"error backup-target: db: its backup goes to {target}, which is no storage that a can reach; "
        "name a storage of the same host, or an nfs or s3 storage"
    ) in texts


def test_what_cannot_be_copied_is_said() -> None:
    node = _database("redis", image="redis:7", mounts=[{"source": "/x", "target": "/y"}])
    assert (
        "warning backup-by-hand: db: has a backup, and runs in a way from which no copy can be taken; "
        "copy it yourself"
    ) in _texts(node)


@pytest.mark.parametrize("schedule", ["", "daily\nExecStart=x", "$(id)", "; rm", "-x"])
def test_a_schedule_is_spelled_as_systemd_spells_one(schedule: str) -> None:
    with pytest.raises(ValueError, match="String should match pattern"):
        graph_of(_database(backup={"schedule": schedule}))


def test_nothing_is_copied_of_a_storage_that_is_not_mounted() -> None:
    disk: Node = {"kind": "storage", "id": "disk", "storage": "block", "device": "/dev/sdb", "backup": {}}
    unit = options(disk)["systemd"]["services"]["restic-backups-shop-disk"]["unitConfig"]
    assert unit == {
        "AssertPathIsMountPoint": "/var/lib/shop/disk",
        "RequiresMountsFor": ["/var/lib/shop/disk"],
    }
    own: Node = {"kind": "storage", "id": "disk", "path": "/srv/d", "backup": {}}
    unit = options(own)["systemd"]["services"]["restic-backups-shop-disk"]["unitConfig"]
    assert unit == {"RequiresMountsFor": ["/srv/d"]}


def test_files_of_a_running_database_are_no_backup_of_it() -> None:
    data: Node = {"kind": "storage", "id": "data", "backup": {}}
    edge: Node = {"kind": "mounts_volume", "source": "db", "target": "data", "path": "/d"}
    assert (
        "warning backup-of-live-data: data: db keeps its data there, and files copied while they change may "
        "not be restored; put `backup` on db"
    ) in _texts({"kind": "database", "id": "db", "engine": "postgresql"}, data, edge)
