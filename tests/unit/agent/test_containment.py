"""Handlers that raise what nobody expects: the agent lives on, and whoever asked is told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from conclave import Agent, Reply, TaskFailed, UsageError
from conclave.agent.threads import Threads
from conclave.testing import MemoryMesh
from coordination.runtime.errors import PeerProtocolError
from tests.unit.agent.test_messages import Asker
from tests.unit.agent.test_prompts import prompt
from tests.unit.agent.test_task_trouble import ended

QUIET = pytest.mark.conclave(raise_failures=False)


class OddError(BaseException):
    """Like `SystemExit`: no `Exception`."""


class WordlessError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no words")


class UnfinishedFailed(TaskFailed):
    """Has forgotten to call its base."""

    def __init__(self) -> None:
        pass


RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    "exit": (lambda: SystemExit(2), "SystemExit (see the agent's log, "),
    "odd": (OddError, "OddError (see the agent's log, "),
    "group": (lambda: BaseExceptionGroup("two", [OddError()]), "BaseExceptionGroup (see the agent's log, "),
    "generator": (GeneratorExit, "GeneratorExit (see the agent's log, "),
    "cancelled": (asyncio.CancelledError, ""),
    "wordless": (WordlessError, "WordlessError (see the agent's log, "),
    "unfinished": (UnfinishedFailed, "UnfinishedFailed"),
    "exception": (lambda: TaskFailed(KeyError("tea")), "'tea'"),
    "empty": (lambda: TaskFailed(""), "TaskFailed"),
}


def raising(name: str, *, is_async: bool) -> Callable[[], Any]:
    """A handler that raises it."""

    def raise_it() -> None:
        error = RAISED[name][0]()
        raise error

    async def raise_it_async() -> None:
        raise_it()

    return raise_it_async if is_async else raise_it


@QUIET
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", RAISED)
async def test_whatever_a_task_handler_raises_fails_the_attempt_and_nothing_else(
    memory_mesh: MemoryMesh, name: str, *, is_async: bool
) -> None:
    agent = Agent("worker")
    agent.task("odd")(raising(name, is_async=is_async))
    agent.task("well")(lambda: "well")
    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        record = await ended(memory_mesh, (await boss.tasks.submit("odd", max_attempts=1)).task_id)
        assert record.reason
        assert record.reason.startswith(RAISED[name][1])
        assert await memory_mesh.run_task("well") == {"result": "well"}


@QUIET
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", [each for each in RAISED if each != "generator"])
async def test_whatever_a_message_handler_raises_is_answered_with_failure(
    memory_mesh: MemoryMesh, name: str, *, is_async: bool
) -> None:
    agent = Agent("oracle")
    agent.message("request")(raising(name, is_async=is_async))
    agent.message("query-if")(lambda: "well")
    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("oracle")
        performative, content = await ada.ask("?")
        assert performative == "failure"
        assert content
        assert content.startswith(RAISED[name][1])
        assert await ada.ask("?", "query-if") == ("inform", "well")


@QUIET
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", RAISED)
async def test_whatever_a_prompt_handler_raises_ends_the_answer_with_an_error(
    memory_mesh: MemoryMesh, name: str, *, is_async: bool
) -> None:
    agent = Agent("oracle")
    agent.prompt(raising(name, is_async=is_async))
    async with memory_mesh.join(agent):
        (heard,) = await prompt(memory_mesh)
        assert heard.startswith(f"500: {RAISED[name][1]}")


@QUIET
async def test_a_prompt_handler_that_exits_between_two_pieces_ends_the_answer(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("oracle")

    @agent.prompt
    def speak() -> Iterator[str]:
        yield "first"
        sys.exit(1)

    async with memory_mesh.join(agent):
        first, error = await prompt(memory_mesh)
    assert first == "first"
    assert error.startswith("500: SystemExit (see the agent's log, ")


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_proposal_handler_that_exits_is_a_failure_of_its_own(
    memory_mesh: MemoryMesh, *, is_async: bool
) -> None:
    agent = Agent("voter")
    agent.proposal(raising("exit", is_async=is_async))
    async with memory_mesh.join(agent), memory_mesh.connect("chair") as chair:
        await chair.consensus.propose("Tea", artifact_sha256="ab" * 32, electorate=["voter", "chair"])
        failures = await memory_mesh.until(memory_mesh.take_failures)
        assert [str(each.error) for each in failures] == ["SystemExit: 2"]
        assert (await chair.registry.get("voter")).status == "online"


@QUIET
async def test_types_of_a_handler_that_exit_or_break_are_failures_and_not_silence(
    memory_mesh: MemoryMesh,
) -> None:
    class Odd(BaseModel):
        how: str

        @field_validator("how")
        @classmethod
        def check(cls, how: str) -> str:
            if how == "exit":
                sys.exit(3)
            raise KeyError(how)

    agent = Agent("worker")

    @agent.task("odd")
    @agent.message("request")
    def work(odd: Odd) -> str:
        return odd.how

    async with (
        memory_mesh.join(agent),
        memory_mesh.connect("boss") as boss,
        memory_mesh.connect("ada") as session,
    ):
        ada = await Asker(session).start("worker")
        for how, shown in (("exit", "SystemExit (see"), ("break", "KeyError (see")):
            submitted = await boss.tasks.submit("odd", {"how": how}, max_attempts=1)
            assert (await ended(memory_mesh, submitted.task_id)).reason.startswith(shown)
            performative, content = await ada.ask({"how": how})
            assert (performative, content[: len(shown)]) == ("failure", shown)


@QUIET
async def test_a_result_that_cannot_be_reported_for_no_good_reason_is_reported_as_a_failure(
    memory_mesh: MemoryMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("worker")
    agent.task("work")(lambda: "done")

    async with memory_mesh.join(agent) as session, memory_mesh.connect("boss") as boss:
        report = session.tasks.report_written

        async def garbled(items: Sequence[bytes]) -> Any:
            if any(b'"do":"complete"' in item for item in items):
                raise PeerProtocolError("the answer is not a ReportReply")
            return await report(items)

        monkeypatch.setattr(session.tasks, "report_written", garbled)
        record = await ended(memory_mesh, (await boss.tasks.submit("work", max_attempts=1)).task_id)
    assert record.reason.startswith("PeerProtocolError (see the agent's log")


@QUIET
async def test_an_answer_that_cannot_be_said_for_no_good_reason_is_a_failure(
    memory_mesh: MemoryMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("oracle")
    agent.message("request")(lambda: "42")
    async with memory_mesh.join(agent) as mine, memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("oracle")
        say = mine.dialog.say

        async def garble(*arguments: Any, **options: Any) -> Any:
            if options["performative"] != "failure":
                raise PeerProtocolError("the answer is not a SayReply")
            return await say(*arguments, **options)

        monkeypatch.setattr(mine.dialog, "say", garble)
        performative, content = await ada.ask("?")
    assert (performative, content[:17]) == ("failure", "PeerProtocolError")


@QUIET
async def test_a_reply_with_an_act_that_nobody_knows_is_answered_with_failure(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("oracle")
    agent.message("request")(lambda: Reply("nonsense", "x"))  # type: ignore[arg-type]
    async with memory_mesh.join(agent), memory_mesh.connect("ada") as session:
        ada = await Asker(session).start("oracle")
        performative, content = await ada.ask("?")
    assert (performative, content[:15]) == ("failure", "UsageError (see")


@pytest.mark.parametrize("performative", ["nonsense", "", None, ["inform"]])
def test_a_reply_with_an_act_that_nobody_knows_is_refused_when_it_is_made(performative: Any) -> None:
    with pytest.raises(UsageError, match=r"Reply: no performative .*; there are: accept-proposal, agree"):
        Reply(performative, "x")


def test_a_reason_is_text_or_an_exception_and_an_exception_without_text_has_its_name() -> None:
    assert TaskFailed(ValueError("too hot")).reason == "too hot"
    assert TaskFailed(ValueError()).reason == "ValueError"
    for reason in (None, 7, b"hot", SystemExit(1)):
        with pytest.raises(UsageError, match=rf"the reason is a {type(reason).__name__}; give a str"):
            TaskFailed(reason)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="details is a list; it is a mapping"):
        TaskFailed("hot", details=["tea"])  # type: ignore[arg-type]


async def test_an_exit_in_a_thread_comes_back_as_an_error_and_gives_back_its_place() -> None:
    threads = Threads(1, name="test")
    for _ in range(3):
        with pytest.raises(Exception, match="SystemExit: 4"):
            await threads.run(lambda: sys.exit(4))
    assert await threads.run(lambda: "free") == "free"
