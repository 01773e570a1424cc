"""The bounds of consensus keep within those of the journal."""

from __future__ import annotations

from consensus import limits
from consensus.model import ConsensusModel, ConsensusState
from consensus.proposal import Propose
from consensus.tally import Quorum
from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import MAX_COMMAND_EVENTS_BYTES, MAX_RECORD_BYTES
from tests.support.driving import Driver

LONG = "x" * 59
ELECTORATE = tuple(f"{LONG}{index:04}" for index in range(limits.MAX_ELECTORATE))


def largest(proposal_id: str, voting_delay_ms: int) -> Propose:
    return Propose(
        proposal_id=proposal_id,
        proposer=LONG,
        title="\x01" * limits.MAX_TITLE_CHARS,
        kind="infrastructure_change",
        description="\x01" * limits.MAX_DESCRIPTION_CHARS,
        artifact_sha256="a" * 64,
        electorate=ELECTORATE,
        voting_delay_ms=voting_delay_ms,
        voting_period_ms=1,
        quorum=Quorum(numerator=1),
    )


def test_the_largest_proposal_fits_into_one_record() -> None:
    driver = Driver(ConsensusModel, ConsensusState)
    driver.accept(largest("p", 0))
    codec = EventCodec(ConsensusModel.event_types)
    size_bytes = sum(len(codec.encode(event)) for event in driver.events)
    room_for_the_answer_bytes = 8 * 1024
    assert size_bytes + room_for_the_answer_bytes < MAX_COMMAND_EVENTS_BYTES


def test_the_largest_ticks_fit_into_one_record() -> None:
    driver = Driver(ConsensusModel, ConsensusState)
    for index in range(3):
        driver.accept(largest(f"p{index}", 5))
    codec = EventCodec(ConsensusModel.event_types)
    while driver.model.next_deadline_ms() is not None:
        before = len(driver.events)
        driver.tick(1_000)
        assert sum(len(codec.encode(event)) for event in driver.events[before:]) < MAX_RECORD_BYTES


def test_many_small_proposals_due_at_once_fit_into_one_record() -> None:
    driver = Driver(ConsensusModel, ConsensusState)
    for index in range(limits.MAX_TICK_PROPOSALS + 1):
        command = Propose(
            proposal_id=f"{index:063}",
            proposer=LONG,
            title="t",
            kind="custom",
            description="",
            artifact_sha256="a" * 64,
            electorate=ELECTORATE[:15],
            voting_delay_ms=5,
            voting_period_ms=1,
            quorum=Quorum(numerator=1),
        )
        driver.accept(command)
    codec = EventCodec(ConsensusModel.event_types)
    before = len(driver.events)
    driver.tick(1_000)
    assert len(driver.events) - before == 2 * limits.MAX_TICK_PROPOSALS
    assert sum(len(codec.encode(event)) for event in driver.events[before:]) < MAX_RECORD_BYTES
