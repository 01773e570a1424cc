"""When the registry cannot be asked: one line that says what, where and what to do; exit 2, no traceback."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

from conclave.address import URL_VARIABLE
from conclave.cli import UNREAD
from conclave.identity import ENVIRONMENT_VARIABLE
from coordination.runtime.credentials import Credentials
from tests.support.cli import Finished, conclave, registry_here, server_here, started
from tests.support.processes import free_port


def one_line(finished: Finished, *parts: str) -> None:
    """It failed as it should, and its one line has `parts` in this order."""
    assert (finished.status, finished.out) == (2, ""), finished
    assert finished.err.count("\n") == 1, finished.err
    assert finished.err.startswith("conclave: ")
    place = 0
    for part in parts:
        assert part in finished.err[place:], (part, finished.err)
        place += finished.err[place:].index(part) + len(part)


async def test_without_a_server_the_address_and_the_ways_out_are_named(tmp_path: Path) -> None:
    nowhere = f"nats://127.0.0.1:{free_port()}"
    agents, found, shown, named = await asyncio.gather(
        conclave("agents", "--nats", nowhere, cwd=tmp_path),
        conclave("find", "python", "--json", "--nats", nowhere, cwd=tmp_path),
        conclave("agent", "show", "ada", "--nats", nowhere, cwd=tmp_path),
        conclave("agents", "--watch", cwd=tmp_path, **{URL_VARIABLE: nowhere}),
    )
    for each in (agents, found, shown, named):
        one_line(each, "no NATS server at", nowhere, "conclave up", "--nats URL")


async def test_a_command_beside_a_store_whose_server_is_gone_asks_nobody_else(tmp_path: Path) -> None:
    async with server_here(tmp_path) as here:
        url = here.server.url
    agents, served = await asyncio.gather(
        conclave("agents", cwd=tmp_path), conclave("serve", "registry", cwd=tmp_path)
    )
    said = f"conclave: the server of .conclave/local ({url}) is not running; start it: conclave up"
    one_line(agents, said, "--nats URL")
    assert served.err.startswith(said)
    assert served.err.count("\n") == served.status == 1


async def test_without_a_credential_it_says_whose_is_missing_and_how_to_give_it(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with registry_here(tmp_path) as here:
        await here.join("ada")
        address = ("--nats", here.server.url)
        keys = str(here.server.identities.directory)
        keyless, wrong, bad_name, as_ada, as_bob = await asyncio.gather(
            conclave("agents", *address, cwd=elsewhere),
            conclave("agents", *address, "--credentials", f"{keys}/registry.nk", cwd=elsewhere),
            conclave("agents", *address, "--as", "Not An Id", cwd=elsewhere),
            conclave("agents", *address, "--as", "ada", cwd=elsewhere, **{ENVIRONMENT_VARIABLE: keys}),
            conclave("agents", *address, "--as", "bob", "--credentials", keys, cwd=elsewhere),
        )
    one_line(
        keyless, here.server.url, "does not let operator in with no credential", "--credentials", "--as NAME"
    )
    assert bad_name.status == 2
    assert "'Not An Id' is no agent id" in bad_name.err
    one_line(wrong, here.server.url, "does not let operator in with its credential", "--credentials")
    assert (as_ada.status, as_ada.err) == (0, "")
    assert as_ada.out.splitlines()[1].startswith("ada")
    one_line(as_bob, "no credential for 'bob'", "conclave agent add bob")


async def test_without_a_registry_server_and_prefix_are_named(tmp_path: Path) -> None:
    async with server_here(tmp_path) as here:
        absent, misnamed = await asyncio.gather(
            here.run("agents", "--timeout", "0.3"),
            here.run("find", "python", "--prefix", "other", "--timeout", "0.3"),
        )
    one_line(absent, "no registry answers at", here.server.url, "prefix 'conclave'", "conclave up")
    one_line(misnamed, "no registry answers at", here.server.url, "prefix 'other'", "conclave up")


async def test_whoever_stops_reading_ends_the_command_quietly(tmp_path: Path) -> None:
    async with registry_here(tmp_path) as here:
        await here.join("ada")
        process = await started("agents", "--watch", "--json", cwd=tmp_path)
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while json.loads(await process.stdout.readline())["kind"] != "synced":
                pass
            transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
            transport.close()
            await here.join("ada")
            assert await process.wait() == UNREAD
            assert await process.stderr.read() == b""


async def test_ctrl_c_while_waiting_for_an_answer_is_exit_130_without_words(tmp_path: Path) -> None:
    async with server_here(tmp_path) as here:
        asked = asyncio.Event()

        async def hear(_: object) -> None:
            asked.set()

        operator = await here.bus("operator", Credentials.read(here.server.identities.path("operator")))
        await operator.subscribe("conclave.call.registry.list.operator", hear)  # and never answers
        await operator.flush()
        process = await started("agents", "--timeout", "60", cwd=here.cwd)
        assert process.stderr is not None
        try:
            async with asyncio.timeout(30):
                await asked.wait()
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 130
                assert (await process.stderr.read()).strip() == b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
