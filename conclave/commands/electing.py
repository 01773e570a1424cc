"""What options of ``conclave propose`` and its kin take: lengths of time, shares, names, options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from conclave.commands.durations import DurationError, read_duration_ms
from coordination.runtime.names import is_id


class _Duration(click.ParamType[int]):
    """A length of time, in ms."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `read_duration_ms`."""
        if isinstance(value, int):
            return value
        try:
            return read_duration_ms(value)
        except DurationError as error:
            self.fail(str(error), param, ctx)


class _Share(click.ParamType[str]):
    """Text that the service reads; here only its form is looked at."""

    name = "share"

    def __init__(self, form: str) -> None:
        self._form = form

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        from consensus import forms  # noqa: PLC0415 - not for --help

        try:
            getattr(forms, self._form)(value)
        except ValueError as error:
            self.fail(f"{value[:40]!r}: {error}", param, ctx)
        return value


DURATION: Final = _Duration()
THRESHOLD: Final = _Share("threshold_form")
LEVEL: Final = _Share("level_form")


def read_names(_: click.Context, __: click.Parameter, given: Sequence[str]) -> tuple[str, ...]:
    """Agents, separated by commas or in options of their own."""
    names = [name.strip() for each in given for name in each.split(",") if name.strip()]
    for name in names:
        if not is_id(name):
            raise click.BadParameter(f"{name[:80]!r} is no agent id")
    return tuple(names)


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
