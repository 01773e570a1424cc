"""``conclave proposal``: one proposal, shown, watched, amended, stopped, executed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.confirming import all_met_option, met_option
from conclave.commands.electing import complete_proposal, read_options
from conclave.commands.options import json_option, refuse_together

_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_proposal = click.argument("proposal", shell_complete=complete_proposal)
_artifact = click.option("--artifact", metavar="FILE", type=_FILE, help="These bytes.")
_sha256 = click.option("--sha256", metavar="HASH", help="... or what has this SHA-256.")


@click.group("proposal", short_help="Show, watch, amend, stop or execute one proposal.")
def proposal_command() -> None:
    """Show one proposal, or do something about it.

    PROPOSAL is its number (12), its id, or a beginning of its id.
    """


@proposal_command.command("show")
@_proposal
@json_option
@asks
def show_command(*, proposal: str, as_json: bool, access: Access) -> None:
    """Show all that is known of a proposal: rules in words, electorate, count, votes, conditions, approval.

    --json prints {"proposal", "standing", "votes", "comments"}.
    """
    from conclave.commands.proposalshow import show_proposal  # noqa: PLC0415 - not for --help

    ask(show_proposal(access, proposal, as_json=as_json))


@proposal_command.command("watch")
@_proposal
@json_option
@asks
def watch_command(*, proposal: str, as_json: bool, access: Access) -> None:
    """Show the vote live until it is decided; the exit status is 0 if it was won and 1 otherwise.

    In a pipe it prints a line per vote. --json prints one object per line, {"kind": "vote", "vote":
    {...}}: a proposal, then each vote and tally and, last, the decision.
    """
    from conclave.commands.proposalwatch import watch_proposal  # noqa: PLC0415

    if not ask(watch_proposal(access, proposal, as_json=as_json)):
        sys.exit(1)


@proposal_command.command("amend")
@_proposal
@_artifact
@click.option("--graph", metavar="FILE", type=_FILE, help="... or a graph, by its canonical digest.")
@_sha256
@click.option("--upload", is_flag=True, help="Store the artifact, so that voters can fetch it.")
@click.option("--description", metavar="TEXT", help="Another description.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="ID[=FILE]",
    callback=read_options,
    help="All options anew, with the same ids; by default they stay as they are.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@json_option
@asks
def amend_command(
    *,
    proposal: str,
    artifact: Path | None,
    graph: Path | None,
    sha256: str | None,
    upload: bool,
    description: str | None,
    options: tuple[tuple[str, Path | None], ...],
    reason: str,
    as_json: bool,
    access: Access,
) -> None:
    """Put another artifact in the place of the present one, while your proposal is discussed.

    The discussion begins anew, and everybody is told.
    """
    if sum(each is not None for each in (artifact, graph, sha256)) != 1:
        raise click.UsageError("say what is voted on now: --artifact FILE, --graph FILE or --sha256 HASH")
    refuse_together("--upload", "--sha256", both=upload and sha256 is not None)
    from conclave.commands.proposing import Subject, amend  # noqa: PLC0415

    subject = Subject(artifact=artifact, graph=graph, sha256=sha256, is_stored=upload)
    ask(
        amend(
            access,
            proposal,
            subject,
            description=description,
            options=options,
            reason=reason,
            as_json=as_json,
        )
    )


@proposal_command.command("discuss")
@_proposal
@click.argument("text")
@json_option
@asks
def discuss_command(*, proposal: str, text: str, as_json: bool, access: Access) -> None:
    """Say TEXT about a proposal, as an elector or as its proposer, until voting is over."""
    from conclave.commands import voting  # noqa: PLC0415

    ask(voting.discuss(access, proposal, text, as_json=as_json))


@proposal_command.command("cancel")
@_proposal
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@json_option
@asks
def cancel_command(*, proposal: str, reason: str, as_json: bool, access: Access) -> None:
    """Take your proposal back before voting opens, or stop one as its guardian until it is executed."""
    from conclave.commands import voting  # noqa: PLC0415

    ask(voting.stop(access, proposal, reason, is_veto=False, as_json=as_json))


@proposal_command.command("veto")
@_proposal
@click.argument("reason")
@json_option
@asks
def veto_command(*, proposal: str, reason: str, as_json: bool, access: Access) -> None:
    """Stop a proposal as one of its veto holders, until it is executed; REASON is told to everybody."""
    from conclave.commands import voting  # noqa: PLC0415

    ask(voting.stop(access, proposal, reason, is_veto=True, as_json=as_json))


@proposal_command.command("execute")
@_proposal
@_artifact
@_sha256
@met_option
@all_met_option
@click.option(
    "--id", "execution_id", metavar="ID", help="Ask again for the execution ID.  [default: a new one]"
)
@json_option
@asks
def execute_command(
    *,
    proposal: str,
    artifact: Path | None,
    sha256: str | None,
    conditions_met: tuple[str, ...],
    are_all_met: bool,
    execution_id: str | None,
    as_json: bool,
    access: Access,
) -> None:
    """Redeem the approval of a proposal that succeeded: once, and for exactly what was approved.

    This records that you execute it; doing so is up to you. Then say what came of it with
    conclave proposal report.
    """
    refuse_together("--artifact", "--sha256", both=artifact is not None and sha256 is not None)
    refuse_together("--met", "--all-met", both=bool(conditions_met) and are_all_met)
    from conclave.commands import voting  # noqa: PLC0415

    ask(
        voting.execute(
            access,
            proposal,
            artifact or sha256,
            conditions_met=conditions_met,
            are_all_met=are_all_met,
            execution_id=execution_id,
            as_json=as_json,
        )
    )


@proposal_command.command("report")
@_proposal
@click.option("--success/--failure", "is_success", default=None, help="What came of it.")
@click.option("--note", default="", metavar="TEXT", help="What a reader should know.")
@click.option("--result", metavar="FILE", type=_FILE, help="What was made; its SHA-256 is kept.")
@json_option
@asks
def report_command(
    *, proposal: str, is_success: bool | None, note: str, result: Path | None, as_json: bool, access: Access
) -> None:
    """Say what came of your execution of a proposal; once."""
    if is_success is None:
        raise click.UsageError("say what came of it: --success or --failure")
    from conclave.commands import voting  # noqa: PLC0415

    ask(voting.report(access, proposal, is_success=is_success, note=note, read=result, as_json=as_json))
