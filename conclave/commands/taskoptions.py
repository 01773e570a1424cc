"""Options that say what a task is: those of ``conclave task submit`` and ``conclave schedule set``.

Their callbacks only look at the form of what was given; `conclave.commands.taskfields` makes of it what the
task service takes.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import click
from click.shell_completion import CompletionItem

from conclave.commands.durations import DurationError, duration_text, read_duration_ms
from conclave.commands.taskmoments import MomentError, both, read_moment_ms
from coordination.runtime.names import is_id
from coordination.tasks.limits import MAX_DURATION_MS, MAX_LEASE_MS, MIN_LEASE_MS

STRATEGIES: Final = ("round_robin", "least_loaded", "best_match", "contract_net")
_GATHERS_BIDS: Final = "contract_net"
CRITERIA: Final = ("cost", "eta")
ON_FAILURE: Final = ("fail", "skip", "run")
STATES: Final = (
    "scheduled",
    "blocked",
    "queued",
    "announced",
    "offered",
    "running",
    "canceling",
    "failed",
    "completed",
    "dead_lettered",
    "canceled",
    "expired",
    "skipped",
)


MAX_BID_MS: Final = 3_600_000
"""As in the contract, which takes too long to load for ``--help``."""
Callback: TypeAlias = Callable[[click.Context, click.Parameter, str | None], int | None]


def read_lasting(least_ms: int = 1, most_ms: int = MAX_DURATION_MS) -> Callback:
    """A callback that reads a length of time, in ms, and knows its bounds."""

    def read(_: click.Context, __: click.Parameter, given: str | None) -> int | None:
        return None if given is None else _lasting(given, least_ms, most_ms)

    return read


def _lasting(text: str, least_ms: int, most_ms: int) -> int:
    try:
        lasts_ms = read_duration_ms(text)
    except DurationError as error:
        raise click.BadParameter(str(error)) from None
    if not least_ms <= lasts_ms <= most_ms:
        bounds = f"from {duration_text(least_ms)} to {duration_text(most_ms)}"
        raise click.BadParameter(f"{text[:40]} is too {'short' if lasts_ms < least_ms else 'long'}: {bounds}")
    return lasts_ms


def read_coming(ctx: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    """A moment that has not passed, in ms since the Unix epoch."""
    at_ms, now_ms = read_moment(ctx, parameter, given), time.time_ns() // 1_000_000
    if at_ms is not None and at_ms <= now_ms:
        raise click.BadParameter(
            f"{str(given)[:40]} has passed ({both(at_ms, now_ms)}); give a moment to come"
        )
    return at_ms


def read_moment(_: click.Context, __: click.Parameter, given: str | None) -> int | None:
    """A moment, in ms since the Unix epoch."""
    if given is None:
        return None
    try:
        return read_moment_ms(given, now_ms=time.time_ns() // 1_000_000)
    except MomentError as error:
        raise click.BadParameter(str(error)) from None


def read_after(_: click.Context, __: click.Parameter, given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``ID`` or ``ID:skip|run|fail``, several."""
    edges = []
    for each in given:
        task, _colon, policy = each.partition(":")
        if not is_id(task) or (_colon and policy not in ON_FAILURE):
            what = f"{task[:80]!r} is no task id" if not is_id(task) else _unknown(policy, ON_FAILURE)
            raise click.BadParameter(f"{each[:80]!r}: {what}; write ID, ID:skip, ID:run or ID:fail")
        edges.append((task, policy or "fail"))
    return tuple(edges)


def read_parent(_: click.Context, __: click.Parameter, given: str | None) -> tuple[str, int] | None:
    """``ID:TOKEN``."""
    if given is None:
        return None
    task, _colon, token = given.partition(":")
    if not (is_id(task) and token.isascii() and token.isdigit() and len(token) < 19):
        raise click.BadParameter(
            f"{given[:80]!r} is not ID:TOKEN: the task that you hold, and the fencing token of its offer"
        )
    return task, int(token)


def read_backoff(_: click.Context, __: click.Parameter, given: str | None) -> tuple[int, int | None] | None:
    """``FIRST`` or ``FIRST..LAST``, in ms."""
    if given is None:
        return None
    first, dots, last = given.partition("..")
    try:
        first_ms = _lasting(first, 0, MAX_DURATION_MS)
        last_ms = _lasting(last, 0, MAX_DURATION_MS) if dots else None
    except click.BadParameter as error:
        raise click.BadParameter(f"{error.message}; write FIRST or FIRST..LAST, for example 1s..5m") from None
    if last_ms is not None and last_ms < first_ms:
        raise click.BadParameter(f"the last pause, {last[:40]}, is shorter than the first one, {first[:40]}")
    return first_ms, last_ms


def _unknown(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"{given[:40]!r} is none of {', '.join(known)}" + (f", did you mean {near[0]}?" if near else "")


def complete_task(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion of a task: ids, with state and what it is about."""
    from conclave.commands.taskcandidates import tasks  # noqa: PLC0415 - not for --help

    return tasks(ctx, incomplete)


def complete_dead(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion of a dead letter: ids, with the reason."""
    from conclave.commands.taskcandidates import dead_letters  # noqa: PLC0415

    return dead_letters(ctx, incomplete)


def complete_queue(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion of a queue."""
    from conclave.commands.taskcandidates import queues  # noqa: PLC0415

    return queues(ctx, incomplete)


def complete_schedule(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion of a schedule."""
    from conclave.commands.taskcandidates import schedules  # noqa: PLC0415

    return schedules(ctx, incomplete)


task_argument: Final = click.argument("task", shell_complete=complete_task)
_OPTIONS: Final = (
    # --- where it stands in line
    click.option(
        "--queue", "-q", metavar="NAME", shell_complete=complete_queue, help="Queue.  [default: default]"
    ),
    click.option(
        "--strategy",
        type=click.Choice(STRATEGIES),
        metavar="NAME",
        help=f"Which agent is asked: {', '.join(STRATEGIES)}.  [default: the queue's]",
    ),
    click.option(
        "--priority", "-p", type=click.IntRange(0, 9), metavar="N", help="0 to 9; higher goes first."
    ),
    click.option("--fairness-key", metavar="KEY", help="Keys of one priority take turns, by weight."),
    click.option("--weight", "fairness_weight", type=click.IntRange(1, 1000), help="Of the fairness key."),
    # --- how long, how often
    click.option(
        "--attempt-timeout",
        metavar="TIME",
        callback=read_lasting(),
        help="End an attempt that takes longer.  [default: none]",
    ),
    click.option(
        "--lease",
        metavar="TIME",
        callback=read_lasting(MIN_LEASE_MS, MAX_LEASE_MS),
        help="Longest silence of its worker.  [default: 30s]",
    ),
    click.option("--attempts", type=click.IntRange(1, 20), metavar="N", help="In all.  [default: 3]"),
    click.option(
        "--rounds",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Give up when all agents passed so often.  [default: 10]",
    ),
    click.option(
        "--backoff",
        metavar="FIRST[..LAST]",
        callback=read_backoff,
        help="Pause after a failed attempt.  [default: 1s..1m]",
    ),
    click.option(
        "--backoff-factor", type=click.FloatRange(1, 10), metavar="X", help="How it grows.  [default: 2]"
    ),
    click.option(
        "--jitter",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="Randomly shorter by up to this.  [default: 0.2]",
    ),
    # --- where
    click.option(
        "--mark", "marks", multiple=True, metavar="MARK", help="A name for --near and --apart of others."
    ),
    click.option("--near", multiple=True, metavar="MARK", help="Only where a task with MARK is held."),
    click.option("--apart", multiple=True, metavar="MARK", help="Only where none is."),
    click.option("--prefer-near", multiple=True, metavar="MARK", help="There, if it can be."),
    click.option("--prefer-apart", multiple=True, metavar="MARK", help="Elsewhere, if it can be."),
    click.option(
        "--sticky", "sticky_key", metavar="KEY", help="To the agent that had KEY last, if it is there."
    ),
    click.option("--sticky-wait", is_flag=True, help="... and wait for it while it is busy."),
    # --- bids, for contract_net
    click.option(
        "--bid-time",
        metavar="TIME",
        callback=read_lasting(1, MAX_BID_MS),
        help="Gather bids so long.  [default: 1s]",
    ),
    click.option(
        "--bid-by", type=click.Choice(CRITERIA), help="The best bid is the lowest.  [default: cost]"
    ),
    click.option(
        "--bidders", type=click.IntRange(1, 256), metavar="N", help="Call at most N agents.  [default: 32]"
    ),
    # --- budgets
    click.option("--cost", type=click.IntRange(0, 10**12), metavar="UNITS", help="What it may use itself."),
    click.option("--budget-tasks", type=click.IntRange(0), metavar="N", help="Tasks below it, at most."),
    click.option(
        "--budget-cost", type=click.IntRange(0), metavar="UNITS", help="Of it and all below it, at most."
    ),
    click.option(
        "--max-depth",
        type=click.IntRange(0, 32),
        metavar="N",
        help="Levels of delegation below it.  [default: 8]",
    ),
)


_OF_BIDS: Final = {"bid_time": "--bid-time", "bid_by": "--bid-by", "bidders": "--bidders"}


def refuse_idle(given: Mapping[str, Any]) -> None:
    """Refuse options that say nothing without another one that was not given.

    Args:
        given: Values of the options, by their names.

    Raises:
        click.UsageError: There is one; names the other.
    """
    if given["sticky_wait"] and not given["sticky_key"]:
        raise click.UsageError("--sticky-wait: for which key? Give --sticky, too")
    # The empty key is one, too: that of all tasks that have no other.
    if given["fairness_weight"] is not None and given["fairness_key"] is None:
        raise click.UsageError("--weight: of which key? Give --fairness-key, too ('' is that of all others)")
    strategy = given["strategy"]
    # Without a strategy the queue's counts, and may be set to be this one.
    if strategy in (None, _GATHERS_BIDS):
        return
    for name, option in _OF_BIDS.items():
        if given[name] is not None:
            raise click.UsageError(
                f"{option} is for --strategy {_GATHERS_BIDS}, and {strategy} gathers no bids"
            )


def task_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options that say what a task is; `conclave.commands.taskfields` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
