"""Shows a run of the demo as it goes: on a terminal, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conclave.demo.report import Build, Decision, Fact, Input, Note, Review
from conclave.up import INSECURE_TEXT, INSECURE_TITLE

SHOWN_REMARKS: Final = 4
SHOWN_NOTES: Final = 6
_MARKS: Final = {
    "blocking": "[bold red]blocks[/]",
    "objection": "[yellow]objects[/]",
    "advice": "[dim]advises[/]",
    "error": "[bold red]error[/]",
    "warning": "[yellow]warning[/]",
    "info": "[dim]note[/]",
}


class Screen(Protocol):
    """What the run tells whoever watches."""

    def stage(self, title: str) -> contextlib.AbstractContextManager[None]:
        """A stage begins; it ends with the block."""
        ...

    def insecure(self) -> None:
        """The demo's own server will let anybody in."""
        ...

    def input(self, given: Input, earlier_runs: tuple[str, ...]) -> None:
        """What will be voted on."""
        ...

    def review(self, review: Review) -> None:
        """An agent has spoken."""
        ...

    def decision(self, decision: Decision) -> None:
        """The vote is over."""
        ...

    def build(self, build: Build) -> None:
        """The flake is written and checked."""
        ...

    def fact(self, fact: Fact) -> None:
        """The fact has reached the replicas."""
        ...


class Silent:
    """Shows nothing; for ``--json``."""

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:  # noqa: ARG002
        """See `Screen.stage`."""
        yield

    def insecure(self) -> None:
        """See `Screen.insecure`."""

    def input(self, given: Input, earlier_runs: tuple[str, ...]) -> None:
        """See `Screen.input`."""

    def review(self, review: Review) -> None:
        """See `Screen.review`."""

    def decision(self, decision: Decision) -> None:
        """See `Screen.decision`."""

    def build(self, build: Build) -> None:
        """See `Screen.build`."""

    def fact(self, fact: Fact) -> None:
        """See `Screen.fact`."""


class Terminal:
    """Shows the run with rich."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """See `Screen.stage`."""
        with self._console.status(f"[cyan]{title}…[/]"):
            yield

    def insecure(self) -> None:
        """See `Screen.insecure`."""
        self._console.print(f"[bold yellow]{INSECURE_TITLE}:[/] [yellow]{INSECURE_TEXT}[/]", soft_wrap=True)

    def input(self, given: Input, earlier_runs: tuple[str, ...]) -> None:
        """See `Screen.input`."""
        self._title("The graph")
        size = f"{given.nodes_count} nodes, {given.edges_count} edges"
        self._line(f"[bold]{escape(given.name)}[/] from {escape(given.path)} ({given.origin}): {size}")
        self._line(f"sha256 [dim]{given.sha256}[/]")
        for run in earlier_runs[-3:]:
            self._line(f"[dim]this store remembers: {escape(run)}[/]")
        self._notes(given.notes)

    def review(self, review: Review) -> None:
        """See `Screen.review`."""
        self._line(f"[bold cyan]{review.agent}[/] [dim]({review.capability})[/] {escape(review.summary)}")
        self._notes(review.remarks, limit=SHOWN_REMARKS)

    def decision(self, decision: Decision) -> None:
        """See `Screen.decision`."""
        self._title("The vote")
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        colours = {"for": "green", "against": "red", "abstain": "yellow"}
        for ballot in decision.ballots:
            choice = f"[{colours.get(ballot.choice, 'white')}]{ballot.choice}[/]"
            table.add_row(f"  {ballot.voter}", choice, escape(ballot.rationale))
        self._console.print(table)
        colour = "green" if decision.state == "succeeded" else "red"
        tally = (
            f"{decision.votes_for} for, {decision.votes_against} against, {decision.votes_abstain} abstain"
        )
        self._line(f"[bold {colour}]{decision.state}[/]: {tally} [dim](proposal {decision.proposal_id})[/]")

    def build(self, build: Build) -> None:
        """See `Screen.build`."""
        self._title("The flake")
        hosts = ", ".join(build.hosts)
        self._line(f"{len(build.files)} files in [bold]{escape(build.directory)}[/] for {escape(hosts)}")
        for check in build.checks:
            mark = "[green]passed[/]" if check.passed else "[bold red]failed[/]"
            self._line(f"nix {check.name}: {mark} [dim]{escape(check.output)}[/]")
        if not build.checks:
            self._line("[dim]no nix on PATH: the flake was written but not checked[/]")
        for note in build.notes:
            self._line(f"[dim]{escape(note)}[/]")

    def fact(self, fact: Fact) -> None:
        """See `Screen.fact`."""
        self._title("What everybody knows now")
        holding = sum(each.holds for each in fact.replicas)
        heads = {each.heads for each in fact.replicas}
        same = "with equal heads" if len(heads) == 1 else "with DIFFERENT heads"
        self._line(
            f"fact [dim]{fact.fact_id[:16]}…[/] held by {holding} of {len(fact.replicas)} replicas, {same}"
        )

    def verdict(self, *, good: bool, reason: str) -> None:
        """Say how it ended."""
        self._console.print()
        self._console.print(f"[bold {'green' if good else 'red'}]{escape(reason)}[/]")

    def _title(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/]")

    def _line(self, markup: str) -> None:
        self._console.print(f"  {markup}", soft_wrap=True)

    def _notes(self, notes: tuple[Note, ...], *, limit: int = SHOWN_NOTES) -> None:
        for note in notes[:limit]:
            mark = _MARKS.get(note.severity, note.severity)
            self._line(f"  {mark} [bold]{escape(note.place)}[/] {escape(note.text)}")
        if len(notes) > limit:
            self._line(f"  [dim]… and {len(notes) - limit} more (--json shows all)[/]")
