"""Many seeds of one scenario, and what is said about one that fails."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from typing import Final

from coordination.simulation.run import Report, simulate
from coordination.simulation.scenario import Scenario
from coordination.simulation.toy_scenario import ToyScenario
from tests.simulation.presence_scenario import PresenceScenario
from tests.simulation.services_scenario import ServicesScenario
from tests.simulation.tasks_scenario import TasksScenario
from tests.simulation.votes_scenario import VotesScenario
from tests.tidy.source import ROOT

SCENARIOS: Final[dict[str, Callable[[], Scenario]]] = {
    "toys": ToyScenario,
    "services": ServicesScenario,
    "presence": PresenceScenario,
    "votes": VotesScenario,
    "tasks": TasksScenario,
}
FOUND: Final[dict[str, tuple[int, ...]]] = {
    "toys": (45, 52),
    "services": (),
    "presence": (),
    "votes": (),
    "tasks": (),
}
"""Seeds that once failed, by scenario; always run."""
_SHOWN_CHARS: Final = 4_000


def run_seed(scenario: str, seed: int, *, write: Callable[[str], object] | None = None) -> Report:
    return simulate(seed, SCENARIOS[scenario], write=write)


def attempt(run: tuple[str, int]) -> str:
    """What to print about one (scenario, seed); empty if it is well."""
    return failures(run[0], [run[1]])


def failures(scenario: str, seeds: Iterable[int]) -> str:
    """What to print about the seeds that fail; empty if none does."""
    reports = (run_seed(scenario, seed) for seed in seeds)
    return "\n\n".join(describe(scenario, report) for report in reports if report.violations)


def describe(scenario: str, report: Report) -> str:
    """A failing run: which, what is wrong with it, and how to see it again."""
    wrong = "\n".join(f"  {violation[:_SHOWN_CHARS]}" for violation in report.violations)
    return (
        f"seed {report.seed} of {scenario} fails at commit {commit()}\n"
        f"  trace {report.trace_hash} ({report.events} events, {report.virtual_s:.1f} virtual seconds)\n"
        f"{wrong}\n"
        f"  replay: python -m tests.simulation --scenario {scenario} --first {report.seed} --seeds 1 "
        f"--trace trace.txt"
    )


def commit() -> str:
    """The commit that is checked out, marked if files were changed since."""
    ran = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout.strip() or "unknown"
