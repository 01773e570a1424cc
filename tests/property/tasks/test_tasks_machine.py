"""Whatever agents, submitters and time do: one holder, one end, and the journal tells it again.

Agents answer late, twice, with old or invented tokens, or not at all; a naive account beside the model
says who may speak for which task. They restart and leave, and what older incarnations held is taken back.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordination.runtime.model import Outcome, Push, Rejected
from coordination.tasks.commands import CancelTask, Candidate, Sighting, TakeBack
from coordination.tasks.index import Index
from coordination.tasks.lifecycle import FINISHED, Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.wire import TaskOffer, TaskResult
from tests.support.tasking import WORKER_COMMANDS, Tasking, candidate

AGENTS = ("a", "b", "c")
SLOTS = {"a": 1, "b": 1, "c": 2}
IDS = ("t1", "t2", "t3", "t4", "t5")
CAPABILITIES = ("python", "go")
POLICY = Policy(
    offer_timeout_ms=5,
    lease_ms=10,
    retry_first_ms=2,
    retry_last_ms=4,
    round_pause_ms=3,
    max_open_tasks=4,
    max_finished_tasks=50,
)
ids = st.sampled_from(IDS)


class TasksMachine(RuleBasedStateMachine):
    """Random work, beside an account of every offer that was ever pushed."""

    @initialize()
    def begin(self) -> None:
        self.tasking = Tasking(policy=POLICY)
        self.offers: list[tuple[str, TaskOffer]] = []
        """Agent and offer, as received."""
        self.incarnations = dict.fromkeys(AGENTS, 1)
        """As the registry has them; one counter for all agents."""
        self.results: Counter[str] = Counter()
        self.seen = 0

    def teardown(self) -> None:
        if hasattr(self, "tasking"):
            self.tasking.check_replay()
            self.tasking.check_snapshot()
            self._drain()

    @rule(
        task_id=ids,
        capability=st.sampled_from(CAPABILITIES),
        priority=st.integers(0, 2),
        wait_ms=st.none() | st.integers(1, 40),
        max_attempts=st.integers(1, 3),
    )
    def submit(
        self, task_id: str, capability: str, priority: int, wait_ms: int | None, max_attempts: int
    ) -> None:
        known = self.tasking.model.find(task_id)
        outcome = self.tasking.submit(
            task_id,
            capability=capability,
            priority=priority,
            deadline_ms=None if wait_ms is None else self.tasking.now_ms + wait_ms,
            max_attempts=max_attempts,
        )
        if isinstance(outcome, Rejected):
            assert outcome.code == ("task_id_taken" if known else "overloaded")
        else:
            assert bool(outcome.events) == (known is None)

    @rule(capability=st.sampled_from(CAPABILITIES), present=st.sets(st.sampled_from(AGENTS)))
    def offer(self, capability: str, present: set[str]) -> None:
        self.tasking.offer(*map(self._candidate, sorted(present)), requirement=capability)
        self._receive()
        for agent in present:
            self._holds_nothing_before(agent, self.incarnations[agent])

    @rule(agent=st.sampled_from(AGENTS))
    def come_again(self, agent: str) -> None:
        """The agent registers anew; the model does not know of it yet."""
        self.incarnations[agent] = max(self.incarnations.values()) + 1

    @rule(agent=st.sampled_from(AGENTS), behind=st.integers(0, 2), is_gone=st.booleans())
    def take_back(self, agent: str, *, behind: int, is_gone: bool) -> None:
        """The model hears of an agent, sometimes late; nothing else changes."""
        incarnation = max(self.incarnations[agent] - behind, 0)
        first_valid = incarnation + is_gone
        before = dict(self.tasking.model.state.open)
        sighting = Sighting(agent=agent, incarnation=incarnation, is_gone=is_gone)
        reply = self.tasking.accept(TakeBack(sightings=(sighting,)))
        self._holds_nothing_before(agent, first_valid)
        taken = 0
        for task_id, task in before.items():
            after = self.tasking.task(task_id)
            if task.holder is None or task.holder.agent != agent or task.holder.incarnation >= first_valid:
                assert after == task
                continue
            taken += 1
            if task.state is State.OFFERED:
                assert (after.state, after.attempts) == (State.QUEUED, task.attempts)
            else:
                assert after.state in (State.FAILED, State.DEAD_LETTERED)
                assert after.attempts[-1].ended_ms == self.tasking.now_ms
        assert reply.count == taken
        if is_gone and not behind:
            self.come_again(agent)

    @rule(
        happened=st.sampled_from(sorted(WORKER_COMMANDS)),
        pick=st.integers(0, 10**6),
        liar=st.none() | st.sampled_from(AGENTS),
        off_by=st.sampled_from((0, 0, 0, 0, -1, 1)),
    )
    def work(self, happened: Input, pick: int, liar: str | None, off_by: int) -> None:
        """A received offer, old or new, is acted on; sometimes by another, with another token."""
        if not self.offers:
            return
        agent, offer = self.offers[-1 - pick % min(len(self.offers), 4)]
        speaker, token = liar or agent, max(offer.fencing_token + off_by, 1)
        before = self.tasking.model.find(offer.task_id)
        outcome = self.tasking.send(WORKER_COMMANDS[happened](offer.task_id, speaker, token))
        if isinstance(outcome, Outcome):
            assert before is not None
            assert before.holder is not None
            assert (before.holder.agent, before.fencing_token) == (speaker, token)
            assert before.holder.expires_ms > self.tasking.now_ms
            assert before.state in (State.OFFERED, State.RUNNING)
        else:
            assert not outcome.events
            assert self.tasking.model.find(offer.task_id) == before
            current = before is not None and before.holder is not None and before.fencing_token == token
            assert (outcome.code == "stale_token") == (before is not None and not current)

    @rule(task_id=ids)
    def cancel(self, task_id: str) -> None:
        self.tasking.send(CancelTask(task_id=task_id, caller="ada"))

    @rule(by_ms=st.integers(1, 12))
    def time_passes(self, by_ms: int) -> None:
        self.tasking.advance(self.tasking.now_ms + by_ms)

    @rule()
    def restart(self) -> None:
        self.tasking.restart()

    @invariant()
    def tokens_are_never_given_twice_and_only_grow(self) -> None:
        if hasattr(self, "tasking"):
            tokens = [offer.fencing_token for _, offer in self.offers]
            assert tokens == sorted(set(tokens))

    @invariant()
    def nobody_holds_more_than_it_has_slots(self) -> None:
        if hasattr(self, "tasking"):
            for agent, count in self.tasking.model.index.held.items():
                assert 0 < count <= SLOTS[agent]

    @invariant()
    def a_holder_exists_exactly_while_a_task_is_offered_or_runs(self) -> None:
        for task in self.tasking.model.state.open.values() if hasattr(self, "tasking") else ():
            assert (task.holder is not None) == (task.state in (State.OFFERED, State.RUNNING))
            assert len(task.attempts) <= task.max_attempts
            under_way = [attempt for attempt in task.attempts if attempt.ended_ms is None]
            assert len(under_way) == (task.state is State.RUNNING)

    @invariant()
    def every_task_that_ended_has_exactly_one_result(self) -> None:
        if not hasattr(self, "tasking"):
            return
        for message in self.tasking.messages[self.seen :]:
            if isinstance(message, Push) and message.kind == "result":
                result = TaskResult.model_validate(message.body)
                assert State(result.state) in FINISHED
                self.results[result.task_id] += 1
        self.seen = len(self.tasking.messages)
        assert self.results == Counter(self.tasking.model.state.finished.keys())

    @invariant()
    def the_index_is_what_the_state_says(self) -> None:
        if hasattr(self, "tasking"):
            live, rebuilt = self.tasking.model.index, Index(self.tasking.model.state)
            assert live.held == rebuilt.held
            assert live.holders() == rebuilt.holders()
            for agent, newest in live.holders().items():
                assert live.held_before(agent, newest + 1) == rebuilt.held_before(agent, newest + 1)
                assert len(live.held_before(agent, newest + 1)) == live.held[agent]
            assert (live.open_bytes, live.finished_bytes) == (rebuilt.open_bytes, rebuilt.finished_bytes)
            assert live.wanted() == rebuilt.wanted()
            for requirement in live.wanted():
                assert list(live.waiting(requirement)) == list(rebuilt.waiting(requirement))
            assert list(live.deadlines.in_order()) == list(rebuilt.deadlines.in_order())

    def _candidate(self, agent: str) -> Candidate:
        return candidate(agent, incarnation=self.incarnations[agent], max_tasks=SLOTS[agent])

    def _holds_nothing_before(self, agent: str, first_valid: int) -> None:
        for task in self.tasking.model.state.open.values():
            if task.holder is not None and task.holder.agent == agent:
                assert task.holder.incarnation >= first_valid

    def _receive(self) -> None:
        pushes = self.tasking.pushes("task")[len(self.offers) :]
        self.offers += [(push.agent, TaskOffer.model_validate(push.body)) for push in pushes]

    def _drain(self) -> None:
        """Liveness: with willing agents every task that is open ends completed, or by its deadline."""
        willing = [self._candidate(agent) for agent in AGENTS]
        for _ in range(100):
            if not self.tasking.model.state.open:
                return
            for capability in CAPABILITIES:
                self.tasking.offer(*willing, requirement=capability)
            for task in list(self.tasking.model.state.open.values()):
                if task.state is State.OFFERED:
                    self.tasking.work(Input.ACCEPT, task.task_id)
                    self.tasking.work(Input.COMPLETE, task.task_id)
            self.tasking.advance(self.tasking.now_ms + 3)
        raise AssertionError("tasks are left over")


TestTasks = TasksMachine.TestCase
TestTasks.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
