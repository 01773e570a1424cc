"""The dialog as agents meet it: through its client, over the in-memory bus and journal."""

from __future__ import annotations

import asyncio
import random

import pytest

import dialog
from coordination.runtime.errors import RejectedError
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.trace import CURRENT_TRACE, TraceContext
from coordination.runtime.wire import to_json
from dialog import DialogClient, wire
from tests.support.clock import ManualClock
from tests.support.serving import Agents, serving

WAIT_S = 5.0


async def _next(queue: asyncio.Queue[wire.Message]) -> wire.Message:
    async with asyncio.timeout(WAIT_S):
        return await queue.get()


async def _listening(agents: Agents, agent: str) -> tuple[DialogClient, asyncio.Queue[wire.Message]]:
    client = DialogClient(agents.caller(agent))
    queue: asyncio.Queue[wire.Message] = asyncio.Queue()
    await client.on_message(queue.put)
    return client, queue


async def test_agents_talk_directly_and_to_all_and_a_restart_forgets_nothing() -> None:
    journal = MemoryStream()
    async with serving(dialog.define, dialog.NAME, journal=journal) as agents:
        ada, _ = await _listening(agents, "ada")
        bob, bob_hears = await _listening(agents, "bob")
        cy, cy_hears = await _listening(agents, "cy")
        opened = await ada.open("review", ["bob", "cy"], conversation_id="review-1")
        assert opened.participants == ("ada", "bob", "cy")
        question = await ada.broadcast("review-1", "who objects?", performative="query-ref")
        assert question.recipient_count == 2
        assert [(await _next(queue)).content for queue in (bob_hears, cy_hears)] == ["who objects?"] * 2
        await ada.say("review-1", "between us", to=["bob"])
        assert (await _next(bob_hears)).to == ("bob",)
        await bob.say("review-1", "I do", performative="refuse", in_reply_to=question.sequence)
        heard = await _next(cy_hears)
        assert (heard.sequence, heard.previous_sequence, heard.in_reply_to) == (3, 1, 1)
    async with serving(dialog.define, dialog.NAME, journal=journal) as agents:
        cy = DialogClient(agents.caller("cy"))
        history = await cy.history("review-1")
        assert [message.content for message in history.messages] == ["who objects?", "I do"]
        assert (history.through_sequence, history.last_sequence) == (3, 3)
        assert [each.conversation_id for each in await cy.list()] == ["review-1"]
        with pytest.raises(RejectedError, match="not_a_participant"):
            await DialogClient(agents.caller("eve")).history("review-1")


async def test_a_late_reply_is_refused_and_shown_to_those_concerned() -> None:
    clock = ManualClock(now_ms=1_000)
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream(), clock=clock) as agents:
        ada, bob = (DialogClient(agents.caller(agent)) for agent in ("ada", "bob"))
        conversation_id = (await ada.open("bids", ["bob"])).conversation_id
        asked = await ada.say(conversation_id, "bids?", performative="cfp", reply_by_ms=2_000)
        clock.advance(1_001)
        with pytest.raises(RejectedError) as caught:
            await bob.say(conversation_id, "7", performative="propose", in_reply_to=asked.sequence)
        assert caught.value.code == "too_late"
        assert caught.value.details == {"in_reply_to": 1, "reply_by_ms": 2_000}
        (late,) = (await ada.get(conversation_id)).late_replies
        assert (late.sender, late.performative, late.refused_at_ms) == ("bob", "propose", 2_001)


async def test_a_listener_that_missed_pushes_gets_them_from_history() -> None:
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        ada = DialogClient(agents.caller("ada"))
        await ada.open("news", ["bob"], conversation_id="news")
        for index in range(1, 4):
            await ada.say("news", str(index))
        bob, hears = await _listening(agents, "bob")
        await bob.say("news", "back again")
        await ada.say("news", "5")
        assert [(await _next(hears)).content for _ in range(4)] == ["1", "2", "3", "5"]
        await ada.say("news", "6")
        assert (await _next(hears)).content == "6"


async def test_a_listener_ignores_repetitions_and_what_is_no_message() -> None:
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        ada = DialogClient(agents.caller("ada"))
        caller = agents.caller("bob")
        pushes: asyncio.Queue[bytes] = asyncio.Queue()
        await caller.bus.subscribe("conclave.inbox.bob.message", lambda each: pushes.put(each.payload))
        _, hears = await _listening(agents, "bob")
        await ada.open("news", ["bob"], conversation_id="news")
        await ada.say("news", "1")
        assert (await _next(hears)).content == "1"
        inbox = Subjects().inbox("bob", "message")
        await caller.bus.publish(inbox, await pushes.get())
        await caller.bus.publish(inbox, to_json({"content": "forged"}))
        await ada.say("news", "2")
        assert (await _next(hears)).content == "2"


async def test_the_others_hear_of_opening_and_closing() -> None:
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        ada, bob = (DialogClient(agents.caller(agent)) for agent in ("ada", "bob"))
        heard: asyncio.Queue[wire.Conversation] = asyncio.Queue()
        await bob.on_conversation(heard.put)
        opened = await ada.open("tea", ["bob"])
        closed = await ada.close(opened.conversation_id)
        async with asyncio.timeout(WAIT_S):
            assert [await heard.get(), await heard.get()] == [opened, closed]
        with pytest.raises(RejectedError, match="conversation_closed"):
            await bob.say(opened.conversation_id, "wait")


async def test_a_long_history_comes_in_pages() -> None:
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        ada = DialogClient(agents.caller("ada"))
        await ada.open("log", ["bob"], conversation_id="log")
        for index in range(12):
            await ada.say("log", str(index) + "x" * 60_000)
        page = await ada.history("log")
        assert 0 < len(page.messages) < 12
        assert page.through_sequence == page.messages[-1].sequence
        rest = await ada.history("log", after_sequence=page.through_sequence)
        sequences = [message.sequence for message in (*page.messages, *rest.messages)]
        assert sequences == list(range(1, 13))
        limited = await ada.history("log", limit=2)
        assert (limited.through_sequence, limited.last_sequence) == (2, 12)


async def test_history_is_complete_though_the_last_messages_are_not_for_the_reader() -> None:
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        ada, bob = (DialogClient(agents.caller(agent)) for agent in ("ada", "bob"))
        await ada.open("log", ["bob", "cy"], conversation_id="log")
        await ada.say("log", "all")
        await ada.say("log", "cy", to=["cy"])
        page = await bob.history("log")
        assert [message.content for message in page.messages] == ["all"]
        assert (page.through_sequence, page.last_sequence) == (2, 2)


async def test_a_command_sent_twice_takes_effect_once() -> None:
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        caller = agents.caller("ada")
        request = wire.OpenRequest(topic="once")
        replies = [
            await caller.command("dialog", "open", request, wire.Conversation, command_id="same")
            for _ in range(2)
        ]
        assert replies[0] == replies[1]
        assert len(await DialogClient(caller).list()) == 1


async def test_a_message_carries_the_trace_it_was_said_in() -> None:
    trace = TraceContext.begin(random.Random(1))
    async with serving(dialog.define, dialog.NAME, journal=MemoryStream()) as agents:
        ada, _ = await _listening(agents, "ada")
        _, bob_hears = await _listening(agents, "bob")
        talk = await ada.open("review", ["bob"])
        token = CURRENT_TRACE.set(trace)
        await ada.broadcast(talk.conversation_id, "who objects?")
        CURRENT_TRACE.reset(token)
        assert (await _next(bob_hears)).traceparent == trace.header
        history = await ada.history(talk.conversation_id)
        assert [message.traceparent for message in history.messages] == [trace.header]
