"""What ``conclave find`` prints: the matches, and why the others do not match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conclave.commands import tables
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.reach import calling
from coordination.registry.wire import MAX_PAGE, Explanation, FindReply, FindRequest, TermExplanation
from coordination.requirements import Requirement

_OFFLINE_TERM: Final = "status!=offline"
"""Comes last in the explanation of an agent that is left out because it is offline (`Explanation.terms`)."""
_OFFLINE_REASON: Final = "is offline; --all lets such agents match, too"
_PLAIN_HEADING: Final = ("NAME", "VERDICT", "MET", "WEIGHT", "TERM", "REASON")


async def find_agents(
    access: Access,
    requirement: Requirement,
    *,
    explain: bool,
    limit: int,
    include_offline: bool,
    as_json: bool,
) -> bool:
    """Print who meets `requirement`; False if nobody does. Errors as `conclave.commands.reach.calling`."""
    request = FindRequest(
        requirement=requirement, include_offline=include_offline, limit=limit, explain=explain
    )
    async with calling(access) as caller:
        reply = await caller.query("registry", "find", request, FindReply)
    if as_json:
        print_json({"requirement": str(requirement), **reply.model_dump(mode="json")})
        return bool(reply.agents)
    if explain:
        _show_explanations(_in_words_of_ours(reply, include_offline=include_offline))
    else:
        _show_matches(reply)
    if not reply.agents:
        click.echo(f"nobody meets {requirement}{'' if explain else '; --explain says why'}", err=True)
    elif reply.matched > len(reply.agents):
        click.echo(_cut(reply, limit), err=True)
    return bool(reply.agents)


def _cut(reply: FindReply, limit: int) -> str:
    """Says that there are more, and how to see them."""
    count = len(reply.agents)
    everybody = "conclave agents REQUIREMENT lists everybody, by name"
    if count < limit:
        why = f"one answer carries no more; {everybody}"
    elif limit < MAX_PAGE:
        why = f"--limit shows up to {MAX_PAGE}, as far as one answer carries them; {everybody}"
    else:
        why = everybody
    return f"the best {count} of {reply.matched} that match; {why}"


def _in_words_of_ours(reply: FindReply, *, include_offline: bool) -> FindReply:
    """`reply` with the option named that a user of the command has; the wire's is another."""
    if include_offline:
        return reply
    explanations = tuple(map(_naming_the_option, reply.explanations))
    return reply.model_copy(update={"explanations": explanations})


def _naming_the_option(explanation: Explanation) -> Explanation:
    *terms, last = explanation.terms or (None,)
    if explanation.status != "offline" or last is None or last.term != _OFFLINE_TERM:
        return explanation
    worded = last.model_copy(update={"reason": _OFFLINE_REASON})
    return explanation.model_copy(update={"terms": (*terms, worded)})


def _show_matches(reply: FindReply) -> None:
    if not reply.agents:
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        click.echo("\n".join(tables.plain_found(reply.agents, now_ms=now_ms())))
        return
    console.print(tables.table(reply.agents, now_ms=now_ms(), width=console.width))


def _show_explanations(reply: FindReply) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        if reply.explanations:
            click.echo("\n".join(tables.columns([_PLAIN_HEADING, *_plain_rows(reply)])))
    else:
        console.print(explained(reply.explanations))
    if reply.unexplained:
        click.echo(f"{reply.unexplained} more agents are not explained", err=True)


def explained(explanations: Iterable[Explanation]) -> Group:
    """For people: each agent with its verdict, and below it each term with a mark and the reason."""
    parts: list[RenderableType] = []
    for explanation in explanations:
        if parts:
            parts.append(Text())
        parts.append(_verdict(explanation))
        if explanation.terms:
            parts.append(Padding(_terms(explanation), (0, 0, 0, 2)))
    return Group(*parts)


def _plain_rows(reply: FindReply) -> Iterator[tuple[str, ...]]:
    """One line for each term of each agent; the verdict of an agent stands in each of its lines."""
    for each in reply.explanations:
        verdict = f"{each.score:.2f}" if each.matches else "no"
        for term in each.terms:
            weight = str(term.weight) if term.preferred else "-"
            yield (
                each.agent,
                verdict,
                "yes" if term.met else "no",
                weight,
                term.term,
                tables.printable(term.reason),
            )


def _verdict(explanation: Explanation) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    if explanation.matches:
        line.append("✓ ", style="bold green")
        line.append(explanation.agent, style="bold")
        line.append(f"  {explanation.score:.2f}", style="cyan")
    else:
        line.append("✗ ", style="bold red")
        line.append(explanation.agent, style="bold dim")
    line.append("  ")
    line.append_text(tables.status_text(explanation.status))
    return line


def _terms(explanation: Explanation) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=2)
    grid.add_column(ratio=3, style="dim")
    for term in explanation.terms:
        grid.add_row(_mark(term), _term_text(term), tables.printable(term.reason))
    return grid


def _mark(term: TermExplanation) -> Text:
    if term.met:
        return Text("✓", style="green")
    return Text("-", style="yellow") if term.preferred else Text("✗", style="red")


def _term_text(term: TermExplanation) -> Text:
    line = Text(term.term)
    if term.preferred and not term.term.startswith("prefer"):
        line = Text("prefer ", style="dim").append(term.term, style="not dim")
    if term.preferred and term.weight != 1 and "weight" not in term.term:
        line.append(f" weight {term.weight}", style="dim")
    return line
