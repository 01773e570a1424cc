"""``conclave demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from conclave.commands.options import (
    credentials_option,
    insecure_option,
    nats_option,
    prefix_option,
    refuse_together,
    run,
)
from conclave.demo import Silent, Terminal, default_graph, demo
from conclave.demo.report import Report
from conclave.up import warn_of_insecurity
from coordination.runtime.names import Subjects
from nix_gen import GraphFileError, OutputError

DEMO_STORE: Final = Path(".conclave/demo")


@click.command("demo", short_help="Review, vote on and build a deployment graph.")
@click.argument("graph", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Directory for the flake.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEMO_STORE,
    show_default=True,
    help="Directory of the embedded server; run again on it and the history is still there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON report and nothing else.")
@nats_option
@credentials_option
@insecure_option
@prefix_option
def demo_command(
    *,
    graph: Path | None,
    out: Path,
    store: Path,
    as_json: bool,
    url: str | None,
    credentials: Path | None,
    insecure: bool,
    subjects: Subjects,
) -> None:
    """Have five agents review, vote on and build GRAPH: a compose file or a graph file.

    Without GRAPH the project's own example is taken. The exit status is 0 if the graph was approved,
    built and passed every check; 1 if it was rejected or a check failed; 2 if GRAPH cannot be read.
    """
    refuse_together("--insecure", "--nats", both=insecure and url is not None)
    if credentials is not None and url is None:
        raise click.UsageError("--credentials is for --nats; on its own server the demo mints its agents")
    path = graph or default_graph()
    terminal = Terminal(Console(highlight=False))
    screen = Silent() if as_json else terminal

    async def work() -> Report:
        if insecure:
            warn_of_insecurity(store)
            screen.insecure()
        return await demo(
            path,
            out=out,
            store=store,
            url=url,
            prefix=subjects.prefix,
            screen=screen,
            credentials=credentials,
            insecure=insecure,
        )

    report = run(work(), input_errors=(GraphFileError, OutputError))
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        terminal.verdict(good=report.exit_status == 0, reason=report.reason)
    sys.exit(report.exit_status)
