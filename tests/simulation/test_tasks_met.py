"""The scenario of tasks is no empty one: in few seeds everything happens that its checkers are for."""

from __future__ import annotations

from collections import Counter

from coordination.simulation.run import simulate
from coordination.tasks.model import TasksModel
from tests.simulation.tasks_scenario import TasksScenario

SEEDS = range(1_000, 1_010)
RARE = {"TaskDeferred", "DeadLettersPurged", "QueueConfigured", "ScheduleRemoved"}
"""What no agent of the scenario asks for, or what takes two clocks to coincide."""


def test_in_ten_seeds_tasks_meet_everything_that_may_become_of_them() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        scenario = TasksScenario()
        report = simulate(seed, lambda made=scenario: made)  # type: ignore[misc]
        assert not report.violations, seed
        met.update(scenario.seen.met)
    due = {each.__name__ for each in TasksModel.event_types} - RARE
    due |= {"crash", "hang", "late", "lie", "steal", "refuse", "ignore", "give up", "eager", "delegated"}
    due |= {"stale_token", "not_holder", "confirmed", "bid", "dag"}
    assert due - met.keys() == set()
    assert met["TaskCompleted"] > len(SEEDS) * 20
