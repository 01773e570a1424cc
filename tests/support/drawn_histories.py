"""Hypothesis strategy for what becomes of a proposal in the real model, from making to execution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from consensus.approval import approval_of
from consensus.ballot import ChoiceError
from consensus.commands import (
    Amend,
    CancelProposal,
    Discuss,
    ExecuteProposal,
    NotePresence,
    OpenVoting,
    ReportExecution,
    SetDelegate,
    VetoProposal,
)
from consensus.judging import problem_of
from consensus.rules import ElectorateSpec
from tests.support.drawn_polls import AGENTS, SCOPES, drawn_rules, raw_choices
from tests.support.proposals import BASE, OTHER_ARTIFACT, House, signed, vote

_SPANS_MS = st.sampled_from([0, 0, 0, 1, 7, 21, 40])


@st.composite
def histories(draw: st.DrawFn) -> House:
    """A house in which much was tried with the proposal ``p``, whose votes are signed or not."""
    house = House()
    proposal = draw(_proposals())
    for agent in draw(st.lists(st.sampled_from(AGENTS), max_size=4)):
        house.send(SetDelegate(agent=agent, delegate=draw(st.sampled_from(AGENTS)), kind=""))
    house.accept(proposal)
    for _ in range(draw(st.integers(0, 8))):
        house.advance(house.now_ms + draw(_SPANS_MS))
        _act(draw, house)
    # Most histories come to an end: else little would be seen of what follows a vote.
    for elector in house.record().weights if draw(st.integers(0, 3)) else ():
        _vote(draw, house, elector)
    if draw(st.integers(0, 3)):
        house.advance(max(house.now_ms, (house.record().deadline_ms or 0) + 1))
        if draw(st.integers(0, 2)):
            house.advance(house.now_ms + 6)
            _execute(draw, house)
    return house


@st.composite
def _proposals(draw: st.DrawFn) -> Any:
    rules = draw(drawn_rules())
    rules = replace(
        rules,
        may_change_vote=rules.may_change_vote and not rules.is_fractional,
        is_early_decision=draw(st.booleans()),
        late_quorum_extension_ms=draw(st.sampled_from([0, 90])),
        timelock_ms=draw(st.sampled_from([None, 5])),
        execution_window_ms=draw(st.sampled_from([50, 1_000, 1_000])),
        guardian=draw(st.sampled_from([None, "gus"])),
        veto_holders=draw(st.sampled_from([(), ("vic",)])),
        executors=draw(st.sampled_from([(), ("exe",), ("exe", "tasks")])),
        are_signatures_required=draw(st.booleans()),
    )
    agents = tuple(draw(st.lists(st.sampled_from(AGENTS), min_size=1, unique=True)))
    given = {agent: draw(st.integers(0, 3)) for agent in agents[:2]}
    electorate = draw(
        st.sampled_from(
            [
                ElectorateSpec(agents=agents),
                ElectorateSpec(agents=agents, weights="given", given=given),
                ElectorateSpec(requirement="python"),
                ElectorateSpec(agents=agents, weights="trust", trust_topic="review"),
            ]
        )
    )
    delay_ms = draw(st.sampled_from([0, 20]))
    assume(problem_of(rules, electorate, delay_ms, 100) is None)
    return replace(BASE, rules=rules, electorate=electorate, voting_delay_ms=delay_ms, voting_period_ms=100)


def _act(draw: st.DrawFn, house: House) -> None:
    """Try something; what is refused leaves no trace."""
    record = house.record()
    agent = draw(st.sampled_from([*record.weights, *record.weights, *AGENTS]))
    is_awaited = bool(house.model.awaiting_snapshot(house.now_ms))
    if is_awaited and draw(st.integers(0, 2)):
        agents = record.created.electorate.agents or AGENTS[: draw(st.integers(0, 6))]
        weights = dict.fromkeys(agents, 1)
        if record.created.electorate.weights == "trust":
            weights = {each: draw(st.integers(0, 3)) for each in agents}
        offline = tuple(each for each in agents if draw(st.integers(0, 3)) == 0)
        house.accept(
            OpenVoting(
                proposal_id="p",
                weights=weights,
                offline=offline,
                source_revision=7,
                snapshot_ms=record.snapshot_ms,
            )
        )
    kind = draw(st.sampled_from(["vote"] * 8 + ["presence"] * 2 + ["discuss", "amend", "stop", "execute"]))
    match kind:
        case "vote":
            _vote(draw, house, agent)
        case "presence":
            others = tuple(draw(st.lists(st.sampled_from(AGENTS), max_size=2)))
            house.send(NotePresence(offline=(agent,), online=others))
        case "discuss":
            house.send(Discuss(proposal_id="p", agent=agent, text="\u00e9"))
        case "amend":
            house.send(Amend(proposal_id="p", agent="ada", artifact_sha256=OTHER_ARTIFACT))
        case "execute":
            _execute(draw, house)
        case _ if draw(st.booleans()):
            who, reason = draw(st.sampled_from(["ada", "gus"])), "no"
            house.send(CancelProposal(proposal_id="p", agent=who, reason=reason))
        case _:
            house.send(VetoProposal(proposal_id="p", agent="vic", reason="no"))


def _vote(draw: st.DrawFn, house: House, agent: str) -> None:
    record = house.record()
    command = vote(
        agent,
        draw(raw_choices(record.rules)),
        scope=draw(st.sampled_from(("all", "all", *SCOPES))),
        conditions=draw(st.sampled_from([(), (), ("tested",)])),
        rationale=draw(st.sampled_from(["", "because"])),
    )
    if record.rules.are_signatures_required or draw(st.booleans()):
        try:
            command = signed(command, record, nonce=f"{len(record.votes):016d}")
        except ChoiceError:
            return
    house.send(command)


def _execute(draw: st.DrawFn, house: House) -> None:
    executor = draw(st.sampled_from(["exe", "ada", "tasks"]))
    approval = approval_of(house.record())
    if approval is None:
        return
    house.send(
        ExecuteProposal(
            proposal_id="p",
            executor=executor,
            execution_id="1",
            artifact_sha256=approval.artifact_sha256,
            conditions_met=approval.conditions,
        )
    )
    house.send(ReportExecution(proposal_id="p", executor=executor, is_success=False))
