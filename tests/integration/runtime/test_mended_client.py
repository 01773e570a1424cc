"""The faults of nats-py that the bus mends are still there to be mended, and are."""

from __future__ import annotations

from urllib.parse import urlparse

from nats.aio.client import Client, Srv
from nats.aio.transport import TcpTransport

from coordination.runtime.nats_client import MendedClient
from tests.support.nats_server import RealServer


async def connect_twice(client: Client, url: str) -> bool:
    """Whether the socket of the first attempt is closed once there is a second one."""
    client.options["connect_timeout"] = 5
    server = Srv(urlparse(url))
    await client._connect_to_server(server)
    transport = client._transport
    assert isinstance(transport, TcpTransport)
    first = transport._io_writer
    await client._connect_to_server(server)
    second = transport._io_writer
    assert first is not None
    assert second is not None
    assert second is not first
    closed = first.is_closing()
    for writer in (first, second):
        writer.close()
        await writer.wait_closed()
    return closed


async def test_a_socket_whose_handshake_failed_is_closed(nats_server: RealServer) -> None:
    assert await connect_twice(MendedClient(), nats_server.url)
    assert not await connect_twice(Client(), nats_server.url), "nats-py does it itself now: drop our override"
