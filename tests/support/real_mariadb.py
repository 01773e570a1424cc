"""A real MariaDB that runs what a generated host says; only its directories are other ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.native_checks import NativeProgram
from tests.support.nixos_rendering.configs import Config
from tests.support.nixos_rendering.mysql import my_cnf
from tests.support.real_units import PATH, begin_unit
from tests.support.waiting import wait_until

_TIMEOUT_S = 60
_SMALL = ("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--innodb-flush-method=nosync")
"""For the tests' sake."""


class RealMariadb:
    """The MariaDB of one host. `folder` is the server's own."""

    def __init__(
        self, config: Config, folder: Path, native_program: NativeProgram, secrets: Mapping[str, str]
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can run a server as the user mysql")
        self.config, self.folder, self.secrets = config, folder, secrets
        self.data, self.socket = folder / "data", folder / "socket"
        self.port: int = config["services"]["mysql"]["settings"]["mysqld"]["port"]
        self._program = native_program("mariadbd")
        self._install = native_program("mariadb-install-db")
        self._server: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / ".my.cnf").write_text(f"[client]\nsocket={self.socket}\n")
        shutil.chown(folder, "mysql", "mysql")

    @property
    def environment(self) -> dict[str, str]:
        """What every client is started with; it finds the socket in the settings of its home."""
        return {"PATH": PATH, "LC_ALL": "C", "HOME": str(self.folder)}

    async def start(self) -> None:
        """What `mysql.service` does: make the data directory where there is none, run."""
        conf = self.folder / "my.cnf"
        conf.write_text(my_cnf(self.config))
        if not self.data.exists():
            words = ["--auth-root-authentication-method=socket", "--skip-test-db", "--user=mysql", *_SMALL]
            self._run([self._install, "--no-defaults", *words, f"--datadir={self.data}"])
        self._spawn(conf)
        await wait_until(self._answers, timeout_s=_TIMEOUT_S)

    def _spawn(self, conf: Path) -> None:
        words = [f"--datadir={self.data}", f"--socket={self.socket}", "--user=mysql"]
        words += [f"--pid-file={self.folder}/pid", "--innodb-flush-log-at-trx-commit=0", *_SMALL]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._program, f"--defaults-file={conf}", *words], stdout=log, stderr=log
            )

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self.folder / "log").read_text()[-3000:]
        return self.ask("SELECT 1")[0] == 0

    def ask(self, statement: str) -> tuple[int, str]:
        """Exit status, and what the server answers to a statement of the host's own root."""
        done = subprocess.run(
            [
                "mariadb",
                "--user=root",
                "--skip-column-names",
                "--batch",
                "--execute",
                statement,
            ],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def sql(self, statement: str) -> str:
        """What a statement that must succeed gives."""
        status, output = self.ask(statement)
        assert status == 0, output
        return output

    def _run(self, words: list[str]) -> None:
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def begin_unit(self, name: str) -> subprocess.Popen[str]:
        """Start the script of a unit of this host, as root."""
        environment = self.environment | {"DATA_DIRECTORY": str(self.data)}
        return begin_unit(self.config, name, self.folder, self.secrets, environment=environment)

    def unit(self, name: str) -> str:
        """Output of the script of a unit, which must succeed."""
        process = self.begin_unit(name)
        output, _ = process.communicate(timeout=_TIMEOUT_S)
        assert process.returncode == 0, output
        return output

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the server."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(timeout=_TIMEOUT_S)
            self._server = None
