"""An agent with a prompt handler answers the published client library of the foreign protocol."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from synadia_ai.agents import Attachment, ProtocolError, ResponseChunk

from conclave import Agent, File, NoAnswerError, Piece, PromptContext, Session, TaskFailed, UsageError
from conclave.agent.prompts import MAX_PROMPTS
from coordination.gateway.limits import MAX_CHUNK_CHARS, Timing
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.prompting import Foreigner, gateway_runner, read
from tests.support.registry import running
from tests.support.waiting import DEADLINE_S, wait_until


@pytest.fixture
async def session(gateway: Runner, connect: Connect, subjects: Subjects) -> Session:
    """What ada joins over."""
    return Session(await connect("ada"), agent="ada", subjects=subjects)


async def test_what_a_handler_returns_is_the_answer(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada", description="Repeats.")

    @agent.prompt
    async def repeat(text: str) -> str:
        return f"{text}, {text}"

    async with agent.joined(session):
        ada = await foreign.find("ada")
        assert ada.description == "Repeats."
        assert await read(ada.prompt("hello")) == ["<ack>", "<working>", "hello, hello"]


async def test_what_handlers_yield_is_streamed(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")
    heard = asyncio.Event()

    @agent.prompt
    async def count(text: str) -> AsyncIterator[str]:
        yield "one "
        await heard.wait()
        yield f"two {text}"

    async with agent.joined(session):
        stream = (await foreign.find("ada")).prompt("three")
        while not isinstance(message := await anext(stream), ResponseChunk):
            pass
        assert message.text == "one "
        heard.set()
        assert await read(stream) == ["two three"]


async def test_sync_handlers_run_in_threads_and_may_yield(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")

    @agent.prompt
    def count(text: str) -> Iterator[str]:
        for word in text.split():
            yield f"{word} {threading.current_thread() is threading.main_thread()} "

    async with agent.joined(session):
        ada = await foreign.find("ada")
        assert (await read(ada.prompt("a b")))[2:] == ["a False ", "b False "]


async def test_a_sync_handler_that_is_not_read_to_its_end_cleans_up_in_a_thread(
    session: Session, foreign: Foreigner
) -> None:
    agent = Agent("ada")
    cleaned: list[bool] = []

    @agent.prompt
    def count() -> Iterator[object]:
        try:
            yield object()  # nothing that can be sent
        finally:
            cleaned.append(threading.current_thread() is threading.main_thread())

    async with agent.joined(session):
        with pytest.raises(ProtocolError, match="not JSON"):
            await read((await foreign.find("ada")).prompt("x"))
        await wait_until(lambda: bool(cleaned))
    assert cleaned == [False]


async def test_slow_prompts_do_not_keep_an_agent_from_anything_else(
    session: Session, foreign: Foreigner
) -> None:
    agent = Agent("ada")
    go = threading.Event()
    asked: list[str] = []
    heard = asyncio.Event()

    @agent.prompt
    def wait(text: str) -> str:
        asked.append(text)
        go.wait()
        return text

    @agent.on("result")
    def hear() -> None:
        loop.call_soon_threadsafe(heard.set)

    loop = asyncio.get_running_loop()
    async with agent.joined(session), asyncio.TaskGroup() as group:
        ada = await foreign.find("ada")
        for _ in range(MAX_PROMPTS):
            group.create_task(read(ada.prompt("x")))
        try:
            await wait_until(lambda: len(asked) == MAX_PROMPTS)
            await session.bus.publish(session.subjects.inbox("ada", "result"), b"{}")
            async with asyncio.timeout(DEADLINE_S):
                await heard.wait()
        finally:
            go.set()


async def test_files_go_both_ways(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")

    @agent.prompt
    async def reverse(context: PromptContext) -> Piece:
        return Piece("reversed", tuple(File(each.name, each.content[::-1]) for each in context.files))

    async with agent.joined(session):
        ada = await foreign.find("ada")
        sent = [Attachment.from_bytes("a", b"abc"), Attachment.from_bytes("b", bytes(range(256)) * 400)]
        back = [each async for each in ada.prompt("reverse", attachments=sent)]
        files = [file for each in back if isinstance(each, ResponseChunk) for file in each.attachments or ()]
        assert [(each.filename, each.to_bytes()) for each in files] == [
            (each.filename, each.to_bytes()[::-1]) for each in sent
        ]


async def test_an_agent_without_files_says_so(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")

    @agent.prompt(files=False)
    async def repeat(text: str) -> str:
        return text

    async with agent.joined(session):
        assert (await foreign.find("ada")).prompt_endpoint.attachments_ok is False


async def test_a_handler_asks_and_gets_an_answer_or_none(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")

    @agent.prompt
    async def ask(text: str, context: PromptContext) -> str:
        answer = await context.ask(text)
        with pytest.raises(NoAnswerError):
            await context.ask("Anybody", timeout_s=0.01)
        await context.say(f"so {answer}: ")
        return answer.text.upper()

    async with agent.joined(session):
        stream = (await foreign.find("ada")).prompt("Which")
        questions, words = [], []
        async for message in stream:
            if isinstance(message, ResponseChunk):
                words.append(message.text)
            elif (question := getattr(message, "prompt", "")) == "Which":
                await message.reply("blue")  # type: ignore[union-attr]
                questions.append(question)
        assert (questions, words) == (["Which"], ["so blue: ", "BLUE"])


async def test_a_sync_handler_may_ask_too(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")

    @agent.prompt
    def ask(text: str, context: PromptContext) -> str:
        return context.run_async(context.ask(text)).text

    async with agent.joined(session):
        ada = await foreign.find("ada")
        assert (await read(ada.prompt("Which"), answer="red"))[-2:] == ["Which?", "red"]


async def test_long_text_travels_in_pieces(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada")
    text = "\x01é€𝄞" * MAX_CHUNK_CHARS

    @agent.prompt
    async def ramble() -> str:
        return text

    async with agent.joined(session):
        words = [each for each in await read((await foreign.find("ada")).prompt("x")) if each[0] != "<"]
        assert len(words) == 4
        assert "".join(words) == text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TaskFailed("out of paper"), "service error 500: out of paper"),
        (ValueError("the password is 1234"), r"service error 500: ValueError \(see the agent's log, \w+\)$"),
    ],
)
async def test_an_exception_ends_the_answer_without_giving_secrets_away(
    session: Session, foreign: Foreigner, error: Exception, told: str
) -> None:
    agent = Agent("ada")

    @agent.prompt
    async def fail() -> str:
        raise error

    async with agent.joined(session):
        with pytest.raises(ProtocolError, match=told):
            await read((await foreign.find("ada")).prompt("x"))


async def test_one_prompt_too_many_is_refused_and_the_others_are_not(
    session: Session, foreign: Foreigner
) -> None:
    agent = Agent("ada")
    let_go = asyncio.Event()

    @agent.prompt(max_at_once=1)
    async def wait() -> str:
        await let_go.wait()
        return "done"

    async with agent.joined(session):
        ada = await foreign.find("ada")
        first = ada.prompt("first")
        assert [getattr(await anext(first), "status", "") for _ in range(2)] == ["ack", "working"]
        with pytest.raises(ProtocolError, match="service error 429"):
            await read(ada.prompt("second"))
        let_go.set()
        assert await read(first) == ["done"]


async def test_an_agent_that_stops_ends_its_answers(session: Session, foreign: Foreigner) -> None:
    agent = Agent("ada", drain_s=0)
    reasons: list[str] = []

    @agent.prompt
    async def wait(context: PromptContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            reasons.append(context.cancelled.reason)

    async with agent.joined(session):
        stream = (await foreign.find("ada")).prompt("x")
        assert [getattr(await anext(stream), "status", "") for _ in range(2)] == ["ack", "working"]
    with pytest.raises(ProtocolError, match="service error 500: the agent stops"):
        await read(stream)
    assert reasons == ["the agent stops"]


async def test_a_handler_that_thinks_for_long_is_heard_all_the_while(
    session: Session, foreign: Foreigner, connect: Connect, subjects: Subjects, gateway: Runner
) -> None:
    """The client's own inactivity timeout is what would end the stream."""
    timing = Timing(accept_ms=10_000, silence_ms=2000, keepalive_ms=50_000, total_ms=60_000)
    gateway.stop()
    async with running(gateway_runner(await connect("gateway"), subjects, timing=timing)):
        agent = Agent("ada")
        enough = asyncio.Event()

        @agent.prompt
        async def think() -> str:
            await enough.wait()
            return "done"

        async with agent.joined(session):
            stream = (await foreign.find("ada")).prompt("x", timeout=5)
            signs = [getattr(await anext(stream), "status", "") for _ in range(6)]
            enough.set()
            assert signs == ["ack", *["working"] * 5]
            assert "done" in await read(stream)


async def test_a_handler_is_cancelled_when_the_gateway_that_holds_its_stream_is_gone(
    session: Session, foreign: Foreigner, connect: Connect, subjects: Subjects, gateway: Runner
) -> None:
    agent = Agent("ada")
    reasons: list[str] = []

    @agent.prompt
    async def go_on(context: PromptContext) -> None:
        try:
            while True:
                await context.say("still here")
        finally:
            reasons.append(context.cancelled.reason)

    async with agent.joined(session):
        stream = (await foreign.find("ada")).prompt("x")
        await anext(stream)
        async with running(gateway_runner(await connect("gateway"), subjects)):
            gateway.stop()
            with pytest.raises(ProtocolError, match="service error 500: the gateway is stopping"):
                await read(stream)
            await wait_until(lambda: reasons)
            assert reasons == ["nobody waits for the answer any more"]


@pytest.mark.parametrize("limit", [0, 17])
def test_how_many_at_once_is_bounded(limit: int) -> None:
    with pytest.raises(UsageError, match="between 1 and 16"):
        Agent("ada").prompt(max_at_once=limit)(lambda text: text)


def test_a_handler_takes_text_and_there_is_one() -> None:
    agent = Agent("ada")
    with pytest.raises(UsageError, match="which is a str"):

        @agent.prompt
        def number(text: int) -> None: ...

    agent.prompt(lambda text: text)
    with pytest.raises(UsageError, match="answers prompts already"):
        agent.prompt(lambda text: text)
