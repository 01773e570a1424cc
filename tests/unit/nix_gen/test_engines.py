"""Engines in containers: nobody gets in without a password, and no password is an argument."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.lowering import Node, codes, options
from tests.support.native_checks import NativeProgram
from tests.support.processes import free_port

OWN = {"source": "/x", "target": "/y"}
PASSWORD = 'a"b\\c $(echo no) `x` %s'


def _container(**fields: object) -> Node:
    return {"kind": "database", "id": "db", "mounts": [OWN], **fields}


def _options(**fields: object) -> Node:
    host = options(_container(**fields))
    found: Node = host["virtualisation"]["oci-containers"]["containers"]["shop-db"]
    return found


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, True),
        ({"users": [{"name": "app"}]}, True),
        ({"users": [{"name": "app", "password": "pw"}]}, False),
        ({"environment": {"POSTGRES_HOST_AUTH_METHOD": "trust"}}, False),
        ({"secrets": [{"name": "pw", "env": "POSTGRES_PASSWORD"}]}, False),
    ],
)
def test_a_postgresql_container_has_a_password_or_is_refused_unless_the_graph_says_otherwise(
    fields: Node, *, refused: bool
) -> None:
    assert ("database-open" in codes(_container(engine="postgresql", **fields))) is refused
    if "environment" not in fields:
        assert "trust" not in str(_options(engine="postgresql", **fields))


def test_the_password_of_a_redis_container_reaches_the_server_and_no_argument(
    native_program: NativeProgram, tmp_path: Path
) -> None:
    words = _options(engine="redis", password="pw", port=free_port())["cmd"]
    (tmp_path / "pw").write_text(f"{PASSWORD}\n")
    program = native_program("redis-server")
    port = int(words[words.index("--port") + 1])
    real = [word.replace("/run/secrets", str(tmp_path)) for word in words]
    real[real.index("redis-server")] = program
    with subprocess.Popen(real, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        assert server.stdout is not None
        try:
            assert any("Ready to accept" in line for line in server.stdout)
            assert _answers(port, "wrong") == b"-WRONGPASS"
            assert _answers(port, PASSWORD) == b"+OK"
            assert PASSWORD not in Path(f"/proc/{server.pid}/cmdline").read_text()
        finally:
            server.terminate()


def _answers(port: int, password: str) -> bytes:
    secret = password.encode()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(secret), secret))
        return client.recv(1024).split()[0]


def test_the_volume_of_a_bus_is_never_that_of_a_storage_with_a_similar_name() -> None:
    bus = {"kind": "message_bus", "id": "q", "jetstream": True, "mounts": [OWN]}
    store = {"kind": "storage", "id": "q-jetstream"}
    app = {"kind": "service", "id": "app", "image": "app:1"}
    mount = {"kind": "mounts_volume", "source": "app", "target": "q-jetstream", "path": "/d"}
    found = options(bus, store, app, mount)["virtualisation"]["oci-containers"]["containers"]
    assert "shop_q.jetstream:/data" in found["shop-q"]["volumes"]
    assert found["shop-app"]["volumes"] == ["shop_q-jetstream:/d"]


def test_an_ordinary_user_of_a_mongodb_never_becomes_its_root() -> None:
    plain = {"name": "x", "password": "one", "owns": ["x"]}
    root = {"name": "admin", "password": "two", "superuser": True}
    database = {"kind": "database", "id": "db", "engine": "mongodb", "mounts": [OWN]}
    assert "no-administrator" in codes({**database, "users": [plain]})
    parts = {**database, "users": [plain, root]}
    assert "no-administrator" not in codes(parts)
    container = options(parts)["virtualisation"]["oci-containers"]["containers"]["shop-db"]
    assert container["environment"]["MONGO_INITDB_ROOT_USERNAME"] == "admin"
