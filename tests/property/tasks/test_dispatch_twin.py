"""Whatever happens, the allocator does what a slow and simple one would do, and explains it truly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coordination.requirements import CapabilityFacts, Facts
from coordination.runtime.adapters import adapter_of
from coordination.runtime.model import Outcome
from coordination.tasks.commands import (
    AcceptOffer,
    Bid,
    CancelTask,
    CompleteTask,
    ConfigureQueue,
    FailTask,
    PauseQueue,
    RefuseOffer,
    Sighting,
    SubmitTask,
    TakeBack,
)
from coordination.tasks.events import ProposalsCalled, TaskDeadLettered, TaskOffered, TaskSubmitted
from coordination.tasks.explaining import explain
from coordination.tasks.lanes import Lanes
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.queues import QueueSettings, RateLimit
from coordination.tasks.record import Task, TasksState
from coordination.tasks.roster import AgentView, Roster
from coordination.tasks.spec import Bidding, Nearness, Placement, Strategy, TaskSpec
from tests.support.naive_allocator import NaiveAllocator, Planned

AGENTS = ["a", "b", "c", "d"]
CAPABILITIES = ["ocr", "web"]
REQUIREMENTS = {"ocr": "ocr", "web": "web, prefer label:zone = eu"}
QUEUES = ["default", "slow"]
_STATE = adapter_of(TasksState)
POLICY = Policy(offer_timeout_ms=50, lease_ms=400, round_pause_ms=10, round_pause_last_ms=40)

profiles = st.builds(
    lambda names, zone, insists: Facts(
        capabilities={
            name: CapabilityFacts(attributes={"requires_approval": True} if insists else {}) for name in names
        },
        labels={"zone": zone},
    ),
    st.sets(st.sampled_from(CAPABILITIES), min_size=1),
    st.sampled_from(["eu", "us"]),
    st.sampled_from([False, False, False, True]),
)
rates = st.none() | st.builds(
    RateLimit,
    count=st.integers(1, 3),
    per_ms=st.sampled_from([7, 100]),
    burst=st.none() | st.integers(1, 2),
)
queue_settings = st.builds(
    QueueSettings,
    strategy=st.sampled_from(Strategy),
    aging_ms=st.sampled_from([0, 15, 600_000]),
    weights=st.dictionaries(st.sampled_from(["", "x", "y"]), st.integers(1, 5)),
    rate_limits=st.dictionaries(st.sampled_from(["ocr", "*"]), rates.filter(bool), max_size=2),
    agent_rate_limit=rates,
    max_held=st.none() | st.integers(1, 4),
    max_held_per_agent=st.none() | st.integers(1, 2),
)
nearness = st.builds(
    Nearness, mark=st.sampled_from(["m", "n"]), is_apart=st.booleans(), is_required=st.booleans()
)
placements = st.just(Placement()) | st.builds(
    Placement,
    marks=st.sampled_from([(), ("m",), ("n", "m")]),
    near=st.lists(nearness, max_size=2).map(tuple),
    sticky_key=st.sampled_from(["", "", "k"]),
    waits_for_sticky=st.booleans(),
)


class Twin(RuleBasedStateMachine):
    """The model beside the naive allocator."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.model = TasksModel(POLICY, self.roster)
        self.naive = NaiveAllocator(self.model.state, self.roster, POLICY)
        self.now_ms = 1_000
        self.count = 0
        self.incarnations = dict.fromkeys(AGENTS, 1)

    @initialize(found=st.lists(profiles, min_size=2, max_size=3))
    def begin(self, found: list[Facts]) -> None:
        for agent, facts in zip(AGENTS, found, strict=False):
            self.enroll(agent, facts, 2, "online", 0.0)

    @rule(
        agent=st.sampled_from(AGENTS),
        facts=profiles,
        max_tasks=st.integers(1, 3),
        status=st.sampled_from(["online", "online", "suspect", "offline"]),
        load=st.sampled_from([0.0, 0.5]),
    )
    def enroll(self, agent: str, facts: Facts, max_tasks: int, status: str, load: float) -> None:
        view = AgentView(
            agent=agent,
            incarnation=self.incarnations[agent],
            max_tasks=max_tasks,
            status=status,
            facts=facts,
            load=load,
        )
        self.roster.put(view)

    @rule(agent=st.sampled_from(AGENTS), status=st.sampled_from(["online", "offline"]))
    def see(self, agent: str, status: str) -> None:
        self.roster.set_status(agent, status)

    @rule(agent=st.sampled_from(AGENTS), load=st.sampled_from([0.0, 0.1, 0.9]))
    def report_load(self, agent: str, load: float) -> None:
        self.roster.set_load(agent, load)

    @rule(agent=st.sampled_from(AGENTS))
    def leave(self, agent: str) -> None:
        self.roster.remove(agent)
        incarnation = self.incarnations[agent]
        self.send(TakeBack(sightings=(Sighting(agent=agent, incarnation=incarnation, is_gone=True),)))

    @rule(agent=st.sampled_from(AGENTS))
    def restart(self, agent: str) -> None:
        self.incarnations[agent] += 1
        view = self.roster.get(agent)
        if view is not None:
            self.roster.put(replace(view, incarnation=self.incarnations[agent]))
            self.send(TakeBack(sightings=(Sighting(agent=agent, incarnation=self.incarnations[agent]),)))

    @rule(
        capability=st.sampled_from(CAPABILITIES),
        queue=st.sampled_from(QUEUES),
        priority=st.sampled_from([0, 0, 0, 1, 9]),
        key=st.sampled_from(["", "x", "y"]),
        weight=st.none() | st.integers(1, 4),
        strategy=st.none() | st.sampled_from(Strategy),
        placement=placements,
        max_rounds=st.integers(1, 3),
        is_approved=st.booleans(),
        copies=st.integers(1, 4),
    )
    def submit(self, capability: str, copies: int, *, is_approved: bool, **fields: Any) -> None:
        fields["fairness_key"] = fields.pop("key")
        fields["fairness_weight"] = fields.pop("weight")
        for _ in range(copies):
            self.count += 1
            spec = TaskSpec(
                requirement=REQUIREMENTS[capability],
                capability=capability,
                bidding=Bidding(bid_ms=30, max_bidders=2),
                approved_by=f"p{self.count}" if is_approved else "",
                approval_expires_ms=10**9 if is_approved else 0,
                **fields,
            )
            self.send(SubmitTask(task_id=f"t{self.count}", submitter="ada", spec=spec))

    @precondition(lambda self: self.held())
    @rule(data=st.data(), capability=st.sampled_from(CAPABILITIES), may_return=st.booleans())
    def delegate(self, data: st.DataObject, capability: str, *, may_return: bool) -> None:
        parent = data.draw(st.sampled_from(self.held()))
        assert parent.holder is not None
        self.count += 1
        spec = TaskSpec(
            requirement=REQUIREMENTS[capability],
            capability=capability,
            parent=parent.task_id,
            may_return=may_return,
            payload={"n": self.count},
        )
        command = SubmitTask(
            task_id=f"t{self.count}",
            submitter=parent.holder.agent,
            spec=spec,
            parent_token=parent.fencing_token,
        )
        self.send(command)

    @rule(queue=st.sampled_from(QUEUES), wanted=st.none() | queue_settings)
    def configure(self, queue: str, wanted: QueueSettings | None) -> None:
        # A changed limit is a new bucket to the naive one: it counts from the first offer on.
        before = self.model.state.allocation.settings.get(queue, QueueSettings())
        after = wanted or QueueSettings()
        if before.rate_limits or before.agent_rate_limit:
            after = replace(after, rate_limits=before.rate_limits, agent_rate_limit=before.agent_rate_limit)
        elif any(queue in key for key in self.naive.kept.offers):
            after = replace(after, rate_limits={}, agent_rate_limit=None)
        self.send(ConfigureQueue(queue=queue, caller="operator", settings=after))

    @rule(queue=st.sampled_from(QUEUES), is_paused=st.booleans())
    def pause(self, queue: str, *, is_paused: bool) -> None:
        self.send(PauseQueue(queue=queue, caller="operator", is_paused=is_paused))

    def held(self) -> list[Task]:
        return [
            task for task in self.model.state.open.values() if task.state in (State.OFFERED, State.RUNNING)
        ]

    @precondition(lambda self: self.held())
    @rule(data=st.data(), answers=st.lists(st.sampled_from("arcf"), min_size=1, max_size=4))
    def answer(self, data: st.DataObject, answers: list[str]) -> None:
        for answer in answers:
            if not self.held():
                return
            task = data.draw(st.sampled_from(self.held()))
            assert task.holder is not None
            whose: dict[str, Any] = {
                "task_id": task.task_id,
                "agent": task.holder.agent,
                "fencing_token": task.fencing_token,
            }
            match answer:
                case "a":
                    self.send(AcceptOffer(**whose))
                case "r":
                    self.send(RefuseOffer(**whose, reason="busy"))
                case "c":
                    self.send(CompleteTask(**whose, result=1, result_bytes=1))
                case _:
                    self.send(FailTask(**whose, reason="broken", retry_after_ms=5))

    @precondition(lambda self: any(t.state is State.ANNOUNCED for t in self.model.state.open.values()))
    @rule(data=st.data(), cost=st.integers(0, 3), is_refusal=st.booleans())
    def bid(self, data: st.DataObject, cost: int, *, is_refusal: bool) -> None:
        announced = [each for each in self.model.state.open.values() if each.state is State.ANNOUNCED]
        task = data.draw(st.sampled_from(announced))
        assert task.call is not None
        agent = data.draw(st.sampled_from([*task.call.agents]))
        command = Bid(
            task_id=task.task_id, agent=agent, call=task.call.call, cost=cost, is_refusal=is_refusal
        )
        self.send(command)

    @precondition(lambda self: self.model.state.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from([*self.model.state.open]))
        self.send(CancelTask(task_id=task_id, caller="operator"))

    @rule(ms=st.sampled_from([1, 3, 10, 40, 100]))
    def wait(self, ms: int) -> None:
        target_ms = self.now_ms + ms
        while (due_ms := self.model.next_deadline_ms()) is not None and due_ms <= target_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self.tick()
        self.now_ms = target_ms

    @rule()
    def change_leaders(self) -> None:
        state = _STATE.validate_json(_STATE.dump_json(self.model.snapshot()))
        self.model = TasksModel(POLICY, self.roster)
        self.model.restore(state)
        self.naive.state = self.model.state

    def send(self, command: Any) -> None:
        outcome = self.model.decide(command, self.now_ms)
        if isinstance(outcome, Outcome):
            self.apply(outcome.events)

    def tick(self) -> None:
        planned = self.naive.plan(self.now_ms)
        explained = self.explained()
        outcome = self.model.tick(self.now_ms)
        assert outcome == self.model.tick(self.now_ms), "a tick changes nothing"
        done = self.dispatched(outcome.events)
        if done or not outcome.events:
            assert done == planned
            self.check_explained(done, explained)
        self.apply(outcome.events)
        due_ms = self.model.next_deadline_ms()
        assert outcome.events or due_ms is None or due_ms > self.now_ms

    def explained(self) -> dict[str, list[str]]:
        """Agents with the verdict ``free`` in order, of each task that waits."""
        waiting = [each for each in self.model.state.open.values() if each.state is State.QUEUED]
        return {
            task.task_id: [
                each.agent
                for each in explain(self.model.view, task, self.now_ms).agents
                if each.verdict == "free"
            ]
            for task in waiting
        }

    def check_explained(self, done: list[Planned], explained: dict[str, list[str]]) -> None:
        """What is done first is what was explained; what follows sees other slots."""
        if done:
            _, task_id, agents = done[0]
            assert tuple(explained[task_id]) == agents

    def dispatched(self, events: tuple[Any, ...]) -> list[Planned]:
        """What a pass has done, of the events of a tick; empty if it was another step's."""
        done: list[Planned] = []
        for event in events:
            task = self.model.state.open.get(getattr(event, "task_id", ""))
            if task is None or task.state is not State.QUEUED:
                continue
            if isinstance(event, ProposalsCalled):
                done.append(("call", event.task_id, event.agents))
            elif isinstance(event, TaskOffered):
                done.append(("offer", event.task_id, (event.agent,)))
            elif isinstance(event, TaskDeadLettered):
                done.append(("dead", event.task_id, ()))
        return done

    def apply(self, events: tuple[Any, ...]) -> None:
        for event in events:
            task_id = getattr(event, "task_id", "")
            before = self.model.state.open.get(task_id)
            self.model.apply(event)
            after = self.model.state.open.get(task_id)
            if before is not after or isinstance(event, TaskSubmitted):
                self.naive.follow(before, event, after, self.now_ms)

    @invariant()
    def all_that_can_be_done_is_done(self) -> None:
        while (due_ms := self.model.next_deadline_ms()) is not None and due_ms <= self.now_ms:
            self.tick()
        assert self.naive.plan(self.now_ms) == []
        tags = {
            (queue, key): tag
            for queue, each in self.model.state.allocation.fairness.items()
            for key, tag in each.finish.items()
        }
        assert tags == self.naive.kept.tags

    @invariant()
    def lanes_follow_from_the_state(self) -> None:
        anew = Lanes(self.model.state)
        anew.age(self.now_ms)
        lanes = self.model.view.lanes
        lanes.age(self.now_ms)
        assert anew.waiting_count == lanes.waiting_count
        for task_id in self.model.state.open:
            assert anew.position(task_id) == lanes.position(task_id)
        for agent in AGENTS:
            assert anew.holdings.of_agent(agent) == lanes.holdings.of_agent(agent)
            assert anew.holdings.calls_to(agent) == lanes.holdings.calls_to(agent)


TestTwin = Twin.TestCase
TestTwin.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
