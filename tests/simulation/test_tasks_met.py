"""The scenario of tasks is no empty one: in few seeds everything happens that its checkers are for."""

from __future__ import annotations

from collections import Counter

from coordination.simulation.run import simulate
from coordination.tasks.model import TasksModel
from tests.simulation.tasks_scenario import TasksScenario

FIRST_SEED = 1_000
FEW = 10
MAX_SEEDS = 25
"""The rarest things happen in every fourth or fifth seed, and in others as soon as the services take their
turns otherwise: of any ten seeds one in five misses something, of 25 hardly one in a hundred."""
RARE = {"TaskDeferred", "DeadLettersPurged", "QueueConfigured", "ScheduleRemoved"}
"""What no agent of the scenario asks for, or what takes two clocks to coincide."""


def test_in_few_seeds_tasks_meet_everything_that_may_become_of_them() -> None:
    due = {each.__name__ for each in TasksModel.event_types} - RARE
    due |= {"crash", "hang", "late", "lie", "steal", "refuse", "ignore", "give up", "eager", "delegated"}
    due |= {"stale_token", "not_holder", "confirmed", "bid", "dag"}
    met: Counter[str] = Counter()
    count = 0
    while count < FEW or (due - met.keys() and count < MAX_SEEDS):
        scenario = TasksScenario()
        report = simulate(FIRST_SEED + count, lambda made=scenario: made)  # type: ignore[misc]
        assert not report.violations, FIRST_SEED + count
        met.update(scenario.seen.met)
        count += 1
    assert due - met.keys() == set()
    assert met["TaskCompleted"] > count * 20
