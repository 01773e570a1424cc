"""Tasks as people and pipes see them: nothing is lost, nothing commands the terminal, no row is two lines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from conclave.commands import taskcancel, taskexplain, taskpage, tasktree, taskview
from conclave.commands.taskboard import MAX_CHANGES, MAX_ENDED, Board, Frame
from conclave.commands.tasklist import OPEN
from coordination.tasks.lifecycle import ENDED, State
from coordination.tasks.wire import DagReply, ExplainReply, QueueView, TaskRecord
from tests.support.taskviews import NOW_MS, shown

HOSTILE = "a\x1b[31mb\nc\x07d\u202ee"


def printed(renderable: RenderableType, width: int = 100) -> str:
    """What a terminal of so many columns would show, without colour."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, highlight=False, force_terminal=True).print(renderable)
    return file.getvalue()


def in_every_state() -> list[TaskRecord]:
    """A task in each state, with what makes it one."""
    more: dict[State, dict[str, Any]] = {
        State.RUNNING: {"agent": "ada", "share": 0.45, "note": "page 9 of 20"},
        State.CANCELING: {"agent": "bob", "share": 0.9, "reason": "no longer wanted"},
        State.OFFERED: {"agent": "carol"},
        State.FAILED: {"retry_at_ms": NOW_MS + 4_000, "reason": "no scanner"},
        State.BLOCKED: {"waits_for": ["aaaa", "bbbb", "cccc"]},
        State.SCHEDULED: {"run_at_ms": NOW_MS + 3_600_000},
        State.DEAD_LETTERED: {"reason": "no such page"},
        State.CANCELED: {"canceled_by": "operator", "reason": "enough", "is_confirmed": True},
    }
    return [
        shown(
            f"task-{state.value.replace('_', '-')}",
            state,
            sequence=number,
            finished_at_ms=NOW_MS - 1_000 if state in ENDED else None,
            **more.get(state, {}),
        )
        for number, state in enumerate(State, start=1)
    ]


def test_every_state_has_a_mark_a_style_and_a_place() -> None:
    assert set(taskview.MARKS) == set(taskview.STYLES) == set(State)
    assert set(ENDED) == taskview.ENDED
    assert set(OPEN) == set(State) - ENDED
    assert all(cell_len(mark) == 1 for mark in taskview.MARKS.values())
    assert all(cell_len(mark) == 1 for mark, _, _ in taskexplain.VERDICTS.values())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("running", "page 9 of 20"),
        ("canceling", "told to stop: no longer wanted"),
        ("failed", "again in 4s: no scanner"),
        ("blocked", "waits for aaaa, bbbb, …"),
        ("scheduled", "in 1h"),
        ("dead_lettered", "no such page"),
        ("canceled", "by operator: enough, confirmed"),
        ("queued", ""),
    ],
)
def test_what_there_is_to_say_of_a_task_depends_on_its_state(state: str, words: str) -> None:
    task = next(each for each in in_every_state() if each.state == state)
    assert taskview.said(task, now_ms=NOW_MS) == words


@given(st.integers(20, 200))
def test_no_row_of_the_table_takes_a_second_line(width: int) -> None:
    tasks = in_every_state()
    lines = printed(taskview.table(tasks, now_ms=NOW_MS, width=width), max(width, 56)).splitlines()
    assert len(lines) == len(tasks) + 1


@pytest.mark.parametrize(
    ("width", "headers"),
    [
        (40, ["ID", "STATE", "TASK", "PROGRESS"]),
        (60, ["ID", "STATE", "TASK", "AGENT", "PROGRESS"]),
        (100, ["ID", "STATE", "TASK", "PRI", "AGENT", "TRY", "PROGRESS", "AGE"]),
        (160, ["ID", "STATE", "TASK", "QUEUE", "PRI", "AGENT", "TRY", "PROGRESS", "AGE"]),
    ],
)
def test_more_room_shows_more_columns(width: int, headers: list[str]) -> None:
    task = shown(
        "4f1c2e77aa014c19",
        "running",
        agent="ada",
        share=0.5,
        note="n" * 40,
        attempt_count=1,
        priority=5,
        queue="reports",
    )
    first, row = printed(taskview.table([task], now_ms=NOW_MS, width=width), width).splitlines()
    assert first.split()[: len(headers)] == headers
    assert row.startswith("4f1c2e77aa014c19" if width >= 100 else "4f1c2e77 ")
    assert ("nnn" in row) is (width >= 100)


@pytest.mark.parametrize(
    ("tasks", "headers"),
    [
        ([shown("abcd")], ["ID", "STATE", "TASK", "AGE"]),
        ([shown("abcd"), shown("efgh", priority=5)], ["ID", "STATE", "TASK", "PRI", "AGE"]),
        ([shown("abcd"), shown("efgh", queue="reports")], ["ID", "STATE", "TASK", "QUEUE", "AGE"]),
    ],
)
def test_columns_that_tell_nobody_anything_are_left_out(tasks: list[TaskRecord], headers: list[str]) -> None:
    first = printed(taskview.table(tasks, now_ms=NOW_MS, width=120), 120).splitlines()[0]
    assert first.split() == headers


def test_what_others_wrote_commands_no_terminal_and_ends_no_line() -> None:
    task = shown(
        "abcd",
        "dead_lettered",
        reason=HOSTILE,
        note=HOSTILE,
        requirement=HOSTILE,
        capability="",
        payload={"a": HOSTILE},
        attempts=[
            {"agent": "ada", "fencing_token": 1, "started_ms": 1, "ended_ms": 2, "error": HOSTILE},
        ],
        refusals=[{"agent": "bob", "reason": HOSTILE, "at_ms": 1}],
    )
    assert len("  ".join(taskview.plain_row(task)).splitlines()) == 1
    assert len("  ".join(taskview.change_row(task, at_ms=NOW_MS)).splitlines()) == 1
    for name, value in taskpage.rows(task, now_ms=NOW_MS):
        assert len(f"{name}{value}".splitlines()) == 1
    page = printed(taskpage.page(task, now_ms=NOW_MS, width=100))
    assert not set(page) & set("\x1b\x07\u202e")


@pytest.mark.parametrize("task", in_every_state(), ids=lambda each: each.state)
def test_rows_for_pipes_have_no_empty_cell_and_no_space_but_in_the_last(task: TaskRecord) -> None:
    for row in (taskview.plain_row(task), taskview.change_row(task, at_ms=NOW_MS)):
        assert all(row)
        assert not any(" " in cell for cell in row[:-1])
    assert len(taskview.plain_row(task)) == len(taskview.PLAIN_COLUMNS)


def test_the_page_of_a_task_shows_who_worked_on_it_and_who_passed() -> None:
    task = shown(
        "4f1c2e77aa014c19",
        "running",
        agent="ada",
        share=0.45,
        attempts=[
            {"agent": "bob", "fencing_token": 5, "started_ms": NOW_MS - 9_000, "ended_ms": NOW_MS - 6_000}
            | {"error": "no scanner", "spent": 3},
            {"agent": "ada", "fencing_token": 7, "started_ms": NOW_MS - 3_000, "ended_ms": None, "error": ""},
        ],
        refusals=[{"agent": "carol", "reason": "full", "at_ms": NOW_MS - 2_000}],
        payload={"page": 7},
        after=[{"task_id": "aaaa", "on_failure": "skip"}],
        waits_for=(),
        chain=["root", "mid"],
        budget={"tasks": 10, "cost": None},
        used_tasks=3,
        timeout_ms=60_000,
        call={
            "call": 3,
            "agents": ["ada", "dave", "erin"],
            "bids_until_ms": NOW_MS + 1_000,
            "bids": [
                {"agent": "ada", "at_ms": 1, "is_refusal": False, "reason": "", "cost": 3.5, "eta_ms": 2_000},
                {"agent": "dave", "at_ms": 1, "is_refusal": True, "reason": "busy", "cost": 0, "eta_ms": 0},
            ],
        },
    )
    page = printed(taskpage.page(task, now_ms=NOW_MS, width=100))
    for text in (
        "● running  ada",
        "45%",
        "lease ends in 30s",
        "2 of 3, each at most 1m",
        "aaaa  skip if it fails",
        "root > mid > 4f1c2e77aa014c19",
        "3 of 10 tasks below it",
        "1  bob  9s ago  3s  no scanner  3 units",
        "2  ada  3s ago  3s  at work",
        "carol  full  2s ago",
        "bids 3.5, done in 2s",
        "does not bid: busy",
        "may bid, until in 1s",
        '"page": 7',
    ):
        assert text in page


def test_a_result_is_shown_and_one_elsewhere_is_named() -> None:
    done = shown("abcd", "completed", result={"text": "ä"}, finished_at_ms=NOW_MS)
    assert '"text": "ä"' in printed(taskpage.page(done, now_ms=NOW_MS, width=80))
    assert ("result:", '{"text":"ä"}') in list(taskpage.rows(done, now_ms=NOW_MS))
    away = shown(
        "abcd",
        "completed",
        result_reference={"sha256": "f" * 64, "size_bytes": 200_000},
        finished_at_ms=NOW_MS,
    )
    assert "200000 bytes" in printed(taskpage.page(away, now_ms=NOW_MS, width=80))
    long = shown("abcd", "completed", result=list(range(100)), finished_at_ms=NOW_MS)
    assert "62 more lines, shown with --json" in printed(taskpage.page(long, now_ms=NOW_MS, width=80))


# --- the board


def test_the_board_tells_what_is_new_from_what_is_not() -> None:
    board = Board()
    assert board.take(shown("abcd"), at_ms=1)
    assert not board.take(shown("abcd"), at_ms=2)
    assert board.take(shown("abcd", "running", agent="ada"), at_ms=3)
    assert board.take(shown("abcd", "running", agent="ada", share=0.5), at_ms=4)
    assert board.take(shown("abcd", "running", agent="ada", share=0.5, note="half"), at_ms=5)
    assert [(step.at_ms, step.task.state) for step in board.recent] == [(1, "queued"), (3, "running")]
    assert board.open_ids() == ["abcd"]


def test_where_all_are_watched_the_ended_ones_make_room_and_the_active_ones_stand_first() -> None:
    board = Board(keeps_all=False)
    for number in range(MAX_ENDED + 10):
        board.take(shown(f"done-{number}", "completed", finished_at_ms=NOW_MS + number), at_ms=NOW_MS)
    board.take(shown("waits", "queued", sequence=1), at_ms=NOW_MS)
    board.take(shown("waits-too", "queued", sequence=2, priority=5), at_ms=NOW_MS)
    board.take(shown("works", "running", agent="ada", sequence=3), at_ms=NOW_MS)
    names = [each.task_id for each in board.in_order()]
    assert names[:4] == ["works", "waits-too", "waits", f"done-{MAX_ENDED + 9}"]
    assert len(names) == MAX_ENDED + 3
    assert len(board.recent) == MAX_CHANGES


@given(st.integers(20, 160), st.integers(4, 60), st.integers(0, 30))
def test_the_live_view_fits_the_terminal(width: int, height: int, count: int) -> None:
    board = Board()
    for number in range(count):
        board.take(shown(f"task-{number:04}", "running", agent="ada", share=0.5, note="x" * 80), at_ms=NOW_MS)
    frame = Frame(board, "nats://127.0.0.1:4222", is_synced=True)
    lines = printed(frame.render(width=width, height=height, now_ms=NOW_MS), max(width, 56)).splitlines()
    assert len(lines) <= max(height, 5)


def test_the_live_view_says_what_is_left_out_and_what_is_wrong() -> None:
    board = Board()
    frame = Frame(board, "nats://here", trouble="")
    assert "asking …" in printed(frame.render(width=80, height=20, now_ms=NOW_MS))
    frame.is_synced = True
    assert "no tasks are open" in printed(frame.render(width=80, height=20, now_ms=NOW_MS))
    for number in range(9):
        board.take(shown(f"task-{number}", "running", agent="ada"), at_ms=NOW_MS)
    assert "… and 5 more" in printed(frame.render(width=80, height=8, now_ms=NOW_MS))
    frame.trouble = "the task service does not answer"
    assert "does not answer" in printed(frame.render(width=36, height=8, now_ms=NOW_MS), 60)


# --- why it waits


EXPLAINED = ExplainReply.model_validate(
    {
        "task_id": "77aa014c194f1c2e",
        "state": "queued",
        "position": 3,
        "waiting_for": [
            {"code": "rate_limited", "text": "10 in 1s of ocr are used up", "until_ms": NOW_MS + 4_000},
            {"code": "all_busy", "text": "every agent that could do it is busy"},
        ],
        "agents": [
            {"agent": "ada", "verdict": "busy", "text": "holds 4 of 4 tasks"},
            {
                "agent": "carol",
                "verdict": "lacks",
                "text": "lacks 2 of 3",
                "reasons": ["python is 3.9.2", HOSTILE],
            },
            {"agent": "dave", "verdict": "of-a-newer-service", "text": "so it is"},
        ],
        "counts": {"busy": 1, "lacks": 20, "of-a-newer-service": 1},
    }
)


def test_an_explanation_names_reasons_position_and_every_agent() -> None:
    text = printed(taskexplain.explained(shown("77aa014c194f1c2e"), EXPLAINED, now_ms=NOW_MS, width=100))
    for said in (
        "10 in 1s of ocr are used up  in 4s",
        "every agent that could do it is busy",
        "2 tasks before it",
        "ada    ● busy",
        "✗ unfit",
        "python is 3.9.2",
        "? of-a-newer-service",
        "22 agents: 1 busy, 20 unfit, 1 of-a-newer-service  the nearest 3 are shown",
    ):
        assert said in text
    assert "\x1b" not in text


def test_an_explanation_for_pipes_is_a_row_for_each_reason() -> None:
    rows = list(taskexplain.plain_rows(EXPLAINED))
    assert [row[0] for row in rows] == [
        "waits",
        "waits",
        "position",
        "agent",
        "agent",
        "agent",
        "agent",
        "agent",
    ]
    assert rows[3] == ("agent", "ada", "busy", "-", "holds 4 of 4 tasks")
    assert all(len(row) == len(taskexplain.PLAIN_COLUMNS) and all(row) for row in rows)


def test_a_task_that_waits_for_nothing_says_so() -> None:
    reply = ExplainReply.model_validate(
        {"task_id": "abcd", "state": "completed", "waiting_for": [], "agents": []}
    )
    text = printed(taskexplain.explained(shown("abcd", "completed"), reply, now_ms=NOW_MS, width=80))
    assert "nothing" in text
    assert "0 agents" in text


# --- families


def family() -> list[TaskRecord]:
    """A task, two below it, and one below one of these."""
    return [
        shown("root", "running", agent="ada", share=0.5, budget={"tasks": 10, "cost": 100}, used_tasks=3),
        shown("left", "running", agent="bob", chain=["root"], note="half way"),
        shown("right", "completed", chain=["root"], finished_at_ms=NOW_MS),
        shown("below", "queued", chain=["root", "left"]),
    ]


def test_a_tree_has_each_task_under_the_one_it_was_delegated_from() -> None:
    lines = printed(tasktree.tree(family(), now_ms=NOW_MS), 120).splitlines()
    assert [line.split("  ")[-4:][0] != "" for line in lines] == [True] * 4
    assert "[3 of 10 tasks below it, 0 of 100 units]" in lines[0]
    assert lines[1].startswith("├── ● running  left")
    assert lines[2].startswith("│   └── ○ queued  below")
    assert lines[3].startswith("└── ✓ completed  right")
    rows = list(tasktree.tree_rows(family()))
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("0", "root", "-"),
        ("1", "left", "root"),
        ("1", "right", "root"),
        ("2", "below", "left"),
    ]
    assert all(len(row) == len(tasktree.TREE_COLUMNS) and " " not in "".join(row[:-1]) for row in rows)


def test_a_tree_for_pipes_has_what_is_used_of_the_budget_in_columns_of_its_own() -> None:
    rows = [dict(zip(tasktree.TREE_COLUMNS, row, strict=True)) for row in tasktree.tree_rows(family())]
    assert [(row["BELOW"], row["UNITS"]) for row in rows] == [("3/10", "0/100")] + [("0", "0")] * 3


def test_attempts_of_before_a_redrive_are_not_counted_against_the_bound() -> None:
    attempt = {"agent": "bob", "fencing_token": 5, "started_ms": 1, "ended_ms": 2, "error": "no", "spent": 0}
    task = shown("a", "failed", attempts=[attempt] * 6, attempt_count=6, earlier_attempts=3, redrives=1)
    assert "6, 3 of 3 since it was redriven" in printed(taskpage.page(task, now_ms=NOW_MS, width=100))
    assert taskview.tries(task) == "3/3"


def test_a_child_whose_parent_is_forgotten_hangs_on_the_root() -> None:
    members = [shown("root"), shown("lost", chain=["root", "forgotten"])]
    assert "└── ○ queued  lost" in printed(tasktree.tree(members, now_ms=NOW_MS))


@pytest.mark.parametrize(
    ("task", "words", "has_stopped"),
    [
        (shown("a", "canceled", is_confirmed=True, attempt_count=1), "confirmed by its agent", True),
        (shown("a", "canceled", attempt_count=1), "not confirmed: its lease ended", False),
        (shown("a", "canceled"), "nobody had begun it", True),
        (shown("a", "completed"), "had ended before", True),
    ],
)
def test_of_every_canceled_task_it_is_said_whether_its_agent_stopped(
    task: TaskRecord, words: str, *, has_stopped: bool
) -> None:
    assert taskcancel.stopped_text(task).plain == words
    assert taskcancel.has_stopped(task) is has_stopped
    assert words in printed(taskcancel.stopped_table([task]))


def test_a_dag_shows_what_waits_for_what_and_what_was_undone() -> None:
    dag = DagReply.model_validate(
        {
            "dag_id": "trip",
            "submitter": "operator",
            "state": "compensating",
            "reason": "mail: no such address",
            "submitted_at_ms": NOW_MS,
            "finished_at_ms": None,
            "open_count": 0,
            "compensating": "t1-undo",
            "tasks": [
                {"name": "flight", "task_id": "t1", "state": "completed", "is_compensated": True},
                {"name": "hotel", "task_id": "t2", "state": None, "is_compensated": False},
                {
                    "name": "mail",
                    "task_id": "t3",
                    "state": "dead_lettered",
                    "reason": "no such address",
                    "after": [
                        {"task_id": "t1", "on_failure": "fail"},
                        {"task_id": "t2", "on_failure": "skip"},
                        {"task_id": "x9", "on_failure": "run"},
                    ],
                },
            ],
        }
    )
    text = printed(tasktree.dag_page(dag, {}, now_ms=NOW_MS), 100)
    for said in (
        "trip  compensating",
        "undoing, by t1-undo: mail: no such address",
        "flight, hotel:skip, x9:run",
        "not undone",
        "forgotten",
        "✗ dead letter",
        "no such address",
    ):
        assert said in text


def test_a_queue_shows_its_limits_in_the_form_in_which_they_are_set() -> None:
    from conclave.commands.queueview import queue_rows, queues_table

    queue = QueueView.model_validate(
        {
            "queue": "reports",
            "waiting": 12,
            "held": 3,
            "settings": {
                "strategy": "best_match",
                "aging_ms": 0,
                "weights": {"gold": 3},
                "rate_limits": {"ocr": {"count": 10, "per_ms": 1_000, "burst": 50}},
                "agent_rate_limit": {"count": 2, "per_ms": 60_000},
                "max_held": None,
                "max_held_per_agent": 4,
                "is_paused": True,
                "pause_reason": "the scanner is away",
            },
        }
    )
    text = printed(queues_table((queue,)), 140)
    assert "paused: the scanner is away  ocr 10/s:50, each agent 2/m, at most 4 by one agent" in text
    rows = dict(queue_rows(queue))
    assert (rows["rate"], rows["agent rate"], rows["max held"]) == ("ocr=10/s:50", "2/m", "none")
    assert (rows["aging"], rows["paused"], rows["weight"]) == ("none", "yes: the scanner is away", "gold=3")
