"""Real nginx and haproxy, started from what is generated, balance over real backends."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nix_gen import translate
from nix_gen.graph import Graph
from tests.support.native_checks import NativeProgram
from tests.support.nix_tools import gather
from tests.support.nixos_rendering import haproxy_cfg, host_configs, nginx_conf
from tests.support.processes import free_port
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nix, pytest.mark.shared]
Ask = Callable[..., str]
"""(name, path) -> which backend answered, or the status."""


class Backend:
    """A web server that says who it is."""

    def __init__(self, name: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def backends() -> Iterator[dict[str, Backend]]:
    made = {name: Backend(name) for name in ("heavy", "light", "spare")}
    yield made
    for backend in made.values():
        backend.stop()


def _graph(engine: str, mode: str, listen: int, backends: dict[str, Backend]) -> Graph:
    gate: dict[str, Any] = {
        "kind": "load_balancer", "id": "gate", "engine": engine, "mode": mode, "listen": [listen],
        "max_fails": 1, "fail_timeout_ms": 150, "connect_timeout_ms": 1000,
    }  # fmt: skip
    edges: list[dict[str, Any]] = [{"weight": 3}, {"weight": 1}, {"backup": True}]
    if mode == "http":
        gate["virtual_hosts"] = [{"name": "all.example"}, {"name": "one.example"}, {"name": "_"}]
        edges = [{**edge, "virtual_host": "all.example"} for edge in edges]
    nodes = [
        {"kind": "service", "id": name, "package": "hello", "ports": [{"port": backend.port}]}
        for name, backend in backends.items()
    ]
    links = [{"source": "gate", "target": name, **edge} for name, edge in zip(backends, edges, strict=True)]
    if mode == "http":
        links += [
            {"source": "gate", "target": "light", "virtual_host": "one.example"},
            {"source": "gate", "target": "heavy", "virtual_host": "one.example", "path": "/heavy"},
            {"source": "gate", "target": "spare", "virtual_host": "_"},
        ]
    edges = [{"kind": "load_balances", **link} for link in links]
    return Graph.model_validate({"name": "real", "nodes": [gate, *nodes], "edges": edges})


@contextlib.contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[Ask]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:

            def ask(name: str = "all.example", path: str = "/") -> str:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                with contextlib.closing(connection):
                    connection.request("GET", path, headers={"Host": name, "Connection": "close"})
                    answer = connection.getresponse()
                    return answer.read().decode() if answer.status == 200 else str(answer.status)

            yield ask
        finally:
            process.terminate()
            process.wait(timeout=10)


@pytest.mark.parametrize("mode", ["http", "tcp"])
@pytest.mark.parametrize("engine", ["nginx", "haproxy"])
async def test_requests_follow_weights_names_and_paths_and_the_backup_takes_over(
    engine: str, mode: str, nix: str, shared: Path, native_program: NativeProgram, tmp_path: Path,
    backends: dict[str, Backend],
) -> None:  # fmt: skip
    port = free_port()
    gather({"real": translate(_graph(engine, mode, port, backends))}, tmp_path)
    config = host_configs(shared, tmp_path)["real-real"]
    file = tmp_path / "configuration"
    if engine == "nginx":
        text = nginx_conf(config, run_dir=str(tmp_path))
        command = [native_program("nginx"), "-e", "stderr", "-c", str(file)]
    else:
        text = haproxy_cfg(config, run_dir=str(tmp_path))
        command = [native_program("haproxy"), "-f", str(file)]
    assert text is not None
    file.write_text(text)
    with _running(command, port, tmp_path / "log") as ask:
        await wait_until(lambda: _answers(ask))
        counts = Counter(ask() for _ in range(40))
        assert set(counts) == {"heavy", "light"}
        assert 26 <= counts["heavy"] <= 34, counts
        if mode == "http":
            assert {ask("one.example") for _ in range(4)} == {"light"}
            assert {ask("one.example", "/heavy/x") for _ in range(4)} == {"heavy"}
            assert {ask("other.example") for _ in range(4)} == {"spare"}
        backends.pop("heavy").stop()
        await wait_until(lambda: _answers(ask, "light"))
        backends.pop("light").stop()
        await wait_until(lambda: _answers(ask, "spare"))
        assert {ask() for _ in range(8)} == {"spare"}


def _answers(ask: Ask, name: str = "") -> bool:
    try:
        return (ask() == name) if name else ask() != ""
    except (OSError, http.client.HTTPException):
        return False
