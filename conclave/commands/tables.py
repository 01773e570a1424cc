"""How agents look: as a table for people, or as plain columns for pipes. No I/O.

The plain columns are stable: always the same ones, separated by at least two spaces; no cell is empty, none
is cut, and none but the last holds a space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from coordination.registry.wire import Agent, FoundAgent

STATUSES: Final = ("online", "suspect", "offline")
STYLES: Final = {"online": "green", "suspect": "yellow", "offline": "red"}
MARKS: Final = {"online": "●", "suspect": "◐", "offline": "○"}
"""Different shapes: the status can be told without colour."""
PLAIN_COLUMNS: Final = (
    *("NAME", "STATUS", "LOAD", "SLOTS", "INCARNATION", "HEARD", "CAPABILITIES", "LABELS"),
)
WIDE_COLUMNS: Final = 110
"""From this width on the table has room for labels."""
MEDIUM_COLUMNS: Final = 96
"""From this width on it has room for the incarnation, and for long names."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))
_BUSY: Final = ((0.9, "red"), (0.7, "yellow"))


def age(since_ms: int, now_ms: int) -> str:
    """How long ago, in the largest whole unit: ``4s``, ``12m``, ``3h``, ``2d``; ``-`` for never."""
    if since_ms <= 0:
        return "-"
    seconds = max(now_ms - since_ms, 0) // 1000
    for unit_s, unit in _UNITS:
        if seconds >= unit_s:
            return f"{seconds // unit_s}{unit}"
    return f"{seconds}s"


def plain(agents: Iterable[Agent], *, now_ms: int) -> Iterator[str]:
    """The lines of the plain table, heading first; a leading score if these were found."""
    rows = [_plain_row(agent, now_ms) for agent in agents]
    yield from columns([PLAIN_COLUMNS, *rows])


def plain_found(agents: Iterable[FoundAgent], *, now_ms: int) -> Iterator[str]:
    """As `plain`, with the score as second column."""
    rows = [
        (name, _score(agent.score), *others)
        for agent in agents
        for name, *others in (_plain_row(agent, now_ms),)
    ]
    name, *others = PLAIN_COLUMNS
    yield from columns([(name, "SCORE", *others), *rows])


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _plain_row(agent: Agent, now_ms: int) -> tuple[str, ...]:
    return (
        agent.agent,
        agent.status,
        f"{agent.load:.0%}",
        str(agent.max_tasks),
        str(agent.incarnation),
        age(agent.last_heard_ms, now_ms),
        ",".join(f"{each.name}@{each.version}" for each in agent.capabilities) or "-",
        ",".join(f"{name}={printable(value)}" for name, value in sorted(agent.labels.items())) or "-",
    )


def printable(value: str) -> str:
    """What somebody else wrote, without what would end the line or command the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)


def _score(score: float) -> str:
    return f"{score:.2f}"


def status_text(status: str) -> Text:
    """Mark, word and colour of a status."""
    return Text(f"{MARKS[status]} {status}", style=STYLES[status], no_wrap=True)


def load_text(load: float) -> Text:
    """A load in per cent, in a colour that says when it gets tight."""
    style = next((style for bound, style in _BUSY if load >= bound), "")
    return Text(f"{load:.0%}", style=style)


def table(agents: Iterable[Agent], *, now_ms: int, width: int) -> Table:
    """The table for people.

    Args:
        agents: In the order in which they are shown; `FoundAgent`s show their score, too.
        now_ms: What ages count from.
        width: Columns of the terminal; more room shows more.
    """
    shown = list(agents)
    is_found = any(isinstance(agent, FoundAgent) for agent in shown)
    is_medium, is_wide = width >= MEDIUM_COLUMNS, width >= WIDE_COLUMNS
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    grid.add_column(
        "NAME", no_wrap=True, overflow="ellipsis", max_width=32 if is_medium else 22, style="bold"
    )
    if is_found:
        grid.add_column("SCORE", no_wrap=True, justify="right")
    grid.add_column("STATUS", no_wrap=True, min_width=9)
    grid.add_column("LOAD", no_wrap=True, min_width=4, justify="right")
    grid.add_column("SLOTS", no_wrap=True, min_width=5, justify="right")
    if is_medium:
        grid.add_column("INC", no_wrap=True, justify="right", style="dim")
    grid.add_column("HEARD", no_wrap=True, min_width=5, justify="right")
    grid.add_column("CAPABILITIES", ratio=3)
    if is_wide:
        grid.add_column("LABELS", ratio=2)
    for agent in shown:
        cells: list[Text | Entries | str] = [agent.agent]
        if isinstance(agent, FoundAgent):
            cells.append(Text(_score(agent.score), style="cyan"))
        cells += [
            status_text(agent.status),
            load_text(agent.load),
            str(agent.max_tasks),
            *([str(agent.incarnation)] if is_medium else []),
            age(agent.last_heard_ms, now_ms),
            Entries(tuple((each.name, f" {each.version}") for each in agent.capabilities)),
        ]
        if is_wide:
            cells.append(Entries(tuple((f"{name}=", agent.labels[name]) for name in sorted(agent.labels))))
        grid.add_row(*cells, style="dim" if agent.status == "offline" else None)
    return grid


@dataclass(frozen=True, slots=True)
class Entries:
    """A list in one line: as many entries as there is room for, and how many more there are.

    When not even two of several fit in full, names alone are shown.
    """

    entries: tuple[tuple[str, str], ...]
    """Name, and what follows it in dim."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """At least the first entry, at best all."""
        widths = [cell_len(f"{name}{rest}") for name, rest in self.entries]
        longest = sum(widths) + 2 * max(len(widths) - 1, 0)
        return Measurement(min(widths[0] if widths else 1, options.max_width), longest).with_maximum(
            options.max_width
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The line, never longer than the room."""
        yield self.fitted(options.max_width)

    def fitted(self, width: int) -> Text:
        """What is shown in `width` columns."""
        if not self.entries:
            return Text("-", style="dim", no_wrap=True)
        total = len(self.entries)
        in_full = [self._line(shown) for shown in range(total, min(1, total - 1), -1)]
        short = [self._line(shown, is_short=True) for shown in range(total, 0, -1)]
        lines = in_full + short
        line = next((line for line in lines if line.cell_len <= width), lines[-1])
        line.truncate(width, overflow="ellipsis")
        return line

    def _line(self, shown: int, *, is_short: bool = False) -> Text:
        line = Text(no_wrap=True)
        for index, (name, rest) in enumerate(self.entries[:shown]):
            line.append(", " if index else "", style="dim")
            line.append(printable(name.rstrip("=") if is_short else name))
            line.append("" if is_short else printable(rest), style="dim")
        if shown < len(self.entries):
            line.append(f" +{len(self.entries) - shown}", style="dim")
        return line


def summary(agents: Iterable[Agent]) -> Text:
    """How many there are of each status: ``12 agents: 9 online, 2 suspect, 1 offline``."""
    counts = Counter(agent.status for agent in agents)
    total = counts.total()
    line = Text(f"{total} agent{'' if total == 1 else 's'}", no_wrap=True)
    parts = [(status, counts[status]) for status in STATUSES if counts[status]]
    for index, (status, count) in enumerate(parts):
        line.append(", " if index else ": ", style="dim")
        line.append(f"{count} {status}", style=STYLES[status])
    return line
