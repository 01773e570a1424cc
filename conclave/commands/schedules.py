"""``conclave schedule``: tasks that are submitted again and again."""

from __future__ import annotations

from typing import Any, Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.options import json_option
from conclave.commands.taskoptions import (
    complete_schedule,
    read_lasting,
    read_moment,
    refuse_idle,
    task_options,
)

OVERLAPS: Final = ("skip", "allow", "cancel")
CATCH_UPS: Final = ("none", "one", "all")
_schedule: Final = click.argument("schedule", shell_complete=complete_schedule)


@click.group("schedule", short_help="Submit tasks again and again.")
def schedule_command() -> None:
    """Tasks that the task service submits at every interval, or by a cron expression."""


@schedule_command.command("list")
@json_option
@asks
def list_command(*, as_json: bool, access: Access) -> None:
    """Show the schedules: when, what, and when next."""
    from conclave.commands.scheduleview import list_schedules  # noqa: PLC0415 - not for --help

    ask(list_schedules(access, as_json=as_json))


@schedule_command.command("show")
@_schedule
@json_option
@asks
def show_command(*, schedule: str, as_json: bool, access: Access) -> None:
    """Show one schedule."""
    from conclave.commands.scheduleview import show_schedule  # noqa: PLC0415

    ask(show_schedule(access, schedule, as_json=as_json))


@schedule_command.command("set", short_help="Submit a task again and again.")
@click.argument("schedule", shell_complete=complete_schedule)
@click.argument("requirement")
@click.argument("payload", required=False)
@click.option("--every", metavar="TIME", callback=read_lasting(), help="At every multiple of this.")
@click.option(
    "--cron", metavar="TEXT", help="... or as crontab says: five fields, or six with seconds first."
)
@click.option("--at", "at_ms", metavar="MOMENT", callback=read_moment, help="... or once: 5m, or a date.")
@click.option("--time-zone", metavar="NAME", help="Of --cron, such as Europe/Berlin.  [default: UTC]")
@click.option("--start", "start_ms", metavar="MOMENT", callback=read_moment, help="Not before.")
@click.option("--end", "end_ms", metavar="MOMENT", callback=read_moment, help="Not after.")
@click.option("--count", "max_count", type=click.IntRange(1), metavar="N", help="N tasks in all.")
@click.option(
    "--overlap",
    type=click.Choice(OVERLAPS),
    default="skip",
    show_default=True,
    help="While the last task is open: skip the time, allow both, or cancel the last.",
)
@click.option(
    "--catch-up",
    type=click.Choice(CATCH_UPS),
    default="one",
    show_default=True,
    help="Of times that were missed: submit none, one for all, or all.",
)
@click.option("--deadline", "deadline_after", metavar="TIME", callback=read_lasting(), help="Of each task.")
@task_options
@json_option
@asks
def set_command(
    *,
    schedule: str,
    requirement: str,
    payload: str | None,
    every: int | None,
    cron: str | None,
    at_ms: int | None,
    time_zone: str | None,
    as_json: bool,
    access: Access,
    **given: Any,
) -> None:
    """Submit a task again and again; in the place of the SCHEDULE of this name, if there is one.

    \b
    conclave schedule set sweep cleanup --every 5m
    conclave schedule set nightly report '{"kind": "full"}' --cron '0 3 * * *' --time-zone Europe/Berlin

    REQUIREMENT, PAYLOAD and the options of the task are those of conclave task submit.
    """  # noqa: D301 - \b is click's: do not wrap
    if sum(each is not None for each in (every, cron, at_ms)) != 1:
        raise click.UsageError("say when, in one way: --every TIME or --cron TEXT or --at MOMENT")
    if time_zone is not None and cron is None:
        raise click.UsageError("--time-zone is for --cron")
    if at_ms is not None and (given["start_ms"] or given["end_ms"] or given["max_count"]):
        raise click.UsageError("--at is one moment; --start, --end and --count are for the others")
    refuse_idle(given)
    from conclave.commands.scheduleview import When, set_schedule  # noqa: PLC0415

    when = When(
        every_ms=every,
        cron=cron,
        at_ms=at_ms,
        time_zone=time_zone,
        start_ms=given["start_ms"],
        end_ms=given["end_ms"],
        max_count=given["max_count"],
    )
    ask(set_schedule(access, schedule, requirement, payload, when, given, as_json=as_json))


@schedule_command.command("pause", short_help="Submit nothing more of a schedule.")
@_schedule
@json_option
@asks
def pause_command(*, schedule: str, as_json: bool, access: Access) -> None:
    """Submit nothing more of a schedule; what is there goes on."""
    from conclave.commands.scheduleview import pause_schedule  # noqa: PLC0415

    ask(pause_schedule(access, schedule, is_paused=True, as_json=as_json))


@schedule_command.command("resume", short_help="Go on with a paused schedule.")
@_schedule
@json_option
@asks
def resume_command(*, schedule: str, as_json: bool, access: Access) -> None:
    """Go on with a paused schedule; what was missed is made up for as it says."""
    from conclave.commands.scheduleview import pause_schedule  # noqa: PLC0415

    ask(pause_schedule(access, schedule, is_paused=False, as_json=as_json))


@schedule_command.command("remove")
@_schedule
@json_option
@asks
def remove_command(*, schedule: str, as_json: bool, access: Access) -> None:
    """Forget a schedule; its tasks go on."""
    from conclave.commands.scheduleview import remove_schedule  # noqa: PLC0415

    ask(remove_schedule(access, schedule, as_json=as_json))
