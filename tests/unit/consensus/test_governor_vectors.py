"""OpenZeppelin Governor's vectors that apply to a simple majority (reference/peers.md, section 4).

Supply 100, delay 4, period 16. All weights being equal, a Governor voter of weight 10 is ten electors
here, and what the vectors leave unvoted stays unvoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from pydantic import ValidationError

from consensus import wire
from consensus.model import ConsensusModel, ConsensusState
from consensus.proposal import CancelProposal, CastVote, Propose
from consensus.tally import Choice, Quorum
from tests.support.driving import Driver

SUPPLY = tuple(f"v{index}" for index in range(100))
CREATED_MS = 1_000
SNAPSHOT_MS = CREATED_MS + 4
DEADLINE_MS = SNAPSHOT_MS + 16


def percent(part: int) -> Quorum:
    return Quorum(numerator=part, denominator=100)


def governor(quorum: Quorum) -> Driver[ConsensusModel]:
    """A proposal by v99 under Governor's parameters."""
    driver = Driver(ConsensusModel, ConsensusState, now_ms=CREATED_MS)
    driver.accept(
        Propose(
            proposal_id="p",
            proposer="v99",
            title="t",
            kind="custom",
            description="",
            artifact_sha256="a" * 64,
            electorate=SUPPLY,
            voting_delay_ms=4,
            voting_period_ms=16,
            quorum=quorum,
        )
    )
    return driver


def cast(driver: Driver[ConsensusModel], *blocks: tuple[Choice, int]) -> None:
    """Let the next so many electors vote alike, block after block."""
    voters = count()
    for choice, size in blocks:
        for _ in range(size):
            driver.accept(CastVote(proposal_id="p", voter=f"v{next(voters)}", choice=choice))


def status(driver: Driver[ConsensusModel]) -> str:
    return driver.model.state.proposals["p"].status


def votes(driver: Driver[ConsensusModel]) -> tuple[int, int, int]:
    """[against, for, abstain], in Governor's order."""
    tally = driver.model.state.proposals["p"].tally
    assert tally is not None
    return tally.against_votes, tally.for_votes, tally.abstain_votes


@dataclass(frozen=True, kw_only=True)
class Vector:
    name: str
    quorum: Quorum
    blocks: tuple[tuple[Choice, int], ...] = ()
    at_deadline: str = "active"
    votes: tuple[int, int, int] = (0, 0, 0)
    outcome: str


VECTORS = (
    Vector(
        name="nominal, quorum 10 %",
        quorum=percent(10),
        blocks=(("for", 10), ("for", 7), ("against", 5), ("abstain", 2)),
        votes=(5, 17, 2),
        outcome="succeeded",
    ),
    Vector(name="deadline, no votes", quorum=percent(10), outcome="defeated"),
    Vector(
        name="deadline, for 10",
        quorum=percent(10),
        blocks=(("for", 10),),
        votes=(0, 10, 0),
        outcome="succeeded",
    ),
    Vector(
        name="quorum 8 %, for 10",
        quorum=percent(8),
        blocks=(("for", 10),),
        votes=(0, 10, 0),
        outcome="succeeded",
    ),
    Vector(
        name="quorum 8 %, for 7", quorum=percent(8), blocks=(("for", 7),), votes=(0, 7, 0), outcome="defeated"
    ),
    Vector(
        name="a tie fails",
        quorum=percent(8),
        blocks=(("for", 10), ("against", 10)),
        votes=(10, 10, 0),
        outcome="defeated",
    ),
    Vector(
        name="abstaining counts toward the quorum",
        quorum=percent(8),
        blocks=(("for", 7), ("abstain", 1)),
        votes=(0, 7, 1),
        outcome="succeeded",
    ),
    Vector(
        name="against does not",
        quorum=percent(8),
        blocks=(("for", 7), ("against", 5)),
        votes=(5, 7, 0),
        outcome="defeated",
    ),
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vote_ends_as_governor_says(vector: Vector) -> None:
    driver = governor(vector.quorum)
    driver.advance(SNAPSHOT_MS + 1)
    cast(driver, *vector.blocks)
    driver.advance(DEADLINE_MS)
    assert (status(driver), votes(driver)) == (vector.at_deadline, vector.votes)
    driver.advance(DEADLINE_MS + 1)
    assert (status(driver), votes(driver)) == (vector.outcome, vector.votes)


@pytest.mark.parametrize(("now_ms", "expected"), [(SNAPSHOT_MS, "pending"), (SNAPSHOT_MS + 1, "active")])
def test_the_snapshot_instant_is_still_pending(now_ms: int, expected: str) -> None:
    driver = governor(percent(10))
    driver.advance(now_ms)
    assert status(driver) == expected


@pytest.mark.parametrize(("now_ms", "code"), [(DEADLINE_MS, None), (DEADLINE_MS + 1, "voting_closed")])
def test_the_deadline_instant_still_takes_votes(now_ms: int, code: str | None) -> None:
    driver = governor(percent(10))
    driver.advance(now_ms)
    vote = CastVote(proposal_id="p", voter="v0", choice="for")
    if code is None:
        driver.accept(vote)
    else:
        assert driver.refuse(vote) == code


def test_each_guard_has_an_error_of_its_own() -> None:
    driver = governor(percent(10))
    vote = CastVote(proposal_id="p", voter="v0", choice="for")
    codes = {
        "non-existent": driver.refuse(CastVote(proposal_id="q", voter="v0", choice="for")),
        "before start": driver.refuse(vote),
        "cancel by another": driver.refuse(CancelProposal(proposal_id="p", agent="v0")),
    }
    driver.advance(SNAPSHOT_MS + 1)
    codes["outsider"] = driver.refuse(CastVote(proposal_id="p", voter="w", choice="for"))
    driver.accept(vote)
    codes["double vote"] = driver.refuse(vote)
    codes["cancel while active"] = driver.refuse(CancelProposal(proposal_id="p", agent="v99"))
    driver.advance(DEADLINE_MS + 1)
    codes["after end"] = driver.refuse(CastVote(proposal_id="p", voter="v1", choice="for"))
    assert codes == {
        "non-existent": "unknown_proposal",
        "before start": "not_active",
        "cancel by another": "not_proposer",
        "outsider": "not_in_electorate",
        "double vote": "already_voted",
        "cancel while active": "not_pending",
        "after end": "voting_closed",
    }


def test_bad_support_does_not_pass_the_wire() -> None:
    with pytest.raises(ValidationError, match="choice"):
        wire.VoteRequest.model_validate({"proposal_id": "p", "choice": "maybe"})


def test_a_quorum_of_101_percent_is_rejected() -> None:
    driver = Driver(ConsensusModel, ConsensusState)
    command = Propose(
        proposal_id="p",
        proposer="v99",
        title="t",
        kind="custom",
        description="",
        artifact_sha256="a" * 64,
        electorate=SUPPLY,
        voting_delay_ms=4,
        voting_period_ms=16,
        quorum=percent(101),
    )
    assert driver.refuse(command) == "invalid_quorum"
