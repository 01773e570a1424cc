"""The pool of agents with a free slot, in the order of each strategy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.tasks import touched
from coordination.tasks.holdings import Holdings
from coordination.tasks.queues import AllocationState, QueueSettings, RateLimit
from coordination.tasks.roster import Roster
from coordination.tasks.spec import Strategy, TaskSpec
from coordination.tasks.strategies import Pool
from coordination.tasks.touched import Touched
from tests.support.allocating import agent

SPEC = TaskSpec(requirement="ocr", queue="q")
WANTED = "ocr, prefer label:zone = eu"


class Room:
    """A pool with all that it looks at."""

    def __init__(self, settings: QueueSettings | None = None) -> None:
        self.roster = Roster()
        self.holdings = Holdings()
        self.allocation = AllocationState()
        self.pool = Pool(self.roster, self.holdings, self.allocation, "q" if settings else "", settings)

    def order(self, strategy: Strategy, now_ms: int = 0) -> list[str]:
        self.pool.sync(now_ms)
        eligible = self.roster.eligible(WANTED)
        order = self.pool.pick(eligible, strategy, 100, lambda _: True)
        assert self.pool.best(eligible, strategy) == ((order[0], len(order)) if order else None)
        assert self.pool.free_count(eligible) == len(order)
        assert self.pool.has_free(eligible) is bool(order)
        assert sorted(order, key=lambda each: self.pool.rank(each, eligible, strategy)) == order
        return order


def test_an_agent_that_is_back_where_it_was_is_picked_once() -> None:
    room = Room()
    room.roster.put(agent("a", "ocr", max_tasks=3))
    assert room.order(Strategy.LEAST_LOADED) == ["a"]
    room.holdings.take(SPEC, "a")
    assert room.order(Strategy.LEAST_LOADED) == ["a"]
    room.holdings.give_back(SPEC, "a")
    assert room.order(Strategy.LEAST_LOADED) == ["a"]
    assert room.order(Strategy.ROUND_ROBIN) == ["a"]


def test_those_that_are_not_allowed_stay_in_the_pool() -> None:
    room = Room()
    for name in "abc":
        room.roster.put(agent(name, "ocr"))
    room.pool.sync(0)
    eligible = room.roster.eligible(WANTED)
    assert room.pool.pick(eligible, Strategy.LEAST_LOADED, 1, lambda each: each == "c") == ["c"]
    assert room.order(Strategy.LEAST_LOADED) == ["a", "b", "c"]


def test_bounds_of_a_queue_take_agents_out_of_its_pool() -> None:
    rate = RateLimit(count=1, per_ms=100)
    room = Room(QueueSettings(max_held_per_agent=1, agent_rate_limit=rate))
    room.roster.put(agent("a", "ocr", max_tasks=3))
    room.roster.put(agent("b", "ocr", max_tasks=3))
    room.holdings.take(SPEC, "a")
    assert room.order(Strategy.LEAST_LOADED) == ["b"]
    room.pool.taken["b"] = 1
    room.holdings.take(TaskSpec(requirement="ocr", queue="other"), "b")
    assert room.order(Strategy.LEAST_LOADED, now_ms=10) == []
    assert room.pool.wakes_ms == 110
    room.pool.taken.clear()
    assert room.order(Strategy.LEAST_LOADED, now_ms=110) == ["b"]
    assert room.pool.wakes_ms is None


def change(room: Room, name: str, step: str, number: int) -> None:
    """Something happens to an agent."""
    roster, holdings = room.roster, room.holdings
    match step:
        case "put":
            zone = "eu" if number % 2 else "us"
            roster.put(agent(name, "ocr", max_tasks=1 + number, labels={"zone": zone}))
        case "remove":
            roster.remove(name)
        case "give" if holdings.of_agent(name):
            holdings.give_back(SPEC, name)
        case "load":
            roster.set_load(name, number / 4)
        case "status":
            roster.set_status(name, "online" if number else "suspect")
        case _:
            room.allocation.last_offers[name] = number
            holdings.take(SPEC, name)


def sorted_anew(room: Room, strategy: Strategy) -> list[str]:
    """The free agents in the order of a strategy."""
    ranks: list[tuple[float | str, ...]] = []
    for view in room.roster.agents.values():
        held = room.holdings.of_agent(view.agent)
        if view.status != "online" or held >= view.max_tasks:
            continue
        score = 1.0 if view.facts.labels["zone"] == "eu" else 0.0
        used = held / view.max_tasks
        if strategy is Strategy.ROUND_ROBIN:
            ranks.append((room.allocation.last_offers.get(view.agent, 0), view.agent))
        elif strategy is Strategy.LEAST_LOADED:
            ranks.append((used, view.load, -score, view.agent))
        else:
            ranks.append((-score, used, view.load, view.agent))
    return [str(rank[-1]) for rank in sorted(ranks)]


@pytest.mark.parametrize("strategy", list(Strategy))
@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("abcde"),
            st.sampled_from(["put", "put", "remove", "give", "load", "status", "asked"]),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_it_agrees_with_sorting_all_agents_after_every_change(
    strategy: Strategy, steps: list[tuple[str, str, int]]
) -> None:
    room = Room()
    for name, step, number in steps:
        change(room, name, step, number)
        assert room.order(strategy) == sorted_anew(room, strategy)


def test_a_pool_that_is_too_far_behind_looks_at_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touched, "MAX_LOGGED", 4)
    room = Room()
    room.roster.put(agent("a", "ocr"))
    assert room.order(Strategy.LEAST_LOADED) == ["a"]
    room.roster.put(agent("b", "ocr"))
    room.holdings.take(SPEC, "a")
    for _ in range(20):
        room.holdings.take(SPEC, "c")
        room.holdings.give_back(SPEC, "c")
    assert room.order(Strategy.LEAST_LOADED) == ["b"]


def test_a_log_gives_what_came_after_a_place_as_long_as_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touched, "MAX_LOGGED", 2)
    log = Touched()
    begin = log.end
    for name in "abcd":
        log.add(name)
    assert log.since(begin) == [*"abcd"]
    place = log.end
    log.add("e")
    assert log.since(begin) is None
    assert log.since(place) == ["e"]
    assert log.since(log.end) == []
