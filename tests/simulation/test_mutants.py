"""The simulation finds planted bugs: each within two hundred seeds, by the checker that should."""

from __future__ import annotations

import pytest

from coordination.simulation.run import simulate
from coordination.simulation.toy_scenario import ToyScenario
from tests.simulation.mutants import MUTANTS

MAX_SEEDS = 200
SIGNS = {
    "replies before the append": "acknowledged, and is not in the journal",
    "no compare-and-set": "leadership: ",
    "no deduplication": "took effect twice",
    "reads without a lease": "is not linearizable",
    "snapshots without answers": "replicas: ",
}
"""What a checker says of each; anything else may be said as well."""


def test_every_mutant_has_its_sign() -> None:
    assert MUTANTS.keys() == SIGNS.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_caught(name: str) -> None:
    for seed in range(MAX_SEEDS):
        violations = simulate(seed, ToyScenario, parts=MUTANTS[name]).violations
        if any(SIGNS[name] in violation for violation in violations):
            return
    pytest.fail(f"{name}: no checker said {SIGNS[name]!r} within {MAX_SEEDS} seeds")
