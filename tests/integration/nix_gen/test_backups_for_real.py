"""Backups of a generated flake, taken and restored for real."""

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lowering import Node, options
from tests.support.native_checks import NativeProgram
from tests.support.processes import free_port
from tests.support.real_flakes import configs_of, hosts
from tests.support.real_mariadb import RealMariadb
from tests.support.real_postgres import RealPostgres
from tests.support.real_redis import RealRedis
from tests.support.real_units import PATH, begin_unit

SECRETS = {"pw": "Pa:55%word$x", "app-password": "word"}
_DATE = """\
#!/bin/sh
count=$(cat "$0.count" 2> /dev/null || echo 0)
echo $((count + 1)) > "$0.count"
printf '2026-01-01T00-00-%02dZ\\n' "$count"
"""
"""A clock that goes on by a second each time it is asked."""


@pytest.fixture
def ground() -> Iterator[Path]:
    """A short path that other users than root may walk through."""
    with tempfile.TemporaryDirectory(prefix="cb-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _database(name: str, engine: str, **fields: Any) -> Node:
    node: Node = {"kind": "database", "id": name, "engine": engine, "backup": {"keep_count": 2}}
    return {**node, **fields}


class Copies:
    """Takes the backup of a node as its unit does, below a folder of the test's."""

    def __init__(self, config: Any, node: str, ground: Path) -> None:
        self.name = f"shop-backup-{node}"
        self.folder = ground / "copies" / node
        self.config = {"systemd": {"services": {self.name: dict(config["systemd"]["services"][self.name])}}}
        self._ground = ground
        (ground / "bin").mkdir(exist_ok=True)
        clock = ground / "bin" / "date"
        clock.write_text(_DATE)
        clock.chmod(0o755)

    def move(self, old: str, new: Path) -> None:
        """Let the script find something elsewhere."""
        unit = self.config["systemd"]["services"][self.name]
        unit["script"] = unit["script"].replace(old, str(new))

    def take(self, **environment: str) -> list[Path]:
        """Run the script once; every copy that is left, oldest first."""
        self.move(f"/var/backup/shop/{self.folder.name}", self.folder)
        path = f"{self._ground}/bin:{environment.pop('PATH', PATH)}"
        process = begin_unit(
            self.config, self.name, self._ground, SECRETS, environment={**environment, "PATH": path}
        )
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return sorted(self.folder.iterdir())


def _restore(server: RealPostgres, file: Path, native_program: NativeProgram) -> None:
    """What the comment of the unit tells a person to do."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    words = ["pg_restore", f"--port={server.port}", "--clean", "--if-exists", "--create", "--dbname=postgres"]
    command = [native_program("setpriv"), *user, *words]
    with file.open("rb") as dump:
        subprocess.run(command, stdin=dump, env=server.environment, check=True, timeout=60, cwd=server.folder)


@pytest.mark.nix
@pytest.mark.shared
async def test_a_dropped_table_comes_back_from_the_copy_of_postgresql(
    nix: str, shared: Path, native_program: NativeProgram, ground: Path, tmp_path: Path
) -> None:
    users = [{"name": "app", "password": "app-password", "owns": ["app"]}]
    node = _database("db", "postgresql", host="one", port=free_port(), databases=["app"], users=users)
    config = configs_of(shared, tmp_path, *hosts("one"), node)["one"]
    server = RealPostgres(config, ground / "one", native_program)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop, signal.SIGQUIT)
        await server.start()
        server.set_up()
        server.sql("CREATE TABLE t AS SELECT 'it''s' AS word", database="app")
        copies = Copies(config, "db", ground)
        (copy,) = copies.take(**server.environment)
        assert {file.name for file in copy.iterdir()} == {"globals.sql", "app.dump"}
        assert stat.S_IMODE(copy.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in copy.iterdir()} == {0o600}
        assert "CREATE ROLE app" in (copy / "globals.sql").read_text()
        server.sql("DROP TABLE t", database="app")
        _restore(server, copy / "app.dump", native_program)
        assert server.sql("SELECT word FROM t", database="app") == "it's"
        for _ in range(3):
            left = copies.take(**server.environment)
        assert [one.name for one in left] == ["2026-01-01T00-00-02Z", "2026-01-01T00-00-03Z"]


@pytest.mark.nix
@pytest.mark.shared
async def test_a_dropped_database_comes_back_from_the_copy_of_mariadb(
    nix: str, shared: Path, native_program: NativeProgram, ground: Path, tmp_path: Path
) -> None:
    node = _database("books", "mariadb", host="one", port=free_port(), databases=["app", "b-2"])
    config = configs_of(shared, tmp_path, *hosts("one"), node)["one"]
    server = RealMariadb(config, ground / "one", native_program, SECRETS)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        await server.start()
        server.sql("CREATE DATABASE app; CREATE DATABASE `b-2`; CREATE TABLE app.t AS SELECT 'it''s' AS word")
        (copy,) = Copies(config, "books", ground).take(**server.environment)
        server.sql("DROP DATABASE app")
        server.sql((copy / "databases.sql").read_text())
        assert server.sql("SELECT word FROM app.t") == "it's"


@pytest.mark.nix
@pytest.mark.shared
async def test_a_new_redis_that_is_given_the_copy_knows_what_the_old_one_knew(
    nix: str, shared: Path, native_program: NativeProgram, ground: Path, tmp_path: Path
) -> None:
    node = _database("cache", "redis", host="one", port=free_port(), password="pw")
    config = configs_of(shared, tmp_path / "flake", *hosts("one"), node)["one"]
    first = RealRedis(config, "cache", tmp_path / "first", native_program, SECRETS)
    second = RealRedis(config, "cache", tmp_path / "second", native_program, SECRETS)
    with contextlib.ExitStack() as stack:
        stack.callback(first.stop)
        stack.callback(second.stop)
        await first.start()
        assert first.ask("SET", "greeting", "hello") == "OK"
        (copy,) = Copies(config, "cache", ground).take()
        first.stop()
        (tmp_path / "second" / "dump.rdb").write_bytes((copy / "dump.rdb").read_bytes())
        await second.start()
        assert second.ask("GET", "greeting") == "hello"


@pytest.mark.skipif(os.geteuid() != 0, reason="the copy's folder is root's")
def test_sqlite_files_are_copied_whole_while_somebody_writes(
    native_program: NativeProgram, ground: Path
) -> None:
    native_program("sqlite3")
    copies = Copies(options(_database("notes", "sqlite")), "notes", ground)
    data = ground / "data"
    data.mkdir()
    copies.move("/var/lib/shop/notes", data)
    (data / "readme.txt").write_text("no database")
    (data / "odd name.db").write_bytes(b"SQLite format 3\0")
    with contextlib.closing(sqlite3.connect(data / "notes.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE t (n)")
        writer.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
        writer.commit()
        writer.execute("INSERT INTO t VALUES (-1)")
        (copy,) = copies.take()
        writer.rollback()
    assert [file.name for file in copy.iterdir()] == ["notes.db"]
    with contextlib.closing(sqlite3.connect(copy / "notes.db")) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert reader.execute("SELECT count(*), min(n) FROM t").fetchone() == (1000, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="the copy's folder is root's")
def test_a_copy_that_fails_leaves_the_older_ones(native_program: NativeProgram, ground: Path) -> None:
    native_program("sqlite3")
    copies = Copies(options(_database("notes", "sqlite")), "notes", ground)
    data = ground / "data"
    data.mkdir()
    copies.move("/var/lib/shop/notes", data)
    with contextlib.closing(sqlite3.connect(data / "notes.db")) as writer:
        writer.execute("CREATE TABLE t (n)")
        writer.commit()
    (first,) = copies.take()
    (data / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(AssertionError):
        copies.take()
    assert first.is_dir()
    assert [one.name for one in copies.folder.iterdir() if not one.name.startswith(".")] == [first.name]
