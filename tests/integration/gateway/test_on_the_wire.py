"""What plain NATS clients can do to the gateway, well-meaning or not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from coordination.gateway.client import GatewayClient
from coordination.gateway.limits import MAX_AGENT_PROMPTS, MAX_ENVELOPE_BYTES
from coordination.gateway.wire import TEXT_ONLY, DoneChunk, ResponseChunk
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.prompting import Answering, Foreigner, Scripted, gateway_runner, read
from tests.support.registry import running
from tests.support.waiting import wait_until


class Inbox:
    """Prompts like ``nats req``, and hears whatever comes."""

    def __init__(self, client: Client, subjects: Subjects) -> None:
        self._client = client
        self._prefix = subjects.prefix
        self.heard: asyncio.Queue[Msg] = asyncio.Queue()
        self.address = client.new_inbox()

    async def open(self) -> None:
        """Listen."""

        async def take(message: Msg) -> None:
            self.heard.put_nowait(message)

        await self._client.subscribe(self.address, cb=take)

    async def send(self, agent: str, payload: bytes, *, verb: str = "prompt", reply_to: str = "") -> None:
        """Send a prompt."""
        subject = f"agents.{verb}.conclave.{self._prefix}.{agent}"
        await self._client.publish(subject, payload, reply=reply_to or self.address)

    async def stream(self) -> list[Any]:
        """What comes until the end: chunks as (type, data), errors as (code, description)."""
        seen: list[Any] = []
        async with asyncio.timeout(20):
            while True:
                message = await self.heard.get()
                if message.headers:
                    assert message.data == b""
                    headers = message.headers
                    seen.append((headers["Nats-Service-Error-Code"], headers["Nats-Service-Error"]))
                elif message.data:
                    body = json.loads(message.data)
                    seen.append((body["type"], body["data"]))
                else:
                    return seen


@pytest.fixture
async def inbox(foreign: Foreigner, subjects: Subjects) -> Inbox:
    """An inbox of a plain client."""
    opened = Inbox(foreign.client, subjects)
    await opened.open()
    return opened


async def echo(prompt: Answering) -> None:
    await prompt.send(ResponseChunk(text=prompt.push.text), DoneChunk())


async def wait(prompt: Answering) -> None:
    await prompt.send(ResponseChunk(text="wait"))


async def test_plain_text_is_a_prompt(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect
) -> None:
    await scripted.join(await connect("ada"), "ada", echo)
    await foreign.find("ada")
    await inbox.send("ada", b"hello")
    assert await inbox.stream() == [("status", "ack"), ("response", "hello")]


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "an empty payload; send text, or JSON with a prompt"),
        (b"{not json", "the envelope: Invalid JSON: key must be a string at line 1 column 2"),
        (b'{"text": "hi"}', "prompt: Field required"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": "%"}]}', None),
        (
            b"x" * (MAX_ENVELOPE_BYTES + 1),
            f"{MAX_ENVELOPE_BYTES + 1} bytes; at most {MAX_ENVELOPE_BYTES} are taken",
        ),
        (b"\x00" * MAX_ENVELOPE_BYTES, "the prompt is too large once it is escaped"),
    ],
    ids=["empty", "no JSON", "no prompt", "no base64", "too large", "too large as JSON"],
)
async def test_a_bad_envelope_is_refused_as_400(
    scripted: Scripted,
    foreign: Foreigner,
    inbox: Inbox,
    connect: Connect,
    payload: bytes,
    complaint: str | None,
) -> None:
    await scripted.join(await connect("ada"), "ada", echo)
    await foreign.find("ada")
    await inbox.send("ada", payload)
    *_, (code, description) = await inbox.stream()
    assert (code, description) == ("400", complaint or "attachments.0.content: not padded standard base64")


@pytest.mark.parametrize("depth", [100, 195, 199, 200, 201, 300, 2000])
async def test_an_envelope_is_taken_or_refused_however_deep_it_is(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect, depth: int
) -> None:
    """The agent must be able to read what the gateway takes."""
    await scripted.join(await connect("ada"), "ada", echo)
    await foreign.find("ada")
    await inbox.send("ada", b'{"prompt": "x", "deep": %b%b}' % (b"[" * depth, b"]" * depth))
    what, detail = (await inbox.stream())[-1]
    too_deep = what == "400" and ("recursion limit" in detail or "too deep" in detail)
    assert (what, detail) == ("response", "x") or too_deep
    assert too_deep == (depth >= 200), detail


async def test_attachments_for_an_agent_that_takes_none_are_refused_as_400(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect
) -> None:
    await scripted.join(await connect("ada"), "ada", echo, protocols=(TEXT_ONLY,))
    await foreign.find("ada")
    await inbox.send("ada", b'{"prompt": "x", "attachments": [{"filename": "a", "content": "YQ=="}]}')
    assert await inbox.stream() == [("400", "this agent takes no attachments")]
    await inbox.send("ada", b'{"prompt": "x", "attachments": []}')
    assert await inbox.stream() == [("status", "ack"), ("response", "x")]


@pytest.mark.parametrize("agent", ["nobody", "shy", "*", "UPPER"])
async def test_an_agent_that_is_not_there_or_did_not_opt_in_is_404(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect, agent: str
) -> None:
    await scripted.join(await connect("shy"), "shy", echo, protocols=())
    await scripted.join(await connect("ada"), "ada", echo)
    await foreign.find("ada")
    for verb in ("prompt", "status"):
        await inbox.send(agent, b"hello", verb=verb)
        async with asyncio.timeout(10):
            message = await inbox.heard.get()
        assert message.headers is not None
        assert message.headers["Nats-Service-Error-Code"] == "404"
        if verb == "prompt":
            assert await inbox.stream() == []


async def test_one_prompt_too_many_for_an_agent_is_429(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect
) -> None:
    await scripted.join(await connect("ada"), "ada", wait)
    await foreign.find("ada")
    for _ in range(MAX_AGENT_PROMPTS):
        await inbox.send("ada", b"hello", reply_to="_INBOX.elsewhere")
    await inbox.send("ada", b"hello")
    assert await inbox.stream() == [("429", "too many prompts are being worked on; try again later")]


@pytest.mark.parametrize("verb", ["prompt", "status"])
@pytest.mark.parametrize(
    "reply_to",
    ["{prefix}.call.consensus.vote.victim", "_INBOX_victim.x", "{prefix}.inbox.victim.task"],
)
async def test_nobody_is_answered_where_agents_or_services_listen(
    scripted: Scripted,
    foreign: Foreigner,
    inbox: Inbox,
    connect: Connect,
    subjects: Subjects,
    verb: str,
    reply_to: str,
) -> None:
    await scripted.join(await connect("ada"), "ada", echo)
    await foreign.find("ada")
    reply_to = reply_to.format(prefix=subjects.prefix)
    heard: list[bytes] = []

    async def take(message: Msg) -> None:
        heard.append(message.data)

    await foreign.client.subscribe(reply_to, cb=take)
    await inbox.send("ada", b"hello", verb=verb, reply_to=reply_to)
    discovery = "$SRV.INFO.agents"
    await foreign.client.publish(discovery, b"", reply=reply_to)
    # The gateway has had those before this one, which it answers.
    await inbox.send("ada", b"hello")
    await inbox.stream()
    await foreign.find("ada")
    assert heard == []


async def test_only_the_agent_that_was_prompted_may_answer(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect, subjects: Subjects
) -> None:
    pushed: list[Answering] = []

    async def keep(prompt: Answering) -> None:
        pushed.append(prompt)

    await scripted.join(await connect("ada"), "ada", keep)
    await foreign.find("ada")
    await inbox.send("ada", b"hello")
    await wait_until(lambda: pushed)
    mallory = GatewayClient(Caller(await connect("mallory"), agent="mallory", subjects=subjects))
    with pytest.raises(RejectedError, match="not_yours"):
        await mallory.respond(pushed[0].push, 1, ResponseChunk(text="forged"))
    with pytest.raises(RejectedError, match="not_yours"):
        await mallory.answer(pushed[0].push, 1)
    await echo(pushed[0])
    assert await inbox.stream() == [("status", "ack"), ("response", "hello")]


async def test_a_chunk_that_is_sent_twice_arrives_once(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect
) -> None:
    async def repeat(prompt: Answering) -> None:
        for _ in range(2):
            await prompt.client.respond(prompt.push, 1, ResponseChunk(text="once"))
        for _ in range(2):
            await prompt.client.respond(prompt.push, 2, DoneChunk())
        await prompt.client.respond(prompt.push, 3, ResponseChunk(text="late"))

    await scripted.join(await connect("ada"), "ada", repeat)
    await foreign.find("ada")
    await inbox.send("ada", b"hello")
    assert await inbox.stream() == [("status", "ack"), ("response", "once")]
    await wait_until(lambda: scripted.errors)
    assert "unknown_prompt" in str(scripted.errors)
    assert inbox.heard.empty()


@pytest.mark.parametrize("way", ["deregisters", "falls silent", "is superseded"])
async def test_an_agent_that_goes_ends_its_streams_and_is_not_found(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect, way: str
) -> None:
    bus = await connect("ada")
    registry = await scripted.join(bus, "ada", wait)
    before = await foreign.find("ada")
    await inbox.send("ada", b"hello")
    if way == "deregisters":
        await registry.deregister()
    elif way == "falls silent":
        scripted.stop_heart("ada")
    else:
        await scripted.join(await connect("ada"), "ada", echo)
    assert (await inbox.stream())[-1] == ("500", "the agent has gone")
    if way == "is superseded":
        assert (await foreign.find("ada")).instance_id != before.instance_id
    else:
        assert await foreign.find_all() == {}
    assert not await foreign.agents.ping(before.instance_id, timeout=0.2)


async def test_several_gateways_answer_each_question_once_and_each_prompt_once(
    scripted: Scripted, foreign: Foreigner, connect: Connect, subjects: Subjects
) -> None:
    """A call of the agent's may reach the gateway that does not hold the prompt, and arrives all the same."""
    async with running(gateway_runner(await connect("gateway"), subjects)) as _:
        await scripted.join(await connect("ada"), "ada", echo)
        ada = await foreign.find("ada")
        for _ in range(20):
            found = [
                each for each in await foreign.agents.discover(stall=0.05) if each.owner == subjects.prefix
            ]
            assert len(found) <= 1
            assert await read(ada.prompt("hello")) == ["<ack>", "hello"]
    assert scripted.errors == []


async def test_a_gateway_that_stops_ends_its_streams(
    scripted: Scripted, foreign: Foreigner, inbox: Inbox, connect: Connect, gateway: Runner
) -> None:
    await scripted.join(await connect("ada"), "ada", wait)
    await foreign.find("ada")
    await inbox.send("ada", b"hello")
    gateway.stop()
    assert (await inbox.stream())[-1] == ("500", "the gateway is stopping; prompt again")


async def test_it_finds_out_who_is_here_when_it_starts_late(
    registry: Runner, foreign: Foreigner, connect: Connect, subjects: Subjects
) -> None:
    agents = Scripted(subjects)
    try:
        await agents.join(await connect("ada"), "ada", echo)
        async with running(gateway_runner(await connect("gateway"), subjects)):
            ada = await foreign.find("ada")
            assert await read(ada.prompt("hello")) == ["<ack>", "hello"]
    finally:
        await agents.close()
