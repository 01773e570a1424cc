"""Redis servers of a generated flake, started for real: a replica follows with the primary's password."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.lowering import Node
from tests.support.native_checks import NativeProgram
from tests.support.processes import free_port
from tests.support.real_flakes import configs_of, hosts
from tests.support.real_redis import RealRedis
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nix, pytest.mark.shared]
SECRETS = {"cache-password": "Pa:55%word$x", "copy-password": "another"}


def _graph() -> list[Node]:
    ends = {"source": "copy", "target": "cache"}
    return [
        *hosts("one", "two"),
        {"kind": "database", "id": "cache", "engine": "redis", "host": "one", "port": free_port()}
        | {"password": "cache-password"},
        {"kind": "database", "id": "copy", "engine": "redis", "host": "two", "port": free_port()}
        | {"password": "copy-password"},
        {"kind": "replicates", **ends, "mode": "sync"},
    ]


@pytest.fixture
async def pair(
    nix: str, shared: Path, native_program: NativeProgram, tmp_path: Path
) -> AsyncIterator[tuple[RealRedis, RealRedis]]:
    """A primary and its replica, both running."""
    found = configs_of(shared, tmp_path / "flake", *_graph())
    servers = (
        RealRedis(found["one"], "cache", tmp_path / "cache", native_program, SECRETS),
        RealRedis(found["two"], "copy", tmp_path / "copy", native_program, SECRETS),
    )
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
        servers[1].unit("shop-auth-copy")
        for server in servers:
            await server.start()
        yield servers


async def test_a_value_set_at_the_primary_is_at_its_replica_which_takes_none_itself(
    pair: tuple[RealRedis, RealRedis],
) -> None:
    primary, replica = pair
    await wait_until(lambda: primary.ask("SET", "greeting", "hello") == "OK")
    await wait_until(lambda: replica.ask("GET", "greeting") == "hello")
    assert replica.ask("SET", "greeting", "x").startswith("READONLY")
    assert primary.ask("GET", "greeting", password=False).startswith("NOAUTH")
    assert replica.ask("GET", "greeting", password=False).startswith("NOAUTH")


async def test_a_primary_of_a_synchronous_replica_refuses_writes_without_it(
    pair: tuple[RealRedis, RealRedis],
) -> None:
    primary, replica = pair
    await wait_until(lambda: primary.ask("SET", "a", "1") == "OK")
    replica.stop()
    await wait_until(lambda: primary.ask("SET", "a", "2").startswith("NOREPLICAS"))
    await replica.start()
    await wait_until(lambda: primary.ask("SET", "a", "3") == "OK")
    await wait_until(lambda: replica.ask("GET", "a") == "3")


async def test_the_password_stands_in_no_option_and_in_one_file_that_only_its_user_reads(
    pair: tuple[RealRedis, RealRedis],
) -> None:
    _, replica = pair
    assert not [secret for secret in SECRETS.values() if secret in str(replica.config)]
    assert "masterAuth" not in replica.config["services"]["redis"]["servers"]["copy"]
    file = replica.folder / "shop-auth-copy" / "masterauth.conf"
    assert file.stat().st_mode & 0o777 == 0o600
