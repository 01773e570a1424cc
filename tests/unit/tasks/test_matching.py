"""Which task goes to whom."""

from __future__ import annotations

from dataclasses import replace

from coordination.tasks.limits import MAX_REFUSALS
from coordination.tasks.matching import Slots, plan
from coordination.tasks.record import Refusal, Task
from tests.support.tasking import Tasking, candidate

PAUSE_MS = 100


def task(*passed: str, at_ms: int = 0) -> Task:
    tasking = Tasking()
    tasking.submit()
    refusals = tuple(Refusal(agent=agent, reason="", at_ms=at_ms) for agent in passed)
    return replace(tasking.task(), refusals=refusals)


def chosen(one: Task, *agents: str, now_ms: int = 0, held: dict[str, int] | None = None) -> list[str]:
    matches = plan(
        [one], [candidate(each) for each in agents], held or {}, now_ms=now_ms, round_pause_ms=PAUSE_MS
    )
    return [match.candidate.agent for match in matches]


def taken(slots: Slots, count: int) -> list[str | None]:
    got = [slots.take(()) for _ in range(count)]
    return [each.agent if each is not None else None for each in got]


def test_the_least_used_comes_first_then_the_least_loaded_then_the_first_by_id() -> None:
    slots = Slots(
        [
            candidate("half", max_tasks=2),
            candidate("b", max_tasks=1, load=0.2),
            candidate("z", max_tasks=1, load=0.1),
            candidate("a", max_tasks=1, load=0.2),
        ],
        {"half": 1},
    )
    assert taken(slots, 5) == ["z", "a", "b", "half", None]


def test_of_equally_loaded_agents_the_one_that_meets_more_preferences_comes_first() -> None:
    slots = Slots(
        [
            candidate("a", score=0.25),
            candidate("b", score=0.75, max_tasks=2),
            candidate("busy", score=1.0, load=0.1),
            candidate("c", score=0.75),
        ],
        {},
    )
    assert taken(slots, 6) == ["b", "c", "a", "busy", "b", None]


def test_work_is_spread_by_share_of_slots() -> None:
    slots = Slots([candidate("big", max_tasks=4), candidate("small", max_tasks=2)], {})
    assert taken(slots, 7) == ["big", "small", "big", "big", "small", "big", None]


def test_agents_that_are_not_online_or_take_no_tasks_get_none() -> None:
    absent = [
        candidate("suspect", status="suspect"),
        candidate("offline", status="offline"),
        candidate("zero", max_tasks=0),
        candidate("full", max_tasks=1),
    ]
    assert not Slots(absent, {"full": 1})


def test_who_passed_is_avoided_and_keeps_the_slot_for_the_next_task() -> None:
    slots = Slots([candidate("a"), candidate("b")], {})
    first = slots.take(["a"])
    assert first is not None
    assert first.agent == "b"
    assert taken(slots, 1) == ["a"]


def test_a_task_waits_for_a_busy_agent_that_was_not_asked_yet() -> None:
    assert chosen(task("a"), "a", "b", held={"b": 1}, now_ms=10**6) == []
    assert chosen(task("a"), "a", "b") == ["b"]


def test_a_round_ends_when_all_that_are_online_passed_and_the_pause_is_over() -> None:
    assert chosen(task("a", "gone"), "a", now_ms=PAUSE_MS - 1) == []
    assert chosen(task("a", "gone"), "a", now_ms=PAUSE_MS) == ["a"]


def test_a_round_ends_when_no_more_can_be_remembered() -> None:
    passed = [f"a{index:02}" for index in range(MAX_REFUSALS)]
    assert chosen(task(*passed), *passed, "fresh", now_ms=0) == []
    assert chosen(task(*passed), *passed, "fresh", now_ms=PAUSE_MS) == ["a00"]
