"""270 simulated clusters under faults: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import FOUND, failures

PER_CHUNK = 5
TOYS, SERVICES, PRESENCE, VOTES, TASKS = 150, 50, 30, 20, 20


def chunks(count: int) -> list[range]:
    return [range(first, first + PER_CHUNK) for first in range(0, count, PER_CHUNK)]


@pytest.mark.parametrize("seeds", chunks(TOYS), ids=str)
def test_ledger_and_registers_keep_their_promises(seeds: range) -> None:
    assert not failures("toys", seeds)


@pytest.mark.parametrize("seeds", chunks(SERVICES), ids=str)
def test_the_services_keep_their_promises(seeds: range) -> None:
    assert not failures("services", seeds)


@pytest.mark.parametrize("seeds", chunks(PRESENCE), ids=str)
def test_agents_that_live_are_online_when_the_faults_are_over(seeds: range) -> None:
    assert not failures("presence", seeds)


@pytest.mark.parametrize("seeds", chunks(VOTES), ids=str)
def test_a_decision_follows_from_the_votes_and_every_vote_that_was_taken_counts(seeds: range) -> None:
    assert not failures("votes", seeds)


@pytest.mark.parametrize("seeds", chunks(TASKS), ids=str)
def test_every_task_ends_once_and_nobody_works_on_what_another_one_holds(seeds: range) -> None:
    assert not failures("tasks", seeds)


@pytest.mark.parametrize("scenario", [name for name, seeds in FOUND.items() if seeds])
def test_seeds_that_once_failed_pass(scenario: str) -> None:
    assert not failures(scenario, FOUND[scenario])
