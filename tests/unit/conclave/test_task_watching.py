"""A watch tells a terminal, a pipe or a program what becomes of tasks, and goes on while nobody answers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterable

import pytest
from rich.console import Console

from conclave.commands import taskwatch
from conclave.commands.tasklines import JsonLines, PlainLines, Screen, Shown
from conclave.commands.taskwatch import follow
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import StatesReply, TaskRecord, TaskStanding
from tests.support.taskviews import shown


class Story(TasksClient):
    """Tells of one task, at each look the next of `steps`; None is no answer."""

    def __init__(self, *steps: TaskRecord | None) -> None:
        self.caller = Caller(MemoryBus(MemoryExchange(), agent="operator"), agent="operator")
        super().__init__(self.caller)
        self._steps = list(steps)

    async def get(self, task_id: str) -> TaskRecord:
        """How the task stands now."""
        step = self._steps[0]
        if step is None or step.task_id != task_id:
            raise RejectedError("unknown_task", f"there is no task {task_id}")
        return step

    async def states(self, task_ids: Iterable[str]) -> StatesReply:
        """The same in short, one step later."""
        if len(self._steps) > 1:
            self._steps.pop(0)
        step = self._steps[0]
        if step is None:
            raise UnavailableError("nobody answers")
        known = step.model_dump(include=set(TaskStanding.model_fields))
        mine = step.task_id in set(task_ids)
        return StatesReply.model_validate({"tasks": [known] if mine else [], "unknown": []})


def to_the_end(state: str = "completed") -> tuple[TaskRecord | None, ...]:
    """A task that is taken, and ends while the service was away for a moment."""
    return (
        shown("abcd"),
        shown("abcd", "running", agent="ada", share=0.5, note="half"),
        None,
        None,
        shown("abcd", state, finished_at_ms=1, share=1.0),
    )


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks without waiting for notices, which nobody sends here."""
    monkeypatch.setattr(taskwatch, "_LOOK_S", 0.0)


async def told(story: Story, lines: Shown) -> bool:
    """Follow the story to its end."""
    async with asyncio.timeout(20):
        return await follow(story, story.caller, ["abcd"], lines)


async def test_a_pipe_gets_a_line_for_each_change_and_trouble_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await told(Story(*to_the_end()), PlainLines())
    out, err = capsys.readouterr()
    assert [line.split()[1:5] for line in out.splitlines()] == [
        ["abcd", "queued", "-", "-"],
        ["abcd", "running", "ada", "50%"],
        ["abcd", "completed", "-", "100%"],
    ]
    assert err == "conclave: the task service does not answer; trying again\n"


async def test_a_program_gets_summaries_without_payload(capsys: pytest.CaptureFixture[str]) -> None:
    assert not await told(Story(*to_the_end("expired")), JsonLines())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["state"] for line in lines] == ["queued", "running", "expired"]
    assert all("payload" not in line and "result" not in line for line in lines)


async def test_a_terminal_keeps_the_last_picture() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=20, color_system=None)
    assert await told(Story(*to_the_end()), Screen(console, where="nats://here"))
    last = file.getvalue().rpartition("1 task: 1 completed")[2]
    assert "nats://here" in last
    assert "✓ completed" in last


async def test_whoever_only_waits_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert await told(Story(*to_the_end()), Shown())
    assert capsys.readouterr() == ("", "")


async def test_a_task_that_nobody_knows_any_more_has_not_completed() -> None:
    assert not await told(Story(shown("other")), Shown())
