"""The simulation finds planted bugs: each within so many seeds, by the checker that should."""

from __future__ import annotations

import pytest

from coordination.simulation.run import simulate
from coordination.simulation.toy_scenario import ToyScenario
from tests.simulation import task_mutants, vote_mutants
from tests.simulation.mutants import MUTANTS
from tests.simulation.tasks_scenario import TasksScenario
from tests.simulation.votes_scenario import VotesScenario

MAX_SEEDS = 200
MAX_VOTES_SEEDS = 40
MAX_TASKS_SEEDS = 40
SIGNS = {
    "replies before the append": "acknowledged, and is not in the journal",
    "no compare-and-set": "leadership: ",
    "no deduplication": "took effect twice",
    "reads without a lease": "is not linearizable",
    "snapshots without answers": "replicas: ",
}
"""What a checker says of each; anything else may be said as well."""
VOTES_SIGNS = {
    "votes are counted after the deadline": "was cast after the deadline",
    "a second vote is taken": "should be refused as already_voted",
    "decided while delegated weight can move": "was decided early, and might have come to",
    "who is back stays left out": "was decided, the votes come to",
    "executed by everybody": "was acknowledged to have executed",
    "executed in the timelock": "was executed out of its time",
    "the chain does not cover conditions": "was acknowledged as",
    "stale votes are taken": "(stale) is on record, and must never be taken",
    "votes are replayed": "replay) is on record 2 times",
    "signatures are not read": "is on record, and must never be taken",
    "receipts name another head": "was acknowledged as",
}
TASKS_SIGNS = {
    "any token is taken": "under token",
    "anybody who knows the token may complete": "was completed by",
    "leases last longer than they do": "was over",
    "what has ended is submitted again": "was submitted twice",
    "dependents do not wait": "does not wait for",
    "an agent has a slot too many": "slots",
    "tasks are tried for ever": "has its attempt number",
    "children outlive their parents": "was offered after its parent",
    "undone in the order in which it was done": "in that order",
    "schedules fire twice for a time": "fired for",
}


def test_every_mutant_has_its_sign() -> None:
    assert MUTANTS.keys() == SIGNS.keys()
    assert vote_mutants.MUTANTS.keys() == VOTES_SIGNS.keys()
    assert task_mutants.MUTANTS.keys() == TASKS_SIGNS.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_caught(name: str) -> None:
    for seed in range(MAX_SEEDS):
        violations = simulate(seed, ToyScenario, parts=MUTANTS[name]).violations
        if any(SIGNS[name] in violation for violation in violations):
            return
    pytest.fail(f"{name}: no checker said {SIGNS[name]!r} within {MAX_SEEDS} seeds")


@pytest.mark.parametrize("name", vote_mutants.MUTANTS)
def test_a_planted_bug_of_consensus_is_caught(name: str) -> None:
    for seed in range(MAX_VOTES_SEEDS):
        with vote_mutants.MUTANTS[name]():
            violations = simulate(seed, VotesScenario).violations
        if any(VOTES_SIGNS[name] in violation for violation in violations):
            return
    pytest.fail(f"{name}: no checker said {VOTES_SIGNS[name]!r} within {MAX_VOTES_SEEDS} seeds")


@pytest.mark.parametrize("name", task_mutants.MUTANTS)
def test_a_planted_bug_of_the_task_service_is_caught(name: str) -> None:
    for seed in range(MAX_TASKS_SEEDS):
        with task_mutants.MUTANTS[name]():
            violations = simulate(seed, TasksScenario).violations
        if any(TASKS_SIGNS[name] in violation for violation in violations):
            return
    pytest.fail(f"{name}: no checker said {TASKS_SIGNS[name]!r} within {MAX_TASKS_SEEDS} seeds")
