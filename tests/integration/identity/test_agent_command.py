"""`conclave agent add`, `remove`, `list`: minting, reloading, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conclave import store as directory
from conclave.cli import cli
from conclave.embedded import EmbeddedServer, embedded_server
from conclave.identity import Identities, RunningServer
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError
from coordination.runtime.names import Subjects
from tests.support.processes import free_port
from tests.support.raw_client import RawClient, is_let_in, raw_client


def agent(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["agent", *arguments])


async def agent_process(*arguments: str) -> tuple[int, str, str]:
    """Run `conclave agent` as a process of its own: status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "conclave", "agent", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def test_a_foreign_client_is_added_and_listed_as_one(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    done = agent("add", "carl", "--foreign", "--store", store)
    assert done.exit_code == 0, done.output
    (listed,) = json.loads(agent("list", "--store", store, "--json").stdout)
    assert (listed["name"], listed["role"]) == ("carl", "foreign")
    refused = agent("add", "carl", "--rotate", "--store", store)
    assert refused.exit_code == 2
    assert "is of role foreign, not agent" in refused.output
    assert agent("remove", "carl", "--store", store).exit_code == 0


def test_an_agent_can_be_added_before_there_is_a_server(tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = agent("add", "ada", "--store", str(store))
    assert done.exit_code == 0, done.output
    path = Path(done.stdout.strip())
    assert path == store / "credentials" / "ada.nk"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    key = Credentials.read(path).public_key
    assert json.loads(agent("list", "--store", str(store), "--json").stdout) == [
        {"name": "ada", "role": "agent", "public_key": key}
    ]
    assert agent("list", "--store", str(store)).stdout == f"ada  agent  {key}\n"


def test_the_seed_can_be_written_elsewhere(tmp_path: Path) -> None:
    out = tmp_path / "ada.seed"
    done = agent("add", "ada", "--store", str(tmp_path / "store"), "--out", str(out))
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not (tmp_path / "store" / "credentials" / "ada.nk").exists()
    again = agent("add", "bob", "--store", str(tmp_path / "store"), "--out", str(out))
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert [user.name for user in Identities(tmp_path / "store").agents()] == ["ada"]


@pytest.mark.parametrize("name", ["x.>", "*", "..", ">", "Ada", "a b", "a/b", "../a", "-", "a" * 64, ""])
def test_an_id_that_is_none_is_refused_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    done = agent("add", "--store", str(tmp_path / "store"), "--", name)
    assert done.exit_code == 2
    assert "is not valid" in done.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["consensus", "artifacts", "operator", "witness"])
def test_the_names_of_services_are_reserved(tmp_path: Path, name: str) -> None:
    done = agent("add", name, "--store", str(tmp_path / "store"))
    assert done.exit_code == 2
    assert f"agent id '{name}' is reserved" in done.stderr


def test_an_agent_is_not_minted_twice_unless_it_is_asked_for(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "store"))
    path = Path(agent("add", "ada", *store).stdout.strip())
    first = Credentials.read(path)
    again = agent("add", "ada", *store)
    assert again.exit_code == 2
    assert again.stderr == (
        "conclave: agent 'ada' has a credential already; "
        "--rotate replaces it, which ends the agent's connections\n"
    )
    assert agent("add", "new", "ada", *store).stderr == (
        "conclave: agent 'ada' has a credential already, and none was made for 'new': leave it out, or "
        "--rotate replaces it, which ends the agent's connections\n"
    )
    assert [user.name for user in Identities(tmp_path / "store").agents()] == ["ada"]
    assert Credentials.read(path) == first
    assert agent("add", "ada", "--rotate", *store).exit_code == 0
    second = Credentials.read(path)
    assert second != first
    assert [user.public_key for user in Identities(tmp_path / "store").agents()] == [second.public_key]


def test_nobody_is_removed_who_is_not_there(tmp_path: Path) -> None:
    done = agent("remove", "ada", "--store", str(tmp_path / "store"))
    assert done.exit_code == 2
    assert "has no agent 'ada'" in done.stderr
    assert agent("add", "ada", "--store", str(tmp_path / "store")).exit_code == 0
    assert agent("remove", "consensus", "--store", str(tmp_path / "store")).exit_code == 2


def test_a_directory_of_somebody_elses_gets_no_users(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine", encoding="utf-8")
    done = agent("add", "ada", "--store", str(tmp_path))
    assert done.exit_code == 2
    assert "is not Conclave's" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_users_file_is_named_and_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert agent("add", "ada", "--store", str(store)).exit_code == 0
    users = store / "users.json"
    users.write_text(users.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    before = users.read_bytes()
    done = agent("add", "bob", "--store", str(store))
    assert done.exit_code == 1
    assert "users.json" in done.stderr
    assert "restore it from a backup" in done.stderr
    assert users.read_bytes() == before


async def test_a_running_server_takes_a_new_agent_up_and_drops_nobody(
    secured: EmbeddedServer, tmp_path: Path
) -> None:
    ada = Credentials.read(secured.identities.path("ada"))
    async with raw_client(secured.url, ada, inbox="_INBOX_ada") as client:
        client_id = client.client.client_id
        heard = await client.hear("conclave.event.>")
        operator = Credentials.read(secured.identities.path("operator"))
        async with raw_client(secured.url, operator) as speaker:
            for number in range(3):
                status, out, err = await agent_process(
                    "add", f"new-{number}", "--store", str(tmp_path / "store")
                )
                assert (status, err) == (0, "")
                # No wait: when the command ends the new agent can connect.
                assert await is_let_in(secured.url, Credentials.read(Path(out.strip())))
                await speaker.client.publish("conclave.event.registry.online.1", str(number).encode())
                async with asyncio.timeout(10):
                    assert (await heard.get()).data == str(number).encode()
        assert client.client.client_id == client_id
        assert not client.client.lost.done()
        assert client.denied == []


async def test_jetstream_goes_on_while_users_change(secured: EmbeddedServer) -> None:
    operator = Credentials.read(secured.identities.path("operator"))
    async with raw_client(secured.url, operator) as client:
        js = client.client.jetstream()
        await js.add_stream(name="kept", subjects=["kept"])
        stop = asyncio.Event()

        async def store() -> int:
            count = 0
            while not stop.is_set():
                count += 1
                assert (await js.publish("kept", b"x", timeout=5)).seq == count
            return count

        storing = asyncio.create_task(store())
        for number in range(3):
            await secured.identities.add(f"new-{number}")
        stop.set()
        assert await storing > 0


async def test_a_removed_agent_is_disconnected_and_let_in_no_more(secured: EmbeddedServer) -> None:
    ada, mallory = (Credentials.read(secured.identities.path(name)) for name in ("ada", "mallory"))
    async with raw_client(secured.url, ada) as kept, raw_client(secured.url, mallory) as removed:
        await secured.identities.remove("mallory")
        await removed.wait_until_dropped()
        assert not kept.client.lost.done()
        await kept.client.flush()
    assert not await is_let_in(secured.url, mallory)
    assert await is_let_in(secured.url, ada)
    assert not secured.identities.path("mallory").exists()


async def test_a_rotated_credential_ends_the_old_one(secured: EmbeddedServer) -> None:
    old = Credentials.read(secured.identities.path("ada"))
    async with raw_client(secured.url, old) as client:
        await secured.identities.add("ada", rotate=True)
        await client.wait_until_dropped()
    assert not await is_let_in(secured.url, old)
    assert await is_let_in(secured.url, Credentials.read(secured.identities.path("ada")))


async def test_two_who_add_at_once_lose_nothing(secured: EmbeddedServer, tmp_path: Path) -> None:
    names = [f"agent-{number}" for number in range(4)]
    store = str(tmp_path / "store")
    done = await asyncio.gather(*(agent_process("add", name, "--store", store) for name in names))
    assert [(status, err) for status, _, err in done] == [(0, "")] * len(names)
    assert {user.name for user in secured.identities.agents()} == {"ada", "mallory", *names}
    for _, out, _ in done:
        assert await is_let_in(secured.url, Credentials.read(Path(out.strip())))


async def test_users_are_there_again_after_a_restart(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server:
        await server.identities.add("ada")
        services = {name: each.public_key for name, each in server.credentials.items()}
    await Identities(tmp_path).add("bob")
    async with embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server:
        for name in ("ada", "bob", "operator"):
            assert await is_let_in(server.url, Credentials.read(server.identities.path(name)))
        assert {name: each.public_key for name, each in server.credentials.items()} == services


async def test_a_store_can_be_used_without_authentication_and_with_it_again(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port()) as server:
        assert await is_let_in(server.url)
        await server.identities.add("ada")  # nobody asks for it yet
    async with embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server:
        assert not await is_let_in(server.url)
        assert await is_let_in(server.url, Credentials.read(server.identities.path("ada")))
    async with embedded_server(tmp_path, port=free_port()) as server:
        assert await is_let_in(server.url)


async def test_permissions_follow_the_prefix_of_the_deployment(tmp_path: Path) -> None:
    await Identities(tmp_path / "store").add("ada")
    async with embedded_server(tmp_path / "store", port=free_port(), secured=Subjects("lab")) as server:
        ada = Credentials.read(server.identities.path("ada"))
        async with raw_client(server.url, ada) as client:
            assert not await client.refuses_to_publish("lab.presence.ada")
            assert await client.refuses_to_publish("conclave.presence.ada")


async def test_a_record_of_a_dead_server_misleads_nobody(tmp_path: Path) -> None:
    """The number of a process that is gone may be another one's by now: it must get no signal."""
    store = tmp_path / "store"
    directory.prepare(store)
    (store / "nats-server.conf").write_text("", encoding="utf-8")
    bystander = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    try:
        RunningServer(pid=bystander.pid, url="nats://127.0.0.1:1", is_secured=True).write(store)
        assert RunningServer.of(store) is None
        await Identities(store).add("ada")
        assert bystander.returncode is None, "SIGHUP would have ended it"
        RunningServer(pid=os.getpid(), url="nats://127.0.0.1:1", is_secured=True).write(store)
        assert RunningServer.of(store) is None
    finally:
        bystander.terminate()
        await bystander.wait()


async def test_a_server_of_another_store_is_not_taken_for_ours(
    secured: EmbeddedServer, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    directory.prepare(other)
    (other / "nats-server.conf").write_text("", encoding="utf-8")
    RunningServer(pid=secured.pid, url=secured.url, is_secured=True).write(other)
    assert RunningServer.of(other) is None
    assert RunningServer.of(tmp_path / "store") is not None


async def test_a_lost_credential_of_a_service_is_made_anew(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server:
        path = server.identities.path("tasks")
    path.unlink()
    async with embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server:
        assert await is_let_in(server.url, server.credentials["tasks"])


async def test_a_credential_file_open_to_everybody_stops_the_start(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server:
        path = server.identities.path("tasks")
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        await EmbeddedServer(tmp_path, port=free_port(), secured=Subjects()).start()


async def test_the_greatest_id_works_like_any_other(secured: EmbeddedServer) -> None:
    name = "a" * 63
    await secured.identities.add(name)
    client: RawClient
    async with raw_client(secured.url, Credentials.read(secured.identities.path(name))) as client:
        assert not await client.refuses_to_publish(f"conclave.presence.{name}")
