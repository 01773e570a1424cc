"""An agent in dialogs: what it hears, in which order, and what it says in answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from conclave import Agent, Context, MessageContext, Reply, Session, TaskFailed, UsageError
from conclave.agent.messages import Messages
from conclave.testing import MemoryMesh
from dialog.wire import Message, Performative
from tests.support.virtual import pass_time


class Sum(BaseModel):
    """What is asked."""

    a: int
    b: int


class Asker:
    """Says things to agents, and collects the answers."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.heard: asyncio.Queue[Message] = asyncio.Queue()

    async def start(self, *agents: str) -> Asker:
        await self.session.dialog.on_message(self.heard.put)
        self.talk = (await self.session.dialog.open("test", agents)).conversation_id
        return self

    async def say(
        self, content: Any, performative: Performative = "request", *, to: tuple[str, ...] = ()
    ) -> int:
        text = content if isinstance(content, str) else json.dumps(content)
        said = await self.session.dialog.say(self.talk, text, performative=performative, to=to)
        return said.sequence

    async def ask(
        self, content: Any, performative: Performative = "request", *, to: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """(performative, content) of the answer."""
        sequence = await self.say(content, performative, to=to)
        async with asyncio.timeout(30):
            answer = await self.heard.get()
        assert answer.in_reply_to == sequence
        return answer.performative, answer.content

    async def is_left_alone(self) -> bool:
        await pass_time(10)
        return self.heard.empty()


async def test_a_request_is_answered_with_what_the_handler_returns(memory_mesh: MemoryMesh) -> None:
    agent = Agent("adder")

    @agent.message("request")
    def add(asked: Sum, context: MessageContext) -> dict[str, Any]:
        return {"sum": asked.a + asked.b, "for": context.message.sender}

    @agent.message("query-ref")
    async def echo(text: str) -> str:
        return text.upper()

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("adder")
        assert await ada.ask({"a": 1, "b": 2}) == ("inform", '{"sum":3,"for":"ada"}')
        assert await ada.ask("loud", "query-ref") == ("inform", "LOUD")


async def test_what_does_not_fit_is_not_understood_and_what_fails_is_a_failure(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("adder")

    @agent.message("request")
    def add(asked: Sum) -> int:
        if asked.b == 0:
            raise TaskFailed("b must not be zero")
        if asked.b == 1:
            raise ValueError("the password is hunter2")
        return asked.a + asked.b

    @agent.message("query-if")
    def odd() -> object:
        return object()

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("adder")
        assert await ada.ask({"a": 1}) == ("not-understood", "b: Field required")
        assert (await ada.ask("no json"))[0] == "not-understood"
        assert await ada.ask({"a": 1, "b": 0}) == ("failure", "b must not be zero")
        performative, content = await ada.ask({"a": 1, "b": 1})
        assert (performative, content[:12]) == ("failure", "ValueError (")
        assert "hunter2" not in content
        performative, content = await ada.ask("?", "query-if")
        assert (performative, "not JSON" in content) == ("failure", True)
    assert [type(each.error) for each in memory_mesh.take_failures()] == [ValueError]


@pytest.mark.parametrize("performative", ["inform", "failure", "not-understood", "refuse", "agree"])
async def test_what_asks_for_nothing_is_never_answered_by_itself(
    memory_mesh: MemoryMesh, performative: Performative
) -> None:
    agent = Agent("listener")
    heard = []

    @agent.message
    def hear(said: Sum) -> str:
        heard.append(said)
        if said.a == 0:
            raise ValueError("zero")
        return "an answer that nobody asked for"

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("listener")
        for content in ({"a": 1, "b": 1}, {"a": 0, "b": 1}, "not json"):
            await ada.say(content, performative)
        assert await ada.is_left_alone()
    assert heard == [Sum(a=1, b=1), Sum(a=0, b=1)]
    assert len(memory_mesh.take_failures()) == 1


async def test_a_reply_has_a_performative_of_its_own_and_is_said_to_anything(memory_mesh: MemoryMesh) -> None:
    agent = Agent("seller")

    @agent.message("cfp")
    async def bid(what: str) -> Reply:
        return Reply("propose", {"price": len(what)})

    @agent.message
    async def rest(what: str, context: MessageContext) -> Reply | None:
        if context.message.performative == "inform":
            return Reply("confirm", what)
        await context.reply([what], performative="agree")
        return None

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("seller")
        assert await ada.ask("tea", "cfp") == ("propose", '{"price":3}')
        assert await ada.ask("sold", "inform") == ("confirm", "sold")
        assert await ada.ask("please") == ("agree", '["please"]')


async def test_an_answer_goes_to_whoever_heard_the_question(memory_mesh: MemoryMesh) -> None:
    agent = Agent("oracle")
    agent.message("request")(lambda: "42")
    async with (
        memory_mesh.join(agent),
        memory_mesh.connect("ada") as session,
        memory_mesh.connect("bob") as other,
    ):
        heard: asyncio.Queue[Message] = asyncio.Queue()
        await other.dialog.on_message(heard.put)
        ada = await Asker(session).start("oracle", "bob")
        await ada.ask("in private", to=("oracle",))
        assert heard.empty()
        await ada.ask("in public")
        assert [(await heard.get()).content for _ in range(2)] == ["in public", "42"]


async def test_an_act_without_a_handler_is_not_understood_only_if_it_was_said_to_the_agent(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("listener")
    agent.message("request")(lambda: "yes")
    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("listener")
        await ada.say("who bids?", "cfp")
        await ada.say("by the way", "inform", to=("listener",))
        assert await ada.is_left_alone()
        assert await ada.ask("you?", "cfp", to=("listener",)) == ("not-understood", "no handler for cfp")


async def test_one_conversation_is_heard_in_order_and_does_not_hold_up_another(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("listener")
    heard: list[str] = []

    @agent.message
    async def hear(content: str) -> None:
        if content == "slow":
            await pass_time(100)
        heard.append(content)

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        first = await Asker(session).start("listener")
        second = await Asker(session).start("listener")
        await first.say("slow", "inform")
        for number in range(5):
            await first.say(f"after {number}", "inform")
        await second.say("quick", "inform")
        await memory_mesh.until(lambda: len(heard) == 7, timeout_s=200)
    assert heard == ["quick", "slow", *(f"after {number}" for number in range(5))]


async def test_a_message_being_handled_is_finished_when_the_agent_leaves(memory_mesh: MemoryMesh) -> None:
    agent = Agent("slow")

    @agent.message("request")
    async def think() -> str:
        await pass_time(5)
        return "done"

    async with memory_mesh.connect("ada") as session:
        async with memory_mesh.join(agent):
            ada = await Asker(session).start("slow")
            await ada.say("think")
            await pass_time(1)
        async with asyncio.timeout(1):
            assert (await ada.heard.get()).content == "done"


async def test_an_agent_that_starts_anew_answers_what_it_missed_and_nothing_twice(
    memory_mesh: MemoryMesh,
) -> None:
    heard: list[str] = []

    def oracle() -> Agent:
        agent = Agent("oracle")

        @agent.message
        def answer(text: str) -> str:
            heard.append(text)
            return text.upper()

        return agent

    async with memory_mesh.connect("ada") as session:
        async with memory_mesh.join(oracle()):
            ada = await Asker(session).start("oracle")
            assert await ada.ask("first") == ("inform", "FIRST")
        missed = await ada.say("missed")
        await pass_time(60)
        async with memory_mesh.join(oracle()):
            last = await ada.say("last")
            answers = [await ada.heard.get() for _ in range(2)]
            assert await ada.is_left_alone()
    assert [(each.in_reply_to, each.content) for each in answers] == [(missed, "MISSED"), (last, "LAST")]
    assert heard == ["first", "missed", "last"]


async def test_a_late_answer_ends_nothing(memory_mesh: MemoryMesh) -> None:
    agent = Agent("slow")

    @agent.message("request")
    async def think(seconds: float) -> str:
        await pass_time(seconds)
        return "done"

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("slow")
        reply_by_ms = memory_mesh.clock.now_ms() + 2_000
        await session.dialog.say(ada.talk, "10", performative="request", reply_by_ms=reply_by_ms)
        assert await ada.ask("0") == ("inform", "done")


async def test_sync_handlers_cannot_wait_for_the_loop_on_the_loop(memory_mesh: MemoryMesh) -> None:
    agent = Agent("waiter")

    @agent.message("request")
    def wait(context: Context) -> str:
        with pytest.raises(UsageError, match="here, await it"):
            context.run_async(context.session.registry.get("waiter"))  # virtual time has no threads
        return context.agent

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("waiter")
        assert await ada.ask("?") == ("inform", "waiter")


def test_mistakes_are_told_where_they_are_made() -> None:
    agent = Agent("listener")
    agent.message("cfp")(lambda: None)
    agent.message(lambda: None)
    with pytest.raises(UsageError, match="hears 'cfp' messages already"):
        agent.message("cfp")(lambda: None)
    with pytest.raises(UsageError, match="hears all messages already"):
        agent.message(lambda: None)
    with pytest.raises(UsageError, match=r"no performative 'shout'; there are: accept-proposal"):
        agent.message("shout")(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="it takes one parameter for the content"):
        agent.message("inform")(lambda a, b: (a, b))
    assert set(agent.part(Messages).handlers) == {"cfp", None}


@pytest.mark.conclave(raise_failures=False)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("odd\udc80name", "the answer holds half a surrogate pair, which cannot be sent as text"),
        (
            Reply("inform", "odd\udc80name"),
            "the answer holds half a surrogate pair, which cannot be sent as text",
        ),
        (TaskFailed("odd\udc80name"), "odd?name"),
    ],
)
async def test_an_answer_that_cannot_be_said_is_a_failure_and_not_silence(
    memory_mesh: MemoryMesh, answer: Any, reason: str
) -> None:
    agent = Agent("oracle")

    @agent.message("request")
    def say() -> Any:
        if isinstance(answer, TaskFailed):
            raise answer
        return answer

    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("oracle")
        assert await ada.ask("?") == ("failure", reason)
