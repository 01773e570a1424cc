"""A graph with every shape of monitoring on it, and programs that run what was generated for it."""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.lowering import Node
from tests.support.monitoring_cases import monitor, watches

_PATIENCE_S = 60
METRICS = b'# TYPE orders_total counter\norders_total{shop="one"} 7\n'
EVERY_ENGINE = ("db", "standby", "blog", "cache", "cart", "bus", "gate", "edge", "queue", "documents")


def everything() -> list[Node]:
    """Two hosts with every engine that has metrics, and every monitoring program to watch them."""
    return [
        {"kind": "host", "id": "front", "addresses": ["10.0.0.1", "fd00::1"]},
        {"kind": "host", "id": "back", "addresses": ["10.0.0.2"]},
        {"kind": "database", "id": "db", "engine": "postgresql", "host": "front"},
        {"kind": "database", "id": "standby", "engine": "postgresql", "host": "back"},
        {"kind": "replicates", "source": "standby", "target": "db"},
        {"kind": "database", "id": "blog", "engine": "mariadb", "host": "front"},
        {"kind": "database", "id": "cache", "engine": "redis", "host": "front", "password": "cache-password"},
        {"kind": "database", "id": "cart", "engine": "redis", "host": "front", "port": 6380},
        {"kind": "database", "id": "documents", "engine": "mongodb", "host": "back"},
        {"kind": "message_bus", "id": "bus", "engine": "nats", "host": "front", "jetstream": True},
        {"kind": "message_bus", "id": "queue", "engine": "rabbitmq", "host": "back"},
        {"kind": "load_balancer", "id": "gate", "engine": "nginx", "host": "front"},
        {"kind": "load_balancer", "id": "edge", "engine": "haproxy", "host": "back", "listen": [8080]},
        {"kind": "service", "id": "web", "host": "front", "command": ["/bin/web"], "ports": [{"port": 8000}]},
        {
            "kind": "service",
            "id": "api",
            "host": "back",
            "image": "api",
            "replicas": 2,
            "ports": [{"port": 9}],
        },
        {"kind": "load_balances", "source": "gate", "target": "web"},
        {"kind": "load_balances", "source": "edge", "target": "web"},
        *_programs(),
    ]


def _programs() -> list[Node]:
    email = {
        "to": "ops@example.org",
        "sender": "alerts@example.org",
        "smarthost": "mail.example.org:587",
        "username": "alerts",
        "password": "mail-password",
    }
    receivers: list[Node] = [
        {"name": "chat", "webhook": "chat-url"},
        {"name": "mail", "email": email, "severity": "critical"},
    ]
    programs = ("alerts", "logs", "prober", "board")
    edges = [watches("watch", target) for target in (*EVERY_ENGINE, "api", "front", "back", *programs)]
    return [
        monitor("prometheus", "watch", host="back", retention_ms=30 * 86_400_000),
        *edges,
        watches("watch", "web", path="/internal/metrics?kind=all", interval_ms=5_000),
        monitor("alertmanager", "alerts", host="back", receivers=receivers),
        {"kind": "connects_to", "source": "watch", "target": "alerts"},
        monitor("loki", "logs", host="back", settings={"limits_config.ingestion_rate_mb": 8}),
        watches("logs", "front"),
        watches("logs", "api"),
        monitor("blackbox_exporter", "prober", host="back"),
        watches("prober", "gate", path="/health"),
        watches("prober", "db"),
        watches("prober", "front"),
        monitor("grafana", "board", host="back", settings={"users.default_theme": "dark"}),
        *(watches("board", target) for target in ("watch", "logs", "alerts")),
    ]


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the block ends, and fails the test if it did not."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
        try:
            yield process
            assert process.poll() is None, log.read_text()[-3000:]
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextlib.contextmanager
def metrics_server(port: int) -> Iterator[list[str]]:
    """A program with metrics of its own; yields the paths it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # as the library calls it
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(METRICS)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def query(port: int, expression: str) -> list[Any]:
    """What a prometheus answers; nothing while it does not answer."""
    words = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{words}", timeout=10) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return found


def up(port: int) -> dict[tuple[str, str], str]:
    """`up` by job and node."""
    return {(one["metric"]["job"], one["metric"]["node"]): one["value"][1] for one in query(port, "up")}


def wait_for_page(url: str, word: str) -> str:
    """A page, once it is there and holds a word."""
    give_up_s = time.monotonic() + _PATIENCE_S
    text = ""
    while word not in text:
        assert time.monotonic() < give_up_s, text[-2000:]
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
    return text
