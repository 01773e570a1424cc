"""What the live table looks like at one moment. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from conclave.commands import tables
from conclave.commands.board import Board
from conclave.commands.listing import Selection
from coordination.registry.wire import AgentRecord, Change

MAX_CHANGES: Final = 5
"""Lines for what happened last."""
_FRAME_LINES: Final = 3
"""Title, an empty line, and the heading of the table."""
_KIND_STYLES: Final = {
    **tables.STYLES,
    "registered": "green",
    "updated": "cyan",
    "deregistered": "blue",
    "expired": "magenta",
}


@dataclass(slots=True)
class View:
    """Lays the board out for a terminal.

    Args:
        board: Who is here.
        selection: Who of them is asked for.
        url: Where they are.
    """

    board: Board
    selection: Selection
    url: str
    is_synced: bool = False
    trouble: str = ""
    """Why what is shown may be old."""
    visible: tuple[str, ...] = field(default=(), init=False)
    """Names that the last `render` had room for."""

    def render(self, *, width: int, height: int, now_ms: int) -> Group:
        """The whole screen: title, table as far as there is room, and the last changes."""
        fitting = [agent for agent in self.board.in_order() if self.selection.fits(agent)]
        shown = [agent for agent in fitting if self._is_shown(agent)]
        changes = self._changes(height)
        room = max(height - _FRAME_LINES - (len(changes) + 1 if changes else 0), 1)
        has_more = len(shown) > room
        rows = shown[: room - 1] if has_more else shown
        self.visible = tuple(agent.agent for agent in rows)
        parts: list[RenderableType] = [self._title(shown, fitting, width), Text()]
        if rows:
            parts.append(tables.table(rows, now_ms=now_ms, width=width))
        elif self.is_synced:
            parts.append(Text("nobody is here yet", style="dim"))
        if has_more:
            parts.append(Text(f"… and {len(shown) - len(rows)} more", style="dim"))
        if changes:
            parts += [Text(), *changes]
        return Group(*parts)

    def _is_shown(self, agent: AgentRecord) -> bool:
        if self.selection.statuses == "live":
            return not self.board.is_stale(agent.agent)
        return self.selection.admits_status(agent)

    def _title(self, shown: Sequence[AgentRecord], fitting: Sequence[AgentRecord], width: int) -> Text:
        title = tables.summary(shown) if self.is_synced else Text("asking …", style="dim")
        if hidden := len(fitting) - len(shown) if self.selection.statuses == "live" else 0:
            title.append(f"  +{hidden} offline before", style="dim")
        right = Text(self.trouble, style="bold red") if self.trouble else Text(self.url, style="dim")
        gap = width - title.cell_len - right.cell_len
        if gap >= 2:
            title.append(" " * gap)
            title.append_text(right)
        elif self.trouble:
            title = right
        title.truncate(width, overflow="ellipsis")
        return title

    def _changes(self, height: int) -> list[Text]:
        room = min(MAX_CHANGES, height // 4)
        return [_change_line(change) for change in list(self.board.recent)[-room:]] if room > 1 else []


def _change_line(change: Change) -> Text:
    at = datetime.fromtimestamp(change.at_ms / 1000).astimezone().strftime("%H:%M:%S")
    line = Text(f"{at}  ", style="dim", no_wrap=True, overflow="ellipsis")
    line.append(change.agent, style="not dim bold")
    line.append("  ")
    line.append(change.kind, style=f"not dim {_KIND_STYLES.get(change.kind, '')}")
    if change.kind == "registered":
        line.append(f"  incarnation {change.incarnation}")
    return line
