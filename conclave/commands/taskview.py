"""How tasks look: as a table for people, and as rows for pipes. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.table import Table
from rich.text import Text

from conclave.commands.durations import moment_text
from conclave.commands.tables import age, printable
from conclave.commands.taskmoments import iso
from coordination.tasks.spec import DEFAULT_QUEUE
from coordination.tasks.wire import TaskSummary

STYLES: Final = {
    "scheduled": "blue",
    "blocked": "blue",
    "queued": "yellow",
    "announced": "yellow",
    "offered": "cyan",
    "running": "bold cyan",
    "canceling": "magenta",
    "failed": "bold yellow",
    "completed": "green",
    "dead_lettered": "bold red",
    "canceled": "magenta",
    "expired": "red",
    "skipped": "dim",
}
MARKS: Final = {
    "scheduled": "◷",
    "blocked": "◌",
    "queued": "○",
    "announced": "◔",
    "offered": "◑",
    "running": "●",
    "canceling": "◍",
    "failed": "↻",
    "completed": "✓",
    "dead_lettered": "✗",
    "canceled": "⊘",
    "expired": "✗",
    "skipped": "-",
}
"""Different shapes: what matters can be told without colour."""
ENDED: Final = frozenset({"completed", "dead_lettered", "canceled", "expired", "skipped"})
WORDS: Final = {"dead_lettered": "dead letter"}
"""Where people say it otherwise than the wire does."""
PLAIN_COLUMNS: Final = (
    *("ID", "STATE", "AGENT", "PROGRESS", "ATTEMPTS", "PRIORITY", "QUEUE", "SUBMITTER", "SUBMITTED"),
    "REQUIREMENT",
)
BAR_CHARS: Final = 12
SHORT_ID_CHARS: Final = 8
"""As much of an id as is shown where there is little room: enough to name the task by."""
_GAP_CHARS: Final = 2
_MIN_SAID_CHARS: Final = 16
_NARROW_COLUMNS: Final = 100
"""Below this width, ids, bars and words are short."""


def state_text(state: str) -> Text:
    """Mark, word and colour of a state."""
    return Text(
        f"{MARKS.get(state, '?')} {WORDS.get(state, state)}", style=STYLES.get(state, ""), no_wrap=True
    )


def what(task: TaskSummary) -> str:
    """What a task is about, in a few words: its name in its DAG and its capability, or the requirement."""
    about = task.capability or task.requirement
    return printable(f"{task.name}: {about}" if task.name else about)


def agent_of(task: TaskSummary) -> str:
    """Who was offered it or works on it; empty for nobody."""
    return task.holder.agent if task.holder is not None else ""


def bar(share: float, *, style: str = "cyan", chars: int = BAR_CHARS) -> Text:
    """How much of the work is done."""
    filled = min(max(round(share * chars), 1 if share > 0 else 0), chars)
    return Text("█" * filled, style=style, no_wrap=True).append("░" * (chars - filled), style="dim")


def progress_text(task: TaskSummary, *, chars: int = BAR_CHARS) -> Text:
    """A bar and per cent of a task whose worker says how far it is; nothing for others."""
    if task.state == "completed":
        return bar(1.0, style="green", chars=chars).append(" 100%")
    if task.share is None or task.state not in ("running", "canceling"):
        return Text()
    return bar(task.share, chars=chars).append(f" {task.share:4.0%}")


def said(task: TaskSummary, *, now_ms: int) -> str:
    """What there is to say of it: why it ended, what comes next, or what its worker says of the work."""
    match task.state:
        case "canceled":
            text = _cancellation(task)
        case state if state in ENDED:
            text = task.reason
        case "failed" if task.retry_at_ms is not None:
            text = f"again {moment_text(task.retry_at_ms, now_ms)}{_because(task.reason or task.note)}"
        case "scheduled" if task.run_at_ms is not None:
            text = moment_text(task.run_at_ms, now_ms)
        case "blocked":
            text = f"waits for {', '.join(task.waits_for[:2])}{', …' if len(task.waits_for) > 2 else ''}"
        case "canceling":
            text = f"told to stop{_because(task.reason)}"
        case _:
            text = task.note
    return printable(text)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _cancellation(task: TaskSummary) -> str:
    by = f"by {task.canceled_by}" if task.canceled_by else "canceled"
    confirmed = ", confirmed" if task.is_confirmed else ""
    return f"{by}{_because(task.reason)}{confirmed}"


def since(task: TaskSummary, now_ms: int) -> str:
    """How long it took, or how old it is."""
    return age(task.submitted_at_ms, task.finished_at_ms if task.finished_at_ms is not None else now_ms)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the table."""

    header: str
    cells: list[Text]
    most: int
    """Width from which on its cells are cut."""
    rank: int
    """The smaller, the sooner it gets room; 0 has it in any case."""
    justify: Literal["left", "right"] = "left"
    style: str = ""

    @property
    def chars(self) -> int:
        """Its width; 0 if there is nothing in it."""
        widest = max((cell.cell_len for cell in self.cells), default=0)
        return min(max(widest, len(self.header)), self.most) if widest else 0


def table(tasks: Sequence[TaskSummary], *, now_ms: int, width: int) -> Table:
    """The table for people: as many columns as there is room for, and no row takes a second line."""
    shown, left = _fitting(_columns(tasks, now_ms, is_narrow=width < _NARROW_COLUMNS), width)
    words = _Column("", [Text(said(task, now_ms=now_ms)) for task in tasks], left, 9, style="dim")
    if words.chars and left >= _MIN_SAID_CHARS:
        shown = [*shown, words]
    grid = Table(box=None, pad_edge=False, padding=(0, _GAP_CHARS, 0, 0), header_style="bold dim")
    for column in shown:
        grid.add_column(
            column.header,
            no_wrap=True,
            overflow="crop" if column.header == "ID" else "ellipsis",
            justify=column.justify,
            style=column.style,
            width=column.chars,
        )
    for cells in zip(*(column.cells for column in shown), strict=True):
        grid.add_row(*cells)
    return grid


def _columns(tasks: Sequence[TaskSummary], now_ms: int, *, is_narrow: bool) -> list[_Column]:
    chars = BAR_CHARS // 2 if is_narrow else BAR_CHARS
    attempts = [Text(tries(task) if task.attempt_count else "") for task in tasks]
    # What is the same for all, and as by default, tells nobody anything.
    has_queues = any(each.queue != DEFAULT_QUEUE for each in tasks)
    has_priorities = any(each.priority for each in tasks)
    queues = [Text(each.queue if has_queues else "") for each in tasks]
    priorities = [Text(str(each.priority) if has_priorities else "") for each in tasks]
    return [
        _Column(
            "ID", [Text(each.task_id) for each in tasks], SHORT_ID_CHARS if is_narrow else 20, 0, style="bold"
        ),
        _Column("STATE", [state_text(each.state) for each in tasks], 13, 0),
        _Column("TASK", [Text(what(each)) for each in tasks], 16 if is_narrow else 24, 0),
        _Column("QUEUE", queues, 14, 6),
        _Column("PRI", priorities, 3, 5, justify="right"),
        _Column("AGENT", [Text(agent_of(each)) for each in tasks], 12 if is_narrow else 14, 2),
        _Column("TRY", attempts, 5, 4, justify="right"),
        _Column("PROGRESS", [progress_text(each, chars=chars) for each in tasks], chars + 5, 1),
        _Column("AGE", [Text(since(each, now_ms)) for each in tasks], 5, 3, justify="right"),
    ]


def _fitting(columns: list[_Column], width: int) -> tuple[list[_Column], int]:
    """The columns that fit, and how much room is left. The last few leave some for what there is to say."""
    left = width
    kept: set[str] = set()
    for column in sorted((each for each in columns if each.chars), key=lambda each: each.rank):
        room = left - column.chars - _GAP_CHARS
        if column.rank == 0 or room >= (_MIN_SAID_CHARS if column.rank > 2 else 0):
            kept.add(column.header)
            left = room
    return [each for each in columns if each.header in kept], left


def summary(tasks: Iterable[TaskSummary]) -> Text:
    """How many there are in each state: ``12 tasks: 3 running, 9 completed``."""
    counts: Counter[str] = Counter(task.state for task in tasks)
    total = counts.total()
    line = Text(f"{total} task{'' if total == 1 else 's'}", no_wrap=True)
    parts = [(state, counts[state]) for state in MARKS if counts[state]]
    for index, (state, count) in enumerate(parts):
        line.append(", " if index else ": ", style="dim")
        line.append(f"{count} {WORDS.get(state, state)}", style=STYLES[state])
    return line


def tries(task: TaskSummary) -> str:
    """Attempts that count, of those that it may have: ``2/3``, since the last redrive."""
    return f"{task.attempt_count - task.earlier_attempts}/{task.max_attempts}"


def plain_row(task: TaskSummary) -> tuple[str, ...]:
    """A task in one line for pipes; no cell is empty, and only the last one holds spaces."""
    return (
        task.task_id,
        task.state,
        agent_of(task) or "-",
        "-" if task.share is None else f"{task.share:.0%}",
        tries(task),
        str(task.priority),
        task.queue,
        task.submitter,
        iso(task.submitted_at_ms),
        printable(task.requirement) or "-",
    )


def change_row(task: TaskSummary, *, at_ms: int) -> tuple[str, ...]:
    """What has become of a task, for pipes: time, task, state, agent, progress, and what there is to say."""
    return (
        iso(at_ms),
        task.task_id,
        task.state,
        agent_of(task) or "-",
        "-" if task.share is None else f"{task.share:.0%}",
        said(task, now_ms=at_ms) or "-",
    )
