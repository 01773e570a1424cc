"""Databases of generated flakes, started for real: what the primary is told, its replicas have."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.lowering import Node
from tests.support.native_checks import NativeProgram
from tests.support.processes import free_port
from tests.support.real_flakes import configs_of, hosts
from tests.support.real_postgres import RealPostgres
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nix, pytest.mark.shared]
SECRETS = {
    "app-password": 'it\'s \\ "$(app)" :%',
    "db-replication": "re'pli:ca\\tion $x",
    "standby-replication": "second",
}


def _lineage() -> list[Node]:
    ports = [free_port() for _ in range(3)]
    places = zip(("db", "standby", "leaf"), ("one", "two", "three"), ports, strict=True)
    nodes: list[Node] = [
        {"kind": "database", "id": node, "engine": "postgresql", "host": host, "port": port}
        for node, host, port in places
    ]
    nodes[0] |= {
        "databases": ["app"],
        "users": [{"name": "app", "password": "app-password", "owns": ["app"]}],
        "settings": {"max_connections": 120, "max_worker_processes": 9},
    }
    return [
        *hosts("one", "two", "three"),
        *nodes,
        {"kind": "replicates", "source": "standby", "target": "db", "mode": "sync"},
        {"kind": "replicates", "source": "leaf", "target": "standby"},
    ]


@pytest.fixture
async def lineage(
    nix: str, shared: Path, native_program: NativeProgram, ground: Path, tmp_path: Path
) -> AsyncIterator[dict[str, RealPostgres]]:
    """Servers of a primary, its synchronous replica and a replica of that; only the primary runs."""
    found = configs_of(shared, tmp_path, *_lineage())
    with contextlib.ExitStack() as stack:
        servers = {host: RealPostgres(found[host], ground / host, native_program) for host in found}
        for server in servers.values():
            stack.callback(server.stop, signal.SIGQUIT)
        primary = servers["one"]
        await primary.start()
        primary.set_up()
        done = primary.unit("shop-users-db", SECRETS)
        assert (done.returncode, done.stdout) == (0, "")
        yield servers


async def _follow(server: RealPostgres, unit: str) -> None:
    done = server.unit(unit, SECRETS)
    assert done.returncode == 0, done.stdout
    await server.start()


async def test_a_row_written_on_the_primary_is_on_its_replica_and_on_the_replica_s_replica(
    lineage: dict[str, RealPostgres],
) -> None:
    one, two, three = (lineage[name] for name in ("one", "two", "three"))
    await _follow(two, "shop-replica-standby")
    assert two.unit("shop-slots-standby", SECRETS).returncode == 0
    await _follow(three, "shop-replica-leaf")
    one.sql("CREATE TABLE orders (name text)", database="app")
    one.sql("INSERT INTO orders VALUES ('first')", database="app")
    for replica in (two, three):
        await wait_until(partial(_has_one_row, replica))
        assert "read-only transaction" in replica.refused("INSERT INTO orders VALUES ('x')", database="app")
        assert replica.sql("SELECT pg_is_in_recovery()") == "t"
    assert one.sql("SELECT application_name, sync_state FROM pg_stat_replication") == "standby|sync"
    assert one.sql("SELECT slot_name, active FROM pg_replication_slots") == "replica_standby|t"
    assert two.sql("SELECT slot_name, active FROM pg_replication_slots") == "replica_leaf|t"


def _count(server: RealPostgres) -> str:
    """Rows of `orders`, and nothing where the table has not arrived."""
    there = server.sql("SELECT to_regclass('orders') IS NOT NULL", database="app")
    return server.sql("SELECT count(*) FROM orders", database="app") if there == "t" else ""


def _has_one_row(server: RealPostgres) -> bool:
    return _count(server) == "1"


async def test_commits_wait_for_a_synchronous_replica_and_go_on_when_it_is_back(
    lineage: dict[str, RealPostgres],
) -> None:
    one, two = lineage["one"], lineage["two"]
    await _follow(two, "shop-replica-standby")
    one.sql("CREATE TABLE orders (name text)", database="app")
    two.stop()
    insert = one.begin_sql("INSERT INTO orders VALUES ('waited')", database="app")
    await wait_until(
        lambda: one.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"
    )
    assert insert.poll() is None
    await _follow(two, "shop-replica-standby")
    assert insert.wait(timeout=60) == 0
    assert _count(two) == "1"


async def test_a_killed_primary_comes_back_and_its_replica_follows_it_again(
    lineage: dict[str, RealPostgres],
) -> None:
    one, two = lineage["one"], lineage["two"]
    await _follow(two, "shop-replica-standby")
    one.sql("CREATE TABLE orders (name text)", database="app")
    one.stop(signal.SIGKILL)
    assert two.sql("SELECT count(*) FROM orders", database="app") == "0"
    await one.start()
    assert one.unit("shop-users-db", SECRETS).returncode == 0
    one.sql("INSERT INTO orders VALUES ('after')", database="app")
    await wait_until(lambda: _count(two) == "1")


async def test_the_unit_of_a_replica_may_be_killed_at_any_step_and_run_again(
    lineage: dict[str, RealPostgres],
) -> None:
    one, two = lineage["one"], lineage["two"]
    killed = two.begin_unit("shop-replica-standby", SECRETS)
    await wait_until((two.data / ".receiving").exists)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert not (two.data / "PG_VERSION").exists()
    done = two.unit("shop-replica-standby", SECRETS)
    assert done.returncode == 0, done.stdout
    _take_back(two)
    await _follow(two, "shop-replica-standby")
    assert two.sql("SELECT pg_is_in_recovery()") == "t"
    assert not (two.data / ".received").exists()
    again = two.unit("shop-replica-standby", SECRETS)
    assert (again.returncode, again.stdout) == (0, "")
    assert one.sql("SELECT count(*) FROM pg_stat_replication") == "1"


def _take_back(server: RealPostgres) -> None:
    """The state in which a unit is that was killed while it moved what it had received to its place."""
    received = server.data / ".received"
    server.command("mkdir", str(received))
    for name in ("PG_VERSION", "global", "standby.signal"):
        server.command("mv", str(server.data / name), str(received))


async def test_a_server_that_was_promoted_is_left_as_it_is_and_says_so(
    lineage: dict[str, RealPostgres],
) -> None:
    two = lineage["two"]
    await _follow(two, "shop-replica-standby")
    two.sql("SELECT pg_promote()")
    done = two.unit("shop-replica-standby", SECRETS)
    assert done.returncode == 0
    assert "standby follows nobody" in done.stdout
    assert two.sql("SELECT pg_is_in_recovery()") == "f"


async def test_passwords_work_as_they_are_and_stand_in_no_log_and_no_public_file(
    lineage: dict[str, RealPostgres],
) -> None:
    one, two = lineage["one"], lineage["two"]
    await _follow(two, "shop-replica-standby")
    pgpass = two.run / "shop-replica-standby" / "pgpass"
    assert pgpass.stat().st_mode & 0o777 == 0o600
    one.sql("ALTER SYSTEM SET log_statement = 'all'")
    one.sql("SELECT pg_reload_conf()")
    assert one.unit("shop-users-db", SECRETS).returncode == 0
    for server in (one, two):
        log = server.log.read_text()
        assert not [name for name, secret in SECRETS.items() if secret in log]
    assert _login(one, "app", SECRETS["app-password"]) == "1"


def _login(server: RealPostgres, user: str, password: str) -> str:
    """Log in over the network with a password, as a client would."""
    file = server.run / "client-pgpass"
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    server.command(
        "sh", "-c", 'umask 0077; printf "%s\\n" "$1" > "$2"', "sh", f"*:*:*:*:{escaped}", str(file)
    )
    target: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": user, "dbname": "app"}
    words = " ".join(f"{name}={value}" for name, value in target.items())
    return server.command(
        "psql", "--no-psqlrc", "-At", "-w", "-c", "SELECT 1", f"{words} passfile={file}"
    ).strip()
