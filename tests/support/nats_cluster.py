"""A real cluster of nats-servers on loopback, each with a store of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.support.nats_server import RealServer
from tests.support.processes import free_port

_CLUSTER = """\
server_name: "n{index}"
cluster {{ name: "test", listen: "127.0.0.1:{port}", routes: [{routes}] }}
"""


class RealCluster:
    """`size` servers that know one another; any of them may be killed and started again."""

    def __init__(self, folder: Path, *, size: int = 3) -> None:
        ports = [free_port() for _ in range(size)]
        routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports)
        self.servers: list[RealServer] = []
        for index, port in enumerate(ports):
            place = folder / f"n{index}"
            place.mkdir()
            extra = _CLUSTER.format(index=index, port=port, routes=routes)
            self.servers.append(RealServer(place, extra=extra))

    @property
    def url(self) -> str:
        """All servers, separated by commas."""
        return ",".join(server.url for server in self.servers)

    def named(self, name: str) -> RealServer:
        """The server that JetStream calls `name`."""
        return self.servers[int(name.removeprefix("n"))]


@contextlib.contextmanager
def real_cluster(folder: Path) -> Iterator[RealCluster]:
    """A running cluster for the length of the block."""
    cluster = RealCluster(folder)
    try:
        for server in cluster.servers:
            server.start()
        yield cluster
    finally:
        for server in cluster.servers:
            server.stop()
