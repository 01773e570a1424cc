"""The command line client of NATS finds and prompts agents, and checks what it reads against JSON Schemas."""

from __future__ import annotations

from pathlib import Path

from coordination.gateway.wire import DoneChunk, ResponseChunk
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.nats_cli import NatsCli
from tests.support.nats_server import RealServer
from tests.support.prompting import Answering, Foreigner, Scripted


async def test_it_lists_shows_and_prompts_an_agent(
    scripted: Scripted,
    foreign: Foreigner,
    connect: Connect,
    nats_server: RealServer,
    nats_cli: Path,
    tmp_path: Path,
    subjects: Subjects,
) -> None:
    async def greet(prompt: Answering) -> None:
        await prompt.send(ResponseChunk(text=f"Hello, {prompt.push.text}!"), DoneChunk())

    await scripted.join(await connect("ada"), "ada", greet)
    ada = await foreign.find("ada")
    nats = NatsCli(nats_cli, url=nats_server.url, home=tmp_path)
    listed = await nats("micro", "ls", "agents")
    assert listed.status == 0, listed.output
    assert ada.instance_id in listed.output
    info = await nats("micro", "info", "agents", ada.instance_id)
    assert info.status == 0, info.output
    for word in (
        "ada answers.",
        ada.prompt_subject,
        f"agents.status.conclave.{subjects.prefix}.ada",
        "512KB",
    ):
        assert word in info.output, word
    stats = await nats("micro", "stats", "agents", ada.instance_id)
    assert stats.status == 0, stats.output
    prompted = await nats("req", ada.prompt_subject, "Carl", "--wait-for-empty", "--raw")
    assert prompted.status == 0, prompted.output
    assert '{"type":"status","data":"ack"}' in prompted.output
    assert '{"type":"response","data":"Hello, Carl!"}' in prompted.output
