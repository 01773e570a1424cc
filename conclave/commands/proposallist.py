"""What ``conclave proposals`` prints: proposals as a table, once or live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from conclave.commands import proposalview, tables
from conclave.commands.access import Access
from conclave.commands.booth import consensus
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json, print_json_line
from conclave.commands.rulewords import protocol_name
from conclave.commands.tables import printable
from consensus.client import ConsensusClient
from consensus.replies import LiveTally, ProposalSummary
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError

PLAIN_COLUMNS: Final = ("NUMBER", "ID", "STATUS", "PROTOCOL", "VOTED", "UNTIL", "PROPOSER", "TITLE")
MEDIUM_COLUMNS: Final = 96
"""From this width on there is room for protocol and proposer."""
_MAX_PROTOCOL_CHARS: Final = 30
_MAX_PROPOSER_CHARS: Final = 16
_GAP_CHARS: Final = 2
_COLUMN_STYLES: Final = {"#": "cyan", "TITLE": "bold", "": "dim"}
_MIN_TITLE_CHARS: Final = 12
_LOOK_S: Final = 1.0
"""How often it looks without a notice; notices may be lost."""
_GATHER_S: Final = 0.2
"""How long notices gather before it looks."""
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which proposals are asked for."""

    statuses: tuple[Any, ...] = ()
    kind: Any = None
    proposer: str | None = None
    to_vote: bool = False
    limit: int = 50

    async def fetch(self, client: ConsensusClient) -> list[ProposalSummary]:
        """The newest of them, the newest last."""
        found: list[ProposalSummary] = []
        after = 0
        while len(found) < self.limit:
            page = await client.page(
                after_number=after,
                limit=self.limit - len(found),
                newest_first=True,
                status=self.statuses or None,
                kind=self.kind,
                proposer=self.proposer,
                to_vote=self.to_vote,
            )
            found += page.proposals
            if not page.next:
                break
            after = page.next
        return found[::-1]


async def list_proposals(access: Access, wanted: Wanted, *, as_json: bool) -> bool:
    """Print the proposals that are `wanted`; False if there are none.

    Errors as `conclave.commands.reach.calling`.
    """
    async with consensus(access) as (client, _):
        found = await wanted.fetch(client)
        turnouts = {} if as_json else await _turnouts(client, found)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return bool(found)
    console = Console(highlight=False)
    if not found:
        click.echo("no proposals", err=True)
    elif console.is_terminal:
        console.print(_table(found, turnouts, width=console.width))
    else:
        rows = [proposalview.summary_cells(each, turnouts.get(each.proposal_id, "-")) for each in found]
        click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *rows])))
    if len(found) == wanted.limit:
        click.echo(f"the newest {wanted.limit}; --limit shows more", err=True)
    return bool(found)


async def watch_proposals(access: Access, wanted: Wanted, *, as_json: bool) -> None:
    """Show the proposals that are `wanted`, and each that changes, until cancelled."""
    console = Console(highlight=False)
    async with consensus(access) as (client, caller):
        if as_json or not console.is_terminal:
            await _follow(client, caller, wanted, as_json=as_json)
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            async for _ in _moments(caller):
                found = await wanted.fetch(client)
                turnouts = await _turnouts(client, found)
                shown = found[-max(console.size.height - 2, 1) :]
                live.update(_table(shown, turnouts, width=console.width), refresh=True)


async def _follow(client: ConsensusClient, caller: Caller, wanted: Wanted, *, as_json: bool) -> None:
    """A line for each proposal, and another one whenever something about it is different."""
    known: dict[str, tuple[str, str]] = {}
    async for _ in _moments(caller):
        found = await wanted.fetch(client)
        turnouts = await _turnouts(client, found)
        for each in found:
            turnout = turnouts.get(each.proposal_id, "-")
            state = (each.trail_hash, each.status)
            if known.get(each.proposal_id) == state:
                continue
            known[each.proposal_id] = state
            if as_json:
                print_json_line(each.model_dump(mode="json"))
            else:
                click.echo("  ".join(proposalview.summary_cells(each, turnout)))
        present = {each.proposal_id for each in found}
        known = {key: value for key, value in known.items() if key in present}


async def _moments(caller: Caller) -> AsyncIterator[None]:
    """Now, and whenever something may have changed."""
    noticed = asyncio.Event()

    async def notice(_: Delivery) -> None:
        noticed.set()

    subscription = await caller.bus.subscribe(caller.subjects.event("consensus", "*", "*"), notice)
    try:
        await caller.bus.flush()
        while True:
            noticed.clear()
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await noticed.wait()
                    await asyncio.sleep(_GATHER_S)
    finally:
        await subscription.unsubscribe()


async def _turnouts(client: ConsensusClient, proposals: list[ProposalSummary]) -> dict[str, str]:
    """``3/5`` by proposal: electors that have voted, of those that could."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def ask(proposal: ProposalSummary) -> LiveTally | None:
        async with places:
            with contextlib.suppress(RejectedError):  # it was archived just now
                return await client.tally(proposal.proposal_id)
        return None

    asked = [each for each in proposals if each.status != "pending"]
    tallies = await asyncio.gather(*(ask(each) for each in asked))
    return {
        each.proposal_id: f"{each.voter_count}/{each.elector_count}" for each in tallies if each is not None
    }


def _table(proposals: list[ProposalSummary], turnouts: dict[str, str], *, width: int) -> Table:
    is_medium = width >= MEDIUM_COLUMNS
    at = now_ms()
    rows = [_cells(each, turnouts.get(each.proposal_id, "-"), at, is_medium=is_medium) for each in proposals]
    headers = ["#", "STATUS", "TITLE", "PROTOCOL", "VOTED", "", "PROPOSER"]
    if not is_medium:
        headers = [each for each in headers if each not in ("PROTOCOL", "PROPOSER")]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for header in headers:
        grid.add_column(
            header,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if header in ("#", "VOTED") else "left",
            style=_COLUMN_STYLES.get(header, ""),
            max_width=_title_chars(headers, rows, width) if header == "TITLE" else None,
        )
    for row in rows:
        grid.add_row(*row)
    return grid


def _cells(each: ProposalSummary, turnout: str, now_ms: int, *, is_medium: bool) -> list[Text]:
    """A row; the title is in the third place."""
    cells = [
        Text(str(each.number)),
        Text(each.status, style=proposalview.STATUS_STYLES.get(each.status, "")),
        Text(printable(each.title)),
    ]
    if is_medium:
        protocol = Text(protocol_name(each.rules))
        protocol.truncate(_MAX_PROTOCOL_CHARS, overflow="ellipsis")
        cells.append(protocol)
    cells += [Text(turnout), Text(proposalview.when_text(each, now_ms=now_ms))]
    if is_medium:
        proposer = Text(each.proposer)
        proposer.truncate(_MAX_PROPOSER_CHARS, overflow="ellipsis")
        cells.append(proposer)
    return cells


def _title_chars(headers: Sequence[str], rows: list[list[Text]], width: int) -> int:
    """How much room the other columns leave: all cells stay in one line, only titles are cut."""
    others = 0
    for place, header in enumerate(headers):
        if header != "TITLE":
            others += _GAP_CHARS + max(len(header), *(row[place].cell_len for row in rows), 0)
    return max(width - others, _MIN_TITLE_CHARS)
