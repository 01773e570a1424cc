"""What ``conclave task explain`` prints: what a task waits for, and of each agent why it has it or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from conclave.commands import tables, taskpage
from conclave.commands.access import Access
from conclave.commands.durations import moment_text
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.tables import printable
from conclave.commands.taskdesk import find, tasks
from conclave.commands.taskmoments import iso
from coordination.tasks.wire import AgentVerdict, ExplainReply, TaskRecord, WaitReason

VERDICTS: Final = {
    "chosen": ("✓", "has it", "bold green"),
    "free": ("→", "free", "green"),
    "outranked": ("◔", "outranked", "cyan"),
    "not_chosen": ("◌", "not chosen", "cyan"),
    "busy": ("●", "busy", "yellow"),
    "rate_limited": ("◷", "rate limited", "yellow"),
    "queue_limit": ("◷", "queue limit", "yellow"),
    "refused": ("↩", "passed", "magenta"),
    "sticky_elsewhere": ("⇢", "sticks elsewhere", "blue"),
    "near": ("⇢", "not near", "blue"),
    "apart": ("⇢", "not apart", "blue"),
    "in_chain": ("∞", "in the chain", "blue"),
    "needs_approval": ("!", "needs approval", "blue"),
    "lacks": ("✗", "unfit", "red"),
    "offline": ("○", "offline", "dim"),
}
"""Mark, word and colour by verdict."""
_UNKNOWN: Final = ("?", "", "")
_LABELS: Final = {"ended": "ended"}
"""What stands before a reason that is none to wait."""
PLAIN_COLUMNS: Final = ("KIND", "WHO", "VERDICT", "UNTIL", "TEXT")


async def explain_task(access: Access, reference: str, *, as_json: bool) -> None:
    """Print why a task is where it is.

    Raises:
        RejectedError: ``unknown_task``.

    Further errors as `conclave.commands.reach.calling`.
    """
    async with tasks(access) as (client, _):
        task = await find(client, reference)
        reply = await client.explain(task.task_id)
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(explained(task, reply, now_ms=now_ms(), width=console.width))
    else:
        click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *plain_rows(reply)])))


def explained(task: TaskRecord, reply: ExplainReply, *, now_ms: int, width: int) -> Group:
    """For people: the task, what it waits for, and a table of the agents."""
    parts: list[RenderableType] = [taskpage.heading(task, now_ms=now_ms, width=width), Text()]
    rows = [(_LABELS.get(each.code, "waits for"), _reason(each, now_ms)) for each in reply.waiting_for]
    rows = rows or [("waits for", Text("nothing", style="dim"))]
    # Being the next one says nothing while it is something else that it waits for.
    if reply.position is not None and (reply.position > 1 or not reply.waiting_for):
        ahead = reply.position - 1
        text = "the next one" if ahead <= 0 else f"{ahead} task{'' if ahead == 1 else 's'} before it"
        rows.append(("in line", Text(text)))
    rows.append(("asks for", Text(printable(task.requirement))))
    parts.append(taskpage.named(rows))
    if reply.agents:
        parts += [Text(), agents_table(reply.agents, width=width)]
    parts += [Text(), _counts(reply)]
    return Group(*parts)


def _reason(reason: WaitReason, now_ms: int) -> Text:
    line = Text(printable(reason.text), style="bold")
    if reason.until_ms is not None:
        is_soon = abs(reason.until_ms - now_ms) < 1_000
        when = "in a moment" if is_soon else moment_text(reason.until_ms, now_ms)
        line.append(f"  {when}", style="not bold cyan")
    return line


def agents_table(agents: Sequence[AgentVerdict], *, width: int) -> Table:
    """Each agent with its verdict, and why."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    longest = 32 if width >= tables.MEDIUM_COLUMNS else 18
    grid.add_column("AGENT", no_wrap=True, overflow="ellipsis", max_width=longest, style="bold")
    grid.add_column("VERDICT", no_wrap=True)
    grid.add_column("WHY", overflow="fold", ratio=1)
    for each in agents:
        mark, word, style = VERDICTS.get(each.verdict, _UNKNOWN)
        why = Text(printable(each.text))
        for reason in each.reasons:
            if reason != each.text:
                why.append("\n" if why.plain else "").append(printable(reason), style="dim")
        verdict = Text(f"{mark} {word or each.verdict}", style=style)
        grid.add_row(Text(each.agent), verdict, why, style="dim" if each.verdict == "offline" else None)
    return grid


def _counts(reply: ExplainReply) -> Text:
    """``12 agents: 1 has it, 11 lack``, and how many are not shown."""
    total = sum(reply.counts.values())
    line = Text(f"{total} agent{'' if total == 1 else 's'}")
    shown = [verdict for verdict in VERDICTS if reply.counts.get(verdict)]
    shown += [verdict for verdict in reply.counts if verdict not in VERDICTS]
    for index, verdict in enumerate(shown):
        _, word, style = VERDICTS.get(verdict, _UNKNOWN)
        line.append(", " if index else ": ", style="dim")
        line.append(f"{reply.counts[verdict]} {word or verdict}", style=style)
    if total > len(reply.agents):
        line.append(f"  the nearest {len(reply.agents)} are shown", style="dim")
    return line


def plain_rows(reply: ExplainReply) -> Iterator[tuple[str, ...]]:
    """For pipes: a row for each thing it waits for, then one for each agent and each reason of it."""
    for each in reply.waiting_for:
        yield "waits", "-", each.code, iso(each.until_ms), printable(each.text) or "-"
    if reply.position is not None:
        yield "position", "-", str(reply.position), "-", "-"
    for verdict in reply.agents:
        for text in dict.fromkeys((verdict.text, *verdict.reasons)):
            yield "agent", verdict.agent, verdict.verdict, "-", printable(text) or "-"
