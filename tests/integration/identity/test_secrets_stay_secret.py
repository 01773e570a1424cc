"""No seed is found anywhere but in its own file: not in a log, not on a screen, not in the configuration."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

from conclave import connect
from conclave.identity import Identities
from tests.support.processes import READY, free_port

UP = ("-m", "conclave", "--verbose", "up", "--port")


def seeds(store: Path) -> dict[Path, str]:
    """Every seed of the store by its file."""
    return {path: path.read_text(encoding="utf-8").strip() for path in (store / "credentials").glob("*.nk")}


async def run_for_a_while(store: Path) -> str:
    """Everything that `conclave up` and `conclave agent` print, with an agent at work and one refused."""
    port = str(free_port())
    up = await asyncio.create_subprocess_exec(
        *(sys.executable, *UP, port, "--store", str(store)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert up.stdout is not None
    try:
        async with asyncio.timeout(30):
            greeting = await up.stdout.readuntil(READY)
        printed = [greeting]
        for arguments in (
            ("add", "ada", "bob"),
            ("add", "ada"),
            ("add", "bob", "--rotate"),
            ("list", "--json"),
        ):
            agent = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "conclave", "--verbose", "agent", *arguments, "--store", str(store)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            printed.append((await agent.communicate())[0])
        url, keys = f"nats://127.0.0.1:{port}", store / "credentials"
        async with connect(url, agent="ada", credentials=keys) as session:
            await session.registry.register(["python"])
            await session.bus.publish("conclave.journal.tasks.0", b"refused, and logged")
            await session.bus.flush()
    finally:
        up.terminate()
        out, err = await up.communicate()
    return b"".join([*printed, out, err]).decode()


async def test_a_seed_is_in_its_own_file_and_nowhere_else(tmp_path: Path) -> None:
    store = tmp_path / "store"
    await Identities(store).add("early")
    (early,) = seeds(store).values()
    printed = await run_for_a_while(store)
    found = seeds(store)
    assert found[store / "credentials" / "early.nk"] == early
    assert {path.stem for path in found} >= {"operator", "consensus", "ada", "bob", "early"}
    assert len(set(found.values())) == len(found)
    files = [path for path in store.rglob("*") if path.is_file()]
    assert {"nats-server.log", "nats-server.conf", "authorization.conf", "users.json"} <= {
        path.name for path in files
    }
    for owner, seed in found.items():
        assert seed not in printed, f"the seed of {owner.stem} was printed"
        holders = [path for path in files if seed.encode() in path.read_bytes()]
        assert holders == [owner]


async def test_only_the_owner_can_read_a_seed(tmp_path: Path) -> None:
    store = tmp_path / "store"
    await run_for_a_while(store)
    for path in seeds(store):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((store / "credentials").stat().st_mode) == 0o700
    assert stat.S_IMODE((store / "users.json").stat().st_mode) == 0o600
