"""What a task waits for, as people see it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from conclave.commands import taskexplain
from coordination.tasks.wire import ExplainReply
from tests.support.taskviews import NOW_MS, shown


@pytest.mark.parametrize(
    ("waiting_for", "said", "left_out"),
    [
        ([], ("waits for  nothing", "in line    the next one"), "before it"),
        ([{"code": "barred", "text": "nobody may have it"}], ("waits for  nobody may have it",), "in line"),
        ([{"code": "ended", "text": "completed by 'ada'"}], ("ended     completed by 'ada'",), "waits for"),
    ],
)
def test_the_next_one_in_line_is_so_called_only_if_it_waits_for_nothing_else(
    waiting_for: list[dict[str, str]], said: tuple[str, ...], left_out: str
) -> None:
    data = {"task_id": "t", "state": "queued", "position": 1, "waiting_for": waiting_for, "agents": []}
    reply = ExplainReply.model_validate(data)
    console = Console(file=io.StringIO(), width=100, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(taskexplain.explained(shown("t"), reply, now_ms=NOW_MS, width=100))
    text = capture.get()
    assert all(each in text for each in said), text
    assert left_out not in text


def test_of_an_agent_that_was_not_chosen_it_is_not_said_that_it_was_outranked() -> None:
    told = {"agent": "bob", "verdict": "not_chosen", "text": "'ada' was chosen then"}
    data = {
        "task_id": "t",
        "state": "running",
        "waiting_for": [],
        "agents": [told],
        "counts": {"not_chosen": 1},
    }
    reply = ExplainReply.model_validate(data)
    console = Console(file=io.StringIO(), width=100, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(taskexplain.explained(shown("t"), reply, now_ms=NOW_MS, width=100))
    text = capture.get()
    assert "◌ not chosen  'ada' was chosen then" in text
    assert "1 agent: 1 not chosen" in text
