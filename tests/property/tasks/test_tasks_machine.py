"""Whatever agents, submitters, operators and time do: one holder, one end, and the journal tells it again.

Agents answer late, twice, with old or invented tokens, or not at all; they bid, restart, leave and fall
silent. A naive account beside the model says who may speak for which task, and what everybody was told. After
each step the model ticks as the kernel does, so allocation, cascades and sagas are at work all the time.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordination.requirements.facts import CapabilityFacts, Facts
from coordination.runtime.model import Outcome, Push, Rejected
from coordination.tasks.commands import (
    OPERATOR,
    Bid,
    CancelTask,
    DeadLetterFilter,
    PauseQueue,
    PurgeDeadLetters,
    RedriveDeadLetters,
    Refused,
    Report,
    RetryTask,
    Sighting,
    SubmitTask,
    SubmitTasks,
    TakeBack,
)
from coordination.tasks.lifecycle import ENDED, HELD, Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.pushes import CallForProposals, TaskOffer, TaskResult
from coordination.tasks.roster import AgentView, Roster
from coordination.tasks.spec import Backoff, Bidding, Dependency, OnFailure, OnParentEnd, Strategy, TaskSpec
from tests.support.tasking import WORKER_COMMANDS, Tasking

SLOTS = {"a": 1, "b": 1, "c": 2}
AGENTS = tuple(SLOTS)
IDS = tuple(f"t{index}" for index in range(7))
CAPABILITIES = ("python", "go")
QUEUES = ("default", "slow")
POLICY = Policy(
    offer_timeout_ms=5,
    lease_ms=10,
    round_pause_ms=3,
    round_pause_last_ms=6,
    max_open_tasks=6,
    max_finished_tasks=500,
    max_dead_letters=100,
)
ALL = DeadLetterFilter()
ids = st.sampled_from(IDS)
agents = st.sampled_from(AGENTS)
whiles = st.none() | st.integers(1, 40)


@st.composite
def spec_fields(draw: st.DrawFn) -> dict[str, Any]:
    """Most of what a task may be, with times counted from now."""
    return {
        "capability": draw(st.sampled_from(CAPABILITIES)),
        "queue": draw(st.sampled_from(QUEUES)),
        "priority": draw(st.sampled_from((0, 1, 9))),
        "fairness_key": draw(st.sampled_from(("", "x", "y"))),
        "strategy": draw(st.none() | st.sampled_from(Strategy)),
        "deadline_ms": draw(whiles),
        "start_by_ms": draw(st.none() | st.none() | st.integers(1, 10)),
        "run_at_ms": draw(st.none() | st.none() | st.integers(1, 10)),
        "timeout_ms": draw(st.none() | st.integers(5, 30)),
        "max_attempts": draw(st.integers(1, 3)),
        "max_rounds": draw(st.integers(1, 3)),
        "backoff": Backoff(first_ms=2, last_ms=4, jitter=0.5),
        "bidding": Bidding(bid_ms=4),
        "after": tuple(
            Dependency(task_id=task_id, on_failure=draw(st.sampled_from(OnFailure)))
            for task_id in draw(st.sets(ids, max_size=2).map(sorted))
        ),
        "on_parent_end": draw(st.sampled_from(OnParentEnd)),
        "idempotency_key": draw(st.sampled_from(("", "", "", "k"))),
    }


class TasksMachine(RuleBasedStateMachine):
    """Random work, beside an account of everything that was ever pushed."""

    @initialize()
    def begin(self) -> None:
        self.incarnations = dict.fromkeys(AGENTS, 1)
        """As the registry has them; one counter for all agents."""
        self.roster = Roster()
        for agent in AGENTS:
            self._appear(agent)
        self.tasking = Tasking(policy=POLICY, roster=self.roster)
        self.offers: list[tuple[str, TaskOffer]] = []
        """Agent and offer, as received."""
        self.calls: list[tuple[str, CallForProposals]] = []
        self.results: Counter[tuple[str, int]] = Counter()
        """By task, and how often it had been redriven."""
        self.completed: Counter[str] = Counter()
        self.seen = 0

    def teardown(self) -> None:
        if hasattr(self, "tasking"):
            self.tasking.check_replay()
            self.tasking.check_snapshot()
            self._drain()

    @rule(task_id=ids, fields=spec_fields())
    def submit(self, task_id: str, fields: dict[str, Any]) -> None:
        known = self.tasking.model.find(task_id)
        outcome = self.tasking.send(self._command(task_id, fields))
        if isinstance(outcome, Outcome) and known is not None:
            assert not outcome.events
        self._turn()

    @rule(several=st.lists(st.tuples(ids, spec_fields()), min_size=1, max_size=4))
    def submit_several(self, several: list[tuple[str, dict[str, Any]]]) -> None:
        commands = tuple(self._command(task_id, fields) for task_id, fields in several)
        reply = self.tasking.accept(SubmitTasks(tasks=commands))
        assert len(reply.tasks) == len(commands)
        for command, answer in zip(commands, reply.tasks, strict=True):
            if not isinstance(answer, Refused):
                assert self.tasking.task(answer.task_id).submitter == command.submitter
        self._turn()

    @rule(task_id=ids, parent=ids, fields=spec_fields(), off_by=st.sampled_from((0, 0, 0, 1)))
    def delegate(self, task_id: str, parent: str, fields: dict[str, Any], off_by: int) -> None:
        """Whoever holds a task has another one done for it."""
        above = self.tasking.model.find(parent)
        if above is None or task_id == parent:
            return
        agent = above.holder.agent if above.holder is not None else "a"
        command = self._command(task_id, fields | {"parent": parent}, submitter=agent)
        token = above.fencing_token + off_by
        known = self.tasking.model.find(task_id)
        outcome = self.tasking.send(
            SubmitTask(task_id=task_id, submitter=agent, spec=command.spec, parent_token=token)
        )
        if isinstance(outcome, Outcome) and known is None and outcome.events:
            assert above.state in (State.OFFERED, State.RUNNING)
            assert not off_by
            assert self.tasking.task(task_id).chain == (*above.chain, parent)
        self._turn()

    @rule(agent=agents)
    def come_again(self, agent: str) -> None:
        """The agent registers anew; what it held is not taken back yet."""
        self.incarnations[agent] = max(self.incarnations.values()) + 1
        self._appear(agent)
        self._turn()

    @rule(agent=agents, status=st.sampled_from(("online", "suspect", "offline")))
    def change_presence(self, agent: str, status: str) -> None:
        self.roster.set_status(agent, status)
        self._turn()

    @rule(agent=agents, behind=st.integers(0, 2), is_gone=st.booleans())
    def take_back(self, agent: str, *, behind: int, is_gone: bool) -> None:
        """The model hears of an agent, sometimes late; nothing else changes."""
        incarnation = max(self.incarnations[agent] - behind, 0)
        first_valid = incarnation + is_gone
        before = dict(self.tasking.model.state.open)
        sighting = Sighting(agent=agent, incarnation=incarnation, is_gone=is_gone)
        reply = self.tasking.accept(TakeBack(sightings=(sighting,)))
        taken = 0
        for task_id, task in before.items():
            after = self.tasking.task(task_id)
            if task.holder is None or task.holder.agent != agent or task.holder.incarnation >= first_valid:
                assert after == task
                continue
            taken += 1
            assert after.holder is None
            if task.state is State.OFFERED:
                assert (after.state, after.attempts) == (State.QUEUED, task.attempts)
            else:
                assert after.state in (State.FAILED, State.DEAD_LETTERED, State.CANCELED)
                assert after.attempts[-1].ended_ms == self.tasking.now_ms
        assert reply.count == taken
        if is_gone and not behind:
            self.incarnations[agent] = max(self.incarnations.values()) + 1
            self._appear(agent)
        self._turn()

    @rule(
        happened=st.sampled_from(sorted(WORKER_COMMANDS)),
        pick=st.integers(0, 10**6),
        liar=st.none() | st.none() | agents,
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
            assert before.state in HELD
        else:
            assert not outcome.events
            assert self.tasking.model.find(offer.task_id) == before
            current = before is not None and before.holder is not None and before.fencing_token == token
            assert (outcome.code == "stale_token") == (before is not None and not current)
        self._turn()

    @rule(agent=agents, said=st.lists(st.sampled_from(sorted(WORKER_COMMANDS)), min_size=1, max_size=4))
    def report(self, agent: str, said: list[Input]) -> None:
        """One agent says several things at once, of its last offers."""
        mine = [offer for each, offer in self.offers if each == agent][-len(said) :]
        items = tuple(
            WORKER_COMMANDS[happened](offer.task_id, agent, offer.fencing_token)
            for happened, offer in zip(said, mine, strict=False)
        )
        reply = self.tasking.accept(Report(agent=agent, items=items))
        assert [each.task_id for each in reply.results] == [each.task_id for each in items]
        self._turn()

    @rule(pick=st.integers(0, 10**6), cost=st.integers(0, 3), is_refusal=st.booleans())
    def bid(self, pick: int, cost: int, *, is_refusal: bool) -> None:
        if not self.calls:
            return
        agent, call = self.calls[-1 - pick % min(len(self.calls), 4)]
        self._bid(agent, call, cost=cost, is_refusal=is_refusal)
        self._turn()

    @rule(task_id=ids, caller=st.sampled_from(("ada", "eve", OPERATOR, *AGENTS)))
    def cancel(self, task_id: str, caller: str) -> None:
        outcome = self.tasking.send(CancelTask(task_id=task_id, caller=caller))
        if isinstance(outcome, Outcome):
            assert self.tasking.task(task_id).state in (State.CANCELED, State.CANCELING)
        self._turn()

    @rule(task_id=ids)
    def retry(self, task_id: str) -> None:
        self.tasking.send(RetryTask(task_id=task_id, caller=OPERATOR))
        self._turn()

    @rule(limit=st.integers(1, 3))
    def redrive(self, limit: int) -> None:
        self.tasking.send(RedriveDeadLetters(caller=OPERATOR, which=ALL, limit=limit))
        self._turn()

    @rule(limit=st.integers(1, 2))
    def purge(self, limit: int) -> None:
        reply = self.tasking.accept(PurgeDeadLetters(caller=OPERATOR, which=ALL, limit=limit))
        for task_id in reply.task_ids:
            self.completed.pop(task_id, None)
            for key in [each for each in self.results if each[0] == task_id]:
                del self.results[key]
        self._turn()

    @rule(queue=st.sampled_from(QUEUES), is_paused=st.booleans())
    def pause(self, queue: str, *, is_paused: bool) -> None:
        self.tasking.send(PauseQueue(queue=queue, caller=OPERATOR, is_paused=is_paused))
        self._turn()

    @rule(by_ms=st.integers(1, 12))
    def time_passes(self, by_ms: int) -> None:
        self.tasking.advance(self.tasking.now_ms + by_ms)
        self._receive()

    @rule()
    def restart(self) -> None:
        self.tasking.restart()
        self._turn()

    @invariant()
    def tokens_are_never_given_twice_and_only_grow(self) -> None:
        if hasattr(self, "tasking"):
            tokens = [offer.fencing_token for _, offer in self.offers]
            assert tokens == sorted(set(tokens))
            assert not set(tokens) & {call.call for _, call in self.calls}

    @invariant()
    def nobody_holds_more_than_it_has_slots(self) -> None:
        if hasattr(self, "tasking"):
            open_tasks = self.tasking.model.state.open.values()
            held = Counter(task.holder.agent for task in open_tasks if task.holder is not None)
            assert all(count <= SLOTS[agent] for agent, count in held.items())

    @invariant()
    def every_record_agrees_with_its_state(self) -> None:
        for task in self.tasking.model.state.open.values() if hasattr(self, "tasking") else ():
            assert task.state not in ENDED
            assert (task.holder is not None) == (task.state in HELD)
            assert (task.retry_at_ms is not None) == (task.state is State.FAILED)
            assert bool(task.waits_for) <= (task.state is State.BLOCKED)
            assert len(task.attempts) - task.first_attempt <= task.spec.max_attempts
            under_way = [attempt for attempt in task.attempts if attempt.ended_ms is None]
            assert len(under_way) == (task.state in (State.RUNNING, State.CANCELING))

    @invariant()
    def every_end_of_a_task_was_told_once_and_at_most_one_result_was_accepted(self) -> None:
        if not hasattr(self, "tasking"):
            return
        state = self.tasking.model.state
        ended = Counter((task.task_id, task.redrives) for task in state.finished.values())
        ended += Counter((task.task_id, task.redrives) for task in state.dead_letters.values())
        assert all(count == 1 for count in self.results.values())
        assert all(self.results[each] == 1 for each in ended)
        assert all(count == 1 for count in self.completed.values())
        assert set(self.completed) <= set(state.finished)

    @invariant()
    def nothing_that_follows_is_left_undone(self) -> None:
        if hasattr(self, "tasking"):
            assert not self.tasking.model.state.unsettled

    @invariant()
    def what_is_looked_up_is_what_the_state_says(self) -> None:
        if not hasattr(self, "tasking"):
            return
        live, state = self.tasking.model.view, self.tasking.model.state
        rebuilt = TasksModel(POLICY, self.roster)
        rebuilt.restore(state)
        one, other = live.index, rebuilt.view.index
        assert one.holders() == other.holders()
        for agent in one.holders():
            assert one.held_before(agent, 10**9) == other.held_before(agent, 10**9)
        for name in ("open_bytes", "finished_bytes", "dead_letter_bytes", "requirements"):
            assert getattr(one, name) == getattr(other, name)
        assert list(one.deadlines.in_order()) == list(other.deadlines.in_order())
        assert live.families == rebuilt.view.families
        assert live.lanes.waiting_count == rebuilt.view.lanes.waiting_count
        assert rebuilt.tick(self.tasking.now_ms).events == (), "whoever takes over would do the same"

    def _command(self, task_id: str, fields: dict[str, Any], *, submitter: str = "ada") -> SubmitTask:
        now_ms = self.tasking.now_ms
        times = {name: fields[name] for name in ("deadline_ms", "start_by_ms", "run_at_ms")}
        at = {name: None if each is None else now_ms + each for name, each in times.items()}
        after = tuple(each for each in fields["after"] if each.task_id != task_id)
        spec = TaskSpec(
            requirement=fields["capability"],
            payload={"do": task_id},
            payload_bytes=10,
            **(fields | at | {"after": after}),
        )
        return SubmitTask(task_id=task_id, submitter=submitter, spec=spec, seed=len(self.tasking.events))

    def _appear(self, agent: str, status: str = "online") -> None:
        able = dict.fromkeys(CAPABILITIES, CapabilityFacts())
        self.roster.put(
            AgentView(
                agent=agent,
                incarnation=self.incarnations[agent],
                max_tasks=SLOTS[agent],
                status=status,
                facts=Facts(capabilities=able, max_tasks=SLOTS[agent]),
            )
        )

    def _turn(self) -> None:
        """Do what is due at once, as the kernel does at the end of a batch."""
        self.tasking.advance(self.tasking.now_ms)
        self._receive()

    def _receive(self) -> None:
        for message in self.tasking.messages[self.seen :]:
            if not isinstance(message, Push):
                continue
            if message.kind == "task":
                self.offers.append((message.agent, TaskOffer.model_validate(message.body)))
            elif message.kind == "cfp":
                self.calls.append((message.agent, CallForProposals.model_validate(message.body)))
            elif message.kind == "result":
                self._hear(TaskResult.model_validate(message.body))
        self.seen = len(self.tasking.messages)

    def _hear(self, result: TaskResult) -> None:
        """The end of a task; the tellings of one id are numbered as its redrives are."""
        told = sum(1 for task_id, _ in self.results if task_id == result.task_id)
        self.results[result.task_id, told] += 1
        self.completed[result.task_id] += result.state == "completed"
        if not self.completed[result.task_id]:
            del self.completed[result.task_id]

    def _bid(self, agent: str, call: CallForProposals, *, cost: int, is_refusal: bool) -> None:
        outcome = self.tasking.send(
            Bid(task_id=call.task_id, agent=agent, call=call.call, cost=cost, is_refusal=is_refusal)
        )
        if isinstance(outcome, Rejected):
            assert outcome.code in ("unknown_task", "bid_closed", "already_bid", "not_called")

    def _drain(self) -> None:
        """Liveness: with willing agents and no pause every task ends."""
        for queue in QUEUES:
            self.pause(queue, is_paused=False)
        for agent in AGENTS:
            self._appear(agent)
        for _ in range(150):
            self._turn()
            if not self.tasking.model.state.open:
                return
            for agent, call in self.calls[-20:]:
                self._bid(agent, call, cost=1, is_refusal=False)
            for task in list(self.tasking.model.state.open.values()):
                if task.state is State.OFFERED:
                    self.tasking.work(Input.COMPLETE, task.task_id)
                elif task.state is State.CANCELING:
                    self.tasking.work(Input.CONFIRM, task.task_id)
            self.tasking.advance(self.tasking.now_ms + 3)
        raise AssertionError(f"tasks are left over: {self.tasking.model.state.open}")


TestTasks = TasksMachine.TestCase
TestTasks.settings = settings(max_examples=50, stateful_step_count=35, deadline=None)
