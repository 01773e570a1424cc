"""All that is known of one task, as names and values in words. No I/O, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from conclave.commands import taskview
from conclave.commands.durations import duration_text, moment_text
from conclave.commands.tables import printable
from conclave.commands.taskmoments import both, iso
from coordination.tasks.wire import AttemptView, CallView, ReferenceView, TaskRecord

_MAX_JSON_LINES: Final = 40
"""Of a payload or result on a terminal; ``--json`` and ``--result`` print all of it."""


def heading(task: TaskRecord, *, now_ms: int, width: int) -> Group:
    """Id, what it is about, and its state; below it how far it is."""
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(task.task_id, style="bold cyan").append(f"  {taskview.what(task)}", style="bold")
    state = taskview.state_text(task.state)
    if agent := taskview.agent_of(task):
        state.append(f"  {agent}", style="not dim default")
    room = max(width - state.cell_len - 2, width // 2)
    title.truncate(room, overflow="ellipsis", pad=room + state.cell_len + 2 <= width)
    title.append("  ").append_text(state)
    parts: list[RenderableType] = [title]
    if task.share is not None and task.state in ("running", "canceling"):
        parts.append(taskview.progress_text(task, chars=min(max(width // 3, 8), 40)))
    if line := taskview.said(task, now_ms=now_ms):
        parts.append(Text(line, style=taskview.STYLES.get(task.state, "") if task.reason else "dim"))
    return Group(*parts)


def about(task: TaskRecord, *, now_ms: int) -> Iterator[tuple[str, Text]]:
    """What it is, who wants it, when, and with regard to what."""
    yield "requirement", Text(printable(task.requirement))
    yield "submitted", Text(f"by {task.submitter}, {both(task.submitted_at_ms, now_ms)}")
    yield "queue", _line(_queue(task))
    if task.holder is not None:
        ends = "offer ends" if task.state == "offered" else "lease ends"
        yield "agent", _line(f"{task.holder.agent}  {ends} {moment_text(task.holder.expires_ms, now_ms)}")
        if task.holder.why:
            yield "chosen", _line(task.holder.why)
    for name, at_ms in (
        ("not before", task.run_at_ms),
        ("begin by", task.start_by_ms),
        ("deadline", task.deadline_ms),
        ("ended", task.finished_at_ms),
    ):
        if at_ms is not None:
            yield name, _line(both(at_ms, now_ms))
    yield "attempts", _line(_attempts(task))
    yield from _relations(task)
    if task.budget is not None or task.used_tasks or task.used_cost:
        yield "budget", _line(budget_text(task))
    if task.approved_by:
        yield "approved", _line(f"by proposal {task.approved_by}")
    if task.redrives:
        yield "redriven", _line(f"{task.redrives} time{'' if task.redrives == 1 else 's'}")


def _queue(task: TaskRecord) -> str:
    parts = [task.queue, f"priority {task.priority}"]
    if task.fairness_key:
        weight = f" weight {task.fairness_weight}" if task.fairness_weight is not None else ""
        parts.append(f"key {task.fairness_key}{weight}")
    if task.strategy is not None:
        parts.append(task.strategy)
    if task.placement is not None:
        parts += [f"mark {mark}" for mark in task.placement.marks]
        for each in task.placement.near:
            wish = "apart from" if each.is_apart else "near"
            parts.append(f"{'' if each.is_required else 'rather '}{wish} {each.mark}")
        if task.placement.sticky_key:
            waits = ", and waits for it" if task.placement.waits_for_sticky else ""
            parts.append(f"sticky {task.placement.sticky_key}{waits}")
    return "  ".join(parts)


def _attempts(task: TaskRecord) -> str:
    made = len(task.attempts)
    text = f"{made} of {task.max_attempts}"
    if task.redrives:
        text = f"{made}, {made - task.earlier_attempts} of {task.max_attempts} since it was redriven"
    if task.timeout_ms is not None:
        text += f", each at most {duration_text(task.timeout_ms)}"
    if task.lease_ms is not None:
        text += f", silent at most {duration_text(task.lease_ms)}"
    if task.backoff is not None:
        text += f", pauses {duration_text(task.backoff.first_ms)} to {duration_text(task.backoff.last_ms)}"
    return text


def _relations(task: TaskRecord) -> Iterator[tuple[str, Text]]:
    for each in task.after:
        waits = "  waits for it" if each.task_id in task.waits_for else ""
        yield "after", _line(f"{each.task_id}  {each.on_failure} if it fails{waits}")
    if task.chain:
        yield "delegated", _line(" > ".join((*task.chain, task.task_id)))
    if task.dag:
        yield "dag", _line(f"{task.dag}  as {task.name}" if task.name else task.dag)
    if task.compensates:
        yield "undoes", _line(task.compensates)
    if task.compensation is not None:
        yield "undone by", _line(task.compensation.requirement)
    if task.schedule:
        yield "schedule", _line(task.schedule)
    if task.idempotency_key:
        yield "key", _line(task.idempotency_key)


def budget_text(task: TaskRecord) -> str:
    """How much of its budget is used; of none, what is used."""
    tasks = task.budget.tasks if task.budget is not None else None
    cost = task.budget.cost if task.budget is not None else None
    used = [f"{task.used_tasks}{_of(tasks)} tasks below it"]
    if cost is not None or task.used_cost or task.cost:
        used.append(f"{task.used_cost}{_of(cost)} units")
    return ", ".join(used)


def budget_cells(task: TaskRecord) -> tuple[str, str]:
    """The same for pipes: tasks below it and units, each with its bound if it has one, as ``3/10``."""
    budget = task.budget
    bounds = (None, None) if budget is None else (budget.tasks, budget.cost)
    pairs = zip((task.used_tasks, task.used_cost), bounds, strict=True)
    tasks, units = (str(used) if bound is None else f"{used}/{bound}" for used, bound in pairs)
    return tasks, units


def _of(bound: int | None) -> str:
    return "" if bound is None else f" of {bound}"


def attempts_table(attempts: Iterable[AttemptView], *, now_ms: int) -> Table:
    """Who worked on it, when, how long, and what became of that."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", style="dim", no_wrap=True)
    grid.add_column(style="bold", no_wrap=True, overflow="ellipsis", max_width=24)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for number, each in enumerate(attempts, start=1):
        took = _took((each.ended_ms if each.ended_ms is not None else now_ms) - each.started_ms)
        if each.ended_ms is None:
            end = Text("at work", style="cyan")
        elif each.error:
            end = Text(printable(each.error), style="red")
        else:
            end = Text("done", style="green")
        if each.spent:
            end.append(f"  {each.spent} units", style="dim")
        grid.add_row(str(number), each.agent, moment_text(each.started_ms, now_ms), took, end)
    return grid


def _took(duration_ms: int) -> str:
    """As exact as people want it: milliseconds only of what took less than ten seconds."""
    return duration_text(duration_ms if duration_ms < 10_000 else duration_ms // 1_000 * 1_000)


def passes(task: TaskRecord, *, now_ms: int) -> Iterator[tuple[str, Text]]:
    """Who passed on it in this round, and what was bid."""
    for each in task.refusals:
        line = Text(printable(each.reason) or "gave no reason")
        yield each.agent, line.append(f"  {moment_text(each.at_ms, now_ms)}", style="dim")
    if task.call is not None:
        yield from _bids(task.call, now_ms)


def _bids(call: CallView, now_ms: int) -> Iterator[tuple[str, Text]]:
    answered = {each.agent for each in call.bids}
    for each in call.bids:
        if each.is_refusal:
            yield (
                each.agent,
                Text(f"does not bid{': ' if each.reason else ''}{printable(each.reason)}", style="dim"),
            )
        else:
            yield each.agent, Text(f"bids {each.cost:g}, done in {duration_text(each.eta_ms)}")
    for agent in call.agents:
        if agent not in answered:
            yield agent, Text(f"may bid, until {moment_text(call.bids_until_ms, now_ms)}", style="dim")


def json_text(value: Any, *, max_lines: int | None = _MAX_JSON_LINES) -> Text:
    """A value as JSON, indented; cut after so many lines."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    shown = lines if max_lines is None else lines[:max_lines]
    text = Text("\n".join(printable(line) for line in shown))
    if len(lines) > len(shown):
        text.append(f"\n… and {len(lines) - len(shown)} more lines, shown with --json", style="dim")
    return text


def reference_text(reference: ReferenceView) -> Text:
    """Where something large is."""
    return Text(
        f"in the artifact store, {reference.size_bytes} bytes  sha256 {reference.sha256}", style="dim"
    )


def named(rows: Iterable[tuple[str, Text]]) -> Table:
    """Names and values below each other; a name that repeats is shown once."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    last = ""
    for name, value in rows:
        grid.add_row("" if name == last else name, value)
        last = name
    return grid


def _line(text: str) -> Text:
    return Text(printable(text))


def page(task: TaskRecord, *, now_ms: int, width: int) -> Group:
    """The whole page."""
    parts: list[RenderableType] = [heading(task, now_ms=now_ms, width=width), Text()]
    parts.append(named(about(task, now_ms=now_ms)))
    if task.attempts:
        parts += [_title("attempts"), attempts_table(task.attempts, now_ms=now_ms)]
    if passed := list(passes(task, now_ms=now_ms)):
        parts += [_title("bids and refusals" if task.call else "refusals"), named(passed)]
    if task.payload_reference is not None:
        parts += [_title("payload"), reference_text(task.payload_reference)]
    elif task.payload:
        parts += [_title("payload"), json_text(task.payload)]
    if task.result_reference is not None:
        parts += [_title("result"), reference_text(task.result_reference)]
    elif task.state == "completed":
        parts += [_title("result"), json_text(task.result)]
    return Group(*parts)


def rows(task: TaskRecord, *, now_ms: int) -> Iterator[tuple[str, str]]:
    """Names and values for pipes, each value in one line."""
    yield "id:", task.task_id
    yield "state:", task.state
    if task.share is not None:
        yield "progress:", f"{task.share:.0%}"
    for name, text in (("note:", task.note), ("reason:", task.reason), ("canceled-by:", task.canceled_by)):
        if text:
            yield name, printable(text)
    for name, value in about(task, now_ms=now_ms):
        yield f"{name.replace(' ', '-')}:", value.plain
    for each in task.attempts:
        end = "at work" if each.ended_ms is None else printable(each.error) or "done"
        yield "attempt:", f"{each.agent}  {iso(each.started_ms)}  {iso(each.ended_ms)}  {end}"
    for agent, value in passes(task, now_ms=now_ms):
        yield "passed:" if task.call is None else "bid:", f"{agent}  {value.plain}"
    if task.payload_reference is not None:
        yield "payload:", reference_text(task.payload_reference).plain
    else:
        yield "payload:", _compact(task.payload)
    if task.result_reference is not None:
        yield "result:", reference_text(task.result_reference).plain
    elif task.state == "completed":
        yield "result:", _compact(task.result)


def _compact(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")
