"""The published client library of the Synadia Agent Protocol, unchanged, finds and prompts our agents."""

from __future__ import annotations

import asyncio

import pytest
from synadia_ai.agents import Attachment, AttachmentsNotSupportedError, PayloadTooLargeError, ProtocolError

from coordination.gateway.limits import MAX_ENVELOPE_BYTES
from coordination.gateway.wire import TEXT_ONLY, DoneChunk, ErrorChunk, QueryChunk, ResponseChunk
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.prompting import Answering, Foreigner, Scripted, read
from tests.support.waiting import wait_until

WAIT_MS = 10_000


async def echo(prompt: Answering) -> None:
    """Say what was said, in two pieces, and name and size of what was attached."""
    attached = "".join(f" +{each.filename}:{len(each.content)}" for each in prompt.push.attachments)
    await prompt.send(
        ResponseChunk(text="You said: "), ResponseChunk(text=f"{prompt.push.text}{attached}"), DoneChunk()
    )


async def test_it_finds_an_agent_that_opted_in_and_no_other(
    scripted: Scripted, foreign: Foreigner, connect: Connect, subjects: Subjects
) -> None:
    await scripted.join(await connect("shy"), "shy", echo, protocols=())
    await scripted.join(await connect("ada"), "ada", echo)
    ada = await foreign.find("ada")
    assert set(await foreign.find_all()) == {"ada"}
    assert (ada.agent, ada.owner, ada.protocol_version) == ("conclave", subjects.prefix, "0.3")
    assert ada.description == "ada answers."
    assert ada.metadata["capabilities"] == "answers@1.0.0"
    assert await foreign.agents.ping(ada.instance_id)
    assert not await foreign.agents.ping("unheard-of", timeout=0.2)


async def test_it_prompts_and_hears_the_answer_piece_by_piece(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    await scripted.join(await connect("ada"), "ada", echo)
    ada = await foreign.find("ada")
    assert await read(ada.prompt("hello")) == ["<ack>", "You said: ", "hello"]
    file = Attachment.from_bytes("notes.txt", b"x" * 300)
    assert await read(ada.prompt("Größe", attachments=[file])) == [
        "<ack>",
        "You said: ",
        "Größe +notes.txt:400",
    ]
    assert scripted.errors == []


async def test_it_is_asked_back_and_answers(scripted: Scripted, foreign: Foreigner, connect: Connect) -> None:
    async def ask_back(prompt: Answering) -> None:
        await prompt.send(QueryChunk(text="Which colour", wait_ms=WAIT_MS))
        first = prompt.sequence
        await prompt.send(QueryChunk(text="Which size", wait_ms=WAIT_MS))
        answers = [await prompt.answer(first), await prompt.answer()]
        await prompt.send(ResponseChunk(text=str(answers)), DoneChunk())

    await scripted.join(await connect("ada"), "ada", ask_back)
    ada = await foreign.find("ada")
    assert await read(ada.prompt("paint"), answer="blue") == [
        "<ack>",
        "Which colour?",
        "Which size?",
        "[('answered', 'blue'), ('answered', 'blue')]",
    ]


async def test_a_question_that_nobody_answers_expires(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    async def ask_in_vain(prompt: Answering) -> None:
        await prompt.send(QueryChunk(text="Anybody?", wait_ms=50))
        state, _ = await prompt.answer()
        await prompt.send(ResponseChunk(text=state), DoneChunk())

    await scripted.join(await connect("ada"), "ada", ask_in_vain)
    ada = await foreign.find("ada")
    heard = [message async for message in ada.prompt("hello")]
    assert getattr(heard[-1], "text", "") == "expired"


async def test_it_hears_an_agents_error_after_what_was_said_before(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    async def fail(prompt: Answering) -> None:
        await prompt.send(ResponseChunk(text="Well, "), ErrorChunk(code=409, message="I am\nbusy."))

    await scripted.join(await connect("ada"), "ada", fail)
    ada = await foreign.find("ada")
    stream = ada.prompt("hello")
    assert [getattr(await anext(stream), "text", "ack") for _ in range(2)] == ["ack", "Well, "]
    with pytest.raises(ProtocolError, match=r"service error 409: I am busy\."):
        await anext(stream)


async def test_it_asks_for_the_status_and_hears_heartbeats(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    await foreign.agents.start_tracking()
    await scripted.join(await connect("ada"), "ada", echo)
    ada = await foreign.find("ada")
    status = await ada.status()
    assert (status.instance_id, status.session, status.interval_s) == (ada.instance_id, "ada", 1)
    await wait_until(lambda: foreign.agents.liveness(ada.instance_id))
    beats: list[str] = []
    foreign.agents.on_heartbeat(ada.instance_id, lambda beat: beats.append(beat.ts))
    await wait_until(lambda: len(beats) >= 2)
    liveness = foreign.agents.liveness(ada.instance_id)
    assert liveness is not None
    assert liveness.is_online


async def test_the_status_tells_the_load(scripted: Scripted, foreign: Foreigner, connect: Connect) -> None:
    await scripted.join(await connect("ada"), "ada", echo)
    ada = await foreign.find("ada")
    loads: list[object] = []
    while 0.25 not in loads:
        loads.append((await ada.status()).extras["load"])
        assert len(loads) < 200


async def test_it_keeps_to_what_an_agent_takes(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    await scripted.join(await connect("ada"), "ada", echo, protocols=(TEXT_ONLY,))
    ada = await foreign.find("ada")
    with pytest.raises(AttachmentsNotSupportedError):
        ada.prompt("hello", attachments=[Attachment.from_bytes("a", b"a")])
    with pytest.raises(PayloadTooLargeError):
        ada.prompt("x" * MAX_ENVELOPE_BYTES)
    assert await read(ada.prompt("hello")) == ["<ack>", "You said: ", "hello"]


async def test_many_prompts_at_once_are_answered_each_with_its_own(
    scripted: Scripted, foreign: Foreigner, connect: Connect
) -> None:
    await scripted.join(await connect("ada"), "ada", echo)
    await scripted.join(await connect("bob"), "bob", echo)
    targets = [await foreign.find("ada"), await foreign.find("bob")]
    answers = await asyncio.gather(
        *(read(target.prompt(f"number {number}")) for target in targets for number in range(10))
    )
    assert answers == [["<ack>", "You said: ", f"number {number}"] for _ in targets for number in range(10)]
