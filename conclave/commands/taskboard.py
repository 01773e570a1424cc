"""What is known of the tasks that are watched, and how the live view looks at a moment. No I/O, no clock."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from conclave.commands import taskview
from conclave.commands.tables import printable
from coordination.tasks.wire import TaskSummary

MAX_CHANGES: Final = 5
"""Lines for what happened last."""
MAX_ENDED: Final = 200
"""Tasks that are remembered after their end, where all are watched."""
_FRAME_LINES: Final = 3
"""Title, an empty line, and the heading of the table."""
_TALL_LINES: Final = 20
"""From this height on, what happened last is shown although not all tasks are."""
_ORDER: Final = ("failed", "canceling", "running", "offered", "announced", "queued", "blocked", "scheduled")
"""Open tasks, those first that somebody may want to do something about."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that became of a task."""

    at_ms: int
    task: TaskSummary


@dataclass(slots=True)
class Board:
    """The tasks that are watched, by id.

    Args:
        keeps_all: Tasks stay, in the order in which they came; else those that ended make room.
    """

    keeps_all: bool = True
    tasks: OrderedDict[str, TaskSummary] = field(default_factory=OrderedDict)
    recent: deque[Step] = field(default_factory=lambda: deque(maxlen=MAX_CHANGES))

    def take(self, task: TaskSummary, *, at_ms: int) -> bool:
        """Take in how a task stands; whether that is anything new."""
        before = self.tasks.get(task.task_id)
        if before is not None and _seen(before) == _seen(task):
            return False
        self.tasks[task.task_id] = task
        if before is None or before.state != task.state:
            self.recent.append(Step(at_ms, task))
        if not self.keeps_all:
            self._make_room()
        return True

    def open_ids(self) -> list[str]:
        """Tasks that have not ended."""
        return [each.task_id for each in self.tasks.values() if each.state not in taskview.ENDED]

    def in_order(self) -> list[TaskSummary]:
        """As they came; or, where all are watched, what is under way first, then the latest."""
        if self.keeps_all:
            return list(self.tasks.values())
        rank = {state: place for place, state in enumerate(_ORDER)}
        still = [each for each in self.tasks.values() if each.state in rank]
        still.sort(key=lambda each: (rank[each.state], -each.priority, each.sequence))
        ended = [each for each in self.tasks.values() if each.state not in rank]
        ended.sort(key=lambda each: -(each.finished_at_ms or 0))
        return still + ended

    def _make_room(self) -> None:
        ended = [each for each in self.tasks.values() if each.state in taskview.ENDED]
        ended.sort(key=lambda each: each.finished_at_ms or 0)
        for each in ended[: max(len(ended) - MAX_ENDED, 0)]:
            del self.tasks[each.task_id]


def _seen(task: TaskSummary) -> tuple[object, ...]:
    """What of a task is worth a line when it changes."""
    return (
        task.state,
        task.fencing_token,
        task.share,
        task.note,
        task.reason,
        task.retry_at_ms,
        task.is_confirmed,
        task.waits_for,
    )


@dataclass(slots=True)
class Frame:
    """Lays a board out for a terminal."""

    board: Board
    where: str
    """Whose tasks these are."""
    is_synced: bool = False
    trouble: str = ""
    """Why what is shown may be old."""

    def render(self, *, width: int, height: int, now_ms: int) -> Group:
        """Title, table as far as there is room, and what happened last."""
        shown = self.board.in_order()
        changes = self._changes(height, len(shown))
        room = max(height - _FRAME_LINES - (len(changes) + 1 if changes else 0), 1)
        has_more = len(shown) > room
        rows = shown[: max(room - 1, 1)] if has_more else shown
        parts: list[RenderableType] = [self._title(shown, width), Text()]
        if rows:
            parts.append(taskview.table(rows, now_ms=now_ms, width=width))
        elif self.is_synced:
            parts.append(Text("no tasks are open", style="dim"))
        if has_more:
            parts.append(Text(f"… and {len(shown) - len(rows)} more", style="dim"))
        if changes:
            parts += [Text(), *changes]
        return Group(*parts)

    def _title(self, shown: Sequence[TaskSummary], width: int) -> Text:
        title = taskview.summary(shown) if self.is_synced else Text("asking …", style="dim")
        right = Text(self.trouble, style="bold red") if self.trouble else Text(self.where, style="dim")
        gap = width - title.cell_len - right.cell_len
        if gap >= 2:
            title.append(" " * gap).append_text(right)
        elif self.trouble:
            title = right
        title.truncate(width, overflow="ellipsis")
        return title

    def _changes(self, height: int, row_count: int) -> list[Text]:
        spare = height - _FRAME_LINES - row_count - 1
        room = min(MAX_CHANGES, max(spare, 3 if height >= _TALL_LINES else 0))
        return [_step_line(step) for step in list(self.board.recent)[-room:]] if room > 1 else []


def _step_line(step: Step) -> Text:
    at = datetime.fromtimestamp(step.at_ms / 1000).astimezone().strftime("%H:%M:%S")
    line = Text(f"{at}  ", style="dim", no_wrap=True, overflow="ellipsis")
    line.append(step.task.task_id, style="not dim bold").append("  ")
    state = step.task.state
    line.append(taskview.WORDS.get(state, state), style=f"not dim {taskview.STYLES.get(state, '')}")
    if agent := taskview.agent_of(step.task):
        line.append(f"  {agent}", style="not dim")
    if step.task.reason:
        line.append(f"  {printable(step.task.reason)}")
    return line
