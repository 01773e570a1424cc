"""The embedded nats-server: real processes, real ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
import structlog

from conclave.cores import usable_cores
from conclave.embedded import EmbeddedServer, embedded_server
from conclave.identity import RunningServer
from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import UnavailableError, UsageError
from tests.support.processes import free_port, is_alive

PARENT = """
import asyncio, pathlib, sys
from conclave.cores import usable_cores
from conclave.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]))
    await server.start()
    print(server.pid, server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_server_listens_on_loopback_only_and_keeps_its_store(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port()) as server:
        assert server.url.startswith("nats://127.0.0.1:")
        bus = await NatsBus.connect(server.url, agent="probe")
        await bus.client.jetstream().add_stream(name="kept", subjects=["kept"])
        await bus.close()
        pid = server.pid
    assert not is_alive(pid)
    async with embedded_server(tmp_path, port=free_port()) as server:
        bus = await NatsBus.connect(server.url, agent="probe")
        assert (await bus.client.jetstream().stream_info("kept")).config.name == "kept"
        await bus.close()


async def test_configuration_makes_acknowledged_records_durable(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port()):
        text = (tmp_path / "nats-server.conf").read_text(encoding="utf-8")
    assert "sync_interval: always" in text
    assert "feature_flags { js_ack_fc_v2: false }" in text


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_server_process_leaves_cores_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMAXPROCS", raising=False)
    async with embedded_server(tmp_path, port=free_port()) as server:
        environment = await asyncio.to_thread(Path(f"/proc/{server.pid}/environ").read_bytes)
    assert b"GOMAXPROCS=%d" % max(1, usable_cores() // 2) in environment.split(b"\0")


async def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken"):
            await EmbeddedServer(tmp_path, port=port).start()


async def test_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("not a directory", encoding="utf-8")
    with pytest.raises(UsageError, match="choose another with --store"):
        await EmbeddedServer(store).start()


async def test_a_directory_of_somebody_elses_is_not_taken_as_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is not Conclave's"):
        await EmbeddedServer(tmp_path).start()
    assert not (tmp_path / "jetstream").exists()


async def test_second_server_on_one_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conclave.embedded._LOCK_TIMEOUT_S", 0.1)
    async with embedded_server(tmp_path, port=free_port()) as server:
        with (
            structlog.testing.capture_logs() as logged,
            pytest.raises(UsageError, match="is in use by another Conclave"),
        ):
            await EmbeddedServer(tmp_path, port=free_port()).start()
    (said,) = logged
    assert said["event"] == "the store is in use; waiting for its holder to stop"
    assert (said["log_level"], said["held_by"]) == ("warning", server.url)


async def test_killed_parent_leaves_no_server_and_the_store_can_be_used_again(tmp_path: Path) -> None:
    port = free_port()
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), str(port), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid, url = (await parent.stdout.readline()).decode().split()
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    # No wait for the orphan here: the store's lock makes the next server wait for it.
    async with embedded_server(tmp_path, port=port) as server:
        assert server.url == url
        assert not is_alive(int(pid))


async def test_a_store_keeps_its_port_whichever_others_are_free(tmp_path: Path) -> None:
    port = free_port()
    async with embedded_server(tmp_path, port=port):
        pass
    async with embedded_server(tmp_path) as server:
        assert server.url == f"nats://127.0.0.1:{port}"
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
    async with embedded_server(tmp_path) as server:
        assert server.url == f"nats://127.0.0.1:{port}"
    async with embedded_server(tmp_path, port=(moved := free_port())):
        pass
    async with embedded_server(tmp_path) as server:
        assert server.url == f"nats://127.0.0.1:{moved}"


async def test_a_store_whose_port_is_taken_is_not_moved_unless_it_is_told_to(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port()) as server:
        url = server.url
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        taken.listen()
        with pytest.raises(
            UsageError, match=r"is taken by another program; .* or move the store with --port N"
        ):
            await EmbeddedServer(tmp_path).start()
        last = RunningServer.last(tmp_path)
        assert last is not None
        assert last.url == url
        async with embedded_server(tmp_path, port=0) as server:
            assert server.url != url


async def test_server_that_dies_is_noticed(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=free_port())
    await server.start()
    os.kill(server.pid, signal.SIGKILL)
    assert await server.wait() == -signal.SIGKILL
    await server.stop()


async def test_connecting_to_nothing_fails_at_once() -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match="no NATS server at"):
        await NatsBus.connect(url, agent="probe")
