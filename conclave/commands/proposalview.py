"""How a proposal and its vote look: for people, and as rows for pipes. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from conclave.commands.choicewords import choice_text
from conclave.commands.durations import moment_text
from conclave.commands.rulewords import (
    BINARY,
    electorate_sentence,
    rule_sentences,
)
from conclave.commands.tables import printable
from conclave.commands.votewords import scope_text
from consensus.replies import Decision, Proposal, ProposalSummary, RulesView, Standing, Tally, Vote

STATUS_STYLES: Final = {
    "pending": "yellow",
    "active": "cyan",
    "succeeded": "bold green",
    "queued": "green",
    "executed": "bold green",
    "defeated": "red",
    "expired": "red",
    "canceled": "magenta",
    "vetoed": "bold magenta",
}
CHOICE_STYLES: Final = {"for": "green", "against": "red", "abstain": "yellow"}
REASONS: Final = {
    "majority": "what the protocol asks for was reached",
    "tie": "a tie",
    "below_threshold": "too little weight is for it",
    "not_unanimous": "somebody is against it, or nobody for it",
    "no_quorum": "too little weight took part",
    "no_winner": "no option won",
    "electorate_too_small": "too few electors",
    "empty_electorate": "nobody could vote",
    "no_snapshot": "nobody could tell in time who votes",
}
MAX_BAR_CHARS: Final = 40
_MIN_BAR_CHARS: Final = 8


def heading(proposal: ProposalSummary, *, now_ms: int, width: int) -> Group:
    """Number, title and status; then kind, proposer, id and artifact."""
    status = Text(proposal.status, style=STATUS_STYLES.get(proposal.status, ""))
    if when := when_text(proposal, now_ms=now_ms):
        status.append(f", {when}", style="not bold")
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(f"#{proposal.number} ", style="bold cyan").append(printable(proposal.title), style="bold")
    room = width - status.cell_len - 2
    if room >= title.cell_len or room >= width // 2:
        title.truncate(room, overflow="ellipsis", pad=True)
        title.append("  ").append_text(status)
        parts: list[RenderableType] = [title]
    else:
        parts = [title, status]
    about = f"{proposal.kind.replace('_', ' ')} by {proposal.proposer}"
    about += f", {moment_text(proposal.created_at_ms, now_ms)}  {proposal.proposal_id}"
    parts += [
        Text(about, style="dim", overflow="fold"),
        Text(f"sha256 {proposal.artifact_sha256}", style="dim", overflow="fold"),
    ]
    return Group(*parts)


def when_text(proposal: ProposalSummary, *, now_ms: int) -> str:
    """What comes next, and when; empty for a proposal of which nothing becomes any more."""
    if proposal.status == "pending":
        if proposal.snapshot_ms < now_ms:
            return "about to open"
        return f"opens {moment_text(proposal.snapshot_ms, now_ms)}"
    if proposal.status == "active" and proposal.deadline_ms is not None:
        return f"ends {moment_text(proposal.deadline_ms, now_ms)}"
    is_open = proposal.status in ("succeeded", "queued")
    if is_open and isinstance(proposal, Proposal) and proposal.approval is not None:
        approval = proposal.approval
        if approval.not_before_ms > now_ms:
            return f"may be executed {moment_text(approval.not_before_ms, now_ms)}"
        return f"expires {moment_text(approval.expires_at_ms, now_ms)}"
    return ""


def bars(tally: Tally, rules: RulesView, *, width: int) -> Table:
    """The count so far: a bar for each choice, what is open, and how far the quorum is."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=max(width // 4, 8))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", style="dim", no_wrap=True)
    room = min(max(width - 44, _MIN_BAR_CHARS), MAX_BAR_CHARS)
    titles = {each.option: each.title for each in rules.options}
    for name, amount, share, style in _shares(tally, rules):
        label = f"{name}  {printable(titles[name])}" if titles.get(name) else name
        grid.add_row(Text(label), _bar(share, room, style), amount, f"{float(share):.0%}")
    gap = " " if tally.quorum_reached else ", "
    quorum = Text(f"{tally.counted_votes} of {tally.quorum_votes} needed{gap}", no_wrap=True)
    quorum.append("✓", style="green") if tally.quorum_reached else quorum.append(
        "not reached", style="yellow"
    )
    if tally.released_votes:
        quorum.append(f"  {tally.released_votes} offline, left out", style="dim")
    grid.add_row(Text("quorum", style="dim"), quorum)
    return grid


def _shares(tally: Tally, rules: RulesView) -> Iterator[tuple[str, str, Fraction, str]]:
    """(choice, amount, share of the bar, style) of each line."""
    whole = max(tally.eligible_votes, 1)
    if rules.protocol in BINARY:
        counted = (("for", tally.for_votes), ("against", tally.against_votes))
        for name, votes in counted:
            yield name, str(votes), Fraction(votes, whole), CHOICE_STYLES[name]
    else:
        scores = {option: Fraction(score) for option, score in tally.scores.items()}
        total = sum(scores.values()) or Fraction(1)
        best = max(scores.values(), default=Fraction(0))
        for option, score in scores.items():
            style = "green" if score == best and score else "cyan"
            yield option, tally.scores[option], max(score / total, Fraction(0)), style
    if tally.abstain_votes or rules.protocol in BINARY:
        yield (
            "abstain",
            str(tally.abstain_votes),
            Fraction(tally.abstain_votes, whole),
            CHOICE_STYLES["abstain"],
        )
    yield "open", str(tally.remaining_votes), Fraction(max(tally.remaining_votes, 0), whole), "dim"


def _bar(share: Fraction, room: int, style: str) -> Text:
    filled = min(round(share * room), room)
    if share > 0 and not filled:
        filled = 1
    return Text("█" * filled, style=style).append("░" * (room - filled), style="dim")


def standing_text(standing: Standing | None) -> Text | None:
    """What the vote would come to if nobody voted any more."""
    if standing is None:
        return None
    line = Text("as it stands: ", style="dim")
    if standing.won:
        won = f"succeeds with {standing.winner}" if standing.winner else "succeeds"
        return line.append(won, style="not dim green")
    return line.append(f"fails: {REASONS.get(standing.reason, standing.reason)}", style="not dim red")


def decision_text(decision: Decision) -> Text:
    """How it ended, in one sentence."""
    line = Text(decision.status, style=STATUS_STYLES[decision.status])
    if decision.winner is not None:
        line.append(f": {decision.winner}", style="bold")
    if decision.agent is not None:
        reason = f": {printable(decision.reason)}" if decision.reason else ""
        return line.append(f" by {decision.agent}{reason}", style="not bold")
    if decision.status == "defeated":
        line.append(f": {REASONS.get(decision.reason, decision.reason)}", style="not bold")
    return line.append(", before the deadline" if decision.early else "", style="not bold dim")


def votes_table(votes: Iterable[Vote], proposal: Proposal, *, now_ms: int) -> Table:
    """Who voted what, why, and on what conditions."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=24, style="bold")
    grid.add_column(overflow="fold", max_width=32)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    grid.add_column(justify="right", no_wrap=True, style="dim")
    for vote in votes:
        text = choice_text(vote.choice, proposal.rules.protocol)
        said = Text(printable(vote.rationale))
        for condition in vote.conditions:
            said.append("\n" if said else "").append("if ", style="yellow").append(printable(condition))
        choice = Text(text, style=CHOICE_STYLES.get(text, "cyan"))
        if scope := scope_text(vote.scope, vote.voter, proposal.delegations):
            choice.append(f", {scope}", style="dim")
        grid.add_row(vote.voter, choice, str(vote.weight), said, moment_text(vote.cast_at_ms, now_ms))
    return grid


def details(proposal: Proposal) -> Iterator[tuple[str, Text]]:
    """Rules, electorate and what came of it, as names and values."""
    for name, sentence in rule_sentences(proposal.rules):
        yield name, Text(sentence)
    for option in proposal.rules.options:
        line = Text(option.option, style="bold").append(
            f"  {printable(option.title)}".rstrip(), style="not bold"
        )
        if option.artifact_sha256:
            line.append(f"  sha256 {option.artifact_sha256}", style="not bold dim")
        yield "option", line
    yield "electorate", Text(electorate_sentence(proposal.electorate))
    yield from (("elector", line) for line in _electors(proposal))
    if proposal.waiting_for:
        yield "waiting", Text(f"for the {proposal.waiting_for} to say who may vote")
    if proposal.conversation_id:
        yield "discussed", Text(f"in the dialog {proposal.conversation_id}")
    yield "trail", Text(proposal.trail_hash, style="dim")


def _electors(proposal: Proposal) -> Iterator[Text]:
    weights = proposal.weights or dict.fromkeys(proposal.electorate.agents, 1)
    for agent, weight in weights.items():
        line = Text(agent)
        if set(weights.values()) != {1}:
            line.append(f"  weight {weight}", style="dim")
        if agent in proposal.delegations:
            line.append(f"  {proposal.delegations[agent]} stands in for it", style="dim")
        if agent in proposal.released:
            line.append("  offline, left out", style="yellow")
        yield line


def ending(proposal: Proposal, *, now_ms: int) -> Iterator[tuple[str, Text]]:
    """What was decided and done, as names and values."""
    if proposal.decision is not None:
        yield (
            "decision",
            decision_text(proposal.decision).append(
                f"  {moment_text(proposal.decision.decided_at_ms, now_ms)}", style="not bold dim"
            ),
        )
    for condition in proposal.conditions:
        yield "condition", Text(printable(condition), style="yellow")
    if proposal.approval is not None:
        yield "approves", Text(proposal.approval.artifact_sha256)
        if when := when_text(proposal, now_ms=now_ms):
            yield "execution", Text(when)
    if proposal.execution is not None:
        done = proposal.execution
        yield (
            "executed",
            Text(f"by {done.executor}, {moment_text(done.executed_at_ms, now_ms)}  {done.execution_id}"),
        )
    if proposal.receipt is not None:
        receipt = proposal.receipt
        word = Text("success", style="green") if receipt.success else Text("failure", style="red")
        note = f"  {printable(receipt.note)}" if receipt.note else ""
        made = f"  sha256 {receipt.result_sha256}" if receipt.result_sha256 else ""
        yield "receipt", word.append(f"{note}{made}", style="default")


def amendments(proposal: Proposal, *, now_ms: int) -> Iterator[tuple[str, Text]]:
    """What was put to the vote before, when that was replaced and why, as names and values."""
    hidden = proposal.amendment_count - len(proposal.amendments)
    if hidden > 0 and proposal.amendments:
        yield (
            "amended",
            Text(f"{hidden} earlier {'one is' if hidden == 1 else 'ones are'} in the trail", style="dim"),
        )
    for each in proposal.amendments:
        line = Text(moment_text(each.amended_at_ms, now_ms))
        if each.reason:
            line.append(f": {printable(each.reason)}")
        line.append(f"  before: sha256 {each.artifact_sha256}", style="dim")
        yield "amended", line


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


def iso(at_ms: int | None) -> str:
    """A moment in UTC, for programs; ``-`` for none."""
    if at_ms is None:
        return "-"
    text = datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def summary_cells(proposal: ProposalSummary, turnout: str) -> Sequence[str]:
    """A proposal in one line for pipes; no cell is empty, and only the last one holds spaces."""
    return (
        str(proposal.number),
        proposal.proposal_id,
        proposal.status,
        proposal.rules.protocol,
        turnout,
        iso(proposal.snapshot_ms if proposal.status == "pending" else proposal.deadline_ms),
        proposal.proposer,
        printable(proposal.title) or "-",
    )


def tally_text(tally: Tally) -> str:
    """A count in one line."""
    if tally.scores:
        return ", ".join(f"{option} {score}" for option, score in tally.scores.items())
    return f"{tally.for_votes} for, {tally.against_votes} against, {tally.abstain_votes} abstain"
