"""What options of ``conclave propose`` and its kin take: lengths of time, shares, names, options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from conclave.commands.durations import DurationError, read_duration_ms
from coordination.runtime.names import is_id


def read_duration(_: click.Context, __: click.Parameter, given: str | None) -> int | None:
    """A length of time, in ms."""
    if given is None:
        return None
    try:
        return read_duration_ms(given)
    except DurationError as error:
        raise click.BadParameter(str(error)) from None


def read_threshold(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A share of the votes; only its form is looked at, the service reads it."""
    return _formed(given, "threshold_form")


def read_level(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A number of votes, or a share of the weight; only its form is looked at, the service reads it."""
    return _formed(given, "level_form")


def _formed(given: str | None, form: str) -> str | None:
    from consensus import forms  # noqa: PLC0415 - not for --help

    if given is not None:
        try:
            getattr(forms, form)(given)
        except ValueError as error:
            raise click.BadParameter(f"{given[:40]!r}: {error}") from None
    return given


def read_names(_: click.Context, __: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Agents, separated by commas or in options of their own."""
    names = [name.strip() for each in given for name in each.split(",") if name.strip()]
    for name in names:
        if not is_id(name):
            raise click.BadParameter(f"{name[:80]!r} is no agent id")
    return tuple(names)


def read_electors(ctx: click.Context, option: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Agents as `read_names`; if any list is given, it is not empty."""
    names = read_names(ctx, option, given)
    if given and not names:
        raise click.BadParameter("empty_electorate: name at least one agent that may vote")
    return names


def read_weights(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, int]:
    """``AGENT=N``, several."""
    weights: dict[str, int] = {}
    for each in given:
        agent, separator, number = each.partition("=")
        if not (separator and is_id(agent) and number.isascii() and number.isdigit() and len(number) <= 16):
            raise click.BadParameter(f"{each[:80]!r} is not AGENT=N, for example ada=3")
        if agent in weights:
            raise click.BadParameter(f"the weight of {agent} is given twice")
        weights[agent] = int(number)
    return weights


def read_options(
    _: click.Context, __: click.Parameter, given: Sequence[str]
) -> tuple[tuple[str, Path | None], ...]:
    """``ID`` or ``ID=FILE``, several."""
    options = []
    for each in given:
        option, separator, file = each.partition("=")
        path = Path(file) if separator else None
        if not option or (path is not None and not path.is_file()):
            what = f"there is no file {file!r:.90}" if option else "an option has an id"
            raise click.BadParameter(f"{each[:80]!r}: {what}; write ID or ID=FILE")
        options.append((option, path))
    return tuple(options)


def complete_proposal(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion of PROPOSAL: numbers, with status and title."""
    from conclave.commands.candidates import proposals  # noqa: PLC0415

    return proposals(ctx, incomplete)


def complete_open(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion of ``conclave vote``: proposals that wait for a vote of the agent."""
    from conclave.commands.candidates import proposals  # noqa: PLC0415

    return proposals(ctx, incomplete, to_vote=True)


def complete_agent(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of an agent."""
    from conclave.commands.candidates import registered  # noqa: PLC0415

    return registered(ctx, incomplete)
