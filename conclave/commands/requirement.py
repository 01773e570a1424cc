"""The argument REQUIREMENT: read by `coordination.requirements`, whose errors point at the place."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from coordination.requirements import Requirement


class BadRequirementError(click.ClickException):
    """A requirement that cannot be read; shown as it is, so that its caret stays below the place."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print what is wrong."""
        click.echo(f"conclave: {self.message}", file=file, err=file is None)


def read_requirement(_: click.Context, __: click.Parameter, given: str | None) -> Requirement | None:
    """Callback of the argument: what `given` means; None if it was left out.

    Raises:
        BadRequirementError: It is no requirement.
    """
    from coordination.requirements import RequirementSyntaxError, parse  # noqa: PLC0415 - not for --help

    if given is None:
        return None
    try:
        return parse(given)
    except RequirementSyntaxError as error:
        raise BadRequirementError(str(error)) from None
