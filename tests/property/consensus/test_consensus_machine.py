"""Whatever agents do, a decision follows from the votes on record, and the journal tells it again."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from consensus import model, releasing
from consensus import record as record_module
from consensus.approval import approval_of
from consensus.ballot import Ballot, normalised
from consensus.commands import (
    Amend,
    CancelProposal,
    CastVote,
    Discuss,
    ExecuteProposal,
    NotePresence,
    OpenVoting,
    Propose,
    ReportExecution,
    SetCharter,
    SetDelegate,
    VetoProposal,
)
from consensus.events import (
    ElectorReleased,
    ElectorRestored,
    ProposalArchived,
    ProposalDecided,
    ProposalExecuted,
    VoteCast,
    VotingOpened,
)
from consensus.lifecycle import LIFECYCLE, SETTLED
from consensus.model import ConsensusModel
from consensus.record import Proposal
from consensus.rules import Charter, ElectorateSpec, Level, Rules
from consensus.trail import first_hash, next_hash
from coordination.runtime.model import Outcome
from tests.support.drawn_polls import drawn_rules, raw_choices
from tests.support.naive_poll import NaivePoll
from tests.support.proposals import House

AGENTS = ("ada", "bob", "cy", "dan")
IDS = ("p1", "p2", "p3", "p4")
MAX_PROPOSALS = 3
LEVELS = (Level(numerator=1, denominator=3), Level(numerator=1, denominator=2), Level(numerator=0))
KINDS = ("custom", "task_assignment")
REACHABLE = {(before, after) for (before, _), after in LIFECYCLE.items()}
for _ in LIFECYCLE:  # also in several steps at once
    REACHABLE |= {(a, d) for a, b in REACHABLE for c, d in REACHABLE if b == c}
agents = st.sampled_from(AGENTS)
turns = st.integers(0, 7)
"""Chooses one of the proposals that may be concerned."""
weights = st.dictionaries(agents, st.sampled_from([1, 3, 2, 0]), min_size=2)
artifacts = st.sampled_from(["a" * 64, "b" * 64])


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    """Rules, electorate and times of a proposal; some of them contradict each other."""
    base: Rules = draw(drawn_rules())
    given = draw(weights)
    electorate = draw(
        st.sampled_from(
            [
                ElectorateSpec(agents=tuple(given)),
                ElectorateSpec(agents=tuple(given), weights="given", given=given),
                ElectorateSpec(agents=AGENTS),
                ElectorateSpec(role="reviewer"),
            ]
        )
    )
    own = {each.name: getattr(base, each.name) for each in fields(Rules)}
    changes = {
        "quorum": draw(st.sampled_from(LEVELS)),
        "super_quorum": draw(st.sampled_from([None, None, Level(numerator=2, denominator=3)])),
        "may_change_vote": base.may_change_vote and not base.is_fractional,
        "late_quorum_extension_ms": draw(st.sampled_from([0, 8])),
        "minimum_electorate": draw(st.sampled_from([1, 0, 2])),
        "is_early_decision": draw(st.booleans()),
        "veto_holders": draw(st.sampled_from([(), ("vi",)])),
        "guardian": draw(st.sampled_from([None, "gus"])),
        "executors": draw(st.sampled_from([(), ("ada",), ("bob", "tasks")])),
        "timelock_ms": draw(st.sampled_from([None, 0, 4])),
        "execution_window_ms": draw(st.sampled_from([30, 1])),
        "are_signatures_required": False,
    }
    return {
        "rules": Rules(**own | changes),
        "electorate": electorate,
        "voting_delay_ms": draw(st.sampled_from([0, 3])),
        "voting_period_ms": draw(st.sampled_from([40, 10, 8])),
        "kind": draw(st.sampled_from(KINDS)),
        "artifact_sha256": draw(artifacts),
    }


class ConsensusMachine(RuleBasedStateMachine):
    """Random commands and times, beside a naive record of what was accepted."""

    @initialize(drawn=terms())
    def begin(self, drawn: dict[str, Any]) -> None:
        self.house = House()
        self.polls: dict[str, NaivePoll] = {}
        self.is_chartered = False
        """Whether everybody must have a vote on assignments of tasks."""
        self.seen = 0
        self.statuses: dict[str, str] = {}
        self.settled: dict[str, int] = {}
        self.limits = (
            mock.patch.multiple(model, MAX_PROPOSALS=MAX_PROPOSALS, MAX_TICK_PROPOSALS=2, MAX_TICK_LOAD=4),
            mock.patch.multiple(record_module, MIN_SNAPSHOT_PATIENCE_MS=12),
            mock.patch.multiple(releasing, MAX_PRESENCE_EVENTS=2, MAX_PRESENCE_LOAD=5),
        )
        for each in self.limits:
            each.start()
        self.propose(IDS[0], AGENTS[0], drawn | {"voting_delay_ms": 0})

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            return
        try:
            self.check_what_is_kept()
        finally:
            for each in self.limits:
                each.stop()

    def check_what_is_kept(self) -> None:
        self.house.check_replay()
        self.house.check_snapshot()
        replayed = ConsensusModel()
        for event in self.house.events:
            replayed.apply(event)
        live = essence(self.house.model)
        assert essence(replayed) == live
        self.house.restart()
        assert essence(self.house.model) == live

    def chosen(self, turn: int, *statuses: str) -> str:
        """A proposal, of those in `statuses` if there are any; now and then one that there is not."""
        records = self.house.model.proposals
        fitting = [each for each in records if records[each].status in statuses] or list(records)
        return fitting[turn % len(fitting)] if fitting and turn < 7 else IDS[-1]

    # --- what happens

    @rule(proposal_id=st.sampled_from(IDS), proposer=agents, drawn=terms())
    def make(self, proposal_id: str, proposer: str, drawn: dict[str, Any]) -> None:
        self.propose(proposal_id, proposer, drawn)

    def propose(self, proposal_id: str, proposer: str, drawn: dict[str, Any]) -> None:
        outcome = self.house.send(
            Propose(proposal_id=proposal_id, proposer=proposer, title="t", description="", **drawn)
        )
        if self.is_chartered and drawn["kind"] == KINDS[1] and isinstance(outcome, Outcome):
            assert sorted(drawn["electorate"].agents) == sorted(AGENTS)
            assert drawn["rules"].veto_holders == ("vi",)

    @rule(is_set=st.booleans(), agent=st.sampled_from(["operator", "operator", "ada"]))
    def charter(self, *, is_set: bool, agent: str) -> None:
        terms = Charter(
            kind=KINDS[1],
            electorate=ElectorateSpec(agents=AGENTS),
            veto_holders=("vi",),
            are_signatures_required=False,
        )
        outcome = self.house.send(SetCharter(agent=agent, kind=KINDS[1], charter=terms if is_set else None))
        assert isinstance(outcome, Outcome) == (agent == "operator")
        if agent == "operator":
            self.is_chartered = is_set

    @rule(turn=turns, given=st.dictionaries(agents, st.integers(0, 3)), data=st.data())
    def open(self, turn: int, given: dict[str, int], data: st.DataObject) -> None:
        waiting = [each.proposal_id for each in self.house.model.awaiting_snapshot(2**53)]
        proposal_id = waiting[turn % len(waiting)] if waiting else self.chosen(turn)
        record = self.house.model.proposals.get(proposal_id)
        offline = tuple(data.draw(st.lists(agents, unique=True)))
        now_ms = self.house.now_ms
        awaited = [each.proposal_id for each in self.house.model.awaiting_snapshot(now_ms)]
        snapshot_ms = record.snapshot_ms if record is not None else 0
        due_ms = record.due_ms if record is not None else None
        outcome = self.house.send(
            OpenVoting(proposal_id=proposal_id, weights=given, offline=offline, snapshot_ms=snapshot_ms)
        )
        is_late = due_ms is not None and due_ms <= now_ms
        assert isinstance(outcome, Outcome) == (proposal_id in awaited and not is_late)

    @rule(
        turn=turns,
        voter=agents,
        data=st.data(),
        scope=st.sampled_from(["all", "all", "own", "delegated"]),
    )
    def vote(self, turn: int, voter: str, data: st.DataObject, scope: Any) -> None:
        proposal_id = self.chosen(turn, "active")
        record = self.house.model.proposals.get(proposal_id)
        choice = "for" if record is None else data.draw(st.just("for") | raw_choices(record.rules))
        conditions = data.draw(st.sampled_from([(), (), ("tested",), ("tested", "backed up")]))
        command = CastVote(
            proposal_id=proposal_id, voter=voter, choice=choice, scope=scope, conditions=conditions
        )
        naive = self.polls.get(proposal_id)
        outcome = self.house.send(command)
        if isinstance(outcome, Outcome):
            assert outcome.reply["status"] == self.house.record(proposal_id).status
            assert outcome.reply["trail_hash"] in {link.hash for link in self.house.record(proposal_id).trail}
        elif outcome.code in {"already_voted", "nothing_to_cast", "overspent", "delegated_away"}:
            assert record is not None
            assert naive is not None
            ballot = Ballot(voter=voter, choice=normalised(record.rules, choice), scope=scope)
            assert naive.code(ballot) == outcome.code

    @rule(agent=agents, delegate=st.none() | agents, kind=st.sampled_from(["", *KINDS]))
    def delegate(self, agent: str, delegate: str | None, kind: str) -> None:
        self.house.send(SetDelegate(agent=agent, delegate=delegate, kind=kind))

    @rule(offline=st.lists(agents, unique=True), online=st.lists(agents, unique=True))
    def note_presence(self, offline: list[str], online: list[str]) -> None:
        gone = tuple(each for each in offline if each not in online)
        command = NotePresence(offline=gone, online=tuple(online))
        for _ in range(100):
            outcome = self.house.send(command)
            assert isinstance(outcome, Outcome)
            if outcome.reply.is_complete:
                break
            assert outcome.events
        else:
            raise AssertionError("presence is never complete")

    @rule(
        turn=turns,
        agent=st.sampled_from((*AGENTS, "gus", "vi")),
        artifact=artifacts,
        which=st.integers(0, 4),
    )
    def interfere(self, turn: int, agent: str, artifact: str, which: int) -> None:
        proposal_id = self.chosen(turn)
        self.house.send(
            (
                Discuss(proposal_id=proposal_id, agent=agent, text="hm"),
                Amend(proposal_id=proposal_id, agent=agent, artifact_sha256=artifact),
                CancelProposal(proposal_id=proposal_id, agent=agent),
                VetoProposal(proposal_id=proposal_id, agent=agent, reason="no"),
                ReportExecution(proposal_id=proposal_id, executor=agent, is_success=True),
            )[which]
        )

    @rule(turn=turns, executor=st.sampled_from((*AGENTS, "gus", "tasks", "zoe")), has_met=st.booleans())
    def execute(self, turn: int, executor: str, has_met: bool) -> None:  # noqa: FBT001
        proposal_id = self.chosen(turn, "succeeded", "queued", "executed")
        record = self.house.model.proposals.get(proposal_id)
        approval = approval_of(record) if record is not None else None
        command = ExecuteProposal(
            proposal_id=proposal_id,
            executor=executor,
            execution_id="1",
            artifact_sha256=approval.artifact_sha256 if approval is not None else "a" * 64,
            conditions_met=approval.conditions if approval is not None and has_met else (),
        )
        before = len(self.house.events)
        outcome = self.house.send(command)
        executions = [each for each in self.house.events[before:] if isinstance(each, ProposalExecuted)]
        if executions:
            approval = approval_of(self.house.record(proposal_id))
            assert approval is not None
            assert isinstance(outcome, Outcome)
            assert approval.not_before_ms <= self.house.now_ms <= approval.expires_at_ms
            assert set(approval.conditions) <= set(command.conditions_met)
        if isinstance(outcome, Outcome):
            record = self.house.record(proposal_id)
            entitled = {record.created.proposer, record.rules.guardian, *record.weights, "tasks", "knowledge"}
            assert executor in (set(record.rules.executors) or entitled)

    @rule(turn=turns, data=st.data())
    def several_vote(self, turn: int, data: st.DataObject) -> None:
        proposal_id = self.chosen(turn, "active")
        record = self.house.model.proposals.get(proposal_id)
        if record is not None:
            choices = data.draw(st.lists(raw_choices(record.rules), min_size=1, max_size=4))
            for voter, choice in zip(record.weights, choices, strict=False):
                self.house.send(CastVote(proposal_id=proposal_id, voter=voter, choice=choice))

    @rule(by_ms=st.integers(1, 5))
    def time_passes(self, by_ms: int) -> None:
        self.house.advance(self.house.now_ms + by_ms)

    @rule(by_ms=st.sampled_from([1, 9, 41]))
    def the_tick_is_late(self, by_ms: int) -> None:
        self.house.now_ms += by_ms

    @rule()
    def restart(self) -> None:
        self.house.restart()

    # --- what always holds

    @invariant()
    def every_decision_is_that_of_the_naive_count(self) -> None:
        if not hasattr(self, "house"):
            return
        for event in self.house.events[self.seen :]:
            self._follow(event)
        self.seen = len(self.house.events)
        for proposal_id, record in self.house.model.proposals.items():
            if proposal_id in self.polls:
                assert record.tally == self.polls[proposal_id].tally()
                assert record.released == self.polls[proposal_id].released()

    def _forget(self, proposal_id: str) -> None:
        # One that gave way for another may have ended and gone in one record, before anybody looked.
        self.statuses.pop(proposal_id, None)
        self.settled.pop(proposal_id, None)
        self.polls.pop(proposal_id, None)

    def _follow(self, event: Any) -> None:
        """Carry an event over to the twin, and judge a decision by it."""
        naive = self.polls.get(getattr(event, "proposal_id", ""))
        match event:
            case VotingOpened():
                record = self.house.record(event.proposal_id)
                naive = NaivePoll(record.rules, event.weights, event.delegations, event.proposal_id)
                for agent in event.offline:
                    naive.release(agent)
                self.polls[event.proposal_id] = naive
            case ProposalArchived():
                self._forget(event.proposal_id)
            case VoteCast() if naive is not None:
                naive.cast(Ballot(voter=event.voter, choice=event.choice, scope=event.scope))
            case ElectorReleased() if naive is not None:
                naive.release(event.agent)
            case ElectorRestored() if naive is not None:
                naive.restore(event.agent)
            case ProposalDecided() if naive is not None:
                assert event.tally == naive.tally()
                if event.reason in ("empty_electorate", "no_snapshot", "electorate_too_small"):
                    assert len(naive.weights) < max(naive.rules.minimum_electorate, 1)
                    return
                verdict = naive.verdict()
                assert (event.status == "succeeded") == verdict.is_won
                assert event.winner == verdict.winner
                if not event.is_early:
                    assert event.reason == verdict.reason

    @invariant()
    def statuses_follow_the_table_and_what_is_settled_stays(self) -> None:
        for proposal_id, record in self._proposals().items():
            before = self.statuses.get(proposal_id, "pending")
            assert before == record.status or (before, record.status) in REACHABLE
            self.statuses[proposal_id] = record.status
            if record.status in SETTLED:
                length = len(record.trail) - (record.receipt is not None)
                assert self.settled.setdefault(proposal_id, length) == length

    @invariant()
    def the_trail_is_one_chain(self) -> None:
        for proposal_id, record in self._proposals().items():
            head = first_hash(proposal_id)
            for sequence, link in enumerate(record.trail, start=1):
                head = next_hash(head, sequence, link.event)
                assert (link.sequence, link.hash) == (sequence, head)
            assert record.head == head

    @invariant()
    def what_is_looked_up_is_what_a_search_finds(self) -> None:
        if not hasattr(self, "house"):
            return
        machine, records = self.house.model, self._proposals()
        due = [each.due_ms for each in records.values() if each.due_ms is not None]
        assert machine.next_deadline_ms() == min(due, default=None)
        assert len(records) <= MAX_PROPOSALS
        assert machine._index.entry_count == sum(len(each.trail) for each in records.values())
        waits = {
            proposal_id
            for proposal_id, each in records.items()
            if each.status == "pending" and not each.created.electorate.is_known
        }
        assert set(machine._index.waiting) == waits
        watched = {
            agent: {proposal_id for proposal_id, each in records.items() if is_watching(each, agent)}
            for agent in AGENTS
        }
        assert {agent: set(found) for agent, found in machine.watched.items()} == {
            agent: found for agent, found in watched.items() if found
        }

    def _proposals(self) -> dict[str, Proposal]:
        return self.house.model.proposals if hasattr(self, "house") else {}


def is_watching(record: Proposal, agent: str) -> bool:
    is_releasing = record.status == "active" and record.rules.offline_voters == "release"
    return is_releasing and agent in record.weights


def essence(machine: ConsensusModel) -> Any:
    """All that a model holds, in a form that is compared by value."""
    names = [each.name for each in fields(Proposal) if each.name not in ("poll", "foreseen")]
    return (
        [
            (
                [getattr(record, name) for name in names],
                record.poll.tally() if record.poll is not None else None,
                record.poll.verdict() if record.poll is not None else None,
                record.released,
            )
            for record in machine.proposals.values()
        ],
        list(machine.proposals),
        list(machine.delegations),
        list(machine._index.settled.in_order()),
        {agent: set(found) for agent, found in machine.watched.items()},
        machine._index.entry_count,
    )


TestConsensus = ConsensusMachine.TestCase
TestConsensus.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
