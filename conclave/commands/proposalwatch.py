"""``conclave proposal watch``: a live tally on a terminal, one line per vote elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console, ConsoleRenderable, Group, RenderableType
from rich.live import Live
from rich.text import Text

from conclave.commands import proposalview
from conclave.commands.access import Access
from conclave.commands.booth import consensus, find
from conclave.commands.countwords import count_sentences
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json_line
from conclave.commands.tables import printable
from conclave.commands.votewords import vote_text
from consensus.client import ConsensusClient
from consensus.limits import MAX_PAGE
from consensus.replies import Decision, LiveTally, Proposal, Vote

WON: Final = frozenset({"succeeded", "queued", "executed"})
"""Statuses of a proposal whose vote was won and that nobody has stopped."""
_REPAINT_S: Final = 1.0
"""How often ages are painted anew when nothing happens."""
_MAX_KEPT: Final = 500
"""Votes that the live view remembers; a screen has fewer lines."""
_FRAME_LINES: Final = 6
"""Heading, empty lines, and what stands below the bars."""


async def watch_proposal(access: Access, reference: str, *, as_json: bool) -> bool:
    """Show the vote on a proposal until it is over; False unless it was won.

    Raises:
        UsageError: There is no such proposal.

    Further errors as `conclave.commands.reach.calling`.
    """
    async with consensus(access) as (client, _):
        return await follow(client, (await find(client, reference)).proposal_id, as_json=as_json)


async def follow(client: ConsensusClient, proposal_id: str, *, as_json: bool) -> bool:
    """Show the vote on proposal `proposal_id` until it is over; False unless it was won."""
    console = Console(highlight=False)
    if as_json:
        shown: _Shown = _JsonLines()
    elif console.is_terminal:
        shown = _Screen(console)
    else:
        shown = _PlainLines()
    proposal = await client.get(proposal_id)
    last = 0
    async with shown, contextlib.aclosing(client.watch(proposal_id)) as tallies:
        shown.begin(proposal)
        async for tally in tallies:
            if tally.status != proposal.status:
                proposal = await client.get(proposal_id)
                shown.moved(proposal)
            while True:
                page = await client.votes(proposal_id, after_sequence=last, limit=MAX_PAGE)
                for vote in page.votes:
                    last = vote.sequence
                    shown.voted(vote)
                if page.is_complete:
                    break
            shown.counted(tally)
        proposal = await client.get(proposal_id)
        if proposal.decision is not None:
            shown.decided(proposal, proposal.decision)
    return proposal.status in WON


class _Shown(contextlib.AbstractAsyncContextManager["_Shown", None]):
    """Who is told what happens; by default of nothing."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The end."""

    def begin(self, proposal: Proposal) -> None:
        """What is watched."""

    def moved(self, proposal: Proposal) -> None:
        """Its status is another one."""

    def voted(self, vote: Vote) -> None:
        """Somebody has voted; those that voted before come first."""

    def counted(self, tally: LiveTally) -> None:
        """The count is another one."""

    def decided(self, proposal: Proposal, decision: Decision) -> None:
        """It is over."""


class _JsonLines(_Shown):
    """Each event as one object in one line: its ``kind``, and under that name what happened."""

    def begin(self, proposal: Proposal) -> None:
        """See `_Shown`."""
        print_json_line({"kind": "proposal", "proposal": proposal.model_dump(mode="json")})

    def voted(self, vote: Vote) -> None:
        """See `_Shown`."""
        print_json_line({"kind": "vote", "vote": vote.model_dump(mode="json")})

    def counted(self, tally: LiveTally) -> None:
        """See `_Shown`."""
        print_json_line({"kind": "tally", "tally": tally.model_dump(mode="json")})

    def decided(self, proposal: Proposal, decision: Decision) -> None:
        """See `_Shown`."""
        if proposal.count is not None:
            print_json_line({"kind": "count", "count": proposal.count.model_dump(mode="json")})
        print_json_line({"kind": "decision", "decision": decision.model_dump(mode="json")})


class _PlainLines(_Shown):
    """Each vote, each new status and the decision as one line: time, who, what, weight, why."""

    def __init__(self) -> None:
        self._proposal: Proposal | None = None

    def begin(self, proposal: Proposal) -> None:
        """See `_Shown`."""
        self._proposal = proposal
        self._print(proposal.created_at_ms, proposal.proposer, "proposed", printable(proposal.title))

    def moved(self, proposal: Proposal) -> None:
        """See `_Shown`."""
        self._proposal = proposal
        if proposal.status == "active" and proposal.opened_at_ms is not None:
            self._print(proposal.opened_at_ms, "-", "opened", f"{proposal.elector_count} electors")

    def voted(self, vote: Vote) -> None:
        """See `_Shown`."""
        assert self._proposal is not None, "begin comes first"
        self._print(vote.cast_at_ms, vote.voter, "votes", vote_text(vote, self._proposal))

    def decided(self, proposal: Proposal, decision: Decision) -> None:
        """See `_Shown`."""
        for name, said in count_sentences(proposal):
            self._print(decision.decided_at_ms, "-", "counted", f"{name}: {said}")
        self._print(
            decision.decided_at_ms,
            decision.agent or "-",
            decision.status,
            decision.winner or printable(decision.reason) or "-",
        )

    def _print(self, at_ms: int, who: str, what: str, more: str) -> None:
        click.echo(f"{proposalview.iso(at_ms)}  {who}  {what}  {more}")


@dataclass(slots=True)
class Frame:
    """What the live view knows, and how it looks."""

    proposal: Proposal | None = None
    tally: LiveTally | None = None
    votes: deque[Vote] = field(default_factory=lambda: deque(maxlen=_MAX_KEPT))
    decision: Decision | None = None

    def render(self, *, width: int, height: int, now_ms: int) -> Group:
        """Heading, count, and as many of the latest votes as there is room for."""
        if self.proposal is None:
            return Group(Text("asking …", style="dim"))
        proposal = self.proposal
        parts: list[RenderableType] = [
            proposalview.heading(proposal, now_ms=now_ms, width=width),
            Text(),
        ]
        lines = _FRAME_LINES
        live = self.tally
        if live is not None and live.tally is not None:
            parts.append(proposalview.bars(live.tally, proposal.rules, width=width))
            lines += len(live.tally.scores) + 4
            voted = Text(f"{live.voter_count} of {live.elector_count} have voted", style="dim")
            standing = None if self.decision else proposalview.standing_text(live.standing)
            parts.append(voted.append("; ").append_text(standing) if standing else voted)
        elif proposal.status == "pending":
            parts.append(Text("voting has not opened", style="dim"))
        counted = list(count_sentences(proposal)) if self.decision is not None else []
        if counted:
            parts += [Text(), proposalview.named((name, Text(said)) for name, said in counted)]
            lines += len(counted) + 1
        room = max(height - lines - 4, 1)
        if self.votes:
            latest = list(self.votes)[-room:]
            parts += [Text(), proposalview.votes_table(latest, proposal, now_ms=now_ms)]
        if self.decision is not None:
            parts += [Text(), proposalview.decision_text(self.decision)]
        return Group(*parts)


class _Screen(_Shown):
    """A live view below the prompt; what it showed last stays there."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._frame = Frame()
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._paint)
        self._group = asyncio.TaskGroup()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Show it, and paint ages anew once in a while."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._live)
            await stack.enter_async_context(self._group)
            repainting = self._group.create_task(self._repaint())
            stack.callback(repainting.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the last picture as it is."""
        await self._stack.__aexit__(kind, error, traceback)

    async def _repaint(self) -> None:
        while True:
            await asyncio.sleep(_REPAINT_S)
            self._live.refresh()

    def _paint(self) -> ConsoleRenderable:
        size = self._console.size
        return self._frame.render(width=size.width, height=size.height, now_ms=now_ms())

    def begin(self, proposal: Proposal) -> None:
        """See `_Shown`."""
        self._frame.proposal = proposal

    def moved(self, proposal: Proposal) -> None:
        """See `_Shown`."""
        self._frame.proposal = proposal

    def voted(self, vote: Vote) -> None:
        """See `_Shown`."""
        self._frame.votes.append(vote)

    def counted(self, tally: LiveTally) -> None:
        """See `_Shown`."""
        self._frame.tally = tally
        self._live.refresh()

    def decided(self, proposal: Proposal, decision: Decision) -> None:
        """See `_Shown`."""
        self._frame.proposal, self._frame.decision = proposal, decision
