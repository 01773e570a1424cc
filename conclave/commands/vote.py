"""``conclave vote``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.electing import complete_open
from conclave.commands.options import json_option, refuse_together


@click.command("vote", short_help="Vote on a proposal.")
@click.argument("proposal", shell_complete=complete_open)
@click.argument("choice", nargs=-1, required=True)
@click.option("-r", "--rationale", default="", metavar="TEXT", help="Why.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="TEXT",
    help="Of a vote in favour: what must be met before the decision is executed. May be repeated.",
)
@click.option("--own", is_flag=True, help="Cast your own weight only, which overrides your delegate.")
@click.option("--delegated", is_flag=True, help="Cast only what others have delegated to you.")
@click.option(
    "--artifact",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="What you have read: no vote, unless these are the bytes that the proposal is about.",
)
@click.option("--sha256", metavar="HASH", help="... or its SHA-256.")
@json_option
@asks
def vote_command(
    *,
    proposal: str,
    choice: Sequence[str],
    rationale: str,
    conditions: tuple[str, ...],
    own: bool,
    delegated: bool,
    artifact: Path | None,
    sha256: str | None,
    as_json: bool,
    access: Access,
) -> None:
    """Vote on PROPOSAL (its number, its id, or a beginning of its id) as the agent of --as.

    \b
    conclave vote 12 for --as ada -r 'it is short'      for, against or abstain
    conclave vote 12 small large=medium                 a ranking, best first, equals joined by =
    conclave vote 12 small medium                       an approval
    conclave vote 12 small:3 large:1                    points, or parts of your weight: for:2 against:1

    The vote is signed with the agent's key, over what is voted on, choice, rationale and conditions.
    """  # noqa: D301 - \b is click's: do not wrap
    refuse_together("--own", "--delegated", both=own and delegated)
    refuse_together("--artifact", "--sha256", both=artifact is not None and sha256 is not None)
    from conclave.commands.voting import vote  # noqa: PLC0415 - not for --help

    ask(
        vote(
            access,
            proposal,
            choice,
            scope="own" if own else "delegated" if delegated else "all",
            rationale=rationale,
            conditions=conditions,
            read=artifact or sha256,
            as_json=as_json,
        )
    )
