"""An agent that is prompted when something goes wrong on its side, in memory and virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from conclave import Agent, File, Piece, PromptContext, RejectedError, TaskFailed, UsageError
from conclave.testing import MemoryMesh
from coordination.runtime.delivery import Delivery
from coordination.runtime.wire import HEADER_ERROR, HEADER_ERROR_CODE
from tests.support.virtual import pass_time

INBOX = "_INBOX.foreign.ada"
ODD = "odd\udc80name"


async def prompt(mesh: MemoryMesh, *, timeout_s: float = 5.0) -> list[str]:
    """What the agent ``oracle`` answers to a prompt, as words."""
    heard: list[str] = []
    over = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        if delivery.headers.get(HEADER_ERROR_CODE):
            heard.append(f"{delivery.headers[HEADER_ERROR_CODE]}: {delivery.headers[HEADER_ERROR]}")
        elif delivery.payload:
            body: dict[str, Any] = json.loads(delivery.payload)
            if body["type"] == "response":
                heard.append(body["data"])
        else:
            over.set()

    async with mesh.connect("foreigner") as session:
        await session.bus.subscribe(INBOX, hear)
        await session.bus.flush()
        await mesh.until(lambda: mesh.record.on("agents.hb.conclave.conclave.oracle"))
        await session.bus.publish("agents.prompt.conclave.conclave.oracle", b"?", reply_to=INBOX)
        async with asyncio.timeout(timeout_s):
            await over.wait()
    return heard


@pytest.mark.conclave(raise_failures=False)
@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (ODD, "500: the answer holds half a surrogate pair"),
        (Piece(ODD), "500: UsageError (see the agent's log"),
        (Piece("", files=(File(ODD, b""),)), "500: UsageError (see the agent's log"),
    ],
)
async def test_what_cannot_be_sent_as_text_ends_the_answer_at_once(
    memory_mesh: MemoryMesh, said: Any, ends: str
) -> None:
    agent = Agent("oracle")
    agent.prompt(lambda: said)
    async with memory_mesh.join(agent):
        (heard,) = await prompt(memory_mesh)
    assert heard.startswith(ends)


@pytest.mark.conclave(raise_failures=False)
async def test_a_reason_that_utf8_cannot_carry_ends_the_answer_at_once(memory_mesh: MemoryMesh) -> None:
    agent = Agent("oracle")

    @agent.prompt
    def read() -> None:
        raise TaskFailed(f"no file {ODD}")

    async with memory_mesh.join(agent):
        assert await prompt(memory_mesh) == ["500: no file odd?name"]


async def test_a_question_that_cannot_be_sent_as_text_is_the_handlers_mistake(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("oracle")

    @agent.prompt
    async def ask(context: PromptContext) -> str:
        with pytest.raises(UsageError, match="half a surrogate pair"):
            await context.ask(ODD)
        return "done"

    async with memory_mesh.join(agent):
        assert await prompt(memory_mesh) == ["done"]


async def test_questions_that_were_given_up_do_not_count_for_ever(memory_mesh: MemoryMesh) -> None:
    agent = Agent("oracle")

    @agent.prompt
    async def ask(context: PromptContext) -> str:
        for number in range(6):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await context.ask(f"{number}?", timeout_s=2)
            await pass_time(2)
        return "done"

    async with memory_mesh.join(agent):
        assert await prompt(memory_mesh, timeout_s=30) == ["done"]


async def test_a_chunk_whose_sending_was_cut_short_comes_before_the_next_one(memory_mesh: MemoryMesh) -> None:
    agent = Agent("oracle")

    @agent.prompt
    async def speak(context: PromptContext) -> str:
        memory_mesh.disconnect(agent)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await context.say("first ")
        memory_mesh.reconnect(agent)
        return "second"

    async with memory_mesh.join(agent):
        assert await prompt(memory_mesh) == ["first ", "second"]


async def test_a_chunk_that_was_refused_leaves_its_number_to_the_next_one(memory_mesh: MemoryMesh) -> None:
    agent = Agent("oracle")

    @agent.prompt
    async def speak(context: PromptContext) -> str:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(context.ask("?", timeout_s=600)) for _ in range(4)]
            await pass_time(1)
            with pytest.raises(RejectedError, match="too_many_queries"):
                await context.ask("one more?")
            for each in waiting:
                each.cancel()
        return "done"

    async with memory_mesh.join(agent):
        assert await prompt(memory_mesh, timeout_s=60) == ["done"]
