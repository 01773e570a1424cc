"""MariaDB servers of a generated flake, started for real: a replica has what was before it, and follows."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.lowering import Node
from tests.support.native_checks import NativeProgram
from tests.support.processes import free_port
from tests.support.real_flakes import configs_of, hosts
from tests.support.real_mariadb import RealMariadb
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nix, pytest.mark.shared]
SECRETS = {
    "blog-password": 'it\'s \\ "$(app)" `:%',
    "blog-replication": "re'pli\\ca\"tion $x",
    "copy-replication": "other",
}


def _graph() -> list[Node]:
    nodes: list[Node] = [
        {"kind": "database", "id": node, "engine": "mariadb", "host": host, "port": free_port()}
        for node, host in (("blog", "one"), ("copy", "two"), ("leaf", "three"))
    ]
    nodes[0] |= {
        "databases": ["blog"],
        "users": [{"name": "blog", "password": "blog-password", "owns": ["blog"]}],
    }
    return [
        *hosts("one", "two", "three"),
        *nodes,
        {"kind": "replicates", "source": "copy", "target": "blog"},
        {"kind": "replicates", "source": "leaf", "target": "copy"},
    ]


@pytest.fixture
async def lineage(
    nix: str, shared: Path, native_program: NativeProgram, ground: Path, tmp_path: Path
) -> AsyncIterator[dict[str, RealMariadb]]:
    """A running primary with a row from before, and two servers that are to follow."""
    found = configs_of(shared, tmp_path, *_graph())
    with contextlib.ExitStack() as stack:
        servers = {host: RealMariadb(found[host], ground / host, native_program, SECRETS) for host in found}
        for server in servers.values():
            stack.callback(server.stop)
        primary = servers["one"]
        await primary.start()
        primary.sql(
            "CREATE DATABASE blog; CREATE TABLE blog.posts (name TEXT); INSERT INTO blog.posts VALUES ('old')"
        )
        primary.unit("shop-users-blog")
        yield servers


def _posts(server: RealMariadb) -> str:
    status, output = server.ask("SELECT GROUP_CONCAT(name ORDER BY name) FROM blog.posts")
    return output if status == 0 else ""


def _has(server: RealMariadb, posts: str) -> bool:
    return _posts(server) == posts


async def test_rows_from_before_and_after_are_on_the_replica_and_on_the_replica_s_replica(
    lineage: dict[str, RealMariadb],
) -> None:
    one, two, three = (lineage[name] for name in ("one", "two", "three"))
    await two.start()
    two.unit("shop-replica-copy")
    await three.start()
    three.unit("shop-replica-leaf")
    one.sql("INSERT INTO blog.posts VALUES ('new')")
    for replica in (two, three):
        await wait_until(partial(_has, replica, "new,old"))
        assert replica.sql("SELECT @@read_only") == "1"
        assert replica.sql("SELECT count(*) FROM mysql.user WHERE user = 'blog'") == "1"
    two.unit("shop-replica-copy")
    one.stop()
    assert _posts(two) == "new,old"
    await one.start()
    one.unit("shop-users-blog")
    one.sql("INSERT INTO blog.posts VALUES ('after')")
    await wait_until(lambda: _posts(three) == "after,new,old")


async def test_the_unit_of_a_replica_may_be_killed_while_it_copies_and_run_again(
    lineage: dict[str, RealMariadb],
) -> None:
    one, two = lineage["one"], lineage["two"]
    await two.start()
    killed = two.begin_unit("shop-replica-copy")
    await wait_until((two.folder / "shop-replica-copy" / "client.cnf").exists)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert not (two.data / ".copied").exists()
    two.unit("shop-replica-copy")
    one.sql("INSERT INTO blog.posts VALUES ('new')")
    await wait_until(lambda: _posts(two) == "new,old")


async def test_the_password_of_a_replica_is_in_no_option_and_in_a_file_of_root_s_alone(
    lineage: dict[str, RealMariadb],
) -> None:
    two = lineage["two"]
    await two.start()
    two.unit("shop-replica-copy")
    assert (two.folder / "shop-replica-copy" / "client.cnf").stat().st_mode & 0o777 == 0o600
    assert not [secret for secret in SECRETS.values() if secret in str(two.config)]
    assert SECRETS["blog-replication"] not in (two.folder / "log").read_text()
