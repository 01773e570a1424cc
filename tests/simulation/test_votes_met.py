"""The scenario of votes is no empty one: in few seeds everything happens that its checkers are for."""

from __future__ import annotations

from collections import Counter

from consensus.state import EVENT_TYPES
from coordination.simulation.run import simulate
from tests.simulation.vote_sightings import FORBIDDEN
from tests.simulation.votes_scenario import VotesScenario

SEEDS = range(1_000, 1_012)
REFUSALS = (
    "already_voted",
    "bad_signature",
    "not_active",
    "not_in_electorate",
    "nonce_reused",
    "nothing_to_cast",
    "signature_required",
    "stale_artifact",
    "voting_closed",
)


def test_in_a_dozen_seeds_votes_meet_everything_that_may_become_of_them() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        scenario = VotesScenario()
        report = simulate(seed, lambda made=scenario: made)  # type: ignore[misc]
        assert not report.violations, seed
        met.update(scenario.seen.met)
    due = {each.__name__ for each in EVENT_TYPES}
    due |= {f"vote: {code}" for code in REFUSALS} | {f"vote: {kind}" for kind in FORBIDDEN}
    due |= {"vote: replay", "vote: same command", "vote: taken", "crashed", "released"}
    due |= {
        f"execute: {code}" for code in ("taken", "already_executed", "timelock_pending", "token_mismatch")
    }
    assert due - met.keys() == set()
    assert met["delegated"]
    assert met["VoteCast"] > len(SEEDS) * 8
