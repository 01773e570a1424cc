"""What ``conclave proposal show`` prints: all that is known of one proposal."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.console import Console, Group, RenderableType
from rich.text import Text

from conclave.commands import proposalview, tables
from conclave.commands.access import Access
from conclave.commands.booth import consensus, find
from conclave.commands.countwords import count_sentences
from conclave.commands.durations import moment_text
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.tables import printable
from conclave.commands.votewords import vote_text
from consensus.client import ConsensusClient
from consensus.limits import MAX_PAGE
from consensus.replies import Comment, LiveTally, Proposal, Vote


async def show_proposal(access: Access, reference: str, *, as_json: bool) -> None:
    """Print a proposal with its votes and comments.

    Raises:
        UsageError: There is no such proposal.

    Further errors as `conclave.commands.reach.calling`.
    """
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        votes = await _votes(client, proposal.proposal_id)
        comments = await _comments(client, proposal.proposal_id)
        tally = await client.tally(proposal.proposal_id)
    if as_json:
        print_json(
            {
                "proposal": proposal.model_dump(mode="json"),
                "standing": None if tally.standing is None else tally.standing.model_dump(mode="json"),
                "votes": [each.model_dump(mode="json") for each in votes],
                "comments": [each.model_dump(mode="json") for each in comments],
            }
        )
        return
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(_page(proposal, tally, votes, comments, width=console.width))
    else:
        click.echo("\n".join(tables.columns(list(_rows(proposal, votes, comments)))))


async def _votes(client: ConsensusClient, proposal_id: str) -> list[Vote]:
    found: list[Vote] = []
    while True:
        after = found[-1].sequence if found else 0
        page = await client.votes(proposal_id, after_sequence=after, limit=MAX_PAGE)
        found += page.votes
        if page.is_complete or not page.votes:
            return found


async def _comments(client: ConsensusClient, proposal_id: str) -> list[Comment]:
    found: list[Comment] = []
    while True:
        after = found[-1].sequence if found else 0
        page = await client.comments(proposal_id, after_sequence=after, limit=MAX_PAGE)
        found += page.comments
        if page.is_complete or not page.comments:
            return found


def _page(
    proposal: Proposal, live: LiveTally, votes: list[Vote], comments: list[Comment], *, width: int
) -> Group:
    at = now_ms()
    parts: list[RenderableType] = [proposalview.heading(proposal, now_ms=at, width=width)]
    if proposal.description:
        lines = [printable(line) for line in proposal.description.splitlines()]
        parts += [Text(), Text("\n".join(lines))]
    if proposal.tally is not None:
        parts += [Text(), proposalview.bars(proposal.tally, proposal.rules, width=width)]
        standing = None if proposal.decision else proposalview.standing_text(live.standing)
        if standing is not None:
            parts.append(standing)
    if counted := list(count_sentences(proposal)):
        parts += [Text(), proposalview.named((name, Text(said)) for name, said in counted)]
    if ended := list(proposalview.ending(proposal, now_ms=at)):
        parts += [Text(), proposalview.named(ended)]
    if amended := list(proposalview.amendments(proposal, now_ms=at)):
        parts += [Text(), proposalview.named(amended)]
    if votes:
        parts += [_title("votes"), proposalview.votes_table(votes, proposal, now_ms=at)]
    if comments:
        said = (
            (
                each.agent,
                Text(printable(each.text)).append(f"  {moment_text(each.commented_at_ms, at)}", "dim"),
            )
            for each in comments
        )
        parts += [_title("comments"), proposalview.named(said)]
    parts += [_title("rules"), proposalview.named(proposalview.details(proposal))]
    return Group(*parts)


def _title(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _rows(proposal: Proposal, votes: list[Vote], comments: list[Comment]) -> Iterator[tuple[str, str]]:
    """Names and values for pipes, each value in one line."""
    yield "number:", str(proposal.number)
    yield "id:", proposal.proposal_id
    yield "title:", printable(proposal.title)
    yield "status:", proposal.status
    yield "kind:", proposal.kind
    yield "proposer:", proposal.proposer
    yield "artifact:", proposal.artifact_sha256
    yield "description:", printable(proposal.description.replace("\n", " ")) or "-"
    yield "created:", proposalview.iso(proposal.created_at_ms)
    yield "opens:", proposalview.iso(proposal.opened_at_ms or proposal.snapshot_ms)
    yield "deadline:", proposalview.iso(proposal.deadline_ms)
    if proposal.tally is not None:
        yield "tally:", proposalview.tally_text(proposal.tally)
        quorum = f"{proposal.tally.counted_votes} of {proposal.tally.quorum_votes}"
        yield "quorum-reached:", f"{'yes' if proposal.tally.quorum_reached else 'no'}, {quorum}"
    for name, said in count_sentences(proposal):
        yield f"{name}:", said
    for each in proposal.amendments:
        reason = f"  {printable(each.reason)}" if each.reason else ""
        yield "amended:", f"{proposalview.iso(each.amended_at_ms)}  before {each.artifact_sha256}{reason}"
    for name, value in proposalview.ending(proposal, now_ms=now_ms()):
        yield f"{name}:", value.plain
    for vote in votes:
        yield "vote:", f"{vote.voter}  {vote_text(vote, proposal)}"
    for comment in comments:
        yield "comment:", f"{comment.agent}  {printable(comment.text)}"
    for name, value in proposalview.details(proposal):
        yield f"{name}:", value.plain
