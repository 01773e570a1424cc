"""``conclave queue``: how tasks of a queue are allocated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.durations import DurationError, duration_text, read_duration_ms
from conclave.commands.options import json_option
from conclave.commands.taskoptions import STRATEGIES, complete_queue, read_lasting
from coordination.tasks.limits import MAX_DURATION_MS, MAX_WEIGHT

NONE: Final = "none"
"""In place of a value: as if it had never been set."""
MAX_RATE: Final = 1_000_000
"""Offers of a rate limit, as in the contract, which takes too long to load for ``--help``."""
_RATE: Final = re.compile(r"([0-9]{1,9})/((?:[0-9]+[a-z]+)+|[a-z]+)(?::([0-9]{1,9}))?")
_queue: Final = click.argument("queue", shell_complete=complete_queue)


def rate_of(text: str) -> dict[str, int] | None:
    """A rate limit: ``10/s``, ``600/5m``, ``10/s:50`` with a burst of 50; None for ``none``.

    Raises:
        BadParameter: It is none.
    """
    if text == NONE:
        return None
    found = _RATE.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text[:40]!r} is no rate such as 10/s, 600/5m, 10/s:50 (burst) or none")
    count, per, burst = found.groups()
    try:
        per_ms = read_duration_ms(per if per[0].isdigit() else f"1{per}")
    except DurationError as error:
        raise click.BadParameter(str(error)) from None
    if not 1 <= per_ms <= MAX_DURATION_MS:
        raise click.BadParameter(
            f"{text[:40]!r}: an interval is from 1ms to {duration_text(MAX_DURATION_MS)}"
        )
    for what, number in (("a rate", count), ("a burst", burst)):
        if number is not None and not 1 <= int(number) <= MAX_RATE:
            raise click.BadParameter(
                f"{text[:40]!r}: {what} is 1 to {MAX_RATE} offers; to offer nothing: conclave queue pause"
            )
    rate = {"count": int(count), "per_ms": per_ms}
    return rate if burst is None else {**rate, "burst": int(burst)}


def rate_text(rate: dict[str, Any] | None) -> str:
    """As `rate_of` reads it."""
    if rate is None:
        return NONE
    per = duration_text(rate["per_ms"])
    per = per[1:] if per in ("1s", "1m", "1h", "1d") else per
    burst = rate.get("burst")
    return f"{rate['count']}/{per}" + (f":{burst}" if burst is not None else "")


def _read_rates(
    _: click.Context, __: click.Parameter, given: Sequence[str]
) -> dict[str, dict[str, int] | None]:
    rates = {}
    for each in given:
        capability, separator, rate = each.rpartition("=")
        if not separator:
            capability, rate = "*", each
        rates[capability] = rate_of(rate)
    return rates


def _read_agent_rate(_: click.Context, __: click.Parameter, given: str | None) -> dict[str, int] | str | None:
    return given if given is None or given == NONE else rate_of(given)


def _read_weights(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, int | None]:
    weights: dict[str, int | None] = {}
    for each in given:
        key, separator, number = each.rpartition("=")
        if not separator or not (number == NONE or re.fullmatch("[0-9]{1,4}", number)):
            raise click.BadParameter(f"{each[:80]!r} is not KEY=N, for example gold=3, or KEY=none")
        if number != NONE and not 1 <= int(number) <= MAX_WEIGHT:
            raise click.BadParameter(f"{each[:80]!r}: a weight is from 1 to {MAX_WEIGHT}")
        weights[key] = None if number == NONE else int(number)
    return weights


def _read_count(_: click.Context, __: click.Parameter, given: str | None) -> int | str | None:
    if given is None or given == NONE:
        return given
    if not re.fullmatch("[0-9]{1,9}", given):
        raise click.BadParameter(f"{given[:40]!r} is no number of tasks, nor none")
    if int(given) == 0:
        raise click.BadParameter(
            "at least 1 task, or none for no bound; to offer nothing: conclave queue pause"
        )
    return int(given)


@click.group("queue", short_help="See and set how tasks are allocated; pause a queue.")
def queue_command() -> None:
    """Queues: strategy, weights, rates and bounds. One that nobody set up has the defaults.

    Setting and pausing is for the operator, which --as is by default.
    """


@queue_command.command("list", short_help="List the queues, and what is in them.")
@json_option
@asks
def list_command(*, as_json: bool, access: Access) -> None:
    """Show the queues: what waits, what is held, whether they are paused."""
    from conclave.commands.queueview import list_queues  # noqa: PLC0415 - not for --help

    ask(list_queues(access, as_json=as_json))


@queue_command.command("show")
@_queue
@json_option
@asks
def show_command(*, queue: str, as_json: bool, access: Access) -> None:
    """Show one queue with its settings."""
    from conclave.commands.queueview import show_queue  # noqa: PLC0415

    ask(show_queue(access, queue, as_json=as_json))


@queue_command.command("set")
@_queue
@click.option("--strategy", type=click.Choice(STRATEGIES), metavar="NAME", help=f"{', '.join(STRATEGIES)}.")
@click.option(
    "--aging", metavar="TIME", callback=read_lasting(0), help="Waiting so long lifts by one; 0 does not."
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="KEY=N",
    callback=_read_weights,
    help="Of a fairness key, 1 to 1000; KEY=none forgets it. May be repeated.",
)
@click.option(
    "--rate",
    "rates",
    multiple=True,
    metavar="[CAPABILITY=]RATE",
    callback=_read_rates,
    help="Offers: ocr=10/s, '*=600/5m:50' (burst), ocr=none. May be repeated.",
)
@click.option("--agent-rate", metavar="RATE", callback=_read_agent_rate, help="... to each agent, or none.")
@click.option("--max-held", metavar="N", callback=_read_count, help="Tasks held at a time, or none.")
@click.option("--max-held-per-agent", metavar="N", callback=_read_count, help="... by one agent, or none.")
@click.option("--reset", is_flag=True, help="As if nobody had ever set it up.")
@json_option
@asks
def set_command(*, queue: str, reset: bool, as_json: bool, access: Access, **given: Any) -> None:
    """Set a queue up; what is not given stays as it is.

    \b
    conclave queue set reports --strategy best_match --rate ocr=10/s --weight gold=3
    conclave queue set reports --rate ocr=none --max-held 20
    """  # noqa: D301 - \b is click's: do not wrap
    changes = {name: value for name, value in given.items() if value not in (None, {})}
    if reset and changes:
        raise click.UsageError("--reset takes back everything; give it alone")
    if not reset and not changes:
        raise click.UsageError("say what to set, for example --rate ocr=10/s; see --help")
    from conclave.commands.queueview import reset_queue, set_queue  # noqa: PLC0415

    if reset:
        ask(reset_queue(access, queue, as_json=as_json))
    else:
        ask(set_queue(access, queue, changes, as_json=as_json))


@queue_command.command("pause", short_help="Offer nothing more of a queue.")
@_queue
@click.option("--reason", default="", metavar="TEXT", help="Why; whoever asks why a task waits is told.")
@json_option
@asks
def pause_command(*, queue: str, reason: str, as_json: bool, access: Access) -> None:
    """Offer nothing more of a queue; what is offered or runs goes on."""
    from conclave.commands.queueview import pause_queue  # noqa: PLC0415

    ask(pause_queue(access, queue, reason, as_json=as_json))


@queue_command.command("resume")
@_queue
@json_option
@asks
def resume_command(*, queue: str, as_json: bool, access: Access) -> None:
    """Offer tasks of a paused queue again."""
    from conclave.commands.queueview import resume_queue  # noqa: PLC0415

    ask(resume_queue(access, queue, as_json=as_json))
