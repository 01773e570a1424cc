"""docs/cli.md shows tasks, explanations and dead letters as they are really printed."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console, RenderableType

from conclave.commands import taskexplain
from conclave.commands.deadletterssweep import letters_table
from conclave.commands.queueview import queue_rows
from conclave.commands.tables import columns
from conclave.commands.taskboard import Board, Frame
from conclave.commands.tasktree import tree
from coordination.tasks.wire import ExplainReply, QueueReply
from tests.support.taskviews import NOW_MS, shown

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
WIDTH = 100


def stands(renderable: RenderableType) -> bool:
    """Whether the document shows what is printed, as it is."""
    file = io.StringIO()
    Console(file=file, width=WIDTH, color_system=None, highlight=False).print(renderable)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) in TEXT


def test_the_live_view_is_what_is_shown() -> None:
    board = Board()
    for task in (
        shown("4f1c2e77aa014c19", "running", agent="ada", share=0.45, note="page 9 of 20", attempt_count=1),
        shown("9d07b3a1c2e84f60", "failed", attempt_count=1, retry_at_ms=NOW_MS + 2_000, reason="no scanner"),
        shown("77aa014c194f1c2e", "queued", capability="translate"),
        shown("1c1d2e3f4a5b6c7d", "completed", attempt_count=1, finished_at_ms=NOW_MS - 1_000),
    ):
        board.take(task, at_ms=NOW_MS)
    frame = Frame(board, "nats://127.0.0.1:4222", is_synced=True)
    assert stands(frame.render(width=WIDTH, height=7, now_ms=NOW_MS))


def test_the_explanation_is_what_is_shown() -> None:
    task = shown("5c0e9b1f22d14a7e", "queued", capability="ocr", requirement="ocr>=2, region in [eu, us]")
    reply = ExplainReply.model_validate(
        {
            "task_id": task.task_id,
            "state": "queued",
            "position": 3,
            "waiting_for": [
                {
                    "code": "all_busy",
                    "text": "nobody who has not passed on it has a free slot (1 has no free slot, 1 has "
                    "passed on it, 1 does not meet the requirement)",
                }
            ],
            "agents": [
                {"agent": "ada", "verdict": "busy", "text": "holds 2 tasks, and has 2 slots"},
                {"agent": "bob", "verdict": "refused", "text": "passed on it: no scanner"},
                {
                    "agent": "carol",
                    "verdict": "lacks",
                    "text": "ocr is 1.4.0, needs >=2",
                    "reasons": ["ocr is 1.4.0, needs >=2", 'region is "asia", needs in [eu, us]'],
                },
            ],
            "counts": {"busy": 1, "refused": 1, "lacks": 1},
        }
    )
    assert stands(taskexplain.explained(task, reply, now_ms=NOW_MS, width=WIDTH))


def test_the_tree_is_what_is_shown() -> None:
    members = [
        shown("root", "running", agent="ada", share=0.5, budget={"tasks": 10, "cost": 100}, used_tasks=3),
        shown("left", "running", agent="bob", chain=["root"], share=0.25, note="half way there"),
        shown("right", "completed", chain=["root"], finished_at_ms=NOW_MS),
        shown("below", "queued", chain=["root", "left"]),
    ]
    assert stands(tree(members, now_ms=NOW_MS))


def test_dead_letters_are_what_is_shown() -> None:
    letters = [
        shown(
            "2c1d2e3f4a5b6c7d", "dead_lettered", attempt_count=3, finished_at_ms=NOW_MS - 7_200_000
        ).model_copy(update={"reason": "the worker was silent for longer than its lease"}),
        shown(
            "8e5fa0b1c2d34e5f", "dead_lettered", finished_at_ms=NOW_MS - 60_000, capability="translate"
        ).model_copy(update={"reason": "nobody took it in 10 rounds; last: carol: no such language"}),
    ]
    assert stands(letters_table(letters, now_ms=NOW_MS, width=WIDTH))


def test_queues_are_shown_as_rows_for_pipes() -> None:
    settings = {
        "strategy": "best_match",
        "aging_ms": 600_000,
        "weights": {"gold": 3},
        "rate_limits": {"ocr": {"count": 10, "per_ms": 1_000}},
        "agent_rate_limit": None,
        "max_held": None,
        "max_held_per_agent": None,
        "is_paused": False,
        "pause_reason": "",
    }
    queue = QueueReply.model_validate({"queue": "reports", "settings": settings})
    rows = [(f"{name.replace(' ', '-')}:", value) for name, value in queue_rows(queue)]
    assert "\n".join(columns(rows)) in TEXT
