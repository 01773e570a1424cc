"""Keys share the dispatches of their queue by weight, whoever submits more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from coordination.tasks import fairness
from coordination.tasks.commands import CompleteTask, RefuseOffer
from coordination.tasks.events import TaskOffered
from coordination.tasks.limits import MAX_FAIRNESS_KEYS, Policy
from coordination.tasks.queues import AllocationState, QueueSettings
from coordination.tasks.spec import TaskSpec
from tests.support.allocating import agent
from tests.support.tasking import Tasking

WEIGHTS = {"gold": 3, "tin": 1}


@dataclass
class Overload:
    """Agents that are always busy, and keys that always have tasks waiting."""

    capabilities: tuple[str, ...] = ("ocr",)
    weights: dict[str, int] = field(default_factory=lambda: dict(WEIGHTS))
    slots: int = 4
    refuses_every: int = 0
    """Every so many-th offer is refused."""

    def __post_init__(self) -> None:
        # Aging would add its own order to that of fairness.
        self.tasking = Tasking(policy=Policy(round_pause_ms=1, round_pause_last_ms=1), max_rounds=1000)
        for number in range(2):
            self.tasking.roster.put(agent(f"a{number}", *self.capabilities, max_tasks=self.slots))
        self.shares: Counter[str] = Counter()
        self._count = 0
        self._offers = 0

    def submit(self, key: str, count: int, capability: str | None = None) -> None:
        for _ in range(count):
            self._count += 1
            name = capability or self.capabilities[self._count % len(self.capabilities)]
            self.tasking.submit(
                f"t{self._count}", capability=name, fairness_key=key, fairness_weight=self.weights[key]
            )

    def serve(self, count: int) -> Counter[str]:
        """Let so many tasks complete, one after the other; returns how many of each key."""
        shares: Counter[str] = Counter()
        while shares.total() < count:
            self.tasking.advance(self.tasking.now_ms + 1)
            held = [each for each in self.tasking.model.state.open.values() if each.holder is not None]
            task = min(held, key=lambda each: each.fencing_token)
            assert task.holder is not None
            whose: Any = {
                "task_id": task.task_id,
                "agent": task.holder.agent,
                "fencing_token": task.fencing_token,
            }
            self._offers += 1
            if self.refuses_every and self._offers % self.refuses_every == 0:
                self.tasking.accept(RefuseOffer(**whose, reason="busy"))
            else:
                self.tasking.accept(CompleteTask(**whose, result=1, result_bytes=1))
                shares[task.spec.fairness_key] += 1
        self.shares += shares
        return shares


def assert_shared(shares: Counter[str]) -> None:
    """1:3 within 5 %."""
    assert shares["gold"] / shares.total() == pytest.approx(0.75, rel=0.05)
    assert shares["tin"] / shares.total() == pytest.approx(0.25, rel=0.05)


def test_two_keys_with_weights_of_1_and_3_get_1_to_3_under_overload() -> None:
    overload = Overload()
    overload.submit("tin", 300)
    overload.submit("gold", 300)
    overload.serve(8)  # were offered before there was anybody else
    assert_shared(overload.serve(240))


def test_refusals_cost_a_key_nothing_of_its_share() -> None:
    overload = Overload(refuses_every=3)
    overload.submit("tin", 300)
    overload.submit("gold", 300)
    overload.serve(8)
    assert_shared(overload.serve(240))


def test_keys_share_whatever_their_tasks_require() -> None:
    overload = Overload(capabilities=("ocr", "web", "gpu"))
    overload.submit("tin", 300)
    overload.submit("gold", 300)
    overload.serve(8)
    assert_shared(overload.serve(240))


def test_keys_share_when_each_asks_for_something_else() -> None:
    overload = Overload(capabilities=("ocr", "web"))
    overload.submit("tin", 300, "web")
    overload.submit("gold", 300, "ocr")
    overload.serve(8)
    assert_shared(overload.serve(240))


def test_weights_of_the_queue_go_before_those_of_the_tasks() -> None:
    allocation = AllocationState(settings={"default": QueueSettings(weights={"gold": 3})})
    assert fairness.weight(allocation, TaskSpec(requirement="ocr", fairness_key="gold")) == 3
    assert fairness.weight(allocation, TaskSpec(requirement="ocr", fairness_key="tin")) == 1
    own = TaskSpec(requirement="ocr", fairness_key="gold", fairness_weight=7)
    assert fairness.weight(allocation, own) == 3
    assert fairness.weight(AllocationState(), own) == 7
    assert fairness.weight(AllocationState(), TaskSpec(requirement="ocr", queue="other")) == 1


def test_a_key_that_was_idle_has_saved_up_nothing() -> None:
    overload = Overload(weights={"gold": 1, "tin": 1})
    overload.submit("tin", 400)
    overload.submit("gold", 20)
    overload.serve(150)  # long after gold has been served
    overload.submit("gold", 200)
    overload.serve(8)
    shares = overload.serve(100)
    assert shares["gold"] == pytest.approx(50, abs=3)


def test_a_key_does_not_shed_what_it_owes_by_being_idle_for_a_moment() -> None:
    overload = Overload(weights={"gold": 1, "tin": 1}, slots=1)
    overload.submit("tin", 200)
    overload.serve(2)
    for _ in range(60):  # never more than one task of gold waits
        overload.submit("gold", 1)
        overload.serve(1)
    assert overload.shares["gold"] <= overload.shares["tin"]


def test_keys_that_come_and_go_share_while_they_are_there() -> None:
    overload = Overload()
    overload.submit("tin", 600)
    for _ in range(4):
        overload.submit("gold", 90)
        overload.serve(8)
        assert_shared(overload.serve(80))
        overload.serve(60)  # gold runs out


def test_nothing_is_owed_any_more_once_nobody_waits() -> None:
    overload = Overload()
    overload.submit("tin", 30)
    overload.submit("gold", 30)
    overload.serve(20)
    allocation = overload.tasking.model.state.allocation
    assert allocation.fairness["default"].finish.keys() == {"gold", "tin"}
    overload.serve(40)
    assert allocation.fairness == {}


def test_the_smallest_debts_of_idle_keys_are_forgotten_beyond_a_bound() -> None:
    allocation = AllocationState()
    fairness.join(allocation, "default", "here", None)
    finish = allocation.fairness["default"].finish
    finish.update({f"k{number}": number for number in range(MAX_FAIRNESS_KEYS)})
    fairness.forget(allocation, "default", {"here": 1})
    assert len(finish) == MAX_FAIRNESS_KEYS + 1, "as many as that are kept"
    finish["one more"] = 0
    fairness.forget(allocation, "default", {"here": 1})
    assert "here" in finish
    assert "one more" not in finish
    assert f"k{MAX_FAIRNESS_KEYS - 1}" in finish
    assert len(finish) == MAX_FAIRNESS_KEYS // 2 + 1


def test_a_refund_or_a_charge_after_everything_was_forgotten_changes_nothing() -> None:
    allocation, spec = AllocationState(), TaskSpec(requirement="ocr")
    fairness.refund(allocation, spec)
    fairness.charge(allocation, spec, None)
    assert allocation.fairness == {}


def test_who_joins_where_nobody_waits_starts_where_the_queue_is() -> None:
    overload = Overload(capabilities=("ocr", "web"), weights={"gold": 1, "tin": 1, "new": 1})
    overload.submit("tin", 60, "ocr")
    overload.submit("gold", 60, "ocr")
    overload.serve(40)
    overload.submit("new", 40, "web")
    overload.serve(8)
    shares = overload.serve(30)
    assert shares["new"] == pytest.approx(10, abs=2)


def test_every_offer_names_who_was_asked() -> None:
    overload = Overload()
    overload.submit("tin", 3)
    overload.tasking.advance(2_000)
    offered = [each for each in overload.tasking.events if isinstance(each, TaskOffered)]
    assert {each.agent for each in offered} == {"a0", "a1"}
