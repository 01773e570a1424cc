"""``conclave find``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.options import json_option
from conclave.commands.requirement import read_requirement

if TYPE_CHECKING:
    from coordination.requirements import Requirement


@click.command("find", short_help="Find the agents that can do something.")
@click.argument("requirement", callback=read_requirement)
@click.option("--explain", is_flag=True, help="Say of every agent, term by term, why it matches or not.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="Show at most so many matches, the best ones; with --explain, as many others at most.",
)
@click.option("-a", "--all", "is_all", is_flag=True, help="Let agents that are offline match, too.")
@json_option
@asks
def find_command(
    *, requirement: Requirement, explain: bool, limit: int, is_all: bool, as_json: bool, access: Access
) -> None:
    """Find the agents that meet REQUIREMENT, best first.

    For example 'python>=3.11, gpu.memory_gb>=24, prefer region=eu weight 2'. The score is the weight of the
    preferences that an agent meets, as a share of all; of equal ones the less busy agent comes first.

    The exit status is 1 if nobody matches, 2 if REQUIREMENT cannot be read.
    """
    from conclave.commands.finding import find_agents  # noqa: PLC0415 - not for --help

    work = find_agents(
        access, requirement, explain=explain, limit=limit, include_offline=is_all, as_json=as_json
    )
    if not ask(work):
        sys.exit(1)
