"""The simulation finds planted bugs: each within so many seeds, by the checker that should."""

from __future__ import annotations

import pytest

from coordination.simulation.run import simulate
from coordination.simulation.toy_scenario import ToyScenario
from tests.simulation import vote_mutants
from tests.simulation.mutants import MUTANTS
from tests.simulation.votes_scenario import VotesScenario

MAX_SEEDS = 200
MAX_VOTES_SEEDS = 40
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


def test_every_mutant_has_its_sign() -> None:
    assert MUTANTS.keys() == SIGNS.keys()
    assert vote_mutants.MUTANTS.keys() == VOTES_SIGNS.keys()


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
