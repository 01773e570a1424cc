"""Options of the commands that ask a running Conclave; `conclave.commands.reach` goes there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from conclave.commands.options import credentials_option, prefix_option, run, server_option
from coordination.runtime.errors import AuthorizationError, PermissionDeniedError, UnavailableError
from coordination.runtime.names import Subjects, is_id

T = TypeVar("T")
OPERATOR: Final = "operator"
DEFAULT_TIMEOUT_S: Final = 5.0
"""Longer than a registry takes to be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where to ask, and as whom."""

    url: str | None = None
    """None: where `conclave.address.find_url` finds a server."""
    credentials: Path | None = None
    subjects: Subjects
    agent: str = OPERATOR
    timeout_s: float = DEFAULT_TIMEOUT_S
    """For the connection, and again for each call."""


def _read_agent(_: click.Context, __: click.Parameter, agent: str) -> str:
    if not is_id(agent):
        raise click.BadParameter(f"{agent[:80]!r} is no agent id")
    return agent


def complete_identities(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of ``--as``: whose credentials lie here."""
    from conclave.commands.candidates import identities  # noqa: PLC0415

    return identities(ctx.params.get("credentials"), incomplete)


_OPTIONS: Final = (
    server_option,
    credentials_option,
    click.option(
        "--as",
        "agent",
        metavar="NAME",
        default=OPERATOR,
        show_default=True,
        callback=_read_agent,
        shell_complete=complete_identities,
        help="Ask as NAME, with its credential.",
    ),
    prefix_option,
    click.option(
        "--timeout",
        "timeout_s",
        metavar="SECONDS",
        type=click.FloatRange(0.1, 3600),
        default=DEFAULT_TIMEOUT_S,
        show_default=True,
        help="How long to try.",
    ),
)


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options of `Access`, and hand it the result as ``access``."""

    @functools.wraps(command)
    def collected(
        *,
        url: str | None,
        credentials: Path | None,
        subjects: Subjects,
        agent: str,
        timeout_s: float,
        **others: Any,
    ) -> None:
        access = Access(url=url, credentials=credentials, subjects=subjects, agent=agent, timeout_s=timeout_s)
        command(access=access, **others)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


def ask(work: Coroutine[Any, Any, T]) -> T:
    """Run a command that only asks: that nobody can be asked counts as a wrong address, exit status 2."""
    unreachable = (UnavailableError, AuthorizationError, PermissionDeniedError)
    # What goes wrong on the way ends in one line from us; the connection's own report is for --verbose.
    return run(work, input_errors=unreachable, quiet=True)
