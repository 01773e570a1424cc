"""The plain `nats` CLI on a server that asks for credentials: the commands of the greeting, and a refusal."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from conclave.commands.up import Greeting
from conclave.deployment import SERVICES, deployed
from conclave.embedded import EmbeddedServer
from tests.support.nats_cli import NatsCli


def shown_commands(url: str, store: Path) -> list[list[str]]:
    """The commands that `conclave up` shows, as words."""
    runner = CliRunner()
    with runner.isolation() as streams:
        Greeting(url=url, store=store, prefix="conclave").show(tuple(SERVICES), elapsed_s=1, is_secured=True)
        text = streams[0].getvalue().decode()
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  ") and line[2] != " "]


async def test_the_commands_of_the_greeting_work(
    secured: EmbeddedServer, nats_cli: Path, tmp_path: Path
) -> None:
    commands = shown_commands(secured.url, secured.store)
    assert ["conclave", "agent", "add", "ops", "--store", str(secured.store)] in commands
    await secured.identities.add("ops")
    nats = NatsCli(nats_cli, url=secured.url, home=tmp_path)
    async with deployed(secured.url, credentials=secured.credentials):
        ask, services = ([*words[3:]] for words in commands if words[0] == "nats")
        asked = await nats(*ask)
        assert asked.status == 0, asked.output
        assert re.search(r'\{"agents":\s*\[\]', asked.output), asked.output
        listed = await nats(*services)
        assert listed.status == 0, listed.output
        for name in SERVICES:
            assert f"conclave-{name}" in listed.output


async def test_an_agent_is_refused_what_is_not_its_own_by_the_cli_too(
    secured: EmbeddedServer, nats_cli: Path, tmp_path: Path
) -> None:
    nats = NatsCli(nats_cli, url=secured.url, home=tmp_path)
    key = str(secured.identities.path("mallory"))
    forged = await nats(
        *("--nkey", key, "req", "conclave.call.consensus.vote.ada", json.dumps({})),
        inbox="_INBOX_mallory",
        patience="1s",
    )
    assert "Received" not in forged.output
    log = (secured.store / "nats-server.log").read_text(encoding="utf-8")
    assert 'Publish Violation - Subject "conclave.call.consensus.vote.ada"' in log
    nobody = await nats("req", "conclave.call.registry.list.ops", "{}", inbox="_INBOX_ops", patience="1s")
    assert nobody.status != 0
    assert "Authorization Violation" in nobody.output
