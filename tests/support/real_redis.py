"""A real Redis that runs what a generated host says; only its directories are other ones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.native_checks import NativeProgram
from tests.support.nixos_rendering.configs import Config
from tests.support.nixos_rendering.redis import redis_conf
from tests.support.real_units import begin_unit
from tests.support.waiting import wait_until

_TIMEOUT_S = 30
_RUN = re.compile(r"/run/(?=shop-)")


class RealRedis:
    """The Redis `name` of one host."""

    def __init__(
        self,
        config: Config,
        name: str,
        folder: Path,
        native_program: NativeProgram,
        secrets: Mapping[str, str],
    ) -> None:
        self.config, self.name, self.folder, self.secrets = config, name, folder, secrets
        self.port: int = config["services"]["redis"]["servers"][name]["port"]
        self._program = native_program
        self._server: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    async def start(self) -> None:
        """What the unit of NixOS does: the password below the settings, both below what the server keeps."""
        conf = self.folder / "redis.conf"
        text = _RUN.sub(f"{self.folder}/", redis_conf(self.config, self.name, self.folder))
        secret = self._secret()
        text += "repl-diskless-sync-delay 0\n"  # for the tests' sake
        conf.write_text(text + (f"requirepass {self.secrets[secret]}\n" if secret else ""))
        self._spawn(conf)
        await wait_until(self._answers, timeout_s=_TIMEOUT_S)

    def _secret(self) -> str | None:
        """The secret clients must present."""
        file = self.config["services"]["redis"]["servers"][self.name].get("requirePassFile")
        return None if file is None else Path(file).name

    def _spawn(self, conf: Path) -> None:
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._program("redis-server"), conf], stdout=log, stderr=log, cwd=self.folder
            )

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self.folder / "log").read_text()[-2000:]
        return self.ask("PING") == "PONG"

    def ask(self, *words: str, password: bool = True) -> str:
        """What the server answers, errors included."""
        secret = self._secret() if password else None
        done = subprocess.run(
            [self._program("redis-cli"), "-p", str(self.port), *words],
            env={"REDISCLI_AUTH": self.secrets[secret]} if secret else {},
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        return done.stdout.strip()

    def unit(self, name: str) -> None:
        """Run the script of a unit, which must succeed."""
        process = begin_unit(self.config, name, self.folder, self.secrets)
        output, _ = process.communicate(timeout=_TIMEOUT_S)
        assert process.returncode == 0, output

    def stop(self) -> None:
        """Kill the server."""
        if self._server is not None:
            self._server.kill()
            self._server.wait(timeout=_TIMEOUT_S)
            self._server = None
