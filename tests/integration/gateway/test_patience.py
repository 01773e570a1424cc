"""How long the gateway waits for agents, and what it tells of them meanwhile."""

from __future__ import annotations

import dataclasses
import json

import pytest
from synadia_ai.agents import Envelope, ProtocolError, StatusChunk

from coordination.gateway.limits import Timing
from coordination.gateway.wire import DoneChunk, ErrorChunk
from coordination.gateway.wire import StatusChunk as OurStatusChunk
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.prompting import Answering, Foreigner, Scripted, gateway_runner, read
from tests.support.registry import running

IMPATIENT = Timing(accept_ms=300, silence_ms=2000, keepalive_ms=100, total_ms=30_000, roster_ms=500)


async def ignore(_: Answering) -> None:
    """Say nothing at all."""


async def accept(prompt: Answering) -> None:
    await prompt.send(OurStatusChunk(status="thinking"))


async def test_an_agent_that_never_responds_is_given_up(
    registry: Runner, foreign: Foreigner, connect: Connect, subjects: Subjects
) -> None:
    agents = Scripted(subjects)
    async with running(gateway_runner(await connect("gateway"), subjects, timing=IMPATIENT)):
        await agents.join(await connect("ada"), "ada", ignore)
        ada = await foreign.find("ada")
        with pytest.raises(ProtocolError, match="service error 500: the agent did not respond"):
            await read(ada.prompt("hello"))
        await agents.close()


async def test_a_stream_is_kept_alive_until_the_agent_was_silent_for_too_long(
    registry: Runner, foreign: Foreigner, connect: Connect, subjects: Subjects
) -> None:
    agents = Scripted(subjects)
    async with running(
        gateway_runner(
            await connect("gateway"), subjects, timing=dataclasses.replace(IMPATIENT, accept_ms=10_000)
        )
    ):
        await agents.join(await connect("ada"), "ada", accept)
        ada = await foreign.find("ada")
        signs: list[str] = []
        stream = ada.prompt("hello")
        while len(signs) < 4:
            message = await anext(stream)
            assert isinstance(message, StatusChunk)
            signs.append(message.status)
        assert signs[0] == "ack"
        assert "thinking" in signs
        assert set(signs[1:]) == {"thinking", "working"}, "there is exactly one ack"
        with pytest.raises(ProtocolError, match="service error 500: the agent fell silent"):
            await read(stream)
        await agents.close()


async def test_the_statistics_count_prompts_and_errors(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    async def once(prompt: Answering) -> None:
        fails = prompt.push.text == "fail"
        await prompt.send(ErrorChunk(code=409, message="no") if fails else DoneChunk())

    await scripted.join(await connect("ada"), "ada", once)
    ada = await foreign.find("ada")
    await read(ada.prompt("hello"))
    with pytest.raises(ProtocolError, match="409"):
        await read(ada.prompt("fail"))
    answer = await foreign.client.request(f"$SRV.STATS.agents.{ada.instance_id}", b"", timeout=10)
    (prompt,) = json.loads(answer.data)["endpoints"]
    assert (prompt["num_requests"], prompt["num_errors"], prompt["last_error"]) == (2, 1, "409")


async def test_what_the_protocol_does_not_define_reaches_the_agent(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    pushed: list[Answering] = []

    async def keep(prompt: Answering) -> None:
        pushed.append(prompt)
        await prompt.send(DoneChunk())

    await scripted.join(await connect("ada"), "ada", keep)
    ada = await foreign.find("ada")
    envelope = Envelope.model_validate({"prompt": "hello", "thread": {"id": [1, None]}})
    await read(ada.prompt(envelope))
    assert pushed[0].push.unknown == {"thread": {"id": [1, None]}}
