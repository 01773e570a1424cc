"""``conclave task submit`` and ``conclave task submit-dag``: their options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.confirming import all_met_option, met_option
from conclave.commands.electing import complete_proposal
from conclave.commands.options import json_option, refuse_together
from conclave.commands.taskoptions import (
    read_after,
    read_coming,
    read_moment,
    read_parent,
    refuse_idle,
    task_options,
)

_OPTIONS: Final = (
    # --- when
    click.option(
        "--at", "run_at_ms", metavar="MOMENT", callback=read_moment, help="Not before: 5m, or a date."
    ),
    click.option(
        "--start-by",
        "start_by_ms",
        metavar="MOMENT",
        callback=read_coming,
        help="Expires if not begun by then.",
    ),
    click.option(
        "--deadline",
        "deadline_ms",
        metavar="MOMENT",
        callback=read_coming,
        help="Expires if not ended by then.",
    ),
    # --- with regard to others
    click.option(
        "--after",
        multiple=True,
        metavar="ID[:POLICY]",
        callback=read_after,
        help="When task ID has ended. If it failed: fail, too (default), skip, or run. May be repeated.",
    ),
    click.option("--parent", metavar="ID:TOKEN", callback=read_parent, help="Below task ID, which you hold."),
    click.option("--keep", is_flag=True, help="Goes on when its parent's attempt ends."),
    click.option("--may-return", is_flag=True, help="Agents that hold tasks above it may be asked, too."),
    # --- who it is
    click.option("--key", "idempotency_key", metavar="KEY", help="The same key again is the same task."),
    click.option("--id", "task_id", metavar="ID", help="Its id.  [default: a new one]"),
    # --- by whose leave
    click.option(
        "--proposal", metavar="PROPOSAL", shell_complete=complete_proposal, help="Approved by this proposal."
    ),
    met_option,
    all_met_option,
)
_waits: Final = (
    click.option("--wait", "-w", is_flag=True, help="Wait for the end; exit 1 unless it completed."),
    click.option("--progress", is_flag=True, help="... and show on standard error how far it is."),
)


def _with(options: tuple[Callable[..., Any], ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command("submit", short_help="Have an agent do something.")
@click.argument("requirement")
@click.argument("payload", required=False)
@_with(_OPTIONS)
@task_options
@_with(_waits)
@json_option
@asks
def submit_command(
    *,
    requirement: str,
    payload: str | None,
    proposal: str | None,
    conditions_met: tuple[str, ...],
    are_all_met: bool,
    wait: bool,
    progress: bool,
    as_json: bool,
    access: Access,
    **given: Any,
) -> None:
    """Have an agent that meets REQUIREMENT do what PAYLOAD says: a JSON object, @FILE, or - (stdin).

    \b
    conclave task submit ocr '{"page": 7}' --wait
    conclave task submit 'python>=3.11, prefer region=eu' @job.json -p 5 --deadline 10m
    conclave task submit report - --after 4f1c2e:skip --at 2026-11-22T06:00Z < job.json

    Prints the id. With --wait prints the result; the exit status is 0 if it completed, 1 otherwise.
    """  # noqa: D301 - \b is click's: do not wrap
    refuse_together("--met", "--all-met", both=bool(conditions_met) and are_all_met)
    if (conditions_met or are_all_met) and proposal is None:
        raise click.UsageError("--met: of which proposal? Give --proposal, too")
    refuse_idle(given)
    _refuse_order(given)
    from conclave.commands.tasksubmitting import Leave, submit  # noqa: PLC0415 - not for --help

    leave = None if proposal is None else Leave(proposal, conditions_met, are_all_met)
    done = ask(
        submit(
            access,
            requirement,
            payload,
            given,
            leave=leave,
            wait=wait or progress,
            shows_progress=progress,
            as_json=as_json,
        )
    )
    if not done:
        sys.exit(1)


def _refuse_order(given: Mapping[str, Any]) -> None:
    """Refuse moments that cannot come one after the other."""
    at_ms, begin_ms, end_ms = given["run_at_ms"], given["start_by_ms"], given["deadline_ms"]
    if begin_ms is not None and end_ms is not None and begin_ms > end_ms:
        raise click.UsageError("--start-by is after --deadline")
    if at_ms is not None and end_ms is not None and at_ms >= end_ms:
        raise click.UsageError("--at is not before --deadline")
    if at_ms is not None and begin_ms is not None and at_ms >= begin_ms:
        raise click.UsageError("--at is not before --start-by")


@click.command("submit-dag", short_help="Submit tasks that wait for one another.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--id", "dag_id", metavar="ID", help="Its id.  [default: a new one]")
@_with(_waits)
@json_option
@asks
def submit_dag_command(
    *, file: Path, dag_id: str | None, wait: bool, progress: bool, as_json: bool, access: Access
) -> None:
    """Submit the tasks in FILE (JSON or YAML, - is standard input): all of them, or none.

    \b
    tasks:
      fetch:  {requirement: web, payload: {url: "https://example.org"}}
      parse:  {requirement: "python>=3.11", after: [fetch], timeout: 10m, attempts: 5}
      mail:   {requirement: mail, after: [{name: parse, on_failure: skip}]}

    Fields are those of the wire contract; lengths of time and moments may be written as for
    conclave task submit, without _ms. Prints the id of the DAG, and of each task.
    """  # noqa: D301 - \b is click's: do not wrap
    from conclave.commands.tasksubmitting import submit_dag  # noqa: PLC0415 - not for --help

    if not ask(
        submit_dag(access, file, dag_id, wait=wait or progress, shows_progress=progress, as_json=as_json)
    ):
        sys.exit(1)
