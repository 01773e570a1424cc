"""The bounds of consensus keep within those of the journal, however long the names and texts are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from consensus import limits
from consensus.canonical import canonical
from consensus.commands import (
    Amend,
    CastVote,
    ExecuteProposal,
    NotePresence,
    OpenVoting,
    Propose,
    SetCharter,
    SetDelegate,
)
from consensus.model import ConsensusModel
from consensus.replies import Proposal
from consensus.rules import Charter, ElectorateSpec, Level, Option, Rules
from consensus.views import full_view
from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import (
    MAX_COMMAND_EVENTS_BYTES,
    MAX_RECORD_BYTES,
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
)
from coordination.runtime.model import Outcome
from tests.support.proposals import ARTIFACT, CREATED_MS, House, vote

WORST = "\x01"
"""One character that JSON writes as six."""
LONG = "x" * 59
AGENTS = tuple(f"{LONG}{index:04}" for index in range(limits.MAX_ELECTORATE))
WEIGHT = limits.MAX_WEIGHT // (limits.MAX_ELECTORATE + 2)
EVENT_OVERHEAD_BYTES = 256
"""Of an answer that is remembered."""
CODEC = EventCodec(ConsensusModel.event_types)
OPTIONS = tuple(
    Option(
        option=f"{'o' * (limits.MAX_OPTION_CHARS - 2)}{index:02}",
        title=WORST * limits.MAX_TITLE_CHARS,
        artifact_sha256=ARTIFACT,
    )
    for index in range(limits.MAX_OPTIONS)
)


def largest(proposal_id: str = "p", *, agents: tuple[str, ...] = AGENTS, delay_ms: int = 0) -> Propose:
    return Propose(
        proposal_id=proposal_id,
        proposer=AGENTS[0],
        title=WORST * limits.MAX_TITLE_CHARS,
        kind="infrastructure_change",
        description=WORST * limits.MAX_DESCRIPTION_CHARS,
        artifact_sha256=ARTIFACT,
        electorate=ElectorateSpec(agents=agents, weights="given", given=dict.fromkeys(agents, WEIGHT)),
        rules=Rules(
            protocol="ranked_choice",
            options=OPTIONS,
            quorum=Level(numerator=1),
            veto_holders=AGENTS[: limits.MAX_VETO_HOLDERS],
            guardian=AGENTS[0],
            executors=AGENTS[: limits.MAX_EXECUTORS],
            are_signatures_required=False,
            is_early_decision=False,
        ),
        voting_delay_ms=delay_ms,
        voting_period_ms=1,
        conversation_id=LONG,
    )


def crowd() -> House:
    """Everybody has delegated to the next one, so that every opening is as large as can be."""
    house = House()
    for agent, delegate in zip(AGENTS[1:], AGENTS[:-1], strict=True):
        house.accept(SetDelegate(agent=agent, delegate=delegate))
    house.events.clear()
    return house


def size_of(events: Any) -> int:
    return sum(len(CODEC.encode(event)) + 1 for event in events)


def check(house: House, command: Any) -> None:
    """What the command persists, with the answer that is remembered, fits into a record."""
    outcome = house.send(command)
    assert isinstance(outcome, Outcome), outcome
    answer_bytes = len(json.dumps(json.dumps(outcome.reply))) if isinstance(outcome.reply, dict) else 100
    total = size_of(outcome.events) + answer_bytes + EVENT_OVERHEAD_BYTES
    assert total < MAX_COMMAND_EVENTS_BYTES


def test_the_largest_charter_fits_into_one_record() -> None:
    charter = Charter(
        kind="infrastructure_change",
        electorate=ElectorateSpec(agents=AGENTS, weights="given", given=dict.fromkeys(AGENTS, WEIGHT)),
        veto_holders=AGENTS[: limits.MAX_VETO_HOLDERS],
    )
    check(House(), SetCharter(agent="operator", kind="infrastructure_change", charter=charter))


@pytest.mark.parametrize("size", [limits.MAX_IMMEDIATE_ELECTORATE, limits.MAX_ELECTORATE])
def test_the_largest_proposal_fits_into_one_record(size: int) -> None:
    house = crowd()
    check(house, largest(agents=AGENTS[:size]))
    is_immediate = size <= limits.MAX_IMMEDIATE_ELECTORATE
    assert house.status == ("active" if is_immediate else "pending")
    assert (house.model.next_deadline_ms() == CREATED_MS) != is_immediate
    house.advance(CREATED_MS)
    assert house.status == "active"


def test_the_largest_snapshot_fits_into_one_record() -> None:
    house = crowd()
    command = largest()
    electorate = ElectorateSpec(agents=AGENTS, weights="trust", trust_topic="t")
    house.accept(replace(command, electorate=electorate))
    weights = dict.fromkeys(AGENTS, WEIGHT)
    check(house, OpenVoting(proposal_id="p", weights=weights, offline=AGENTS, snapshot_ms=house.now_ms))
    assert len(house.record().delegations) == limits.MAX_ELECTORATE - 1


def test_the_largest_vote_fits_into_one_record_even_if_it_opens_the_voting() -> None:
    house = crowd()
    house.accept(largest())
    ranking = [each.option for each in OPTIONS]
    conditions = tuple(
        f"{index:02}".ljust(limits.MAX_CONDITION_CHARS, "c") for index in range(limits.MAX_CONDITIONS)
    )
    rationale = WORST * limits.MAX_RATIONALE_CHARS
    check(house, vote(AGENTS[0], ranking, conditions=conditions, rationale=rationale))


def test_the_largest_amendment_fits_into_one_record() -> None:
    house = crowd()
    house.accept(largest(delay_ms=5))
    text = WORST * limits.MAX_DESCRIPTION_CHARS
    reason = WORST * limits.MAX_REASON_CHARS
    command = Amend(
        proposal_id="p",
        agent=AGENTS[0],
        artifact_sha256=ARTIFACT,
        description=text,
        options=OPTIONS,
        reason=reason,
    )
    check(house, command)


def test_the_largest_proposal_fits_into_one_reply_with_its_count_and_amendments() -> None:
    house = crowd()
    command = largest(delay_ms=5)
    house.accept(replace(command, rules=replace(command.rules, offline_voters="release")))
    for number in range(limits.MAX_SHOWN_AMENDMENTS):
        house.accept(
            Amend(
                proposal_id="p",
                agent=AGENTS[0],
                artifact_sha256=f"{number:064x}",
                reason=WORST * limits.MAX_REASON_CHARS,
            )
        )
    house.advance(house.record().opens_from_ms)
    for voter, each in enumerate(OPTIONS):
        house.accept(vote(AGENTS[voter], [each.option], scope="own"))
    view = Proposal.model_validate(full_view(house.record()))
    assert view.count is not None
    assert len(view.amendments) == limits.MAX_SHOWN_AMENDMENTS
    assert len(view.model_dump_json()) < MAX_REPLY_BYTES


def test_whoever_executes_can_name_all_conditions_twice_in_a_request() -> None:
    longest = tuple(f"{index:02}{WORST * 80}" for index in range(limits.MAX_PROPOSAL_CONDITIONS))
    house = House()
    house.accept(largest(agents=AGENTS[:10]))
    for index, agent in enumerate(AGENTS[:5]):
        some = longest[index * limits.MAX_CONDITIONS : (index + 1) * limits.MAX_CONDITIONS]
        house.accept(CastVote(proposal_id="p", voter=agent, choice=[OPTIONS[0].option], conditions=some))
    house.advance(CREATED_MS + 2)
    conditions = house.record().conditions
    assert conditions == longest
    assert len(canonical(conditions)) > 0.9 * limits.MAX_PROPOSAL_CONDITIONS_BYTES
    assert 3 * len(json.dumps(conditions)) < MAX_REQUEST_BYTES
    check(
        house,
        ExecuteProposal(
            proposal_id="p",
            executor=AGENTS[0],
            execution_id=WORST * limits.MAX_EXECUTION_ID_CHARS,
            artifact_sha256=ARTIFACT,
            conditions_met=conditions,
        ),
    )


def test_the_largest_ticks_fit_into_one_record() -> None:
    house = crowd()
    for index in range(3):
        house.accept(largest(f"p{index}", delay_ms=5))
    check_ticks(house, at_ms=CREATED_MS + 1_000)


def test_many_small_proposals_due_at_once_fit_into_one_record() -> None:
    house = crowd()
    voter_count = limits.MAX_TICK_LOAD // limits.MAX_TICK_PROPOSALS - 2
    for index in range(limits.MAX_TICK_PROPOSALS + 1):
        proposal_id = f"{index:063}"
        command = largest(proposal_id, agents=AGENTS[:voter_count], delay_ms=5)
        rules = replace(command.rules, options=OPTIONS[:2])
        house.accept(replace(command, description="", title="t", rules=rules))
    first, *_ = check_ticks(house, at_ms=CREATED_MS + 1_000)
    assert first == 2 * limits.MAX_TICK_PROPOSALS


def check_ticks(house: House, *, at_ms: int) -> list[int]:
    """Ticks until nothing is due; how many events each had."""
    counts = []
    while (due_ms := house.model.next_deadline_ms()) is not None and due_ms <= at_ms:
        before = len(house.events)
        house.tick(at_ms)
        assert size_of(house.events[before:]) < MAX_RECORD_BYTES
        counts.append(len(house.events) - before)
    assert counts
    return counts


def test_many_options_count_as_much_as_electors() -> None:
    house = crowd()
    for index in range(limits.MAX_TICK_PROPOSALS):
        house.accept(largest(f"{index:063}", agents=AGENTS[:1], delay_ms=5))
    check_ticks(house, at_ms=CREATED_MS + 1_000)


def test_electors_that_come_and_go_fit_into_one_record() -> None:
    house = House()
    agents = AGENTS[:10]
    rules = Rules(offline_voters="release", minimum_electorate=0, are_signatures_required=False)
    for index in range(limits.MAX_TICK_PROPOSALS + 1):
        house.accept(replace(largest(f"{index:063}", agents=agents), rules=rules))
    command = NotePresence(offline=agents)
    sizes, is_complete = [], False
    while not is_complete:
        outcome = house.send(command)
        assert isinstance(outcome, Outcome)
        sizes.append(len(outcome.events))
        is_complete = outcome.reply.is_complete
        assert size_of(outcome.events) < MAX_COMMAND_EVENTS_BYTES
    assert sum(sizes) == len(agents) * (limits.MAX_TICK_PROPOSALS + 1)
    assert max(sizes) <= limits.MAX_PRESENCE_EVENTS
    assert not house.model.decide(command, house.now_ms).events
