"""A real PostgreSQL server that runs what a generated host says: its settings, access rules and unit scripts.

Changed, because this is one machine without systemd: the data directory, the directory of the socket, and
the paths below /run of the units. Everything else is the flake's own text.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.native_checks import NativeProgram
from tests.support.nixos_rendering.configs import Config, option
from tests.support.nixos_rendering.postgresql import pg_hba, pg_ident, postgresql_conf
from tests.support.real_units import begin_unit
from tests.support.waiting import wait_until

_TIMEOUT_S = 60
_RUN = re.compile(r"/run/(?=shop-)")


class RealPostgres:
    """The PostgreSQL of one host. `folder` is the server's own and belongs to its user."""

    def __init__(self, config: Config, folder: Path, native_program: NativeProgram) -> None:
        self.config = config
        self.folder = folder
        self.data = folder / "data"
        self.run = folder / "run"
        self.log = folder / "log"
        self.port: int = option(config, "services", "postgresql", "settings", "port")
        self._binaries = Path(native_program("postgres")).resolve().parent
        self._as_user = _words_of_user(native_program)
        self._server: subprocess.Popen[bytes] | None = None
        for place in (folder, self.run):
            place.mkdir(exist_ok=True)
            shutil.chown(place, "postgres", "postgres")

    @property
    def environment(self) -> dict[str, str]:
        """What every program of this server is started with."""
        path = f"{self._binaries}:/usr/bin:/bin:/usr/sbin:/sbin"
        return {"PATH": path, "PGHOST": str(self.run), "PGDATA": str(self.data), "LC_ALL": "C"}

    async def start(self) -> None:
        """What `postgresql.service` does: initdb where there is nothing, link the settings, run."""
        texts = {
            "postgresql.conf": postgresql_conf(self.config, self.folder)
            + f"unix_socket_directories = '{self.run}'\nfsync = off\n",
            "pg_hba.conf": pg_hba(self.config),
            "pg_ident.conf": pg_ident(self.config),
        }
        for name, text in texts.items():
            (self.folder / name).write_text(_RUN.sub(f"{self.run}/", text))
        if not (self.data / "PG_VERSION").exists():
            self.command("initdb", "--username=postgres", "--no-sync", str(self.data))
        link = self.data / "postgresql.conf"
        link.unlink(missing_ok=True)
        link.symlink_to(self.folder / "postgresql.conf")
        self._spawn()
        await wait_until(self._answers, timeout_s=_TIMEOUT_S)

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [*self._as_user, "postgres"], env=self.environment, stdout=log, stderr=log, cwd=self.run
            )

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, self.log.read_text()[-3000:]
        return self._run(["pg_isready", "--quiet", f"--port={self.port}"]).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT as systemd does, SIGKILL as a crash does."""
        if self._server is None:
            return
        self._server.send_signal(how)
        self._server.wait(timeout=_TIMEOUT_S)
        self._server = None

    def command(self, *words: str) -> str:
        """Output of a program that must succeed, run as the server's user."""
        done = self._run(list(words))
        assert done.returncode == 0, f"{' '.join(words)[:200]}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """The one value a statement gives, as text."""
        words = [f"--port={self.port}", f"--dbname={database}", "--no-align", "--tuples-only", "--quiet"]
        return self.command(
            "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", *words, f"--command={statement}"
        ).strip()

    def begin_sql(self, statement: str, *, database: str) -> subprocess.Popen[bytes]:
        """Send a statement and do not wait for its end."""
        words = ["psql", "--no-psqlrc", "--quiet", f"--port={self.port}", f"--dbname={database}"]
        return subprocess.Popen(
            [*self._as_user, *words, f"--command={statement}"], env=self.environment, cwd=self.run
        )

    def refused(self, statement: str, *, database: str = "postgres") -> str:
        """What the server says to a statement that it must refuse."""
        words = [f"--port={self.port}", f"--dbname={database}", f"--command={statement}"]
        done = self._run(["psql", "--no-psqlrc", "--quiet", *words])
        assert done.returncode != 0, done.stdout
        return done.stderr

    def set_up(self) -> None:
        """What `postgresql-setup.service` does with databases and users, in its environment."""
        service = option(self.config, "services", "postgresql")
        lines = [f'CREATE DATABASE "{name}";' for name in service.get("ensureDatabases", [])]
        for user in service.get("ensureUsers", []):
            lines.append(f'CREATE ROLE "{user["name"]}" LOGIN;')
            if user.get("ensureDBOwnership"):
                lines.append(f'ALTER DATABASE "{user["name"]}" OWNER TO "{user["name"]}";')
        environment = option(
            self.config, "systemd", "services", "postgresql-setup", "environment", default={}
        )
        for line in lines:
            words = ["psql", "--no-psqlrc", "--quiet", f"--port={self.port}", "--set=ON_ERROR_STOP=1"]
            done = self._run([*words, "--dbname=postgres", f"--command={line}"], environment)
            assert done.returncode == 0, done.stderr

    def unit(self, name: str, secrets: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the script of a unit as NixOS does, with credentials and directories as systemd gives them."""
        process = self.begin_unit(name, secrets)
        output, _ = process.communicate(timeout=_TIMEOUT_S)
        return subprocess.CompletedProcess(name, process.returncode, output, "")

    def begin_unit(self, name: str, secrets: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start the script of a unit, in a process group of its own."""
        return begin_unit(
            self.config,
            name,
            self.run,
            secrets,
            words=self._as_user,
            owner="postgres",
            environment=self.environment,
        )

    def _run(
        self, words: list[str], more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._as_user, *words],
            env=self.environment | dict(more or {}),
            cwd=self.run,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )


def _words_of_user(native_program: NativeProgram) -> list[str]:
    """Words that run a program as `postgres`: the server refuses root, and its rules know that name."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a server as the user postgres")
    words = ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--inh-caps=-all"]
    return [native_program("setpriv"), *words, "--"]
