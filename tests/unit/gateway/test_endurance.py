"""What a gateway keeps of the prompts that it holds, and what it survives; in memory and virtual time."""

from __future__ import annotations

import asyncio
import gc

import pytest

from conclave import Agent, PromptContext
from conclave.testing import MemoryMesh
from coordination.gateway.foreign import Envelope
from coordination.gateway.limits import MAX_OPEN_QUERIES, Timing
from coordination.gateway.profile import VIEWS
from coordination.gateway.stream import PromptStream
from coordination.gateway.wire import DoneChunk, QueryChunk
from coordination.runtime.delivery import Delivery
from tests.support.virtual import pass_time

INBOX = "_INBOX.foreign.ada"
PROMPT = "agents.prompt.conclave.conclave.oracle"


def envelopes() -> int:
    """How many are kept, by whomever."""
    gc.collect()
    return sum(type(each) is Envelope for each in gc.get_objects())


async def test_a_prompt_that_the_agent_has_is_not_kept_while_it_is_answered(memory_mesh: MemoryMesh) -> None:
    agent = Agent("oracle")
    began = 0

    @agent.prompt
    async def think() -> str:
        nonlocal began
        began += 1
        await pass_time(10)
        return "done"

    before = envelopes()
    async with memory_mesh.join(agent), memory_mesh.connect("foreigner") as session:
        await memory_mesh.until(lambda: memory_mesh.record.on("agents.hb.conclave.conclave.oracle"))
        for _ in range(8):
            await session.bus.publish(PROMPT, b'{"prompt": "?", "more": [[], [], []]}', reply_to=INBOX)
        await memory_mesh.until(lambda: began == 8)
        assert envelopes() == before


def test_a_prompt_that_has_ended_keeps_no_answers() -> None:
    before = envelopes()
    prompt = PromptStream("conclave.query.g.p", Timing(), 0)
    for sequence in range(1, 5):
        prompt.take(sequence, QueryChunk(text="?", wait_ms=1000), 0)
        prompt.take_answer(sequence, b"yes")
    assert envelopes() == before + 4
    prompt.take(5, DoneChunk(), 1)
    assert envelopes() == before


def test_questions_whose_time_is_over_count_no_more_although_nobody_has_looked() -> None:
    prompt = PromptStream("conclave.query.g.p", Timing(), 0)
    for sequence in range(1, 3 * MAX_OPEN_QUERIES):
        round_ms = (sequence - 1) // MAX_OPEN_QUERIES * 1000
        assert prompt.take(sequence, QueryChunk(text="?", wait_ms=1000), round_ms)


async def test_a_mistake_in_one_answer_ends_nobody_elses_stream(
    memory_mesh: MemoryMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("oracle")
    asked = asyncio.Event()
    ended: list[str] = []

    @agent.prompt
    async def think(context: PromptContext) -> str:
        asked.set()
        await pass_time(5)
        return "done"

    def fail(*_: object) -> dict[str, object]:
        raise LookupError("a mistake of ours")

    async def hear(delivery: Delivery) -> None:
        ended.append(delivery.payload.decode())

    async with memory_mesh.join(agent), memory_mesh.connect("foreigner") as session:
        await session.bus.subscribe(INBOX, hear)
        await memory_mesh.until(lambda: memory_mesh.record.on("agents.hb.conclave.conclave.oracle"))
        await session.bus.publish(PROMPT, b"?", reply_to=INBOX)
        await asked.wait()
        monkeypatch.setitem(VIEWS, "PING", fail)
        await session.bus.publish("$SRV.PING.agents", b"", reply_to=INBOX)
        await memory_mesh.until(lambda: "" in ended)
    assert ended[-2:] == ['{"type":"response","data":"done"}', ""]
    (failure,) = memory_mesh.take_failures()
    assert isinstance(failure.error, LookupError)
