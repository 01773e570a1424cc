"""nats-servers that run on generated settings: on loopback, each with ports and a store of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.nats_server import die_with_parent, nats_server_path
from tests.support.processes import free_port
from tests.support.waiting import wait_until

LOOPBACK = "127.0.0.1"
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


def on_loopback(documents: Mapping[str, dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """The same servers beside each other: only addresses, ports and store directories are others.

    Args:
        documents: what each server reads, by the address at which its peers dial it.
        folder: for the stores.
    """
    routes = {address: free_port() for address in documents}
    moved = {}
    for address, document in documents.items():
        copy = json.loads(json.dumps(document))
        copy["host"] = LOOPBACK
        copy["port"] = free_port()
        copy["http_port"] = free_port()
        if copy["jetstream"]:
            copy["jetstream"]["store_dir"] = str(folder / address)
        if "cluster" in copy:
            copy["cluster"]["listen"] = f"{LOOPBACK}:{routes[address]}"
            copy["cluster"]["routes"] = [_dialled(route, routes) for route in copy["cluster"]["routes"]]
        moved[address] = copy
    return moved


def _dialled(route: str, ports: Mapping[str, int]) -> str:
    parts = urlsplit(route)
    assert parts.hostname is not None
    return f"{parts.scheme}://{LOOPBACK}:{ports[parts.hostname]}"


class GeneratedServer:
    """One nats-server over one document."""

    def __init__(self, document: dict[str, Any], file: Path) -> None:
        self.name = str(document["server_name"])
        self.url = f"nats://{LOOPBACK}:{document['port']}"
        self._monitoring_url = f"http://{LOOPBACK}:{document['http_port']}"
        self._file = file
        self._log = file.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        file.write_text(json.dumps(document), encoding="utf-8")

    def check(self) -> str:
        """What `nats-server -t` says of the document, which it must accept."""
        done = subprocess.run(
            [nats_server_path(), "-t", "-c", self._file],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start(self) -> None:
        """Start; `wait` says when it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [nats_server_path(), "-c", self._file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only calls prctl
            )

    async def wait(self) -> None:
        """Return when it is healthy: its JetStream has found its peers."""
        await wait_until(self._is_healthy, timeout_s=_START_TIMEOUT_S)

    def _is_healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-2000:]
        try:
            with urllib.request.urlopen(f"{self._monitoring_url}/healthz", timeout=5):
                return True
        except OSError:  # what urllib raises is one, too
            return False

    def routes(self) -> list[dict[str, Any]]:
        """The connections to other members."""
        with urllib.request.urlopen(f"{self._monitoring_url}/routez", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["routes"]
        return found

    def log(self) -> str:
        """Everything that it has logged so far."""
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> None:
        """Stop in good order; idempotent."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
