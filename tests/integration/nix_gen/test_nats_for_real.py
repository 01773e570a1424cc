"""Generated NATS settings, run by the real server: a cluster of three, and clients held to their edges.

The settings are those that Nix evaluates from the generated flake. Changed for the test are only addresses,
ports and store directories, so that three hosts fit on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
import pytest
import pytest_asyncio
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.client import JetStreamContext

from coordination.runtime.credentials import Credentials
from nix_gen import translate
from nix_gen.graph import Graph
from tests.support.bus_graphs import ADDRESSES, CLIENTS, STREAM, mesh
from tests.support.generated_nats import GeneratedServer, on_loopback
from tests.support.nats_users import new_credentials
from tests.support.nix_tools import gather
from tests.support.nixos_rendering import host_configs, nats_json
from tests.support.raw_client import RawClient, is_let_in, raw_client
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nix, pytest.mark.shared]
TIMEOUT_S = 5
ELECTION_MAX_S = 60
NOT_NOW = frozenset({10005, 10008, 10009})
"""JetStream's codes for: peers offline, temporarily unavailable, no leader yet."""
Answer = TypeVar("Answer")


class Mesh:
    """The running servers of a generated mesh, and the seeds of its clients."""

    def __init__(self, servers: list[GeneratedServer], seeds: Mapping[str, Credentials]) -> None:
        self.servers = servers
        self.seeds = seeds

    def client(self, name: str, server: int = 0) -> contextlib.AbstractAsyncContextManager[RawClient]:
        """A connection of a client of the graph."""
        return raw_client(self.servers[server].url, self.seeds[name], inbox=f"_INBOX_{name}")


def documents(graph: Graph, shared: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """What the nats-server of each host reads, by the host's address."""
    gather({"mesh": translate(graph)}, folder)
    found = {}
    for host, config in host_configs(shared, folder).items():
        document = nats_json(config)
        assert document is not None
        found[ADDRESSES[host.removeprefix("mesh-")]] = document
    return found


@contextlib.asynccontextmanager
async def running(
    documents: Mapping[str, dict[str, Any]], folder: Path
) -> AsyncIterator[list[GeneratedServer]]:
    servers = [GeneratedServer(one, folder / f"{address}.json") for address, one in documents.items()]
    try:
        for server in servers:
            server.check()
            server.start()
        for server in servers:
            await server.wait()
        yield servers
    finally:
        for server in servers:
            server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(nix: str, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    del nix  # nixcheck finds it itself
    folder = tmp_path_factory.mktemp("mesh")
    seeds = {name: new_credentials() for name in CLIENTS}
    graph = mesh({name: seed.public_key for name, seed in seeds.items()})
    found = on_loopback(documents(graph, shared, folder / "flake"), folder)
    async with running(found, folder) as servers:
        yield Mesh(servers, seeds)


async def _stream(client: RawClient, name: str = STREAM) -> JetStreamContext:
    js = client.client.jetstream(timeout=TIMEOUT_S)
    stream = StreamConfig(name=name, subjects=["orders.new", "orders.*.paid"], num_replicas=3)
    await _once_led(lambda: js.add_stream(stream))  # to make it again as it is changes nothing
    return js


PUBLISHES = {
    "shop": (["orders.new", "orders.eu.paid"], ["orders.old", "orders.a.b.paid", "orders", "invoices.made"]),
    "billing": (["invoices.made"], ["invoices.make", "orders.new", "_INBOX_shop.x"]),
    "silent": ([], ["orders.new", "_INBOX_silent.x", "x"]),
    "archive": (
        [f"$JS.API.CONSUMER.CREATE.{STREAM}.mine.orders.new", f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.mine"],
        ["orders.new", f"$JS.API.CONSUMER.CREATE.{STREAM}.m.orders.a.paid", f"$JS.API.STREAM.DELETE.{STREAM}",
         f"$JS.API.CONSUMER.CREATE.{STREAM}", f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.x", "$JS.API.INFO",
         "$JS.API.CONSUMER.CREATE.OTHER.mine.orders.new"],
    ),
    "ledger": (
        [f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.ledger", f"$JS.API.CONSUMER.INFO.{STREAM}.ledger"],
        [f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.other", f"$JS.API.CONSUMER.CREATE.{STREAM}.x.orders.new",
         f"$JS.API.CONSUMER.DELETE.{STREAM}.ledger", f"$JS.ACK.{STREAM}.other.1.1.1.1.0"],
    ),
    "steward": (["orders.any.thing", "$JS.API.INFO"], ["$SYS.REQ.SERVER.PING", "invoices.made"]),
    "free": (["whatever", "a.b.c"], ["$JS.API.INFO", "$SYS.REQ.SERVER.PING", f"$JS.ACK.{STREAM}.x.1.1.1"]),
    "reviewer": (
        ["conclave.call.registry.find.reviewer", "conclave.presence.reviewer"],
        ["conclave.call.registry.find.other", "conclave.presence.other", "orders.new", "conclave.event.x.y"],
    ),
}  # fmt: skip
HEARS = {
    "shop": (["_INBOX_shop.>"], ["orders.new", "_INBOX.>", "_INBOX_billing.>", ">"]),
    "billing": (["orders.>", "orders.new", "invoices.make"], ["invoices.>", "orders", "_INBOX_shop.>", ">"]),
    "silent": (["orders.new"], ["orders.>", "orders.*", "$JS.EVENT.>"]),
    "archive": (["_INBOX_archive.>"], ["orders.new", "orders.>"]),
    "ledger": (["_INBOX_ledger.>"], ["orders.new"]),
    "steward": (["_INBOX_steward.>"], ["orders.new", "$JS.EVENT.>"]),
    "free": (["anything.>", ">"], ["_INBOX.>", "$JS.EVENT.>", "$SYS.>"]),
    "reviewer": (
        ["conclave.inbox.reviewer.>", "conclave.event.>", "orders.new"],
        ["conclave.inbox.other.>", "conclave.>", "conclave.call.>", "orders.old"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_is_held_to_exactly_its_edges(cluster: Mesh, name: str) -> None:
    async with cluster.client(name, server=1) as client:
        allowed, refused = PUBLISHES[name]
        assert [subject for subject in allowed if await client.refuses_to_publish(subject)] == []
        assert [subject for subject in refused if not await client.refuses_to_publish(subject)] == []
        allowed, refused = HEARS[name]
        assert [subject for subject in allowed if await client.refuses_to_subscribe(subject)] == []
        assert [subject for subject in refused if not await client.refuses_to_subscribe(subject)] == []


async def test_whoever_the_graph_does_not_name_is_not_let_in(cluster: Mesh) -> None:
    for server in cluster.servers:
        assert not await is_let_in(server.url, new_credentials())
        assert not await is_let_in(server.url)


async def test_a_responder_answers_a_client_that_has_no_right_to_its_subjects(cluster: Mesh) -> None:
    async with cluster.client("billing", 0) as billing, cluster.client("free", 2) as free:
        asked = await billing.hear("invoices.make")

        async def answered() -> bytes:
            reply = await free.client.request("invoices.make", b"?", timeout=TIMEOUT_S)
            return bytes(reply.data)

        await wait_until(lambda: all(server.routes() for server in cluster.servers))
        answer = asyncio.create_task(answered())
        message = await asked.get()
        await message.respond(b"made")
        assert await answer == b"made"
        await billing.client.publish(message.reply, b"again")
        assert await billing.is_denied("publish", message.reply)


async def test_a_durable_consumer_is_pulled_from_by_the_client_of_its_edge(cluster: Mesh) -> None:
    async with cluster.client("steward", 0) as steward, cluster.client("ledger", 2) as ledger:
        js = await _stream(steward)
        consumer = ConsumerConfig(durable_name="ledger", filter_subject="orders.new")
        await _once_led(lambda: js.add_consumer(STREAM, consumer))
        await _once_led(lambda: js.publish("orders.new", b"1", headers={"Nats-Msg-Id": "durable"}))
        pulling = await ledger.client.jetstream(timeout=TIMEOUT_S).pull_subscribe_bind("ledger", STREAM)
        (message,) = await _once_led(lambda: pulling.fetch(1, timeout=TIMEOUT_S))
        await message.ack_sync(timeout=TIMEOUT_S)
        assert (message.data, ledger.denied) == (b"1", [])


async def test_a_stream_of_three_copies_outlives_the_loss_of_a_member(
    nix: str, shared: Path, tmp_path: Path
) -> None:
    del nix
    seeds = {name: new_credentials() for name in ("shop", "archive", "steward")}
    graph = mesh({name: seed.public_key for name, seed in seeds.items()})
    found = on_loopback(documents(graph, shared, tmp_path / "flake"), tmp_path)
    async with running(found, tmp_path) as servers:
        cluster = Mesh(servers, seeds)
        async with cluster.client("steward") as steward:
            js = await _stream(steward)
            info = await js.stream_info(STREAM)
            assert info.cluster is not None
            names = {server.name: server for server in servers}
            assert {info.cluster.leader, *(peer.name for peer in info.cluster.replicas or [])} == set(names)
            leader = names[str(info.cluster.leader)]
        async with cluster.client("shop", server=1) as shop:
            said = shop.client.jetstream(timeout=TIMEOUT_S)
            assert (await said.publish("orders.new", b"1", headers={"Nats-Msg-Id": "1"})).seq == 1
        leader.stop()
        left = [place for place, server in enumerate(servers) if server is not leader]
        async with (
            cluster.client("shop", server=left[0]) as shop,
            cluster.client("archive", left[1]) as archive,
        ):
            js = shop.client.jetstream(timeout=TIMEOUT_S)
            once = {"Nats-Msg-Id": "2"}
            acknowledged = await _once_led(lambda: js.publish("orders.new", b"2", headers=once))
            assert acknowledged.seq == 2
            reader = archive.client.jetstream(timeout=TIMEOUT_S)
            reading = await _once_led(lambda: reader.pull_subscribe("orders.new", stream=STREAM))
            messages = await _once_led(lambda: reading.fetch(2, timeout=TIMEOUT_S))
            assert [message.data for message in messages] == [b"1", b"2"]
            for message in messages:
                await message.ack_sync(timeout=TIMEOUT_S)
            assert archive.denied == []


async def _once_led(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What the servers answer once all have met and one leads; until then they are asked again."""
    async with asyncio.timeout(ELECTION_MAX_S):
        while True:
            try:
                return await ask()
            except (nats.errors.TimeoutError, nats.js.errors.NoStreamResponseError):
                pass
            except nats.js.errors.APIError as error:
                if error.err_code not in NOT_NOW:
                    raise


def _certificates(folder: Path, name: str) -> dict[str, Path]:
    """An authority called `name` and a certificate it signed for loopback."""
    folder.mkdir()
    files = {"ca": folder / "ca.pem", "key": folder / "key.pem", "cert": folder / "cert.pem"}
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    authority = ["-subj", f"/CN={name}", "-keyout", folder / "ca-key.pem", "-out", files["ca"]]
    member = ["-subj", "/CN=member", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files["key"]]
    signed = ["-CA", files["ca"], "-CAkey", folder / "ca-key.pem", "-out", files["cert"]]
    for words in ([*make, *authority], [*make, *member, *signed]):
        subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=30)
    return files


async def test_members_with_certificates_let_in_no_stranger(nix: str, shared: Path, tmp_path: Path) -> None:
    del nix
    tls = {"certificate": "cert", "key": "key", "authority": "ca"}
    known, strange = (_certificates(tmp_path / name, name) for name in ("known", "strange"))
    found = on_loopback(documents(mesh({}, tls=tls), shared, tmp_path / "flake"), tmp_path)
    text = json.dumps(found)
    assert text.count("/run/credentials/nats.service/") == 9
    trusted = _with_certificates(text, known)
    stranger = _with_certificates(text, strange)[ADDRESSES["h3"]]
    del trusted[ADDRESSES["h3"]]
    async with running(trusted, tmp_path) as servers:
        await wait_until(lambda: all(server.routes() for server in servers))
        intruder = GeneratedServer({**stranger, "jetstream": False}, tmp_path / "stranger.json")
        intruder.start()
        try:
            await wait_until(lambda: any("TLS route handshake error" in server.log() for server in servers))
            assert intruder.routes() == []
            assert {route["remote_name"] for server in servers for route in server.routes()} == {
                server.name for server in servers
            }
        finally:
            intruder.stop()


def _with_certificates(text: str, files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    for name, file in files.items():
        text = text.replace(f'"/run/credentials/nats.service/{name}"', json.dumps(str(file)))
    moved: dict[str, dict[str, Any]] = json.loads(text)
    return moved
