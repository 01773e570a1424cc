"""Who may redeem an approval, by the rules that leave it open and by those that name executors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conclave.identity import RESERVED_NAMES, SERVICE_NAMES
from consensus.audit.outcomes import of_end
from consensus.commands import ExecuteProposal, OpenVoting
from consensus.events import ProposalExecuted
from consensus.executors import CONSUMERS, may_execute
from consensus.limits import MAX_EXECUTORS
from consensus.rules import ElectorateSpec
from tests.support.proposals import ARTIFACT, House, proposed, vote, voting

EXECUTE = ExecuteProposal(proposal_id="p", executor="", execution_id="1", artifact_sha256=ARTIFACT)
EVERYBODY = ("ada", "bob", "cy", "eve", "gus", "vi", "consensus", "registry", "operator", *CONSUMERS)


def won(**changes: Any) -> House:
    """A proposal of ada, with weights for bob and cy, that succeeded."""
    house = voting(**{"weights": {"bob": 1, "cy": 0}} | changes)
    house.accept(vote("bob"))
    assert house.record().decision is not None
    return house


@pytest.mark.parametrize(
    ("changes", "entitled"),
    [
        ({}, {"ada", "bob", "cy", *CONSUMERS}),
        ({"guardian": "gus"}, {"ada", "bob", "cy", "gus", *CONSUMERS}),
        ({"veto_holders": ("vi",)}, {"ada", "bob", "cy", *CONSUMERS}),
        ({"executors": ("eve",), "guardian": "gus"}, {"eve"}),
        ({"executors": ("knowledge", "cy")}, {"knowledge", "cy"}),
        ({"executors": ("registry",)}, {"registry"}),
    ],
)
def test_exactly_those_who_may_can_redeem_it(changes: dict[str, Any], entitled: set[str]) -> None:
    for agent in EVERYBODY:
        house = won(**changes)
        command = replace(EXECUTE, executor=agent)
        if agent in entitled:
            assert house.accept(command) == house.accept(command), "whoever executed may ask again"
            assert house.status == "executed"
        else:
            assert house.refuse(command) == "may_not_execute"
            assert house.status == "succeeded"


def test_electors_by_role_are_those_of_the_snapshot() -> None:
    house = voting(electorate=ElectorateSpec(role="reviewer"))
    assert not may_execute(house.record(), "bob")
    house.accept(OpenVoting(proposal_id="p", weights={"bob": 1}, snapshot_ms=house.record().snapshot_ms))
    assert [may_execute(house.record(), agent) for agent in ("bob", "cy")] == [True, False]


@pytest.mark.parametrize("house", [proposed, voting, won, lambda: won(timelock_ms=5)])
def test_whoever_may_not_is_told_so_in_every_state_and_of_nothing_else(house: Any) -> None:
    for wrong in ({}, {"artifact_sha256": "x"}, {"token": {"kind": "?"}}):
        refusal = house().refusal(replace(EXECUTE, executor="eve", **wrong))
        assert (refusal.code, refusal.details) == ("may_not_execute", {"executors": []})


def test_the_names_of_all_executors_are_in_the_details_of_a_refusal() -> None:
    names = tuple(f"{'x' * 60}{index:02}" for index in range(MAX_EXECUTORS))
    refusal = won(executors=names).refusal(replace(EXECUTE, executor="eve"))
    assert refusal.details == {"executors": list(names)}
    assert len(refusal.message) < 500


def test_consumers_are_services_whose_names_no_agent_can_have() -> None:
    assert set(CONSUMERS) <= set(SERVICE_NAMES) <= RESERVED_NAMES


def test_an_audit_names_who_was_entitled() -> None:
    event = ProposalExecuted(
        proposal_id="p", executor="eve", execution_id="1", conditions_met=(), executed_at_ms=1_000
    )
    (finding,) = of_end(won(executors=("ops",)).record(), event)
    assert (finding.code, finding.message, finding.expected) == (
        "may_not_execute",
        "eve may not execute it",
        "one of ops",
    )
    assert finding.is_impossible
