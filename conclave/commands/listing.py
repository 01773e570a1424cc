"""What ``conclave agents`` prints: the agents that are asked for, once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import click
from rich.console import Console

from conclave.commands import tables
from conclave.commands.access import Access
from conclave.commands.output import print_json
from conclave.commands.reach import registry
from coordination.registry.wire import Agent
from coordination.requirements import CapabilityFacts, Facts, Requirement

Statuses = Literal["live", "all", "offline"]
_ADMITTED: Final = {
    "live": frozenset({"online", "suspect"}),
    "all": frozenset(tables.STATUSES),
    "offline": frozenset({"offline"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which agents are asked for."""

    statuses: Statuses
    labels: tuple[tuple[str, str], ...]
    """Names and values that an agent has all of."""
    requirement: Requirement | None

    def admits(self, agent: Agent) -> bool:
        """Whether the agent has the status, the labels and the abilities."""
        return self.admits_status(agent) and self.fits(agent)

    def admits_status(self, agent: Agent) -> bool:
        """Whether its status is one that is asked for."""
        return agent.status in _ADMITTED[self.statuses]

    def fits(self, agent: Agent) -> bool:
        """Whether it has the labels and the abilities, whatever its status."""
        if any(agent.labels.get(name) != value for name, value in self.labels):
            return False
        return self.requirement is None or self.requirement.evaluate(facts_of(agent)).matches


def facts_of(agent: Agent) -> Facts:
    """What requirements are held against."""
    return Facts(
        capabilities={
            each.name: CapabilityFacts(version=each.version, attributes=each.attributes)
            for each in agent.capabilities
        },
        labels=agent.labels,
        max_tasks=agent.max_tasks,
    )


def now_ms() -> int:
    """What ages count from; on another machine than the registry's they are off by what the clocks are."""
    return time.time_ns() // 1_000_000


def to_plain(agent: Agent) -> dict[str, object]:
    """An agent as ``--json`` shows it: as in the wire contract."""
    return agent.model_dump(mode="json")


async def list_agents(access: Access, selection: Selection, *, as_json: bool) -> bool:
    """Print the agents of `selection`, however many; False if there are none.

    Errors as `conclave.commands.reach.registry`.
    """
    async with registry(access) as client:
        everybody = [agent async for agent in client.iterate()]
    fitting = [agent for agent in everybody if selection.fits(agent)]
    chosen = [agent for agent in fitting if selection.admits_status(agent)]
    if as_json:
        print_json([to_plain(agent) for agent in chosen])
        return bool(chosen)
    hidden = sum(agent.status == "offline" for agent in fitting) if selection.statuses == "live" else 0
    show(chosen, hidden_count=hidden)
    if not chosen:
        click.echo(_nobody(everybody, fitting, selection), err=True)
    return bool(chosen)


def show(agents: Iterable[Agent], *, hidden_count: int) -> None:
    """Print a table: for people on a terminal, plain columns elsewhere; nothing if nobody is to be shown."""
    shown = list(agents)
    if not shown:
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        click.echo("\n".join(tables.plain(shown, now_ms=now_ms())))
        return
    console.print(tables.table(shown, now_ms=now_ms(), width=console.width))
    line = tables.summary(shown)
    if hidden_count:
        line.append(f"  +{hidden_count} offline, shown with --all", style="dim")
    console.print()
    console.print(line)


def _nobody(everybody: list[Agent], fitting: list[Agent], selection: Selection) -> str:
    if not everybody:
        return "no agents are registered"
    if not fitting:
        return f"none of {len(everybody)} agents fits"
    if selection.statuses == "offline":
        return "no agents are offline"
    return f"no agents are here: {len(fitting)} offline, shown with --all"
