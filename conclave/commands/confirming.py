"""How a command is told that conditions of an approval are met, and says which are not."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from coordination.runtime.errors import RejectedError, UsageError

if TYPE_CHECKING:
    from consensus.replies import Proposal

met_option: Final = click.option(
    "--met",
    "--condition-met",
    "conditions_met",
    multiple=True,
    metavar="TEXT",
    help="A condition of the approval that is met; may be repeated.",
)
all_met_option: Final = click.option(
    "--all-met", "--all-conditions-met", "are_all_met", is_flag=True, help="Every condition of it is met."
)


def confirmed(proposal: Proposal, conditions_met: tuple[str, ...], *, are_all_met: bool) -> tuple[str, ...]:
    """The conditions of a proposal's approval that are met.

    Args:
        proposal: As consensus shows it.
        conditions_met: Those that were named.
        are_all_met: Whether all are, whatever was named.

    Raises:
        UsageError: One that was named is no condition of the approval: it was misread, or is another one's.
    """
    known = proposal.approval.conditions if proposal.approval is not None else proposal.conditions
    if are_all_met:
        return tuple(known)
    # As long as nothing is approved there is no list to compare with, and nothing to execute either.
    unknown = next((each for each in conditions_met if each not in known), None)
    if proposal.approval is not None and unknown is not None:
        listed = f"its conditions: {_listed(known)}" if known else "it has none"
        raise UsageError(f"--met {_listed([unknown])}: #{proposal.number} has no such condition; {listed}")
    return conditions_met


def with_way_out(error: RejectedError) -> RejectedError:
    """A refusal; one for conditions names each that is missing, and the options that confirm it."""
    missing: Any = error.details.get("conditions")
    if error.code != "conditions_unmet" or not isinstance(missing, list):
        return error
    message = (
        f"not confirmed: {_listed(map(str, missing))}; confirm each with --met TEXT, or all with --all-met"
    )
    return RejectedError(error.code, message, details=error.details)


def _listed(conditions: Iterable[str]) -> str:
    """As a shell would take them; what somebody wrote must not command the terminal."""
    from conclave.commands.tables import printable  # noqa: PLC0415 - not for --help

    return "; ".join(shlex.quote(printable(each)) for each in conditions)
