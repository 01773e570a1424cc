"""Whatever agents do, every past state and the changes since it make the present one."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordination.registry import changes as histories
from coordination.registry.changes import change_body
from coordination.registry.commands import (
    DeregisterAgent,
    RecordStatuses,
    RegisterAgent,
    StatusChange,
    UpdateAgent,
)
from coordination.registry.directory import Directory
from coordination.registry.model import RETENTION_MS
from coordination.registry.record import STATUSES, Status, record_body
from coordination.registry.watch import apply_change
from coordination.registry.wire import AgentRecord, Change
from coordination.runtime.model import Outcome
from tests.support.registering import Registry, capability

IDS = ("ada", "bob", "cyd", "dot")
ids = st.sampled_from(IDS)
contents = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(st.sampled_from(("a", "b")), st.sampled_from(("x", "y")), max_size=2),
        "max_tasks": st.integers(0, 2),
        "description": st.sampled_from(("", "x" * 100)),
        "metadata": st.sampled_from(({}, {"a": [1, {"b": None}]})),
        "capabilities": st.sampled_from(((), (capability("python"),), (capability("gpu", memory_gb=24),))),
    },
)
State = dict[str, AgentRecord]


class RegistryMachine(RuleBasedStateMachine):
    """Random lives of agents, beside the states that a watcher saw at each revision."""

    @initialize(max_changes=st.sampled_from((1, 5, 4096)), max_bytes=st.sampled_from((2_000, 10**6)))
    def begin(self, max_changes: int, max_bytes: int) -> None:
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr(histories, "MAX_CHANGES", max_changes)
        self.patched.setattr(histories, "MAX_CHANGES_BYTES", max_bytes)
        self.registry = Registry()
        self.past: list[State] = [{}]
        """By revision."""
        self.incarnations: list[int] = []

    def teardown(self) -> None:
        if hasattr(self, "registry"):
            self.registry.check_replay()
            self.registry.check_snapshot()
            self.patched.undo()

    @rule(agent=ids, content=contents)
    def register(self, agent: str, content: dict[str, object]) -> None:
        self.incarnations.append(self.registry.accept(RegisterAgent(agent=agent, **content)).incarnation)  # type: ignore[arg-type]

    @rule(agent=ids, content=contents, back=st.integers(0, 1))
    def update(self, agent: str, content: dict[str, object], back: int) -> None:
        incarnation = max(self.incarnation_of(agent) - back, 0)
        self.registry.send(UpdateAgent(agent=agent, incarnation=incarnation, **content))  # type: ignore[arg-type]

    @rule(agent=ids, back=st.none() | st.integers(0, 1))
    def deregister(self, agent: str, back: int | None) -> None:
        incarnation = None if back is None else self.incarnation_of(agent) - back
        self.registry.send(DeregisterAgent(agent=agent, incarnation=incarnation))

    @rule(changes=st.lists(st.tuples(ids, st.sampled_from(STATUSES), st.integers(0, 1)), max_size=5))
    def record_statuses(self, changes: list[tuple[str, Status, int]]) -> None:
        outcome = self.registry.send(
            RecordStatuses(
                changes=tuple(
                    StatusChange(agent=agent, incarnation=self.incarnation_of(agent) - back, status=status)
                    for agent, status, back in changes
                )
            )
        )
        assert isinstance(outcome, Outcome)
        assert outcome.reply.count == len(outcome.events)

    @rule(by_ms=st.sampled_from((1, RETENTION_MS // 2, RETENTION_MS)))
    def wait(self, by_ms: int) -> None:
        self.registry.advance(self.registry.now_ms + by_ms)

    @rule()
    def restart(self) -> None:
        self.registry.restart()

    def incarnation_of(self, agent: str) -> int:
        record = self.registry.model.state.agents.get(agent)
        return 0 if record is None else record.incarnation

    @invariant()
    def notices_and_history_lead_from_every_past_state_to_the_present_one(self) -> None:
        if hasattr(self, "registry"):
            self.follow_the_notices()
            self.replay_the_history()

    def follow_the_notices(self) -> None:
        for notice in self.registry.notices()[len(self.past) - 1 :]:
            change = Change.model_validate(notice.body, from_attributes=True)
            assert change.revision == len(self.past)
            assert (notice.event, notice.aggregate) == (change.kind, change.agent)
            state = dict(self.past[-1])
            apply_change(state, change)
            assert state != self.past[-1]
            self.past.append(state)
        assert self.past[-1] == self.present()

    def replay_the_history(self) -> None:
        history = self.registry.model.state.history
        assert len(history.changes) <= histories.MAX_CHANGES
        for revision, state in enumerate(self.past):
            changes = history.after(revision, limit=10**6, max_bytes=10**9)
            if changes is None:
                assert len(self.past) - 1 - revision > len(history.changes)
                continue
            begun = dict(state)
            for each in changes:
                apply_change(begun, Change.model_validate(change_body(each), from_attributes=True))
            assert begun == self.present()

    @invariant()
    def incarnations_only_grow_and_the_directory_is_that_of_the_records(self) -> None:
        if not hasattr(self, "registry"):
            return
        assert self.incarnations == sorted(set(self.incarnations))
        again = Directory()
        for record in self.registry.model.state.agents.values():
            again.replace(None, record)
        directory = self.registry.model.directory
        assert again.ids_after("", 100) == directory.ids_after("", 100)
        for agent in again.ids_after("", 100):
            assert again.profile_of(agent).members == directory.profile_of(agent).members

    def present(self) -> State:
        return {
            agent: AgentRecord.model_validate(record_body(record), from_attributes=True)
            for agent, record in self.registry.model.state.agents.items()
        }


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
